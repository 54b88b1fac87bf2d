"""History that arrives late: reports compare with all of it, alarms are moved by the newest value alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.rules import Player, gate, high, reading, rule

from agent.model import SECOND, Priority
from agent.rules.spec import ChangeSpec

ALARM = rule(high(170))
REPORT = ChangeSpec("C", "T", "d", Priority.JOURNAL, deadband=1.0)


def told(player):
    """(second, what, value, late) of each event."""
    return [
        (event.at / SECOND, event.type.partition(".")[2], event.data["value"], event.data.get("late"))
        for event in player.events
    ]


def burst(player, at, *values, stamp=0, **more):
    """Values made a second apart, from `stamp` on, arrive together."""
    stamps = ((stamp + place) * SECOND for place in range(len(values)))
    player.take(
        *(
            reading(at, value, source_time=time, late=True, **more)
            for value, time in zip(values, stamps, strict=True)
        )
    )


def test_a_peak_of_an_hour_ago_raises_nothing_and_the_newest_value_counts():
    """A burst goes over the limit and back: no alarm. Another ends above it: one, when the burst is over."""
    player = Player((ALARM,), timed=True)
    player.value(0, 100, source_time=0)
    burst(player, 10, 100, 200, 100, stamp=1)
    player.tick(20)
    assert told(player) == []

    burst(player, 30, 100, 200, stamp=10)
    player.tick(40)
    assert told(player) == [(31, "raised", 200, None)]


def test_a_burst_in_many_batches_is_one():
    """A broker hands out its queue by twenties: only the last of all counts."""
    player = Player((ALARM,), timed=True)
    for place in range(10):
        burst(player, 10 + place / 2, 200, 100, stamp=1 + 2 * place)
    player.tick(60)
    assert told(player) == []


def test_a_live_value_replaces_what_waits():
    """What holds now is known: the end of the burst changes nothing any more."""
    player = Player((ALARM,), timed=True)
    burst(player, 10, 200, stamp=1)
    player.value(10.5, 100, source_time=5 * SECOND)
    player.tick(60)
    assert told(player) == []


def test_a_lost_connection_takes_what_waits_with_it():
    """After the link is down nothing of the burst becomes a value."""
    player = Player((ALARM,), timed=True)
    burst(player, 10, 200, stamp=1)
    player.link(10.5, up=False)
    player.tick(60)
    assert "raised" not in [what for _, what, _, _ in told(player)]


def test_reports_compare_with_all_of_it_and_say_that_they_are_late():
    """Each move of more than the deadband is reported, in order, `late`; then the live ones are not."""
    player = Player((REPORT,), timed=True)
    player.value(0, 1.0, source_time=0)
    burst(player, 10, 5.0, 5.5, 9.0, stamp=1)
    player.value(12, 20.0, source_time=12 * SECOND)
    assert told(player) == [
        (10, "changed", 5.0, True),
        (10, "changed", 9.0, True),
        (12, "changed", 20.0, None),
    ]


def test_what_was_taken_is_not_taken_again():
    """A redelivered burst reports nothing: its stamps are not newer."""
    player = Player((REPORT,), timed=True)
    player.value(0, 1.0, source_time=0)
    for at in (10, 11, 12):
        burst(player, at, 5.0, 9.0, stamp=1)
    assert len(player.events) == 2


def test_what_has_no_stamp_leaves_the_newest_one():
    """History without a stamp of its own: what was taken before it is not taken again after it."""
    player = Player((REPORT,), timed=True)
    player.value(0, 1.0, source_time=SECOND)
    player.value(1, "bad", late=True)
    player.value(1, 5.0, source_time=SECOND)
    assert player.engine.tags["T"].state.last_time == SECOND
    assert player.events == []


def test_history_without_an_order_never_takes_the_place_of_what_holds():
    """A tag that is not `timed` (Sparkplug): reports are shown it, the alarm is not, not even in the end."""
    player = Player((ALARM, REPORT))
    player.value(0, 100)
    burst(player, 10, 200, 210, stamp=1)
    player.tick(60)
    player.value(61, 100)
    assert told(player) == [
        (10, "changed", 200, True),
        (10, "changed", 210, True),
        (61, "changed", 100, None),
    ]


def test_a_device_whose_clock_is_set_back_is_heard_again():
    """An hour back: from the third value on, ten seconds later, all count; a broker's repetitions never do."""
    player = Player((REPORT,), timed=True)
    for at in range(10):
        player.value(at, 10 * at, source_time=(5000 + at) * SECOND)
    player.events.clear()
    for at in range(10, 40):
        player.value(at, 10 * at, source_time=(1400 + at) * SECOND)
    assert [at for at, *_ in told(player)] == list(range(20, 40))

    player.events.clear()
    for again in range(10):
        for place in range(20):
            player.value(50 + 2 * again, place, source_time=(1400 + place) * SECOND)
    assert player.events == []


@pytest.mark.parametrize("how", ["failed commit", "reload"])
def test_what_waits_outlives(how):
    """A commit that fails, or a reload, within the second: the newest still counts when it is over."""
    player = Player((ALARM,), timed=True)
    burst(player, 10, 200, stamp=1)
    if how == "reload":
        player.reborn()
    else:
        player.engine.take([reading(11.5, 300, "U")])
        raised = player.engine.take([reading(12, 201, source_time=9 * SECOND)])
        assert raised.durable
        player.engine.fall_back()
    player.tick(20)
    assert [what for _, what, _, _ in told(player)] == ["raised"]


@given(st.lists(st.tuples(st.sampled_from([100, 200]), st.booleans(), st.integers(0, 3)), max_size=30))
def test_alarms_see_what_holds_and_nothing_else(steps):
    """The alarm goes the way of one that saw only live values, and the last of each burst a second after it."""
    player, model = Player((ALARM,), timed=True), Player((ALARM,), timed=True)
    now, waits = 0.0, None
    for place, (value, late, pause) in enumerate(steps):
        now += pause / 2
        if waits is not None and waits[0] + 1 <= now:
            model.value(waits[0] + 1, waits[1])
            waits = None
        stamp = (place + 1) * SECOND
        player.value(now, value, source_time=stamp, late=late)
        if late:
            waits = (now, value)
        else:
            waits = None
            model.value(now, value)
    if waits is not None:
        model.value(waits[0] + 1, waits[1])
    player.tick(now + 60)
    model.tick(now + 60)
    assert player.timeline == model.timeline


RULES = (
    ALARM,
    REPORT,
    rule(high(150, on=2), name="U", tag="U"),
    rule(high(150), name="GATED", gate=gate("U > 100")),
)
SAMPLE = st.tuples(st.sampled_from("TU"), st.sampled_from([100, 160, 200, "bad"]), st.booleans())
BATCHES = st.lists(
    st.tuples(st.sampled_from([0, 0.5, 1, 1.5, 7]), st.lists(SAMPLE, max_size=4), st.booleans()), max_size=12
)


@given(BATCHES)
def test_a_commit_that_fails_changes_nothing_of_history(batches):
    """Offered again at once, a batch does what it would have done: what was shown beside its history still holds."""
    player, spared = (Player(RULES, timed=True) for _ in range(2))
    now, stamp = 0.0, 0
    for pause, samples, fails in batches:
        now += pause
        batch = []
        for tag, value, late in samples:
            stamp += SECOND
            batch.append(reading(now, value, tag, source_time=None if value == "bad" else stamp, late=late))
        spared.take(*batch)
        taken = player.engine.take(batch)
        if fails and taken.durable:
            player.engine.fall_back()
            taken = player.engine.take(batch)
        player.keep(taken)
    player.tick(now + 60)
    spared.tick(now + 60)
    assert told(player) == told(spared)


@pytest.mark.parametrize("fails", [False, True])
def test_a_commit_that_fails_takes_no_value_from_sight_that_held(fails):
    """History of U falls with an alarm of T: U's delay goes on, and what waited for this very instant counts."""
    player = Player(RULES, timed=True)
    player.value(10, 160, "U", source_time=1)
    player.value(10, 200, source_time=2, late=True)
    batch = [reading(11, 160, "U", source_time=3, late=True), reading(11, 100, source_time=4, late=True)]
    taken = player.engine.take(batch)
    if fails:
        player.engine.fall_back()
        taken = player.engine.take(batch)
    player.keep(taken)
    player.tick(20)
    raised = [(at, value) for at, what, value, _ in told(player) if what == "raised"]
    assert raised == [(11, 200), (11, 200), (12, 160)]
