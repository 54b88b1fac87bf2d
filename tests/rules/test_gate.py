"""The gate, as a person would tell it: when a rule is watched, and when it is watched in silence."""

from datetime import UTC, datetime

import pytest
from rigs.rules import Player, gate, high, high_high, rule, say

from agent.model import SECOND, EventType, Priority
from agent.rules.hours import Hours, Span
from agent.rules.spec import Absence, Awaited, ChangeSpec, Maintenance, State, Still

DAY = 86_400 * SECOND


def utc(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


CASES = {
    "what is not watched raises nothing, and is looked at when it is watched": (
        rule(high(), gate=gate("U == 1")),
        [(0, {"U": 0, "T": 180}), (5, {"U": 1})],
        [(5, "raised")],
    ),
    "an alarm that makes no sense any more returns": (
        rule(high(), gate=gate("U == 1")),
        [(0, {"U": 1, "T": 180}), (5, {"U": 0}), (6, {"T": 190})],
        [(0, "raised"), (5, "returned")],
    ),
    "a running delay ends with the gate, and begins anew": (
        rule(high(on=10), gate=gate("U == 1")),
        [(0, {"U": 1, "T": 180}), (5, {"U": 0}), (6, {"U": 1}), (20, {"T": 180})],
        [(16, "raised")],
    ),
    "it settles before it is looked at, without a new value": (
        rule(high(), gate=gate("U", settle=45 * SECOND)),
        [(0, {"U": False, "T": 180}), (10, {"U": True}), (60, {})],
        [(55, "raised")],
    ),
    "settling begins anew with each start": (
        rule(high(), gate=gate("U", settle=45 * SECOND)),
        [(0, {"U": False, "T": 180}), (10, {"U": True}), (40, {"U": False}), (50, {"U": True}), (99, {})],
        [(95, "raised")],
    ),
    "an unknown gate holds what was": (
        rule(high(), gate=gate("U == 1")),
        [(0, {"U": 1, "T": 160}), (5, {"U": "bad"}), (6, {"T": 180}), (7, {"U": 0})],
        [(6, "raised"), (7, "returned")],
    ),
    "nothing is decided before the gate was read": (
        rule(high(), gate=gate("U == 1")),
        [(0, {"T": 180}), (5, {"U": 0}), (6, {"T": 181}), (30, {})],
        [],
    ),
    "a gate that cannot be read is not waited for without end": (
        rule(high(), gate=gate("U == 1")),
        [(0, {"T": 180}), (30, {})],
        [(15, "raised")],
    ),
    "the values of one instant are one moment, whatever their order": (
        rule(high(), gate=gate("U == 1")),
        [(0, {"T": 160, "U": 1}), (5, {"T": 180, "U": 0}), (6, {"T": 180, "U": 0})],
        [],
    ),
    "a suppressed alarm is raised when it is still there at the end": (
        rule(high(), gate=gate(suppress_while="U")),
        [(0, {"U": True, "T": 180}), (5, {"U": False})],
        [(5, "raised")],
    ),
    "a suppressed alarm that goes by itself was never told": (
        rule(high(), gate=gate(suppress_while="U")),
        [(0, {"U": True, "T": 180}), (2, {"T": 160}), (5, {"U": False})],
        [],
    ),
    "whoever knows of it is told that it is suppressed, and how it goes on": (
        rule(high(), gate=gate(suppress_while="U")),
        [(0, {"U": False, "T": 180}), (2, {"U": True}), (5, {"U": False}), (6, {"T": 1})],
        [(0, "raised"), (2, "suppressed"), (5, "unsuppressed"), (6, "returned")],
    ),
    "whoever got raised gets returned, suppressed or not": (
        rule(high(), high_high(), gate=gate(suppress_while="U")),
        [(0, {"U": False, "T": 180}), (2, {"U": True}), (3, {"T": 190}), (5, {"T": 160})],
        [(0, "raised"), (2, "suppressed"), (5, "returned")],
    ),
    "a flat line is not counted while it makes no sense": (
        rule(Still(say("change", on=100), 1.0), gate=gate("U")),
        [(0, {"T": 5, "U": False}), (150, {"U": True}), (260, {"T": 5})],
        [(250, "raised")],
    ),
    "silence counts from when somebody listens": (
        rule(Absence(say("sample"), Awaited.SAMPLE, 30 * SECOND), gate=gate("U")),
        [(0, {"T": 5, "U": False}), (100, {"U": True}), (140, {})],
        [(130, "raised")],
    ),
}


@pytest.mark.parametrize(("spec", "signal", "expected"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("reborn", [False, True], ids=["", "serialised after every step"])
def test_a_gate(spec, signal, expected, reborn):
    """As the name says; also with the whole state serialised and restored after every step."""
    player = Player((spec,))
    for at, values in signal:
        player.values(at, **values)
        player.tick(at)
        if reborn:
            player.reborn()

    assert [(at, what) for at, what, _ in player.timeline] == expected


def test_a_return_by_the_gate_says_so():
    """`disabled` tells a return that nobody should read as good news."""
    player = Player((rule(high(), gate=gate("U == 1")),))
    player.values(0, U=1, T=180)
    player.values(5, U=0)

    assert player.events[-1].data["reason"] == "disabled"
    assert player.events[-1].data["message"] == "R: it is not watched any more"


def test_a_consequence_is_not_told_beside_its_cause():
    """Both go bad in one scan: the trip is told, what follows from it is not, and comes out after it."""
    trip = rule(State(say("is", 1, priority=Priority.HIGH), (True,)), name="K1-trip", tag="U")
    suction = rule(high(), name="suction", gate=gate(suppress_while='active("K1-trip")'))
    player = Player((trip, suction))
    player.values(0, T=180, U=True)
    assert [event.rule for event in player.events] == ["K1-trip"]

    player.values(5, T=180, U=False)
    assert [(event.rule, event.type) for event in player.events[1:]] == [
        ("K1-trip", EventType.ALARM_RETURNED),
        ("suction", EventType.ALARM_RAISED),
    ]


def test_who_asks_is_looked_at_after_the_delay_of_the_asked():
    """Both delays end at the same instant: the cause is first, wherever it stands in the heap."""
    trip = rule(high(on=5), name="trip")
    follows = rule(high(on=5), name="follows", tag="V", gate=gate(suppress_while='active("trip")'))
    player = Player((trip, follows))
    player.values(0, V=180, T=180)
    player.tick(60)

    assert [event.rule for event in player.events] == ["trip"]


def test_active_hours_open_and_close_by_themselves():
    """What stands when the hours open is raised at that very instant, and returns when they end."""
    hours = Hours(frozenset({0, 1, 2, 3, 4}), 6 * 60, 22 * 60, "Europe/Berlin")
    player = Player((rule(high(), gate=gate(hours=hours)),), stale=None)
    player.clock(0, utc("2026-11-23T04:59:00"))
    player.values(1, T=180)
    player.tick(DAY / SECOND)

    assert [(at, what) for at, what, _ in player.timeline] == [(60, "raised"), (60 + 16 * 3600, "returned")]


def test_a_clock_that_is_set_moves_the_hours():
    """The PC believed it was 1970: as soon as it knows better, the schedule is that of today."""
    hours = Hours(frozenset(range(7)), 6 * 60, 22 * 60, "UTC")
    player = Player((rule(high(), gate=gate(hours=hours)),), stale=None)
    player.clock(0, utc("1970-01-01T01:00:00"))
    player.values(1, T=180)
    player.clock(100, utc("2026-11-23T12:00:00"))

    assert [(at, what) for at, what, _ in player.timeline] == [(100, "raised")]


def test_maintenance_is_silent_and_comes_to_an_end():
    """Before it, within it, and after it."""
    span = Span(utc("2026-12-01T06:00:00"), utc("2026-12-01T14:00:00"))
    planned = Maintenance(span, "seal change")
    player = Player((rule(high(), gate=gate(maintenance=(planned,))),), stale=None)
    player.clock(0, utc("2026-12-01T05:59:00"))
    player.values(30, T=180)
    player.values(40, T=1)
    player.values(100, T=180)
    player.tick(9 * 3600)

    assert [(at, what) for at, what, _ in player.timeline] == [
        (30, "raised"),
        (40, "returned"),
        (60 + 8 * 3600, "raised"),
    ]


def test_a_rule_on_trial_tells_at_its_end_what_it_would_have_told():
    """Nothing is sent before the day; then it is in earnest, and says how often it would have spoken."""
    player = Player((rule(high(), gate=gate(trial_until=utc("2026-12-15T00:00:00"))),), stale=None)
    player.clock(0, utc("2026-12-14T23:00:00"))
    for at in (10, 20, 30):
        player.values(at, T=180)
        player.values(at + 5, T=160)
    assert player.events == []

    player.values(40, T=180)
    player.tick(3600)
    assert [event.type for event in player.events] == [EventType.RULE_TRIAL, EventType.ALARM_RAISED]
    assert player.events[0].data["raises"] == 4


def test_a_report_that_is_suppressed_compares_afterwards():
    """A change in maintenance is no report; what has changed when it ends is one."""
    spec = ChangeSpec("R", "T", "d", Priority.JOURNAL, gate=gate(suppress_while="U"))
    player = Player((spec,))
    player.values(0, T=5, U=False)
    player.values(1, U=True)
    player.values(2, T=6)
    player.values(3, T=7)
    assert player.events == []
    player.values(9, U=False)

    assert [(event.at // SECOND, event.data["value"]) for event in player.events] == [(9, 7)]


def test_an_expression_that_makes_no_sense_is_told_once():
    """A text where a number is compared: the rule is unknown, and says why."""
    player = Player((rule(high(), gate=gate("U > 5")),))
    player.values(0, U="AUTO", T=180)
    player.values(1, U="AUTO", T=181)
    player.values(2, U=6)

    assert [event.type for event in player.events] == [EventType.RULE_UNKNOWN, EventType.ALARM_RAISED]
    assert "AUTO" in str(player.events[0].data["reason"])
