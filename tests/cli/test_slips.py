"""What a person reads who mistypes a command or asks too early: the thing, the cause and the remedy."""

import subprocess
import sys

import pytest

from agent.cli import main
from agent.cli.status_shown import show_alarms

AGENT = """\
agent: {site: dresden, name: line-4, data_dir: data}
destinations:
  cmms: {url: "http://127.0.0.1:9/", signing: {secret: "${insecure_file:cmms.key}"}}
"""


@pytest.fixture
def plant(tmp_path, monkeypatch, capsys):
    """A starter configuration in `plant`, with one destination."""
    monkeypatch.chdir(tmp_path)
    main(["init", "plant"])
    main(["keygen"])
    (tmp_path / "plant" / "cmms.key").write_text(capsys.readouterr().out.splitlines()[-1])
    (tmp_path / "plant" / "agent.yaml").write_text(AGENT)
    return tmp_path / "plant"


def said(capsys, *words):
    status = main([*words, "-c", "plant"])
    return status, "".join(capsys.readouterr()).removeprefix("edge-relay: ").strip()


def test_check_counts_what_was_written(plant, capsys):
    """The rules that every source gets by itself stand apart; that nobody is told is said."""
    (plant / "agent.yaml").write_text(AGENT.splitlines()[0])

    assert said(capsys, "check") == (
        0,
        "good: 1 source, 5 tags, 3 rules and 1 over connections, 0 destinations (nobody is told yet)",
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["send-test", "cms"], "there is no destination cms: did you mean `cmms`?"),
        (["send-test", "destination:cms"], "there is no destination cms: did you mean `cmms`?"),
        (
            ["send-test", "cmms", "--rule", "TANK1-temprature"],
            "there is no rule TANK1-temprature: did you mean `TANK1-temperature`?",
        ),
        (
            ["status"],
            "no agent is running with the data directory plant/data: `systemctl status edge-relay` says why, `edge-relay doctor` what to do",
        ),
        (["events"], "no agent has ever run here: there is no plant/data/events.db"),
    ],
)
@pytest.mark.usefixtures("plant")
def test_the_slip_is_named(capsys, words, message):
    """The exit status is 1, and nothing is a traceback."""
    assert said(capsys, *words) == (1, message)


@pytest.mark.parametrize("verb", ["list", "resend", "drop"])
def test_dead_letters_of_an_unknown_destination(plant, capsys, verb):
    """A misspelt name must not look like an empty list, nor like a fault of the program."""
    (plant / "data").mkdir()
    (plant / "data" / "events.db").touch()

    assert said(capsys, "deadletters", verb, "--destination", "cms") == (
        1,
        "there is no destination cms: `edge-relay status` shows all",
    )


def test_open_alarms_are_named_up_to_a_screen(capsys):
    """What is wrong at 3 a.m. is a list of names, not a number; a flood leaves room for the rest."""
    alarms = [{"rule": f"R{number}", "level": "high", "for_s": 120} for number in range(22)]
    show_alarms(alarms, 20)
    lines = capsys.readouterr().out.splitlines()

    assert lines[1:3] == ["alarm  level  open for", "R0     high   2 min"]
    assert lines[-2:] == ["R19    high   2 min", "and 2 more: edge-relay alarms"]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("nowhere", "no such file or folder: `edge-relay init DIR` writes one to begin with"),
        ("x" * 300, "cannot be read: File name too long"),
    ],
)
@pytest.mark.parametrize("command", ["check", "status", "events"])
def test_a_configuration_that_cannot_be_read(capsys, command, path, why):
    """Whatever the system says about the path, it is a sentence."""
    status = main([command, "-c", path])

    assert status in {1, 2}
    assert f"{path}:0:0: error: {why}\n" in capsys.readouterr().err


def test_a_data_directory_that_cannot_be_made(plant):
    """The start ends with the folder, the cause and the remedy, not with a traceback."""
    (plant / "agent.yaml").write_text(AGENT.replace("data_dir: data", "data_dir: rules.yaml/data"))
    ended = subprocess.run(
        [sys.executable, "-m", "agent", "run", "-c", plant], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 1
    assert ended.stderr == (
        f"edge-relay: data_dir {plant}/rules.yaml/data cannot be made (Not a directory): make it, or name "
        "another in `agent:`\n"
    )


def test_a_starter_has_nowhere_to_stand(tmp_path, monkeypatch, capsys):
    """The system's reason, and no number of it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plant").touch()

    assert main(["init", "plant"]) == 1
    assert capsys.readouterr().err == "edge-relay: plant cannot be made: File exists\n"


@pytest.mark.usefixtures("plant")
def test_a_test_that_somebody_worked_on_is_not_overwritten(tmp_path, capsys):
    """The file is named before anything is asked of the agent."""
    (tmp_path / "spike.yaml").write_text("mine")

    status, text = said(capsys, "test", "--from-event", "evt_x", "-o", "spike.yaml")

    assert (status, text) == (1, "spike.yaml is there already: name another file")


@pytest.mark.usefixtures("plant")
def test_a_test_is_not_written_where_it_would_be_read_as_configuration(capsys):
    """It would be an unknown section, and a reload would be refused for it."""
    status, text = said(capsys, "test", "--from-event", "evt_x", "-o", "plant/x.yaml")

    assert (status, text) == (1, "plant/x.yaml would be read as configuration: write plant/tests/x.yaml")


@pytest.mark.usefixtures("plant")
def test_a_folder_of_tests_is_not_a_file(capsys):
    """What to write instead stands beside it."""
    assert said(capsys, "test", "plant/tests") == (
        2,
        "plant/tests:0:0: error: a folder: name the files of tests in it, such as plant/tests/*.yaml",
    )
