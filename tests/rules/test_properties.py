"""What holds for every signal: the promises of the machines, tried with random rules and signals."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from rigs.rules import Player, high, high_high, low, reading, rule, say, timeline
from rigs.stories import assert_whole, facts, instant

from agent.model import SECOND, Alive, EventType, Link, Priority, Reading, Tick
from agent.rules.engine import Engine
from agent.rules.saved import decode, encode
from agent.rules.spec import Absence, Awaited, ChangeSpec, OnBad, State

delays = st.sampled_from([0, 0, 1, 2.5, 7])
bands = st.sampled_from([0.0, 0.0, 1.0, 4.0])
priorities = st.sampled_from([Priority.CRITICAL, Priority.MEDIUM, Priority.LOW])


@st.composite
def limit_rules(draw):
    conditions = [
        make(at, draw(bands), draw(delays), draw(delays), priority=draw(priorities))
        for make, at in ((low, 40.0), (high, 50.0), (high_high, 60.0))
        if draw(st.booleans())
    ] or [high(50.0, draw(bands), draw(delays), draw(delays))]
    on_bad = draw(st.sampled_from(list(OnBad)))
    if on_bad is OnBad.ALARM:
        wait = draw(delays)
        conditions.append(Absence(say("quality", 0, wait), Awaited.QUALITY, round(wait * SECOND)))
    stale = draw(st.sampled_from([None, None, 3 * SECOND]))
    return rule(*conditions, on_bad=on_bad, stale_after=stale, name="limits")


@st.composite
def other_rules(draw):
    yield_sample = Absence(say("sample", off=draw(delays)), Awaited.SAMPLE, draw(st.integers(1, 8)) * SECOND)
    link = Absence(say("connection", off=draw(delays)), Awaited.CONNECTION, draw(st.integers(1, 8)) * SECOND)
    return draw(
        st.sampled_from(
            [
                rule(
                    State(say("is_not", 1, draw(delays), draw(delays)), (41, 45), negated=True), name="state"
                ),
                rule(State(say("is", priority=Priority.JOURNAL), (55,)), name="journal"),
                rule(yield_sample, name="sample"),
                rule(link, name="link", tag="plc", of_source=True),
                ChangeSpec(
                    "change",
                    "T",
                    "d",
                    Priority.JOURNAL,
                    draw(bands),
                    round(draw(delays) * SECOND),
                    draw(st.sampled_from([None, 9 * SECOND])),
                ),
            ]
        )
    )


rules = st.one_of(limit_rules(), other_rules())
values = st.one_of(st.sampled_from([36, 41, 45, 48, 49, 50, 52, 55, 58, 60, 62]), st.just("bad"))
pauses = st.sampled_from([0.2, 0.5, 1, 1, 2, 4, 12])


@st.composite
def signals(draw):
    """Things seen, in order of time: values mostly, links, keep-alives."""
    seen, now = [Link("plc", up=True, at=0)], 0.0
    for _ in range(draw(st.integers(1, 40))):
        now = round(now + draw(pauses), 1)
        kind = draw(st.integers(0, 11))
        if kind == 0:
            seen.append(Link("plc", up=draw(st.booleans()), at=round(now * SECOND), reason="cut"))
        elif kind == 1:
            seen.append(Alive("plc", round(now * SECOND)))
        else:
            seen.append(reading(now, draw(values), baseline=draw(st.integers(0, 9)) == 0))
    return [*seen, Tick(round((now + 30) * SECOND))]


def play(spec, signal, *, reborn=False):
    player = Player((spec,), stale=5)
    for seen in signal:
        player.take(seen)
        if reborn:
            player.reborn()
    return player


@given(rules, signals())
def test_raised_and_returned_alternate(spec, signal):
    """An alarm is never raised twice without a return, nor returned without having been raised."""
    told = [event.type for event in play(spec, signal).events]

    ends = [kind for kind in told if kind in (EventType.ALARM_RAISED, EventType.ALARM_RETURNED)]
    assert all(
        kind is (EventType.ALARM_RAISED, EventType.ALARM_RETURNED)[i % 2] for i, kind in enumerate(ends)
    )
    inside = 0
    for kind in told:
        inside += {EventType.ALARM_RAISED: 1, EventType.ALARM_RETURNED: -1}.get(kind, 0)
        if kind in (EventType.ALARM_ESCALATED, EventType.ALARM_DEESCALATED, EventType.ALARM_CHANGED):
            assert inside == 1


@given(rules, signals(), st.lists(st.floats(0, 100), max_size=30))
def test_extra_ticks_change_nothing(spec, signal, ticks):
    """However often the clock looks, the same events carry the same instants."""
    with_ticks = sorted(
        [*signal, *(Tick(round(at * SECOND)) for at in ticks)],
        key=lambda seen: (instant(seen), not isinstance(seen, Tick)),
    )
    end = Tick(max(instant(seen) for seen in with_ticks))

    assert facts(play(spec, [*with_ticks, end]).events) == facts(play(spec, [*signal, end]).events)


@given(rules, signals())
def test_serialising_and_restoring_after_every_sample_changes_nothing(spec, signal):
    """A kill between any two samples, with the whole state kept, gives the very same events."""
    assert facts(play(spec, signal, reborn=True).events) == facts(play(spec, signal).events)


@given(rules, signals(), st.data())
def test_a_failed_commit_and_a_second_offer_change_nothing(spec, signal, data):
    """What fell back and is offered again at once gives the events that it would have given."""
    player = Player((spec,), stale=5)
    for seen in signal:
        if data.draw(st.booleans()):
            player.engine.take([seen])
            player.engine.fall_back()
        player.take(seen)

    assert facts(player.events) == facts(play(spec, signal).events)


@given(rules, signals())
def test_a_state_is_read_back_as_it_was_written(spec, signal):
    """Serialising is exact for every state that a signal can lead to."""
    player = play(spec, signal)
    (run,) = player.engine.runs.values()

    assert decode(spec, encode(spec, run.state)) == run.state


@given(rules, signals())
@settings(max_examples=50)
def test_time_never_runs_backwards_within_a_rule(spec, signal):
    """The events of a rule are told in the order of their instants."""
    events = timeline(play(spec, signal).events)

    assert events == sorted(events, key=lambda event: event[0])


def later(seen, by):
    """The same thing seen `by` nanoseconds later."""
    if isinstance(seen, Reading):
        return seen._replace(received=instant(seen) + by)
    return replace(seen, at=instant(seen) + by)


class Killed(Player):
    """What is left after a kill is what was committed, and the last checkpoint."""

    def __post_init__(self):
        super().__post_init__()
        self.stored = {}

    def keep(self, taken):
        if taken.durable:
            self.stored |= {key.removeprefix("rule/"): kept for key, kept in taken.states.items()}
        return super().keep(taken)

    def checkpoint(self):
        self.stored |= {key.removeprefix("rule/"): kept for key, kept in self.engine.unsaved().items()}

    def kill(self, since, now):
        tags = [tag.spec for tag in self.engine.tags.values()]
        self.engine = Engine(self.rules, tags, ["plc"], mint=self.mint, started=now)
        self.keep(self.engine.restore(dict(self.stored), {}, away_since=since))
        self.checkpoint()


@given(rules, signals(), st.data())
def test_kills_at_any_time_leave_the_story_whole(spec, signal, data):
    """However often it is killed, an alarm is neither told twice nor left open, and no limit speaks unseen."""
    player = Killed((spec,), stale=data.draw(st.sampled_from([5, None])))
    away = 0
    for before in signal:
        seen = later(before, away)
        if data.draw(st.integers(0, 3)) == 0:
            down, told = data.draw(st.sampled_from([0, 1, 3, 10])) * SECOND, len(player.events)
            player.kill(instant(seen), instant(seen) + down)
            away, seen = away + down, later(seen, down)
            player.take(Tick(instant(seen)))
            waits = getattr(spec, "conditions", ())
            assert len(player.events) == told or any(isinstance(each, Absence) for each in waits)
        player.take(seen)
        if data.draw(st.booleans()):
            player.checkpoint()

    assert_whole(player.events)
    assert player.events == sorted(player.events, key=lambda event: event.at)


@given(rules, rules, signals(), st.data())
def test_reloads_at_any_time_leave_the_story_whole(one, other, signal, data):
    """Whatever a rule becomes, or whether it goes: whoever got `raised` gets its `returned`."""
    kinds = [(replace(spec, name="R", digest=repr(spec)),) for spec in (one, other)]
    player = Player(kinds[0], stale=data.draw(st.sampled_from([5, None])))
    for seen in signal:
        if data.draw(st.integers(0, 3)) == 0:
            player.rules = data.draw(st.sampled_from([*kinds, *kinds, ()]))
            if data.draw(st.booleans()):  # refused by the disk first
                player.fresh().take_over(player.engine)
            player.reborn()
        player.take(seen)

    assert_whole(player.events)
