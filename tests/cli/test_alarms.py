"""What a person reads of alarms, and how he says until when."""

import argparse
import time
from datetime import UTC, datetime, timedelta

import pytest

from agent.cli.alarms import show_alarms
from agent.cli.shelve import length_until
from agent.model import SECOND

STAMP = "2026-11-21T04:43:00.511Z"
OPEN = {"rule": "R1", "level": "high", "priority": "high", "since": STAMP, "value": 171.25, "unit": "°C"}
SHELF = {"until": STAMP, "for_s": 7200, "reason": "seal change", "by": "anna (bob)", "one_shot": True}


@pytest.fixture
def zone(monkeypatch):
    """Use the plant's zone."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def shown(capsys, standing, unwatched, *, whole):
    show_alarms(standing, unwatched, whole=whole)
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.usefixtures("zone")
def test_open_alarms(capsys):
    """Since when by the clock on the wall, and what a person should know before he acts."""
    standing = [
        OPEN,
        OPEN
        | {
            "level": "normal",
            "value": None,
            "needs": "reset",
            "acknowledged_by": "anna",
            "suppressed_by": ["by_design", "shelved"],
            "shelved": SHELF,
        },
    ]
    lines = shown(capsys, standing, [], whole=False)

    assert lines[0] == "alarm level priority since value"
    assert lines[1] == "R1 high high 2026-11-21 05:43:00 171.25 °C"
    assert lines[2] == (
        "R1 normal high 2026-11-21 05:43:00 unknown returned, waits for reset; acknowledged by anna; suppressed: "
        "`suppress_while` is true; shelved until 2026-11-21 05:43:00 or its return by anna (bob): seal change"
    )


@pytest.mark.usefixtures("zone")
def test_an_alarm_that_chatters(capsys):
    """It is open although its value is back, and says why; a switch is written as in the rules."""
    lines = shown(capsys, [OPEN | {"value": False, "unit": "", "chattering": True}], [], whole=False)

    assert lines[1] == (
        "R1 high high 2026-11-21 05:43:00 false "
        "chatters: it comes and goes; its return is told when it stays away"
    )


@pytest.mark.usefixtures("zone")
def test_what_nobody_would_be_told_of(capsys):
    """It is counted at least; with --all each rule has its reason."""
    unwatched = [
        {"rule": "A", "level": "normal", "why": ["shelved"], "shelved": SHELF},
        {"rule": "B", "level": "high", "why": ["out_of_service"], "out_of_service": "broken (anna)"},
        {"rule": "C", "level": "normal", "why": ["disabled", "blind: cable pulled"]},
    ]
    assert shown(capsys, [], unwatched, whole=False) == [
        "no alarm is open",
        "",
        "nothing would be told of 3 rules now: `edge-relay alarms --all` says why",
    ]
    assert shown(capsys, [], unwatched, whole=True)[2:] == [
        "rule level why nothing would be told of it now",
        "A normal shelved until 2026-11-21 05:43:00 or its return by anna (bob): seal change",
        "B high out of service: broken (anna)",
        "C normal not watched: `when` is false, or it is outside its hours; blind: cable pulled",
    ]
    assert shown(capsys, [], [], whole=True) == ["no alarm is open"]


@pytest.mark.usefixtures("zone")
def test_until_when():
    """A time of day is the next one; a date without a zone is the machine's."""
    now = datetime.now().astimezone()
    soon, late = now + timedelta(hours=1), now - timedelta(hours=1)

    assert length_until(f"{soon:%H:%M:%S}") / SECOND == pytest.approx(3600, abs=5)
    assert length_until(f"{late:%H:%M:%S}") / SECOND == pytest.approx(
        23 * 3600, abs=3605
    )  # summer time may end
    assert length_until(f"{soon:%Y-%m-%dT%H:%M:%S}") / SECOND == pytest.approx(3600, abs=5)
    assert length_until(f"{soon.astimezone(UTC):%Y-%m-%dT%H:%M:%S+00:00}") / SECOND == pytest.approx(
        3600, abs=5
    )


@pytest.mark.parametrize(
    ("text", "words"), [("tomorrow", "expected 14:00"), ("2020-01-01", "is over"), ("2h", "expected 14:00")]
)
def test_until_when_it_cannot_be(text, words):
    """A slip is named, and a time that is over is no end."""
    with pytest.raises(argparse.ArgumentTypeError, match=words):
        length_until(text)
