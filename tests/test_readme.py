"""The README is tried as it stands: its configurations load, its commands are commands, its outputs are real."""

import re
import shlex
import shutil
from importlib import import_module
from pathlib import Path

import pytest
from rigs.readme_week import write_week

from agent.cli import COMMANDS, main
from agent.config.load import load
from agent.config.model import File
from agent.config.rules import RuleSection
from agent.config.yaml_text import read_yaml
from agent.model import EventType

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
YAML = [text for language, text in BLOCKS if language == "yaml"]
CONSOLE = [text for language, text in BLOCKS if language == "console"]
COMMANDS_SHOWN = re.findall(
    r"(?:^|`|'|; |\(|&& |\$ |\| |sudo (?:\w+=\S+ )?)edge-relay ([a-z-][^`\n]*)", README, re.MULTILINE
)
OTHERS = """\
agent: {site: dresden, name: line-4}
rules:
  K1-trip: {tag: K1.TRIP, is: true}
  P101-suction: {tag: P101.PT, low: 0.4}
"""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def sections(text):
    return set(read_yaml(text.encode(), "README.md").data)


CONFIGURATIONS = [text for text in YAML if "tests" not in sections(text)]
(UNIT_TEST,) = [text for text in YAML if "tests" in sections(text)]


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
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
    (tmp_path / "cmms.key").write_text(SECRET)
    (tmp_path / "cmms.key").chmod(0o600)
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


@pytest.mark.parametrize("text", [text for text in CONSOLE if "edge-relay why" not in text])
def test_every_output_is_real(plant, monkeypatch, capsys, text):
    """Line by line, but for what is left out at `...`; `why` alone asks an agent."""
    monkeypatch.chdir(plant)
    command, *lines = text.removeprefix("$ edge-relay ").splitlines()
    main(shlex.split(command))
    printed = iter(capsys.readouterr().out.splitlines())

    assert [line for line in lines if line != "..." and line not in printed] == []


def test_the_sentence_is_what_explain_says(plant, capsys):
    """It is wrapped as a quotation."""
    main(["explain", "-c", str(plant / "plant"), "P101-low-flow"])
    said = " ".join(capsys.readouterr().out.split())
    quoted = " ".join(re.findall(r"^> (.*)$", README, re.MULTILINE))

    assert quoted == said


def test_every_key_of_a_rule_is_in_the_table():
    """And so is every section beside the rules."""
    names = {field.alias or name for name, field in RuleSection.model_fields.items()}
    sections_shown = set().union(*map(sections, CONFIGURATIONS))

    assert {name for name in names if f"`{name}: " not in README and f"`{name}`" not in README} == set()
    assert set(File.model_fields) - sections_shown == {"http"}


def test_every_event_is_named():
    """A receiver finds all that may come."""
    assert {kind.value for kind in EventType if f"`{kind.value}`" not in README} == set()


def test_every_file_that_is_named_is_there():
    """Tests, pictures, folders."""
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    named = re.findall(r"`((?:tests|agent|config|systemd)/[\w./-]*)", README)

    assert {path for path in [*links, *named] if not (ROOT / path).exists()} == set()
    assert (ROOT / "config" / "example" / "backtest.png").stat().st_size < 200_000
