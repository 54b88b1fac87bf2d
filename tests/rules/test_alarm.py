"""The limit machine and its projection, case by case beside the table of the design page "rules"."""

import pytest
from rigs.rules import Player, high, high_high, low, rule, say

from agent.model import SECOND, EventType, Priority
from agent.rules.spec import Absence, Awaited, ChangeSpec, OnBad, State, Wording

CASES = {
    "at the limit is in": (
        [high()],
        [(0, 169.9), (1, 170), (2, 170), (3, 169.9)],
        [(1, "raised", "high"), (3, "returned", "normal")],
    ),
    "the deadband delays the return and never moves the trip point": (
        [high(deadband=2)],
        [(0, 169.9), (1, 170), (2, 168), (3, 167.9), (4, 169)],
        [(1, "raised", "high"), (3, "returned", "normal")],
    ),
    "low is the mirror of high": (
        [low(deadband=2)],
        [(0, 41), (1, 40), (2, 42), (3, 42.1)],
        [(1, "raised", "low"), (3, "returned", "normal")],
    ),
    "a spike shorter than the on-delay is no alarm": (
        [high(on=5)],
        [(0, 160), (1, 171), (5.9, 160), (20, 160)],
        [],
    ),
    "the alarm is stamped when its delay ran out, not at the next sample": (
        [high(on=5)],
        [(0, 160), (1, 171), (9, 172)],
        [(6, "raised", "high")],
    ),
    "hovering in the deadband keeps the on-delay running": (
        [high(on=5, deadband=2)],
        [(0, 160), (1, 170), (2, 169), (3, 168.5), (7, 169)],
        [(6, "raised", "high")],
    ),
    "back in before the off-delay ran out is the same alarm": (
        [high(off=5)],
        [(0, 171), (1, 160), (4, 171), (5, 160), (11, 160)],
        [(0, "raised", "high"), (10, "returned", "normal")],
    ),
    "a jump over both limits is one event at the severer": (
        [high(), high_high()],
        [(0, 160), (1, 190), (2, 160)],
        [(1, "raised", "high_high"), (2, "returned", "normal")],
    ),
    "escalation and de-escalation": (
        [high(), high_high()],
        [(0, 160), (1, 175), (2, 190), (3, 175), (4, 160)],
        [
            (1, "raised", "high"),
            (2, "escalated", "high_high"),
            (3, "deescalated", "high"),
            (4, "returned", "normal"),
        ],
    ),
    "each limit has its own delay, and the level is that of the active ones": (
        [high(on=10), high_high(on=0)],
        [(0, 160), (1, 190), (5, 175), (20, 175)],
        [(1, "raised", "high_high"), (5, "returned", "normal"), (11, "raised", "high")],
    ),
    "from high straight to low is a change of the same alarm": (
        [low(), high()],
        [(0, 175), (1, 30), (2, 100)],
        [(0, "raised", "high"), (1, "changed", "low"), (2, "returned", "normal")],
    ),
    "a bad value neither raises nor returns": (
        [high()],
        [(0, 171), (1, "bad"), (2, "bad"), (3, 171), (4, 160), (5, "bad")],
        [(0, "raised", "high"), (4, "returned", "normal")],
    ),
    "a short gap pauses the on-delay": (
        [high(on=10)],
        [(0, 171), (4, "bad"), (7, 171), (20, 171)],
        [(13, "raised", "high")],
    ),
    "a gap longer than the on-delay voids it": (
        [high(on=5)],
        [(0, 171), (4, "bad"), (10, 171), (14.9, 171), (16, 171)],
        [(15, "raised", "high")],
    ),
    "a short gap pauses the off-delay": (
        [high(off=10)],
        [(0, 171), (1, 160), (5, "bad"), (8, 160), (30, 160)],
        [(0, "raised", "high"), (14, "returned", "normal")],
    ),
    "a gap longer than the off-delay leaves the alarm active": (
        [high(off=5)],
        [(0, 171), (1, 160), (2, "bad"), (9, 171), (10, 171)],
        [(0, "raised", "high")],
    ),
    "deadbands and floats: exactly at the edge of the band": (
        [high(at=0.3, deadband=0.1)],
        [(0, 0.1), (1, 0.3), (2, 0.3 - 0.1), (3, 0.19999)],
        [(1, "raised", "high"), (3, "returned", "normal")],
    ),
    "is": (
        [State(say("is"), (True,))],
        [(0, False), (1, True), (2, True), (3, False)],
        [(1, "raised", "is"), (3, "returned", "normal")],
    ),
    "is, among several texts, on delay": (
        [State(say("is", on=2), ("FAULT", "TRIP"))],
        [(0, "RUN"), (1, "FAULT"), (2, "TRIP"), (4, "RUN")],
        [(3, "raised", "is"), (4, "returned", "normal")],
    ),
    "is_not, and a code that changes while the alarm is active": (
        [State(say("is_not"), (0, 1), negated=True)],
        [(0, 1), (1, 7), (2, 7), (3, 9), (4, 0)],
        [(1, "raised", "is_not"), (3, "changed", "is_not"), (4, "returned", "normal")],
    ),
    "journal: an event each time it comes true, and no return": (
        [State(say("is", priority=Priority.JOURNAL), (99,))],
        [(0, 1), (1, 99), (2, 99), (3, 1), (4, 99)],
        [(1, "occurred", "is"), (4, "occurred", "is")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_rule_tells_exactly_this(name):
    """The whole timeline of each case is what the table of the design says, and nothing else."""
    conditions, signal, expected = CASES[name]
    player = Player((rule(*conditions),))

    for at, value in signal:
        player.value(at, value)
    player.tick(signal[-1][0] + 0.001)

    assert player.timeline == expected


def test_an_alarm_needs_no_sample_to_be_raised():
    """A pending alarm is raised on time by the clock alone, stamped with the instant its delay ran out."""
    player = Player((rule(high(on=8)),))
    player.value(1, 171)

    assert player.engine.due == 9 * SECOND
    player.tick(9.5)

    assert player.timeline == [(9.0, "raised", "high")]


def test_a_stale_value_is_not_observed():
    """Three seconds of freshness cannot fill a five second delay: what is not seen does not count."""
    player = Player((rule(high(on=5)),), stale=3)
    player.value(0, 171)
    player.tick(100)

    assert player.timeline == []
    player.value(100, 171)
    player.value(102, 171)
    player.value(104, 171)
    player.tick(105)
    assert player.timeline == [(105.0, "raised", "high")]


def test_the_rule_may_have_its_own_staleness():
    """stale_after on the rule is nearer than the tag's."""
    player = Player((rule(high(on=5), stale_after=10 * SECOND),), stale=3)
    player.value(0, 171)
    player.tick(100)

    assert player.timeline == [(5.0, "raised", "high")]


def test_on_bad_alarm():
    """on_bad: alarm raises `quality` when the value is bad for the on-delay, and returns with a value."""
    quality = Absence(say("quality", 0, on=2), Awaited.QUALITY, 2 * SECOND)
    player = Player((rule(high(), quality, on_bad=OnBad.ALARM),), stale=5)
    player.value(0, 100)
    player.value(1, "bad")
    player.tick(4)
    player.value(5, 100)
    player.tick(60)  # stale from 10 on, so bad for two seconds at 12

    assert player.timeline == [
        (3.0, "raised", "quality"),
        (5.0, "returned", "normal"),
        (12.0, "raised", "quality"),
    ]


def test_on_bad_clear():
    """on_bad: clear returns an active alarm at once, and says why."""
    player = Player((rule(high(on=1), on_bad=OnBad.CLEAR),), stale=5)
    player.value(0, 171)
    player.value(1, 171)
    player.value(2, "bad")
    player.value(3, 171)
    player.tick(60)

    assert player.timeline == [
        (1.0, "raised", "high"),
        (2.0, "returned", "normal"),
        (4.0, "raised", "high"),
        (8.0, "returned", "normal"),
    ]
    assert {e.data.get("reason") for e in player.events if e.type is EventType.ALARM_RETURNED} == {
        "bad_quality"
    }


def test_a_text_where_numbers_are_compared_marks_the_rule_unknown_once():
    """rule.unknown is said once, the alarm is held, and the next number goes on."""
    player = Player((rule(high()), rule(high(), name="other")))
    player.value(0, 171)
    for at in (1, 2, 3):
        player.value(at, "ERR")
    player.value(4, 160)

    assert [e.type for e in player.events if e.rule == "R"] == [
        EventType.ALARM_RAISED,
        EventType.RULE_UNKNOWN,
        EventType.ALARM_RETURNED,
    ]
    assert "check the tag's type" in player.events[2].data["message"]


def test_all_events_of_an_episode_share_the_occurrence_of_its_raised():
    """The occurrence is the id of the raised event; the next episode has another."""
    player = Player((rule(high(), high_high()),))
    for at, value in enumerate([171, 190, 160, 171]):
        player.value(at, value)

    occurrences = [event.data["occurrence"] for event in player.events]
    assert occurrences == [player.events[0].id] * 3 + [player.events[3].id]


def test_whoever_got_raised_gets_returned():
    """A return carries every priority at which the alarm was announced, so its audience is told."""
    player = Player((rule(high(priority=Priority.LOW), high_high(priority=Priority.CRITICAL)),))
    for at, value in enumerate([171, 190, 171, 160]):
        player.value(at, value)

    assert player.events[-1].priority is Priority.LOW
    assert set(player.events[-1].audience) == {Priority.LOW, Priority.CRITICAL}


def test_all_that_a_rule_tells_goes_where_it_says():
    """`send_to`: what is raised, what returns, and what a report by exception reports."""
    wording = Wording(send_to=("mes",))
    player = Player((rule(high(), wording=wording), ChangeSpec("C", "U", "d", Priority.LOW, wording=wording)))
    for at, value in enumerate([171, 160]):
        player.values(at, T=value, U=value)

    assert sorted(event.type for event in player.events) == ["alarm.raised", "alarm.returned", "tag.changed"]
    assert {event.send_to for event in player.events} == {("mes",)}


def test_what_an_event_says():
    """Fields with a meaning are there, those without are left out, unknown is null."""
    player = Player((rule(high(deadband=2, on=5)),))
    player.value(0, 160)
    player.value(1, 171.5)
    player.value(3, 180.25)
    player.tick(6)
    player.value(7, "bad")
    player.value(66, 150)

    raised, returned = player.events
    assert raised.data == {
        "rule": "R",
        "instance": "R",
        "occurrence": raised.id,
        "condition": "high",
        "level": "high",
        "tag": "T",
        "value": 180.25,
        "unit": "°C",
        "limit": 170.0,
        "deadband": 2,
        "quality": "good",
        "peak": 180.25,
        "message": "R: T is 180.25 °C, high limit 170 °C",
        "rules_hash": "d",
    }
    assert raised.instants == {"onset": 1 * SECOND}
    assert returned.data["duration_s"] == 60
    assert returned.data["level"] == "normal"


def test_an_alarm_that_changes_sides_tells_the_worst_of_the_side_it_is_on():
    """From high straight to low: the peak of the low alarm is the lowest value, not what it was before."""
    player = Player((rule(high(off=5), low()),))
    player.value(0, 180)
    player.value(1, 30)
    player.value(2, 35)
    player.tick(7)
    player.value(8, 35)
    player.value(9, 160)

    assert [(event.data["condition"], event.data["peak"]) for event in player.events] == [
        ("high", 180),
        ("low", 30),
        ("low", 30),
    ]


def connection(within=15):
    return Absence(say("connection"), Awaited.CONNECTION, within * SECOND)


def test_a_silent_plc_is_one_alarm():
    """The communication rule raises once, within after the loss, and returns with the connection."""
    player = Player((rule(connection(), name="plc.communication", tag="plc", of_source=True), rule(high())))
    player.link(1, up=True)
    player.value(1, 171)
    player.link(10, up=False)
    player.link(12, up=False, reason="still pulled")
    player.tick(100)
    player.link(101, up=True)

    assert player.timeline == [
        (1.0, "raised", "high"),
        (25.0, "raised", "connection"),
        (101.0, "returned", "normal"),
    ]
    assert player.events[1].data["cause"] == "still pulled"


def test_a_plc_that_never_answered_is_an_alarm_too():
    """The wait counts from the start of the agent."""
    player = Player((rule(connection(), tag="plc", of_source=True),))
    player.tick(20)

    assert player.timeline == [(15.0, "raised", "connection")]


def test_expect_sample():
    """No good value within the time: raised on the spot; the next good value returns it."""
    player = Player((rule(Absence(say("sample"), Awaited.SAMPLE, 30 * SECOND)),))
    player.value(0, 1)
    player.value(20, 1)
    player.value(40, "bad")
    player.tick(60)
    player.value(61, 1)

    assert player.timeline == [(50.0, "raised", "sample"), (61.0, "returned", "normal")]


def test_keep_alives_are_evidence_of_unchanged_values():
    """A constant OPC UA value is alive while its subscription is; not when the tag itself went bad."""
    player = Player((rule(Absence(say("sample"), Awaited.SAMPLE, 30 * SECOND)),), stale=None)
    player.value(0, 1)
    for at in range(5, 100, 5):
        player.alive(at)
    player.value(97, "bad")
    for at in range(100, 200, 5):
        player.alive(at)

    assert player.timeline == [(127.0, "raised", "sample")]


def test_a_redelivered_message_repeats_nothing():
    """A reading of a timed tag that is not newer than the last is dropped."""
    player = Player((rule(high()),), timed=True)
    for at, value, time in [(0, 171, 10), (1, 160, 20), (2, 171, 10), (3, 160, 20), (4, 171, 30)]:
        player.value(at, value, source_time=time)

    assert player.timeline == [(0.0, "raised", "high"), (1.0, "returned", "normal"), (4.0, "raised", "high")]
