"""Nothing grows with time: not the timers, not the journal, not what is waiting to be saved."""

import random

from rigs.rules import Player, gate, high, high_high, rule, say

from agent.model import SECOND, Action, Link, Priority, Tick, WallClock
from agent.rules.spec import Absence, Awaited, ChangeSpec, FloodSpec, Take, Window

WALL = 1_795_000_000 * SECOND


def waiting(player):
    """How many entries the timers hold."""
    return len(player.engine._steps.timers._heap)


def test_a_far_reminder_and_many_short_delays_do_not_fill_the_timers():
    """One rule waits for tomorrow, the other for a second, again and again."""
    day = 86_400 * SECOND
    far = rule(high(50), name="far", tag="U", remind_every=day)
    busy = rule(high(50), high_high(60, on=1), name="busy", remind_every=day + SECOND)
    player = Player((far, busy), stale=None)
    player.values(0, T=55, U=70)
    for at in range(1, 2000, 4):
        player.value(at, 70)
        player.tick(at + 1.5)
        player.value(at + 2, 55)

    assert waiting(player) <= 64
    assert len(player.events) == 2 + 2 * 500  # swept, and none was missed


def operation(seen, now):
    """Something that happens at a second."""
    at = round(now * SECOND)
    tag, value = seen.choice("TUV"), seen.choice([40, 52, 55, 65, "bad", "text"])
    return seen.choice(
        [
            *[lambda player: player.value(now, value, tag)] * 12,
            lambda player: player.values(now, T=52, U=0, V=65),
            lambda player: player.take(Tick(at)),
            lambda player: player.take(Link("plc", up=seen.random() < 0.7, at=at, reason="cut")),
            lambda player: player.take(WallClock(at, seen.choice([None, WALL]))),
            lambda player: player.alive(now),
            lambda player: player.hand(
                now,
                seen.choice(list(Action)),
                seen.choice(["limits", "gated", "silent"]),
                until=now + seen.choice([1, 1000]),
                reason="work",
                one_shot=seen.random() < 0.5,
            ),
            lambda player: player.engine.unsaved(),
            lambda player: player.reborn(),
        ]
    )


def test_ten_thousand_operations_leave_nothing_behind():
    """Values, links, clocks, hands and reloads: the journal is empty, the timers are few, and all still works."""
    rules = (
        rule(high(50, on=2, off=1), high_high(60), name="limits", latch=True, remind_every=900 * SECOND),
        rule(high(50, on=1), name="gated", gate=gate("U > 45", suppress_while='active("limits")')),
        rule(Absence(say("sample"), Awaited.SAMPLE, 5 * SECOND), name="silent", tag="V", acknowledge=True),
        rule(high(50), name="average", measures=(Window(60 * SECOND, Take.AVERAGE),)),
        ChangeSpec("report", "U", "d", Priority.JOURNAL, 1.0, 5 * SECOND, 60 * SECOND),
    )
    flood = FloodSpec(20, 60 * SECOND, 10, 60 * SECOND, 60 * SECOND)
    player, some, now = Player(rules, stale=10, flood=flood), random.Random(1), 0.0
    for _ in range(10_000):
        now = round(now + some.choice([0, 0.1, 1, 1, 3]), 1)
        operation(some, now)(player)

    assert len(player.engine._steps.journal) == 0
    assert waiting(player) <= 64
    assert len(player.engine.unsaved()) <= len(rules) + 1
    assert player.engine.unsaved() == {}
