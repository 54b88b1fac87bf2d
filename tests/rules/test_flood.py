"""Floods: what goes out alone, what in digests, and that nothing is lost."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.delivery.body import Identity, Place, render
from agent.model import SECOND, Event, EventType, Priority
from agent.rules.flood import FloodState, advance, decode, encode, end, next_due, pass_on
from agent.rules.spec import FloodSpec

MINUTE = 60 * SECOND
SPEC = FloodSpec(more_than=3, within=10 * MINUTE, until=2, until_within=5 * MINUTE, digest_every=MINUTE)
RAISED, RETURNED = EventType.ALARM_RAISED, EventType.ALARM_RETURNED


def happened(name, at, kind=RAISED, priority=Priority.MEDIUM, **more):
    """An event of rule `name` after `at` seconds."""
    return Event(f"evt_{name}", kind, round(at * SECOND), name, priority, {"rule": name}, rule=name, **more)


class Play:
    """A protection played by hand; the timeline in seconds."""

    def __init__(self, spec=SPEC, *, reborn=False):
        self.spec, self.reborn, self.state, self.out, self.minted = spec, reborn, FloodState(), [], 0

    def mint(self, at):
        self.minted += 1
        return f"evt_minted_{self.minted}"

    def take(self, *events):
        return self._keep(pass_on(self.spec, self.state, events, self.mint))

    def until(self, seconds):
        return self._keep(advance(self.spec, self.state, round(seconds * SECOND), self.mint))

    def _keep(self, step):
        self.state, out = step
        if self.reborn:
            self.state = decode(encode(self.state), 0)
        self.out += out
        return self

    @property
    def timeline(self):
        return [
            (event.at / SECOND, event.data["state"], event.data["count"])
            if event.type is EventType.AGENT_FLOOD
            else (event.at / SECOND, event.subject)
            for event in self.out
        ]


def test_a_flood_from_beginning_to_end():
    """The fourth alarm in ten minutes begins it; it ends when the last but one is five minutes old."""
    play = Play().take(*[happened(f"A{n}", 10 * n) for n in range(1, 7)])
    play.take(happened("A1r", 75, RETURNED)).until(120).take(happened("A7", 130)).until(1000)

    assert play.timeline == [
        (10, "A1"),
        (20, "A2"),
        (30, "A3"),
        (40, "started", 4),
        (100, "digest", 4),  # A4, A5, A6 and the return of A1
        (160, "digest", 1),  # A7
        (360, "ended", 5),  # A6 was raised at 60: only A7 is younger than five minutes
    ]
    assert play.state.since is None
    assert next_due(SPEC, play.state) is None


def test_what_came_slowly_is_no_flood():
    """The first of four has left the ten minutes when the fourth comes."""
    play = Play().take(*[happened(f"A{n}", 200 * n) for n in range(20)]).until(9999)

    assert play.timeline == [(200 * n, f"A{n}") for n in range(20)]


def test_the_window_does_not_hold_its_far_end():
    """An alarm exactly ten minutes ago does not count; a nanosecond less and it does."""
    times = [0, 1, 2]
    early, late = (
        Play().take(*[happened(str(at), at) for at in [*times, last]]) for last in (600, 599.999999999)
    )

    assert early.state.since is None
    assert late.state.since is not None


def flooded(spec=SPEC):
    return Play(spec).take(*[happened(f"A{n}", n) for n in range(4)])


@pytest.mark.parametrize(
    ("event", "alone"),
    [
        (happened("B", 10), False),
        (happened("B", 10, RETURNED), False),
        (happened("B", 10, EventType.ALARM_REMINDER), False),
        (happened("B", 10, priority=Priority.CRITICAL), True),
        (happened("B", 10, RETURNED, audience=(Priority.CRITICAL, Priority.LOW)), True),
        (happened("B", 10, RETURNED, audience=(Priority.HIGH,)), False),
        (happened("B", 10, send_to=("pager",)), True),
        (happened("B", 10, EventType.TAG_CHANGED), True),
        (happened("B", 10, EventType.EVENT_OCCURRED), True),
        (happened("B", 10, EventType.RULE_UNKNOWN), True),
        (happened("B", 10, EventType.AGENT_BLIND), True),
    ],
)
def test_what_goes_through_a_flood_alone(event, alone):
    """What is always told, what follows it, what has an address of its own, and what is no alarm."""
    play = flooded()
    before = len(play.out)

    play.take(event)

    assert (play.out[before:] == [event]) is alone
    assert (event in play.state.held) is not alone


def test_alarms_that_are_always_told_count_as_well():
    """Four critical alarms begin a flood, and all of them go out."""
    play = Play().take(*[happened(f"C{n}", n, priority=Priority.CRITICAL) for n in range(4)])

    assert play.timeline == [(0, "C0"), (1, "C1"), (2, "C2"), (3, "started", 4), (3, "C3")]


def test_a_digest_tells_each_event_whole():
    """As it would have been told alone: its type, its stamps, its data."""
    play = flooded()
    play.take(
        Event(
            "evt_x",
            RETURNED,
            20 * SECOND,
            "R1-pressure",
            Priority.HIGH,
            {"occurrence": "occ_1", "value": 3.5},
            {"onset": 5 * SECOND, "blind.from": 6 * SECOND, "blind.to": 7 * SECOND},
            "R1.PT102",
            "R1-pressure",
            (Priority.LOW,),
        )
    ).until(63)

    digest = play.out[-1]
    body = json.loads(render(digest, Place(7, 6, 0), Identity("site", "agent", "epoch")))
    assert body["timestamp"] == "1970-01-01T00:01:03.000Z"
    assert body["data"]["message"] == "2 alarm events in 1 min, 1 of them raised; the first: A3"
    assert list(body["data"]["alarms"]) == ["evt_A3", "evt_x"]
    assert body["data"]["alarms"]["evt_x"] == {
        "type": "alarm.returned",
        "timestamp": "1970-01-01T00:00:20.000Z",
        "data": {
            "id": "evt_x",
            "priority": "high",
            "severity": 700,
            "occurrence": "occ_1",
            "value": 3.5,
            "rule": "R1-pressure",
            "tag": "R1.PT102",
            "onset": "1970-01-01T00:00:05.000Z",
            "blind": {"from": "1970-01-01T00:00:06.000Z", "to": "1970-01-01T00:00:07.000Z"},
        },
    }
    assert digest.priority is Priority.HIGH
    assert digest.audience == (Priority.HIGH, Priority.MEDIUM, Priority.LOW)


def test_the_beginning_and_the_end_are_told_to_all_from_whom_something_is_held():
    """Not to who asked only for what is always told."""
    play = flooded().until(9999)
    began, ended = play.out[3], play.out[-1]

    everybody = (Priority.HIGH, Priority.MEDIUM, Priority.LOW, Priority.JOURNAL)
    assert began.audience == ended.audience == everybody
    assert began.data["message"] == "more than 3 alarms in 10 min: they are told together, every 1 min"
    assert ended.data["duration_s"] == 299
    assert ended.instants == {"from": 3 * SECOND, "to": 302 * SECOND}
    assert ended.data["message"] == "the alarm flood is over after 4 min 59 s; 1 were told in digests"


def test_a_digest_has_no_more_than_two_hundred():
    """What is more is told at once, in several; the next digest comes at its time."""
    play = flooded().take(*[happened(f"B{n}", 10 + n / 100) for n in range(450)]).until(63)

    digests = [(at, count) for at, state, count in play.timeline[4:] if state == "digest"]
    assert digests == [(11.98, 200), (13.98, 200), (63, 51)]


def test_a_protection_that_is_switched_off_lets_everything_go():
    """The last digest, and that it ended."""
    play = flooded()

    state, out = end(SPEC, play.state, 30 * SECOND, play.mint)

    assert [event.data["state"] for event in out] == ["digest", "ended"]
    assert (state.since, state.held) == (None, ())
    assert end(SPEC, state, 31 * SECOND, play.mint) == (state, [])


def test_instants_move_with_the_time_base():
    """Another boot has another zero."""
    play = flooded().take(happened("B", 10, RETURNED))
    state = play.state._replace(held=(replace(play.state.held[0], instants={"onset": 5}),))

    moved = decode(encode(state), 1000)

    assert moved.raised == tuple(at + 1000 for at in state.raised)
    assert (moved.since, moved.digest_due) == (state.since + 1000, state.digest_due + 1000)
    assert moved.held[0].at == state.held[0].at + 1000
    assert moved.held[0].instants == {"onset": 1005}
    assert decode(encode(moved), -1000) == state


specs = st.builds(
    FloodSpec,
    more_than=st.integers(2, 5),
    within=st.sampled_from([5, 30, 100]).map(lambda seconds: seconds * SECOND),
    until=st.integers(1, 2),
    until_within=st.sampled_from([5, 30, 100]).map(lambda seconds: seconds * SECOND),
    digest_every=st.sampled_from([7, 10, 60]).map(lambda seconds: seconds * SECOND),
    always=st.sampled_from([frozenset(), frozenset({Priority.CRITICAL}), frozenset(Priority)]),
)
kinds = st.sampled_from([RAISED] * 4 + [RETURNED, EventType.ALARM_CHATTERING, EventType.TAG_CHANGED])
audiences = st.lists(st.sampled_from(Priority), max_size=2, unique=True).map(tuple)


@st.composite
def histories(draw):
    """Events in order of time."""
    now, events = 0.0, []
    for n in range(draw(st.integers(0, 40))):
        now += draw(st.sampled_from([0, 0, 0.5, 1, 2, 7, 40]))
        event = happened(str(n), now, draw(kinds), draw(st.sampled_from(Priority)), audience=draw(audiences))
        events.append(replace(event, send_to=draw(st.sampled_from([(), (), (), ("pager",)]))))
    return events


many = settings(max_examples=60, deadline=None)


def told(out):
    """The ids that came out, alone or in digests."""
    return [
        each
        for event in out
        for each in (event.data.get("alarms", ()) if event.type is EventType.AGENT_FLOOD else (event.id,))
    ]


@many
@given(specs, histories())
def test_each_event_comes_out_exactly_once(spec, events):
    """Alone or in a digest, and in order of time; nothing is left behind at the end."""
    play = Play(spec).take(*events).until(100_000)

    assert sorted(told(play.out)) == sorted(event.id for event in events)
    assert [event.at for event in play.out] == sorted(event.at for event in play.out)
    assert play.state.since is None


@many
@given(specs, histories())
def test_without_a_flood_the_output_is_the_input(spec, events):
    """And what began no flood is untouched."""
    quiet = replace(spec, more_than=len(events) + 1)

    assert Play(quiet).take(*events).until(100_000).out == events


@many
@given(specs, histories(), st.data())
def test_ticks_and_restarts_change_nothing(spec, events, data):
    """Time passed in small steps, in batches or one by one, and a restart after every step."""
    whole, ticked = Play(spec).take(*events).until(100_000), Play(spec, reborn=True)
    now = 0
    for event in events:
        for tick in sorted(data.draw(st.lists(st.integers(now, event.at), max_size=3))):
            ticked.until(tick / SECOND)
        ticked.take(event)
        now = event.at
    while (due := next_due(spec, ticked.state)) is not None:
        ticked.until(due / SECOND)

    assert ticked.out == whole.out
