"""`edge-relay doctor` as a whole: what it prints, when it fails, and what it leaves alone."""

import socket
import subprocess
import sys
import time

import pytest
from rigs.agent_process import AgentProcess, quiet_port
from rigs.authority import Authority
from rigs.commissioning import run
from rigs.doctor import CANARY, TRIAL, doctor, verdicts, write
from rigs.source_tree import ROOT
from rigs.webhook_receiver import WebhookReceiver


async def test_everything_is_looked_at_and_nothing_is_changed(tmp_path, capsys):
    """Each subject has its findings, each problem and warning its remedy; no file is left or touched."""
    path = write(tmp_path)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.name != "data"}
    status, document = await doctor(capsys, "-c", path)
    found = document["findings"]

    assert status == 0
    assert document["verdict"] in {"good", "warning"}
    subjects = ("configuration", "files", "agent", "disk", "clock", "sources", "machine")
    assert tuple(dict.fromkeys(each["subject"] for each in found)) == subjects
    assert all(each["remedy"] for each in found if each["verdict"] in {"warning", "problem"})
    assert sum(document["counts"].values()) == len(found)
    after = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.name != "data"}
    assert after == before


async def test_people_get_lines_that_fit_and_the_worst_last(tmp_path, capsys):
    """Grouped by subject, in 80 columns without colour; then what to do, problems first."""
    path = write(tmp_path, TRIAL + "rules:\n  R: {tag: NONE, high: 1}\n")
    status, output, errors = await run(capsys, "doctor", "-c", path)
    lines = output.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("problem  "))

    assert (status, errors) == (1, "")
    assert "\x1b" not in output
    assert all(len(line) <= 80 for line in lines if str(tmp_path) not in line)
    assert "    do:  " in lines[first + 1] or "    do:  " in "\n".join(lines[first : first + 5])
    assert lines[-1].startswith("1 problem and ")


def test_colour_and_progress_are_for_terminals_alone(tmp_path):
    """On one, the words have their colours, and lines are as wide as it is."""
    path = write(tmp_path)
    command = [sys.executable, "-m", "agent", "doctor", "--offline", "-c", path]
    done = subprocess.run(
        ["script", "-qec", " ".join(command), "/dev/null"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )

    assert "\x1b[32mgood   \x1b[0m" in done.stdout


async def test_errors_of_one_part_hide_nothing_of_the_others(tmp_path, capsys):
    """What is wrong stands there as `check` says it, with its line; what is right is looked at."""
    async with WebhookReceiver() as receiver:
        good = f"  cmms: {{url: '{receiver.url('/hook')}', signing: none}}\n"
        text = f"{TRIAL}destinations:\n{good}  mes: {{url: 'ftp://mes', signing: none}}\n"
        status, document = await doctor(capsys, "-c", write(tmp_path, text))
    found = verdicts(document)

    assert status == 1
    assert found["configuration", f"{tmp_path}/agent.yaml:7"] == "problem"
    assert found["destinations", "cmms"] == "good"
    assert found["destinations", "mes"] == "skipped"
    assert receiver.attempts == {}


async def test_a_verified_receiver_says_what_time_it_is(tmp_path, capsys):
    """Its `Date` is held against this machine's clock, which it proves."""
    authority = Authority(tmp_path)
    async with WebhookReceiver(certificate=authority.issue("receiver")) as receiver:
        tls = f"tls: {{ca: {authority.certificate}}}"
        text = f"{TRIAL}destinations:\n  cmms: {{url: '{receiver.url('/hook')}', signing: none, {tls}}}\n"
        _, document = await doctor(capsys, "-c", write(tmp_path, text))
    said = {each["thing"]: each for each in document["findings"] if each["subject"] == "clock"}

    assert said["time"]["verdict"] == "good"
    assert "s from that of cmms" in said["offset"]["said"]


@pytest.mark.parametrize("text", ["", "agent: {name: line-4}\n", "agent: [\n"])
async def test_a_configuration_that_says_nothing_is_a_matter_of_usage(tmp_path, capsys, text):
    """Without the agent's section nobody knows where its data is."""
    (tmp_path / "agent.yaml").write_text(text)
    status, output, errors = await run(capsys, "doctor", "-c", str(tmp_path / "agent.yaml"))

    assert (status, output) == (2, "")
    assert "agent.yaml" in errors


async def test_two_options_that_contradict_each_other_are_refused(tmp_path, capsys):
    """Nothing is looked at."""
    status, output, errors = await run(capsys, "doctor", "--offline", "--connect", "-c", write(tmp_path))

    assert (status, output) == (2, "")
    assert "contradict" in errors


async def test_offline_nobody_is_asked(tmp_path, capsys):
    """Neither receivers nor devices: a port that would count connections has none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        plc = f"  plc: {{type: modbus, url: 'tcp://127.0.0.1:{port}', tags: {{A: {{address: '40001', type: int16}}}}}}\n"
        text = f"{TRIAL}{plc}destinations:\n  cmms: {{url: 'http://127.0.0.1:{port}/', signing: none}}\n"
        status, document = await doctor(capsys, "--offline", "-c", write(tmp_path, text))
        with pytest.raises(BlockingIOError):
            server.accept()

    assert status == 0
    assert verdicts(document)["destinations", "cmms"] == "skipped"
    assert verdicts(document)["sources", "plc"] == "skipped"


async def test_all_are_asked_at_the_same_time(tmp_path, capsys):
    """Ten receivers that say nothing take as long as one."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        port = server.getsockname()[1]
        each = "".join(f"  d{n}: {{url: 'http://127.0.0.1:{port}/', signing: none}}\n" for n in range(10))
        began = time.monotonic()
        status, document = await doctor(capsys, "-c", write(tmp_path, f"{TRIAL}destinations:\n{each}"))
        took = time.monotonic() - began

    assert status == 1
    assert sum(found == "problem" for found in verdicts(document).values()) == 10
    assert took < 10 * 5


async def test_no_secret_is_shown(tmp_path, capsys):
    """Neither of a query, nor of a login, nor of a file, in the words for people and for scripts."""
    (tmp_path / "token").write_text(CANARY)
    (tmp_path / "token").chmod(0o600)
    port = quiet_port()
    text = f"""{TRIAL}destinations:
  a: {{url: 'http://127.0.0.1:{port}/{CANARY}?key={CANARY}', signing: none}}
  b: {{url: 'http://127.0.0.1:{port}/', signing: none, auth: {{bearer: '${{file:token}}'}}, headers: {{X: {CANARY}}}}}
"""
    for form in ([], ["--json"]):
        status, output, errors = await run(capsys, "doctor", *form, "-c", write(tmp_path, text))
        assert status == 1
        assert CANARY not in output + errors


async def test_a_receiver_whose_secret_is_not_here_is_reached_all_the_same(tmp_path, capsys):
    """The way there needs none; that it is missing is told as what it is."""
    async with WebhookReceiver() as receiver:
        secret = "signing: {secret: '${env:NOT_ON_THIS_MACHINE}'}"
        text = f"{TRIAL}destinations:\n  cmms: {{url: '{receiver.url('/hook')}', {secret}}}\n"
        path = write(tmp_path, text)
        status, document = await doctor(capsys, "-c", path)
    found = verdicts(document)

    assert (status, found["configuration", f"{path}:6"]) == (1, "problem")
    assert found["destinations", "cmms"] == "good"


async def test_what_only_the_service_knows_is_no_problem_while_it_runs(tmp_path, capsys):
    """The agent was started with a variable that this command has not: it runs, and that is said."""
    port = quiet_port()
    text = f"{TRIAL}destinations:\n  cmms: {{url: 'http://127.0.0.1:{port}/', signing: {{secret: '${{env:ONLY_THERE}}'}}}}\n"
    path = write(tmp_path, text)
    key = "whsec_" + "A" * 43 + "="
    stopped, before = await doctor(capsys, "--offline", "-c", path)
    async with AgentProcess(tmp_path, ONLY_THERE=key) as agent:
        await agent.start()
        status, during = await doctor(capsys, "--offline", "-c", path)
    place = ("configuration", f"{path}:6")

    assert (stopped, verdicts(before)[place]) == (1, "problem")
    assert (status, verdicts(during)[place]) == (0, "warning")
    assert verdicts(during)["agent", "agent"] == "good"


async def test_what_the_agent_wants_seen_to_is_a_warning(tmp_path, capsys):
    """A changed configuration that it refuses: it goes on with the old one, and says so."""
    path = write(tmp_path)
    async with AgentProcess(tmp_path) as agent:
        await agent.start()
        write(tmp_path, TRIAL + "rules:\n  R: {tag: NONE, high: 1}\n")
        await run(capsys, "reload", "-c", path)
        _, document = await doctor(capsys, "--offline", "-c", path)
    said = [each["said"] for each in document["findings"] if each["subject"] == "agent"]

    assert any("a changed configuration is refused" in each for each in said)


def test_help_has_examples(capsys):
    """And says what it leaves alone."""
    from agent.cli import main  # noqa: PLC0415 - read when it is asked for

    with pytest.raises(SystemExit):
        main(["doctor", "--help"])
    output = capsys.readouterr().out

    assert "examples:" in output
    assert "sends no event" in output
