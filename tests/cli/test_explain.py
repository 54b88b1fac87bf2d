"""What a shift lead signs: `edge-relay explain` on a whole configuration, and what `check` adds to it."""

import json

import pytest

from agent.cli import main

PLANT = """\
agent: {site: dresden, name: line-4, zone: Europe/Berlin}
sources:
  plc:
    type: modbus
    url: tcp://plc
    tags:
      P101.FT: {address: "40001", type: int16, scale: 0.1, unit: m3/h, range: [0, 40]}
      P101.RUN: {address: "00001"}
      P102.RUN: {address: "00002"}
      P101.TRIP: {address: "00003"}
rules:
  low-flow:
    tag: P101.FT
    low: 12
    deadband: 5%
    on_delay: 15s
    off_delay: 15s
    when: P101.RUN and not active("trip")
    settle: 45s
    time_to_respond: 10m
    response: Open the suction valve
    message: "{tag} is at {value} {unit}"
  pumps: {for_each: [P101, P102], tag: "{each}.RUN", is: false, priority: low}
  trip: {tag: P101.TRIP, is: true, trial: until 2020-03-01}
"""
NOISE = "chattering: {raises: 3, in: 60s, quiet: 10m}\n"
FLOW = """\
low-flow: alarm LOW (medium) when P101.FT is 12 m3/h or lower and does not rise above 14 m3/h for 15 s; \
returns 15 s after it rises above 14 m3/h (deadband 2 m3/h, 5 % of the range), unless it is 12 m3/h or lower \
again before that; ignored unless P101.RUN and not active("trip"), and for 45 s after that begins.
  noticed: at worst after 1 min 1 s: read every 1 s + 45 s settling + 15 s delay; time to respond 10 min
  response: Open the suction valve
  says: {tag} is at {value} {unit}
"""
PUMPS = """\
pumps/P101: alarm (low) when P101.RUN is false; returns when it is not so any more.
  noticed: at worst after 1 s: read every 1 s

pumps/P102: alarm (low) when P102.RUN is false; returns when it is not so any more.
  noticed: at worst after 1 s: read every 1 s
"""
TRIP = """\
trip: alarm (medium) when P101.TRIP is true; returns when it is not so any more; on trial: nothing is sent \
before 2020-03-01 00:00 CET.
  noticed: at worst after 1 s: read every 1 s
"""
LINK = """\
plc.communication: alarm (high) when the source plc was not connected for 15 s; returns when it is connected \
again. (Not in the file: every source has one.)
  noticed: after 15 s delay + the time until its source tells
"""
CHATTER = (
    "Every alarm: if it comes 3 times within 1 min, it chatters and returns only after 10 min of quiet.\n"
)


@pytest.fixture
def explain(tmp_path, monkeypatch, capsys):
    """Give exit status, stdout and stderr of `edge-relay explain` over a configuration."""
    monkeypatch.chdir(tmp_path)

    def explain(*words, plant=PLANT, command="explain"):
        (tmp_path / "a.yaml").write_text(plant)
        status = main([command, "-c", "a.yaml", *words])
        return status, *capsys.readouterr()

    return explain


def test_every_rule_is_told_in_the_order_of_the_file(explain):
    """Whoever asks for an alarm runs after it, but is read where it stands; what nobody wrote comes last."""
    assert explain() == (0, f"{FLOW}\n{PUMPS}\n{TRIP}\n{LINK}", "")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["trip"], TRIP),
        (["pumps"], PUMPS),
        (["pumps/P102"], PUMPS.partition("\n\n")[2]),
        (["trip", "low-flow"], f"{FLOW}\n{TRIP}"),
        (["plc.communication"], LINK),
    ],
)
def test_rules_and_instances_may_be_chosen(explain, names, expected):
    """By the name in the file, or by that of the event."""
    assert explain(*names) == (0, expected, "")


def test_what_holds_for_every_alarm_is_told_once(explain):
    """A sentence that is the same thirty times is not read once; as JSON each rule is whole."""
    plant = PLANT + NOISE

    assert explain("trip", plant=plant) == (0, f"{TRIP}\n{CHATTER}", "")
    assert "it chatters" in json.loads(explain("trip", "--json", plant=plant)[1])["rules"][0]["sentence"]


@pytest.mark.parametrize(
    ("name", "meant"), [("low-flw", "low-flow"), ("pumps/P1O1", "pumps/P101"), ("Trip", "trip")]
)
def test_a_misspelt_rule_is_named(explain, name, meant):
    """With what was probably meant; nothing else is printed."""
    status, shown, complaints = explain(name, "trip")

    assert (status, shown) == (2, "")
    assert complaints == f"edge-relay: there is no rule {name}: did you mean `{meant}`?\n"


def test_scripts_get_one_document(explain):
    """Times in seconds; what is not known is null, never 0."""
    status, shown, _ = explain("--json")
    rows = {row["instance"]: row for row in json.loads(shown)["rules"]}

    assert status == 0
    assert list(rows) == ["low-flow", "pumps/P101", "pumps/P102", "trip", "plc.communication"]
    assert rows["pumps/P102"]["rule"] == "pumps"
    assert rows["plc.communication"] | {"sentence": ""} == {
        "rule": "plc.communication",
        "instance": "plc.communication",
        "written": False,
        "sentence": "",
        "worst_case_s": None,
        "worst_case": "15 s delay + the time until its source tells",
        "time_to_respond_s": None,
        "response": None,
        "messages": [],
    }
    assert (rows["low-flow"]["worst_case_s"], rows["low-flow"]["time_to_respond_s"]) == (61.0, 600.0)


def test_what_does_not_load_is_not_explained(explain):
    """The mistakes are shown as `check` shows them."""
    status, shown, complaints = explain(plant=PLANT.replace("low: 12", "low: twelve"))

    assert (status, shown) == (2, "")
    assert complaints.splitlines() == [
        "a.yaml:14:10: error: rule low-flow, low: unknown tag 'twelve': expected one of P101.FT, P101.RUN, P102.RUN, P101.TRIP",
        "edge-relay: nothing to explain: `edge-relay check -c a.yaml`",
    ]


def test_check_tells_of_a_trial_that_is_over(explain):
    """It knows the time; a trial that goes on is left alone."""
    over = "a.yaml:24:43: warning: rule trip, trial: it is over, and events are sent: delete this line, or set a later date\n"

    assert explain(command="check")[2] == over
    assert explain(command="check", plant=PLANT.replace("2020", "2120"))[2] == ""
