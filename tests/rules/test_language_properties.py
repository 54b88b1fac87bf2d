"""What holds for every rule that can be written: random conditions, measures and gates over random signals."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st
from rigs.rules import Player, gate, high, high_high, low, reading, rule, say
from rigs.stories import assert_whole, facts, instant

from agent.model import SECOND, Alive, Link, Priority, Reading, Tick, WallClock
from agent.rules.dependencies import expressions_of
from agent.rules.expression import Expression
from agent.rules.hours import Hours, Span
from agent.rules.spec import (
    Absence,
    AlarmSpec,
    Announcement,
    Awaited,
    Bit,
    ChangeSpec,
    Chattering,
    Count,
    Counter,
    Deviation,
    FloodSpec,
    Limit,
    Maintenance,
    OnBad,
    Rate,
    State,
    Still,
    Take,
    Unusual,
    Window,
)

delays = st.sampled_from([0, 0, 1, 2.5, 7])
seconds = st.integers(1, 9).map(lambda count: count * SECOND)
flags = st.booleans()
WALL = 1_795_000_000 * SECOND


@st.composite
def limits(draw):
    at = draw(st.sampled_from([50.0, 52.0, "V"]))
    some = [Limit(say("high", 1, draw(delays), draw(delays)), 1, at, draw(st.sampled_from([0.0, 2.0])))]
    if draw(flags):
        some.append(high_high(60.0, 0.0, draw(delays), draw(delays), priority=Priority.CRITICAL))
    if draw(flags):
        some.insert(0, low(40.0, 1.0, draw(delays), draw(delays)))
    return some


def counted(times, within):
    return Announcement("is", 1, 0, 0, Priority.MEDIUM, count=Count(times, within))


conditions = st.one_of(
    limits(),
    st.builds(lambda on, off: [State(say("is_not", 1, on, off), (41, 45), negated=True)], delays, delays),
    st.builds(lambda times, within: [State(counted(times, within), (55, 58))], st.integers(2, 4), seconds),
    st.builds(lambda number, on: [Bit(say("bits", 1, on), number)], st.integers(0, 5), delays),
    st.builds(
        lambda by, on, rising: [Still(say("change", 1, on), by, rising)],
        st.sampled_from([1.0, 5.0]),
        st.integers(2, 9),
        flags,
    ),
    st.builds(lambda within: [Absence(say("sample"), Awaited.SAMPLE, within)], seconds),
    st.just([State(say("is", priority=Priority.JOURNAL), (55,))]),
)
measures = st.one_of(
    st.just(()),
    st.builds(lambda over, take: (Window(over, take),), seconds, st.sampled_from(list(Take))),
    st.builds(lambda per, over: (Rate(per, over),), seconds, seconds),
    st.just((Deviation("V"),)),
    st.builds(lambda over: (Counter(64), Rate(SECOND, over)), seconds),
    st.builds(lambda learn: (Unusual(learn),), seconds),
    st.builds(lambda over: (Window(over, Take.AVERAGE), Deviation("V")), seconds),
)
hours = st.builds(
    lambda begin, length: Hours(frozenset(range(7)), begin, begin + length, "UTC"),
    st.integers(0, 1439),
    st.integers(1, 5),
).filter(lambda hours: hours.end <= 1440)
texts = st.sampled_from([None, None, "U > 45", "U == 50", 'age("U") > 2', "U / (V - 50) > 1"])


@st.composite
def gates(draw):
    begin = WALL + draw(st.integers(-20, 60)) * SECOND
    span = Span(begin, begin + draw(seconds))
    return gate(
        draw(texts),
        settle=draw(st.sampled_from([0, 0, 3 * SECOND])),
        suppress_while=draw(texts),
        hours=draw(st.one_of(st.none(), st.none(), hours)),
        maintenance=draw(st.sampled_from([(), (), (Maintenance(span, "seal"),)])),
        trial_until=draw(st.sampled_from([None, None, None, WALL + 20 * SECOND])),
    )


@st.composite
def any_rule(draw):
    watched = draw(conditions)
    sampled = any(isinstance(each, Absence) for each in watched)  # the loader refuses to measure that
    measure = () if sampled else draw(measures)
    calc = None if sampled else draw(st.sampled_from([None, None, "T - (V - 50)", "max(T, U)"]))
    subject = {"tag": ""} if calc else {}
    common = {"measures": measure, "gate": draw(gates()), "calc": Expression.parse(calc) if calc else None}
    if draw(st.integers(0, 4)) == 0:
        spec = ChangeSpec("R", "" if calc else "T", "d", Priority.JOURNAL, 2.0, round(draw(delays) * SECOND))
        return replace(spec, at_least_every=draw(st.sampled_from([None, 9 * SECOND])), **common)
    return rule(
        *watched,
        **subject,
        **common,
        on_bad=draw(st.sampled_from([OnBad.HOLD, OnBad.HOLD, OnBad.CLEAR])),
        latch=draw(flags),
        acknowledge=draw(flags),
        remind_every=draw(st.sampled_from([None, 4 * SECOND])),
        chattering=draw(st.sampled_from([None, Chattering(2, 6 * SECOND, 5 * SECOND)])),
    )


@st.composite
def rule_sets(draw):
    """A rule, and perhaps one that is silent or not watched while the first is active."""
    first = draw(any_rule())
    asking = draw(st.sampled_from([None, {"when": 'not active("R")'}, {"suppress_while": 'active("R")'}]))
    if asking is None:
        return (first,)
    second = rule(high(52.0, 0.0, draw(delays)), name="second", tag="U", gate=gate(**asking))
    return (first, second)


values = st.one_of(st.sampled_from([36, 41, 45, 48, 49.5, 50, 52, 55, 58, 60, 62]), st.just("bad"))


@st.composite
def scenes(draw):
    """Things seen, in order of time: several tags at one instant, links, keep-alives, the clock.

    As sources give them (`agent.sources.base`): nothing is read over a connection that is down.
    """
    seen, now, up = [Link("plc", up=True, at=0), WallClock(0, WALL)], 0.0, True
    for _ in range(draw(st.integers(1, 25))):
        now = round(now + draw(st.sampled_from([0.2, 0.5, 1, 1, 2, 4, 12])), 1)
        at = round(now * SECOND)
        kind = draw(st.integers(0, 13))
        if kind == 0 or not (up or kind == 2):
            up = not up
            seen.append(Link("plc", up=up, at=at, reason="cut"))
        elif kind == 1:
            seen.append(Alive("plc", at))
        elif kind == 2:
            seen.append(WallClock(at, draw(st.sampled_from([None, WALL, WALL + 7 * SECOND]))))
        else:
            seen += [
                reading(now, draw(values), tag) for tag in draw(st.sampled_from(["T", "TU", "UV", "TUV"]))
            ]
    return [*seen, Tick(round((now + 30) * SECOND))]


def moments(scene):
    """What was seen, as the batches in which a source would offer it."""
    batches, at = [], None
    for seen in scene:
        if instant(seen) != at:
            batches.append([])
        at = instant(seen)
        batches[-1].append(seen)
    return batches


def play(rules, batches, *, reborn=False, flood=None):
    player = Player(rules, stale=5, flood=flood)
    for batch in batches:
        player.take(*batch)
        if reborn:
            player.reborn()
    return player


@given(rule_sets(), scenes())
def test_serialising_and_restoring_after_every_moment_changes_nothing(rules, scene):
    """For every condition, measure and gate: a kill with the whole state kept gives the very same events.

    Ages are left out: they are looked at when something is read, else at whole seconds, and at a start.
    """
    assume(not any(each.ages for spec in rules for each in expressions_of(spec)))
    batches = moments(scene)

    assert facts(play(rules, batches, reborn=True).events) == facts(play(rules, batches).events)


@given(rule_sets(), scenes(), st.lists(st.floats(0, 100), max_size=20))
def test_extra_ticks_change_nothing(rules, scene, ticks):
    """However often the clock looks, the same events carry the same instants."""
    batches = moments(scene)
    last = instant(batches[-1][-1])
    looks = [[Tick(round(at * SECOND))] for at in ticks if round(at * SECOND) < last]
    with_ticks = sorted(
        [*looks, *batches], key=lambda batch: (instant(batch[0]), not isinstance(batch[0], Tick))
    )

    assert facts(play(rules, with_ticks).events) == facts(play(rules, batches).events)


@given(rule_sets(), scenes(), st.data())
def test_a_failed_commit_and_a_second_offer_change_nothing(rules, scene, data):
    """What fell back and is offered again at once gives the events that it would have given."""
    player = Player(rules, stale=5)
    for batch in moments(scene):
        if data.draw(flags):
            player.engine.take(batch)
            player.engine.fall_back()
        player.take(*batch)

    assert facts(player.events) == facts(play(rules, moments(scene)).events)


@given(rule_sets(), scenes(), st.randoms())
def test_the_order_within_a_moment_does_not_matter(rules, scene, dice):
    """Tags that are read at one instant are one moment, in whatever order they stand in the batch."""
    shuffled = []
    for batch in moments(scene):
        readings = [seen for seen in batch if isinstance(seen, Reading)]
        if len(readings) == len(batch):
            dice.shuffle(readings)
        shuffled.append(readings if len(readings) == len(batch) else batch)

    assert facts(play(rules, shuffled).events) == facts(play(rules, moments(scene)).events)


@given(rule_sets(), scenes())
def test_whoever_is_told_raised_is_told_the_rest(rules, scene):
    """No alarm is returned, escalated or unsuppressed that was not raised, nor raised twice."""
    for spec in rules:
        if isinstance(spec, AlarmSpec):
            events = [event for event in play(rules, moments(scene)).events if event.rule == spec.name]
            assert_whole([event for event in events if event.type.startswith("alarm.")])


@given(rule_sets(), scenes())
def test_a_flood_loses_nothing(rules, scene):
    """Every event goes out, alone or whole in a digest, and once."""
    flood = FloodSpec(1, 20 * SECOND, 1, 20 * SECOND, 5 * SECOND, frozenset())
    batches = [*moments(scene), [Tick(1000 * SECOND)]]
    plain = [event for event in play(rules, batches).events if event.type != "agent.flood"]
    held = play(rules, batches, flood=flood, reborn=True).events
    alone = [event for event in held if event.type != "agent.flood"]
    digests = [event for event in held if event.data.get("state") == "digest"]

    assert len(alone) + sum(len(event.data["alarms"]) for event in digests) == len(plain)


wrong = st.sampled_from(
    [
        "x",
        "",
        "5",
        True,
        False,
        0.5,
        -0.0,
        5e-324,
        1e308,
        -1e308,
        2**63,
        2**64 - 1,
        -(2**63),
        "bad",
        41,
        55,
        60,
    ]
)


@st.composite
def broken_scenes(draw):
    """Values of every kind, of several tags at one instant."""
    seen, now = [Link("plc", up=True, at=0), WallClock(0, WALL)], 0.0
    for _ in range(draw(st.integers(1, 15))):
        now = round(now + draw(st.sampled_from([0.2, 1, 4])), 1)
        seen += [reading(now, draw(wrong), tag) for tag in draw(st.sampled_from(["T", "TU", "UV", "TUV"]))]
    return [*seen, Tick(round((now + 30) * SECOND))]


@given(rule_sets(), broken_scenes())
def test_no_value_stops_the_agent(rules, scene):
    """For every condition, measure and gate: nothing is raised out of the engine, nor when it is serialised."""
    play(rules, moments(scene), reborn=True)
