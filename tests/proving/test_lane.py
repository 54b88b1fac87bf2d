"""The short way through a quiet stretch tells exactly what the long way tells."""

import json
import random
from dataclasses import replace

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from rigs.rules import gate, high, high_high, low, rule, say

from agent.model import SECOND, Kind, Priority, Quality, Reading, TagSpec
from agent.proving.cells import Values
from agent.proving.columns import Column
from agent.proving.lane import Lane
from agent.proving.sender import Sender
from agent.rules.spec import (
    Absence,
    Awaited,
    ChangeSpec,
    Chattering,
    Count,
    FloodSpec,
    OnBad,
    Rate,
    State,
    Still,
    Take,
    Window,
    Wording,
)

TAGS = "TUV"
STALE = 5
CONDITIONS = [
    (high(10, 1),),
    (low(-10, 0.5, on=3, off=4), high(8, 1, on=2), high_high(12, 1)),
    (low(-5, on=8, off=2),),
    (replace(high(6), say=replace(say(), count=Count(2, 9 * SECOND))),),
    (State(say("is"), (0, 3)),),
    (Still(say("still", on=6), 2.0),),
    (Absence(say("sample"), Awaited.SAMPLE, 4 * SECOND),),
    (high(9), Absence(say("quality", 0), Awaited.QUALITY, 0)),
]
EXTRAS = [
    *({},) * 6,
    {"gate": gate("U > 0")},
    {"gate": gate(suppress_while='active("R0")')},
    {"measures": (Window(5 * SECOND, Take.AVERAGE),)},
    {"measures": (Rate(SECOND, 3 * SECOND),)},
    {"on_bad": OnBad.CLEAR},
    {"stale_after": 2 * SECOND},
    {"wording": Wording(fields={"other": "V"})},
    {"remind_every": 7 * SECOND},
    {"chattering": Chattering(3, 20 * SECOND, 10 * SECOND)},
    {"latch": True},
]
FLOOD = FloodSpec(3, 30 * SECOND, 2, 30 * SECOND, 10 * SECOND)

a_rule = st.tuples(st.sampled_from(CONDITIONS), st.sampled_from(EXTRAS), st.sampled_from(TAGS))


def rules_of(drawn):
    rules = [
        rule(*what, name=f"R{index}", tag=tag, **more)
        for index, (what, more, tag) in enumerate(drawn, 1)
        if "on_bad" not in more or not any(isinstance(each, Absence) for each in what)
    ]
    return [rule(high(11, on=2), name="R0", tag="T"), *rules]


def signal(dice, seconds):
    """A walk that is mostly quiet, with stretches of noise, bad samples, silence and steps between samples."""
    samples, value, at, mood = [], 0.0, 0, "quiet"
    while at < seconds * SECOND:
        if dice.random() < 0.03:
            mood = dice.choice(["quiet", "quiet", "quiet", "wild", "bad", "gone", "whole"])
        at += dice.choice([SECOND, SECOND, SECOND // 2, 2 * SECOND]) if mood != "gone" else 8 * SECOND
        value = value * 0.9 + dice.gauss(0, 0.5 if mood != "wild" else 6)
        cell = "bad" if mood == "bad" and dice.random() < 0.7 else f"{value:.2f}"
        samples.append((at, f"{value:.0f}" if mood == "whole" else cell))
        if mood == "gone":
            mood = "quiet"
    return samples


def column(tag, samples):
    cells = [cell for _, cell in samples]
    numbers = None if "bad" in cells else [float(cell) for cell in cells]
    known = Values(Kind.ANY, decimal_comma=False)
    return Column(tag, [at for at, _ in samples], cells, known, None, numbers)


def played(rules, signals, cuts, *, short):
    """What is sent, and what the records hold, when the history comes in portions that end at `cuts`."""
    lines = []
    tags = [TagSpec(tag, "plc", stale_after=STALE * SECOND) for tag in TAGS]
    sender = Sender(lines.append, "s", "a", FLOOD)
    lane = Lane(rules, [each.name for each in rules], tags, ["plc"], 0, sender=sender, short=short)
    begin = 0
    for end in [*cuts, 10**18]:
        portion, extremes = [], {}
        for tag in TAGS:
            samples = [(at, cell) for at, cell in signals[tag] if begin < at <= end]
            if samples:
                portion.append(column(tag, samples))
                numbers = portion[-1].numbers
                extremes[tag] = None if numbers is None else (min(numbers), max(numbers))
        lane.take(portion, extremes)
        begin = end
    lane.end(220 * SECOND)
    shown = [
        (
            record.stretches(220 * SECOND, ()),
            record.excursions(),
            record.events,
            record.count.hours,
            record.normal and record.normal.found(),
            record.compared and record.compared.series(220 * SECOND),
        )
        for record in lane.records.values()
    ]
    return lines, shown


@settings(max_examples=15, deadline=None, phases=(Phase.reuse, Phase.generate))
@given(
    st.lists(a_rule, min_size=1, max_size=5), st.integers(0, 2**32), st.lists(st.integers(1, 190), max_size=6)
)
def test_the_short_way_tells_what_the_long_way_tells(drawn, seed, cuts):
    """Random rules over random signals, in the same random portions: the same bytes, stretches, excursions."""
    dice = random.Random(seed)
    signals = {tag: signal(dice, 200) for tag in TAGS}
    rules = rules_of(drawn)
    rules.append(ChangeSpec("C", "T", "d", Priority.JOURNAL, 3.0, 5 * SECOND, 60 * SECOND))
    ends = [cut * SECOND for cut in sorted(set(cuts))]

    long_way = played(rules, signals, ends, short=False)
    short_way = played(rules, signals, ends, short=True)

    assert short_way[0] == long_way[0]
    assert short_way[1] == long_way[1]


def test_the_long_way_is_the_engine_reading_by_reading():
    """A piece of the history is one batch for the engine; its events are those of single readings."""
    dice = random.Random(7)
    signals = {tag: signal(dice, 200) for tag in TAGS}
    rules = [rule(high(2, 1, on=2, off=3), name=f"R{tag}", tag=tag) for tag in TAGS]
    every_instant = sorted({at for samples in signals.values() for at, _ in samples})

    whole = played(rules, signals, [], short=False)
    single = played(rules, signals, every_instant, short=False)

    assert len(whole[0]) > 10
    assert single == whole


def test_a_quiet_tag_is_passed_over():
    """The engine is shown two of a thousand samples: the first, which it must decide by, and the last."""
    lane = Lane([rule(high(10))], ["R"], [TagSpec("T", "plc")], ["plc"], 0)
    first, rest = (column("T", [(at * SECOND, "1.5") for at in range(*span)]) for span in ((0, 2), (2, 1000)))

    lane.take([first], {"T": (1.5, 1.5)})
    lane.take([rest], {"T": (1.5, 1.5)})

    assert lane.engine.evaluations == 1
    assert lane.engine.tags["T"].state.reading == Reading("T", 1.5, Quality.GOOD, 999 * SECOND)


def test_ids_are_the_same_in_every_run_and_differ_within_one():
    """A timeline can be compared with that of yesterday."""
    dice = random.Random(3)
    signals = {tag: signal(dice, 200) for tag in TAGS}
    rules = [rule(high(1), name=f"R{tag}", tag=tag) for tag in TAGS]

    lines, _ = played(rules, signals, [], short=True)
    ids = [json.loads(line)["data"]["id"] for line in lines]

    assert lines == played(rules, signals, [], short=True)[0]
    assert len(set(ids)) == len(ids) > 10
