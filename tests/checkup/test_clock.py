"""What is said of the clock, for every state that a plant's machine can be in."""

from datetime import UTC, datetime

import pytest

from agent.checkup.clock import Signs, judge_clock, read_rtc, signs
from agent.checkup.finding import Verdict
from agent.clock import SystemClock
from agent.model import SECOND

NOW = int(datetime(2027, 3, 1, 12, tzinfo=UTC).timestamp()) * SECOND
MONOTONIC = 500 * SECOND
DAY = 86_400 * SECOND


class Stopped:
    """Both clocks at an instant."""

    def __init__(self, wall=NOW):
        self._wall = wall

    def wall(self):
        return self._wall

    def monotonic(self):
        return MONOTONIC


def found(wall=NOW, *, file=False, kernel=None, keepers=(), rtc=NOW, receivers=None, written=False):
    seen = Signs(file, kernel, keepers, rtc)
    all_of_it = judge_clock(Stopped(wall), seen, receivers or {}, written=written, zone="Europe/Berlin")
    return {finding.thing: finding for finding in all_of_it}


@pytest.mark.parametrize(
    ("signs_of_it", "verdict", "word"),
    [
        ({"file": True, "keepers": ["systemd-timesyncd"]}, Verdict.GOOD, "set by systemd-timesyncd"),
        ({"written": True}, Verdict.GOOD, "`clock: trusted` is written"),
        ({"kernel": True, "keepers": ["chrony"]}, Verdict.WARNING, "the kernel counts it as synchronized"),
        ({"kernel": False}, Verdict.WARNING, "no time server's client is at work"),
        ({"receivers": {"cmms": NOW - MONOTONIC}}, Verdict.GOOD, "destination cmms has the same time"),
        ({"receivers": {"cmms": NOW - MONOTONIC - 3600 * SECOND}}, Verdict.PROBLEM, "+3600 s from the time"),
        ({"wall": 0}, Verdict.PROBLEM, "1970-01-01"),
        ({"wall": 0, "written": True}, Verdict.PROBLEM, "this program was released"),
    ],
)
def test_the_time_is_judged_as_the_agent_does(signs_of_it, verdict, word):
    """What proves it, what contradicts it, and what nobody can say."""
    finding = found(**signs_of_it)["time"]

    assert finding.verdict is verdict
    assert word in finding.said
    assert bool(finding.remedy) == (verdict is not Verdict.GOOD)


def test_chrony_gets_the_remedy_that_fits_it():
    """The agent cannot see by whom the kernel's clock is kept; a person can say so."""
    assert "clock: trusted" in found(kernel=True, keepers=["chrony"])["time"].remedy


def test_a_year_that_nobody_will_see_is_a_problem():
    """A dead battery may also stand for the far future."""
    assert found(NOW + 30 * 366 * DAY)["year"].verdict is Verdict.PROBLEM
    assert "year" not in found()


@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [(0, Verdict.GOOD), (59, Verdict.GOOD), (61, Verdict.WARNING), (-61, Verdict.WARNING)],
)
def test_the_offset_of_each_receiver_is_told(ahead, verdict):
    """With its sign, in seconds."""
    finding = found(receivers={"cmms": NOW - MONOTONIC - ahead * SECOND})["offset"]

    assert finding.verdict is verdict
    assert f"{ahead:+d} s from that of cmms" in finding.said


@pytest.mark.parametrize(
    ("rtc", "verdict"), [(NOW, Verdict.GOOD), (None, Verdict.WARNING), (NOW - DAY, Verdict.WARNING)]
)
def test_the_clock_with_the_battery_is_looked_at(rtc, verdict):
    """There is none, it agrees, or it is a day behind."""
    assert found(rtc=rtc)["RTC"].verdict is verdict


def test_the_zone_is_told_with_the_hour_there():
    """So that a person sees at once whether the schedule is meant for this place."""
    assert found()["time zone"].said == "Europe/Berlin, where it is 2027-03-01 13:00 now"


def test_this_machine_is_asked(tmp_path):
    """The kernel answers, or says that it cannot; an RTC is read as seconds."""
    (tmp_path / "since_epoch").write_text("1772366400\n")

    assert signs().kernel in {True, False, None}
    assert read_rtc(tmp_path / "since_epoch") == 1_772_366_400 * SECOND
    assert read_rtc(tmp_path / "none") is None
    assert list(judge_clock(SystemClock(), signs(), {}, written=False, zone="UTC"))
