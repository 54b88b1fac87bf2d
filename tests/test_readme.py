"""The README is tried as it stands: its configurations load, its commands are commands, its outputs are real."""

import asyncio
import json
import os
import re
import shlex
import shutil
import sys
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest
from rigs.agent_process import AgentProcess, quiet_port, until
from rigs.commissioning import run
from rigs.readme_day import VENDORS_LIST, first_day
from rigs.readme_evening import write_evening, write_files
from rigs.readme_inbound import pair
from rigs.readme_night import night
from rigs.readme_week import write_week

from agent.cli import COMMANDS, main
from agent.config.http_section import HttpSection
from agent.config.load import load
from agent.config.model import File
from agent.config.rules import RuleSection
from agent.config.yaml_text import read_yaml
from agent.destinations.webhook.config import WebhookDestination
from agent.model import EventType

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
YAML = [text for language, text in BLOCKS if language == "yaml"]
CONSOLE = [text for language, text in BLOCKS if language == "console"]
FIRST_DAY = README[: README.index("\n## The page")]
NIGHT = README[README.index("\n## The page") : README.index("\n## Sources")]
INBOUND = README[README.index("\n## What comes in") : README.index("\n## When one agent")]
DELIVERIES = README[README.index("\n## Destinations") : README.index("\n## As a service")].replace(
    INBOUND, ""
)
COMMANDS_SHOWN = re.findall(
    r"(?:^|`|'|; |\(|&& |\$ |\| |sudo (?:\w+=\S+ )?)edge-relay ([a-z-][^`\n]*)", README, re.MULTILINE
)
OTHERS = """\
agent: {site: dresden, name: line-4}
rules:
  K1-trip: {tag: K1.TRIP, is: true}
  P101-suction: {tag: P101.PT, low: 0.4}
"""
# What is another each time: stamps, lengths of time, latencies, thumbprints, who is logged in, the width of columns.
DIFFERS = [
    (r"\d{4}-\d\d-\d\d[T ][\d:.,]+\dZ?", "STAMP"), (r"\bmsg_\w+", "MESSAGE"), (r"for \d+ (?:s|min)\b", "for SOME TIME"), (r"  \d+\.\d$", "  MS"),
    (r"[0-9A-F]{8}(?: [0-9A-F]{8}){4,7}", "THUMBPRINT"), (r"paused by \S+", "paused by WHO"),
    (r"\[y/N\] (?:y$)?", "[y/N] \n"), (r"  +", "  "),
]  # fmt: skip


def sections(text):
    return set(read_yaml(text.encode(), "README.md").data)


CONFIGURATIONS = [text for text in YAML if "tests" not in sections(text)]
(UNIT_TEST,) = [text for text in YAML if "tests" in sections(text)]


@pytest.fixture(scope="module")
def week(tmp_path_factory):
    """The week that is shown, its rules old and new, and these as a plant with a unit test."""
    folder = tmp_path_factory.mktemp("readme")
    write_week(folder)
    shutil.copytree(folder / "new", folder / "plant")
    tests = folder / "plant" / "tests"
    tests.mkdir()
    (tests / "reactor.yaml").write_text(UNIT_TEST)
    return folder


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_every_configuration_loads(tmp_path, text):
    """A whole one as it is, a part of one beside the tags of the example; without a warning."""
    (tmp_path / "readme.yaml").write_text(text)
    shutil.copy(VENDORS_LIST, tmp_path / "dx580.csv")
    write_files(tmp_path, text)
    if "agent" not in sections(text):
        (tmp_path / "others.yaml").write_text(OTHERS)
        shutil.copy(ROOT / "config" / "example" / "sources.yaml", tmp_path)

    assert load(tmp_path, {}).warnings == ()


@pytest.mark.parametrize("line", sorted(set(COMMANDS_SHOWN)))
def test_every_command_is_one(line, monkeypatch):
    """The parser takes its words; nothing is run."""
    words = shlex.split(re.split(r" [>|&#]|[;)']", line)[0])
    monkeypatch.setattr(import_module(COMMANDS[words[0]]), "run", lambda arguments: 0)

    assert main(words) == 0


@pytest.mark.parametrize(
    "text",
    [
        text
        for text in CONSOLE
        if text not in FIRST_DAY + NIGHT + DELIVERIES + INBOUND and "edge-relay why" not in text
    ],
)
def test_every_output_is_real(week, monkeypatch, capsys, text):
    """Line by line, but for what is left out at `...`; `why` alone asks an agent."""
    monkeypatch.chdir(week)
    command, *lines = text.removeprefix("$ edge-relay ").splitlines()
    main(shlex.split(command))
    printed = iter(capsys.readouterr().out.splitlines())

    assert [line for line in lines if line != "..." and line not in printed] == []


async def test_what_is_shown_of_deliveries_is_real(tmp_path, monkeypatch, capsys):
    """In this order, over the sections of destinations that are shown and a store that an agent has left."""
    await write_evening(tmp_path, *(text for text in YAML if text in DELIVERIES))
    monkeypatch.chdir(tmp_path)
    missing = []
    for text in "".join(text for text in CONSOLE if text in DELIVERIES).split("$ edge-relay ")[1:]:
        command, _, lines = text.partition("\n")
        with saying_yes(monkeypatch):
            _, printed, asked = await run(capsys, *shlex.split(command))
        known = masked(printed + asked)
        missing += [line for line in masked(lines) if line not in {"", "...", *known}]

    assert missing == []


async def test_the_first_day_is_real(tmp_path, plant, monkeypatch, capsys):
    """From the firewall request to the pause, in this order and against devices; an agent runs from the pause on."""
    (configuration,) = (text for text in YAML if text in FIRST_DAY and "sources" in sections(text))
    shown = "".join(text for text in CONSOLE if text in FIRST_DAY).split("$ edge-relay ")[1:]
    missing = []
    async with first_day(tmp_path, configuration, plant) as day, AgentProcess(tmp_path / "plant") as agent:
        for command, _, lines in (text.partition("\n") for text in shown):
            if command.startswith("pause"):
                agent.write(page=f'http: {{listen: "127.0.0.1:{quiet_port()}"}}')
                await agent.start()
                await until(lambda: agent.is_up("press", "boiler", "drive-1", "drive-2"), agent.log)
            monkeypatch.chdir(tmp_path / "drawn" if "--connections" in command else tmp_path)
            with saying_yes(monkeypatch):
                _, printed, _ = await run(capsys, *shlex.split(day.real(command)))
            known = masked(day.shown(printed).replace(str(tmp_path), "/home/anna"))
            missing += [line for line in masked(lines) if line not in {"", "...", *known}]

    assert missing == []


async def test_what_is_wrong_is_real(tmp_path, monkeypatch, capsys):
    """What a person is told at night, and what a program that asks as the page does."""
    (asking,) = (text for language, text in BLOCKS if language == "sh" and text in NIGHT)
    shown = "".join(text for text in CONSOLE if text in NIGHT).split("$ edge-relay ")[1:]
    monkeypatch.chdir(tmp_path)
    missing = []
    async with night(tmp_path) as plant:
        for command, _, lines in (text.partition("\n") for text in shown):
            _, printed, _ = await run(capsys, *shlex.split(command))
            known = masked(plant.shown(printed))
            missing += [line for line in masked(lines) if line not in {"", "...", *known}]
        asked = plant.real(asking).replace("curl ", "curl --silent --max-time 6 ")
        program = await asyncio.create_subprocess_exec("bash", "-c", asked, stdout=asyncio.subprocess.PIPE)
        answers = (await program.communicate())[0].decode().replace(" ", "")
    facts = (
        '"rule":"R1-temperature"',
        '"done":["R1-temperature"]',
        "event:state",
        '"acknowledged_by":"anna"',
        '"version":',
    )

    assert missing == []
    assert re.search(".*".join(map(re.escape, facts)), answers, re.DOTALL)


async def test_what_comes_in_is_real(tmp_path, monkeypatch, capsys):
    """The pair of the two commands, the sender as it is printed, and the event by which the cloud is told."""
    configuration, *_ = (text for text in YAML if text in INBOUND)
    _, sender = (text for language, text in BLOCKS if language == "sh" and text in INBOUND)
    (event,) = (
        text for language, text in BLOCKS if not language and text in INBOUND and '"inbound.done"' in text
    )
    consoles = "".join(text for text in CONSOLE if text in INBOUND).split("$ edge-relay ")[1:]
    shown = dict(text.split("\n", 1) for text in consoles)
    write, *further = re.findall(r"['`](\{\"type\": \"\w+\.\w+\", \"data\": .*?\})['`]", INBOUND)
    monkeypatch.chdir(tmp_path)
    async with pair(tmp_path, shlex.split(next(iter(shown))), configuration) as both:
        await until(lambda: both.told("alarm.raised"), both.agent.log)
        for number, body in enumerate([write, write.replace("62.5", "95"), *further], 1):
            await both.send(sender, body)
            await until(lambda: len(both.told("inbound.done", "inbound.rejected")) == number, both.agent.log)  # noqa: B023 - asked at once
        first_start, running, *asking = shown
        printed = {first_start: both.first_words, running: both.agent.log()}
        for command in asking:
            _, printed[command], _ = await run(capsys, *shlex.split(command))
        done = json.dumps(both.told("inbound.done")[0]["data"])
    missing = [
        line
        for command, lines in shown.items()
        for line in masked(lines)
        if line not in {"", "...", *masked(printed[command])}
    ]
    facts = re.findall(r'"\w+": (?:"[^"]*"|[\d.]+)', event)

    assert missing == []
    assert [fact for fact in facts[1:] if masked(fact)[0] not in masked(done)[0]] == []
    assert both.press.written[1, 3, 200] == 625


def masked(text):
    for pattern, word in DIFFERS:
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    return [line.rstrip() for line in text.splitlines()]


@contextmanager
def saying_yes(monkeypatch):
    """A terminal at which somebody agrees."""
    ours, theirs = os.openpty()
    os.write(ours, b"y\n")
    with open(theirs, encoding="utf-8") as terminal:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr(sys, "stdin", terminal)
        yield
    os.close(ours)


def test_the_sentence_is_what_explain_says(week, capsys):
    """It is wrapped as a quotation."""
    main(["explain", "-c", str(week / "plant"), "P101-low-flow"])
    said = " ".join(capsys.readouterr().out.split())
    quoted = " ".join(re.findall(r"^> (.*)$", README, re.MULTILINE))

    assert quoted == said


def test_every_key_of_a_rule_is_in_the_table():
    """And so is every section beside the rules."""
    names = {field.alias or name for name, field in RuleSection.model_fields.items()}
    sections_shown = set().union(*map(sections, CONFIGURATIONS))

    assert {name for name in names if f"`{name}: " not in README and f"`{name}`" not in README} == set()
    assert set(File.model_fields) - sections_shown == set()
    assert {name for name in HttpSection.model_fields if f"  {name}: " not in README} == set()


def test_every_key_of_a_webhook_is_told():
    """In the table, or in an example; those of brokers are in the starter and the samples."""
    shown = re.compile(r"^    (\w+): |`(\w+)(?:`|: )", re.MULTILINE)
    told = {name for names in shown.findall(DELIVERIES) for name in names}

    assert set(WebhookDestination.model_fields) - told == set()


def test_every_event_is_named():
    """A receiver finds all that may come."""
    assert {kind.value for kind in EventType if f"`{kind.value}`" not in README} == set()


def test_every_file_that_is_named_is_there():
    """Tests, pictures, folders."""
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    named = re.findall(r"`((?:tests|agent|config|systemd)/[\w./-]*)", README)

    assert {path for path in [*links, *named] if not (ROOT / path).exists()} == set()
    assert all((ROOT / path).stat().st_size < 200_000 for path in links if path.endswith(".png"))
