"""After a start the first good sample decides: the table of the design page "rules", row by row, and its edges."""

import json
from dataclasses import replace

import pytest
from rigs.reborn import Reborn
from rigs.rules import Player, gate, high, high_high, reading, rule, say

from agent.model import SECOND, Alive, EventType, Link, Priority
from agent.rules.hours import Span
from agent.rules.saved import encode
from agent.rules.spec import (
    Absence,
    Awaited,
    ChangeSpec,
    Gate,
    Maintenance,
    OnBad,
    Rate,
    Take,
    Unusual,
    Window,
)

WALL = 1_795_000_000 * SECOND


# Signal before the kill at 20, its delays, what is seen after the start at 30, and all that is told.
ROWS = {
    "ACTIVE, in: nothing is said": ({}, [(0, 171)], [(31, 172)], [(0, "raised")]),
    "ACTIVE, in the band: nothing is said": ({}, [(0, 171)], [(31, 169)], [(0, "raised")]),
    "ACTIVE, out: the off-delay, then returned": (
        {"off": 5},
        [(0, 171)],
        [(31, 150), (40, 150)],
        [(0, "raised"), (36, "returned")],
    ),
    "PENDING, a gap shorter than the delay: goes on": (
        {"on": 60},
        [(0, 171), (19, 171)],
        [(31, 171), (90, 171)],
        [(71, "raised")],
    ),
    "PENDING, a longer gap: starts again": (
        {"on": 10},
        [(15, 171)],
        [(31, 171), (60, 171)],
        [(41, "raised")],
    ),
    "PENDING, out: nothing was": ({"on": 60}, [(0, 171)], [(31, 150), (100, 150)], []),
    "CLEARING, a gap shorter than the delay: goes on": (
        {"off": 60},
        [(0, 171), (10, 150)],
        [(31, 150), (100, 150)],
        [(0, "raised"), (81, "returned")],
    ),
    "CLEARING, a longer gap: starts again": (
        {"off": 10},
        [(0, 171), (15, 150)],
        [(31, 150), (60, 150)],
        [(0, "raised"), (41, "returned")],
    ),
    "CLEARING, in: still active": (
        {"off": 60},
        [(0, 171), (10, 150)],
        [(31, 171), (200, 171)],
        [(0, "raised")],
    ),
    "NORMAL, in: raised": ({"on": 5}, [(0, 100)], [(31, 171), (40, 171)], [(36, "raised")]),
}


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("shift", [0.0, -1_000_000.0, 1_000_000.0])
def test_a_row_of_the_table(row, shift):
    """Each row, within a boot and across boots whose clocks have another zero."""
    delays, before, after, expected = ROWS[row]
    player = Reborn((rule(high(deadband=2, **delays)),), stale=1000)
    for at, value in before:
        player.value(at, value)
    told = len(player.timeline)
    player.restart(30 + shift, 20 + shift, shift=shift)
    player.tick(30.5 + shift)
    assert len(player.timeline) == told  # nothing before the first good sample
    for at, value in after:
        player.value(at + shift, value)

    moved = [
        (at if i < told else round(at - shift, 3), what) for i, (at, what, _) in enumerate(player.timeline)
    ]
    assert moved == expected


def test_a_return_that_nobody_saw_says_so_and_one_that_was_seen_does_not():
    """`returned_while_blind` with both ends where the alarm stood when the agent stopped; else no reason."""
    player = Reborn((rule(high(off=60), name="stood"), rule(high(off=60), name="cleared", tag="U")))
    player.value(0, 171)
    player.value(0, 171, tag="U")
    player.value(10, 150, tag="U")
    player.restart(30, 20)
    for at in (31, 100):
        player.value(at, 150)
        player.value(at, 150, tag="U")

    cleared, stood = player.events[2:]
    assert (stood.rule, stood.data["reason"]) == ("stood", "returned_while_blind")
    assert (stood.instants["blind.from"], stood.instants["blind.to"]) == (20 * SECOND, 31 * SECOND)
    assert (cleared.rule, cleared.data.get("reason")) == ("cleared", None)


def test_an_alarm_there_at_the_first_look_is_initial():
    """NORMAL and in at the first sample: the raised event says that it may be older."""
    player = Reborn((rule(high()),))
    player.value(0, 100)
    player.restart(30, 20)
    player.value(31, 171)

    assert player.events[-1].data["initial"] is True


def test_what_nobody_watched_counts_over_several_starts():
    """A run that was killed before it saw a value hands on since when nobody watches."""
    player = Reborn((rule(high(on=60)),))
    player.value(70, 171)
    player.restart(110, 100)
    assert "rule/R" in player.engine.unsaved()  # so the checkpoint keeps it
    player.restart(205, 200)
    player.value(206, 171)
    player.tick(265)

    assert player.timeline == []
    player.tick(266)
    assert player.timeline == [(266.0, "raised", "high")]


@pytest.mark.parametrize("on_bad", [OnBad.CLEAR, OnBad.ALARM])
def test_a_tag_that_was_not_read_yet_is_not_bad(on_bad):
    """on_bad neither clears nor raises between the start and the first value."""
    quality = [Absence(say("quality", 0), Awaited.QUALITY, 0)] if on_bad is OnBad.ALARM else []
    player = Reborn((rule(high(), *quality, on_bad=on_bad),))
    player.tick(0.5)
    player.value(1, 171)
    player.restart(30, 20)
    player.tick(31)
    player.value(32, 171)

    assert player.timeline == [(1.0, "raised", "high")]


def test_a_tag_that_never_comes_is_bad_in_the_end():
    """on_bad: alarm trips for a tag of which nothing was heard for 15 s."""
    quality = Absence(say("quality", 0), Awaited.QUALITY, 0)
    player = Reborn((rule(high(), quality, on_bad=OnBad.ALARM),), stale=None)
    player.tick(20)

    assert player.timeline == [(15.0, "raised", "quality")]


def test_a_limit_that_is_gone_lets_its_alarm_return():
    """The level that was announced is no limit of the rule any more; the occurrence ends all the same."""
    player = Reborn((rule(high(), high_high()),))
    player.value(0, 190)
    player.restart(30, 20, rule(high(), digest="other"))
    player.value(31, 100)

    raised, returned = player.events
    assert (returned.type, returned.data["occurrence"]) == (EventType.ALARM_RETURNED, raised.id)


def test_a_rule_that_became_another_kind_leaves_no_alarm_open():
    """An alarm whose name a report by exception took over is returned as removed, to whoever had it by its tag."""
    player = Reborn((rule(high()),))
    player.value(0, 190)
    player.restart(30, 20, ChangeSpec("R", "T", "other", Priority.JOURNAL))

    raised, returned = player.events
    assert (returned.type, returned.data["reason"]) == (EventType.ALARM_RETURNED, "rule_removed")
    assert (returned.tag, returned.audience) == (raised.tag, (Priority.MEDIUM,))


def test_what_a_source_of_old_still_says_is_ignored():
    """A source that a reload took away may speak once more before it is stopped."""
    player = Reborn((rule(high()),))

    assert not player.take(Link("gone", up=True, at=1), Alive("gone", 2)).durable


def test_a_stamp_that_fell_is_not_kept():
    """After a failed commit the checkpoint has the newest stamp that is on disk, or a redelivery is lost."""
    player = Reborn((rule(high()),), timed=True)
    player.value(0, 100, source_time=10)
    player.engine.unsaved()  # checkpointed
    player.engine.take([reading(1, 171, source_time=20)])
    player.engine.fall_back()

    assert player.engine.unsaved().get("tag/T", b"10") == b"10"


def test_a_reload_does_not_judge_by_a_stale_value():
    """New limits are decided by the next good value, where the last one is no longer believed."""
    player = Player((rule(high()),), stale=5)
    player.value(0, 171)
    player.tick(100)
    player.rules = (rule(high(180), digest="other"),)
    player.reborn()
    player.tick(101)
    assert player.timeline == [(0.0, "raised", "high")]

    player.value(102, 171)
    assert player.timeline[1:] == [(102.0, "returned", "normal")]


def test_nobody_is_reminded_of_the_time_in_which_nobody_looked():
    """A reminder that fell due while the agent was away comes with the first good value, once."""
    player = Reborn((rule(high(), remind_every=10 * SECOND),))
    player.value(0, 180)
    player.tick(15)
    player.restart(100, 20)
    player.tick(125)
    player.value(126, 180)
    player.tick(140)

    assert [(at, what) for at, what, _ in player.timeline] == [
        (0.0, "raised"),
        (10.0, "reminder"),
        (126.0, "reminder"),
        (136.0, "reminder"),
    ]


def test_a_lost_connection_is_reminded_of_after_a_start_without_any_value():
    """What is not there cannot be seen: the reminder comes its time after the start."""
    down = rule(Absence(say("connection"), Awaited.CONNECTION, 15 * SECOND), tag="plc", of_source=True)
    player = Reborn((replace(down, remind_every=10 * SECOND),))
    player.link(0, up=False)
    player.tick(16)
    player.restart(100, 20)
    player.tick(111)

    assert [(at, what) for at, what, _ in player.timeline] == [(15.0, "raised"), (110.0, "reminder")]


@pytest.mark.parametrize("measure", [Window(60 * SECOND, Take.AVERAGE), Rate(SECOND, 10 * SECOND)])
@pytest.mark.parametrize("shift", [0.0, -1_000_000.0])
def test_a_measure_has_not_observed_what_nobody_saw(measure, shift):
    """The value before the kill at 61 is not taken to have lasted until the start at 160."""
    player = Reborn((rule(high(1e9), measures=(measure,)),), stale=None)
    for at in range(60):
        player.value(at, 100)
    player.value(60, 400)
    player.restart(160 + shift, 61 + shift, shift=shift)
    player.value(161 + shift, 0)

    measured = player.engine.runs["R"].state.measured
    assert (measured.value, measured.held) == (None, 0)


def test_a_baseline_goes_on_over_a_restart_without_what_nobody_saw():
    """512 values learned before the kill are all there after it, and none is added for the time between."""
    player = Reborn((rule(high(1e9), measures=(Unusual(512 * SECOND),)),), stale=None)
    for at in range(513):
        player.value(at, at % 10)
    before = player.engine.runs["R"].state.measured.stages[0].values
    player.restart(5000, 512)
    player.value(5001, 4)

    assert player.engine.runs["R"].state.measured.stages[0].values == (*before[1:], 4)
    assert player.engine.runs["R"].state.measured.value == pytest.approx(0, abs=1)


def test_a_gate_is_not_decided_by_what_was_read_before_the_restart():
    """Whether the pump runs is not known for 12 s after the start: until then no absence is told."""
    silent = rule(Absence(say("sample"), Awaited.SAMPLE, 10 * SECOND), gate=gate("U > 0"))
    player = Reborn((silent,))
    player.values(0, T=1, U=1)
    player.value(5, 1)
    player.restart(100, 6)
    player.tick(112)
    player.value(112, 0, "U")
    player.tick(130)

    assert player.timeline == []


def test_a_shutdown_within_the_settling_time_does_not_prolong_it():
    """`when` is true since 10 and settles for 20 s: after a start at 25 the rule looks from 30 on."""
    player = Reborn((rule(high(), gate=gate("U > 0", settle=20 * SECOND)),))
    player.value(10, 1, "U")
    player.restart(25, 15)
    player.values(26, T=180, U=1)
    player.tick(40)

    assert player.timeline == [(30.0, "raised", "high")]


@pytest.mark.parametrize("of_source", [False, True])
def test_maintenance_that_a_reload_brings_holds_although_nothing_can_be_read(of_source):
    """The gate is judged at the reload itself, or a dead sensor would page the one who is mending it."""
    span = Span(WALL, WALL + 100 * SECOND)
    absent = Absence(say("connection"), Awaited.CONNECTION, 2 * SECOND)
    one = rule(absent, tag="plc", of_source=True) if of_source else rule(high())
    player = Player((replace(one, remind_every=10 * SECOND),))
    player.clock(0, WALL)
    player.value(0, 180)
    player.link(1, up=False)
    player.tick(5)
    later = Gate(maintenance=(Maintenance(span, "seal change"),))
    player.rules = (replace(player.rules[0], gate=later, digest="later"),)
    player.reborn()
    player.tick(50)

    assert [what for _, what, _ in player.timeline] == ["raised", "suppressed"]


def test_a_delay_that_a_stale_value_held_up_starts_again_after_a_restart():
    """Stale from 5 on, killed at 15 with nothing stepped between: it is not told as if it had run out at 7."""
    player = Reborn((rule(high(on=7)),), stale=5)
    player.value(0, 180)
    player.restart(16, 15)
    player.value(16, 180)
    player.value(20, 180)
    player.tick(24)

    assert player.timeline == [(23.0, "raised", "high")]


@pytest.mark.parametrize(
    "kept", [b"", b"{}", b"[]", b'{"kind":"alarm"}', b'{"kind":"alarm","machines":7,"occurrence":"x"}']
)
def test_a_state_that_cannot_be_read_begins_anew_and_says_so(kept):
    """An older program, or a flipped bit: one rule tells it, and the agent starts."""
    player = Reborn((rule(high()),))
    player.restart(30, 20, kept={"R": kept, "gone": kept})
    player.value(31, 171)

    assert [event.type for event in player.events] == [EventType.RULE_UNKNOWN, EventType.ALARM_RAISED]


def test_a_measure_of_another_form_begins_anew():
    """What a window held is lost, the open alarm is not."""
    spec = rule(high(10), measures=(Window(10 * SECOND, Take.MAX),))
    player = Reborn((spec,), stale=None)
    for at in range(8):
        player.value(at, 20)
    kept = json.loads(encode(spec, player.engine.runs["R"].state))
    kept["measured"] = {"stages": 5}
    player.restart(9, 8, kept={"R": json.dumps(kept).encode()})

    assert player.engine.runs["R"].state.core.occurrence
    assert player.engine.runs["R"].state.measured.value is None
