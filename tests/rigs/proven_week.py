"""A made-up week of a plant as a backtest's outcome: noise, ramps, chattering, a gap, a suppression.

The limits are run by thirty lines that know deadband and delays, so that what the report shows is
consistent in itself. Nothing of the backtest's own machinery is used: the report is judged alone.
"""

import math
import random
from dataclasses import replace

from agent.model import SECOND, EventType, Kind, Priority, TagSpec
from agent.proving.results import (
    Backtest,
    Difference,
    Doing,
    Excursions,
    Figures,
    RuleResult,
    Side,
    Stretch,
    Suggestion,
    Told,
)
from agent.proving.seen import Bar, Bucket, Normal, Series, Spread
from agent.rules.spec import AlarmSpec, Announcement, Condition, Limit, Rate, State

BEGIN = 1_795_996_800 * SECOND  # Tuesday 30 November 2026, 00:00 UTC
HOUR = 3600 * SECOND
DAY = 24 * HOUR
STEP = 10 * SECOND
SAMPLES = 7 * 8640
GAP = (BEGIN + 3 * DAY + 5 * HOUR, BEGIN + 3 * DAY + 9 * HOUR)
KEPT_DOWN = (BEGIN + 4 * DAY + 6 * HOUR, BEGIN + 4 * DAY + 14 * HOUR)


def temperature(seed=1, samples=SAMPLES):
    """A reactor: a daily swing, noise, four batches that run hot, one slow ramp; None in the gap."""
    dice = random.Random(seed)
    values = []
    for index in range(samples):
        at = BEGIN + index * STEP
        day = index / 8640
        value = 158 + 7 * math.sin(2 * math.pi * (day - 0.3)) + dice.gauss(0, 0.7)
        for centre, height, width in ((0.6, 8.5, 0.05), (2.55, 11, 0.1), (4.4, 9, 0.12), (5.6, 24, 0.04)):
            value += height * math.exp(-(((day - centre) / width) ** 2))
        values.append(None if GAP[0] <= at < GAP[1] else value)
    return values


def machine(values, limit):  # noqa: C901, PLR0912 - a table of states, written down once
    """Run one limit over a week: stretches, excursions, instants of raise and return."""
    stretches, lengths, apart, flips = [], [], [], []
    doing, since, began, ended = None, BEGIN, None, None

    def become(new, at):
        nonlocal doing, since
        if doing is not None:
            stretches.append(Stretch(limit.say.name, doing, since, at))
        doing, since = new, at

    for index, value in enumerate(values):
        at = BEGIN + index * STEP
        if value is None:
            continue
        inside = limit.side * (value - limit.at) >= 0
        out = limit.side * (value - limit.at) < -limit.deadband
        if inside and began is None:
            began = at
            if ended is not None:
                apart.append(at - ended)
        if out and began is not None:
            lengths.append(at - began)
            began, ended = None, at
        if doing is Doing.PENDING and not out and at - since >= limit.say.on_delay:
            become(Doing.ACTIVE, at)
            flips.append((at, True, value))
        elif doing is Doing.CLEARING and at - since >= limit.say.off_delay:
            become(None, at)
            flips.append((at, False, value))
        if inside and doing is None:
            become(Doing.PENDING if limit.say.on_delay else Doing.ACTIVE, at)
            if not limit.say.on_delay:
                flips.append((at, True, value))
        elif out and doing is Doing.PENDING:
            become(None, at)
        elif out and doing is Doing.ACTIVE:
            become(Doing.CLEARING if limit.say.off_delay else None, at)
            if not limit.say.off_delay:
                flips.append((at, False, value))
        elif inside and doing is Doing.CLEARING:
            become(Doing.ACTIVE, at)
    excursions = Excursions(
        limit.say.name, limit.say.on_delay, limit.say.off_delay, len(lengths), tuple(lengths),
        tuple(length for length in lengths if length < 60 * SECOND), tuple(apart),
    )  # fmt: skip
    return stretches, excursions, flips


def limit(name, side, at, rank, deadband=0.0, on=0, off=0, priority=Priority.HIGH):
    """One limit; the delays in seconds."""
    return Limit(Announcement(name, rank, on * SECOND, off * SECOND, priority), side, at, deadband)


def figures(raised, events, days=7.0, **others):
    """Figures of so many alarms, at these instants."""
    tens, hours = (tally(raised, width) for width in (600 * SECOND, HOUR))
    plain = Figures(
        len(raised), events, len(raised) / days, len(raised) / days / 144, max(tens.values(), default=0),
        max(hours.values(), default=0), 0.013 if len(raised) > 100 else 0.0, max(len(raised) - 60, 0),
        len(raised) // 3, 0, 0, 0, 0, None,
    )  # fmt: skip
    return replace(plain, **others)


def tally(instants, width):
    """How many instants lie in each interval of that width."""
    counts = {}
    for at in instants:
        counts[at // width * width] = counts.get(at // width * width, 0) + 1
    return counts


def rule(
    name, tag, values, *conditions: Condition, sentence="", suggestions=(), others=(), stretches=(), first=1
):
    """One rule's result; `first` is the number of its first event."""
    done = [machine(values, condition) for condition in conditions]
    flips = sorted(
        (at, up, value, condition.say)
        for (_, _, flips), condition in zip(done, conditions, strict=True)
        for at, up, value in flips
    )
    events = tuple(
        Told(first + index, at, EventType.ALARM_RAISED if up else EventType.ALARM_RETURNED, say.name, say.priority,
             round(value, 2), f"{name} {say.name}: {value:.1f}")
        for index, (at, up, value, say) in enumerate(flips)
    )  # fmt: skip
    raised = [event.at for event in events if event.type is EventType.ALARM_RAISED]
    kept_down = sum(stretch.end - stretch.begin for stretch in stretches if stretch.doing is Doing.SUPPRESSED)
    return RuleResult(
        AlarmSpec(name, tag, tuple(conditions), "digest"), sentence, (tag, *others),
        figures(raised, len(events), blind=GAP[1] - GAP[0], suppressed=kept_down, detection_delay=20 * SECOND),
        events, 0, tuple(sorted([*(stretch for part, _, _ in done for stretch in part), *stretches], key=lambda s: s.begin)),
        tuple(part for _, part, _ in done), tally(raised, HOUR), tuple(suggestions),
    )  # fmt: skip


def series(name, values, unit="", gaps=(GAP,), columns=1500):
    """One tag, decimated."""
    width = -(-len(values) // columns) * STEP
    kept = {}
    for index, value in enumerate(values):
        if value is not None:
            kept.setdefault(index * STEP // width, []).append(float(value))
    buckets = tuple(
        Bucket(BEGIN + slot * width, min(found), max(found)) for slot, found in sorted(kept.items())
    )
    good = sorted(float(value) for value in values if value is not None)
    wide = (good[-1] - good[0]) / 40 or 1.0
    bars = [0] * 40
    for value in good:
        bars[min(int((value - good[0]) / wide), 39)] += 1
    spread = Spread(
        len(good), tuple(Bar(good[0] + wide * i, good[0] + wide * (i + 1), count) for i, count in enumerate(bars)),
    )  # fmt: skip
    return Series(
        TagSpec(name, "plc", unit, kind=Kind.SWITCH if values[0] in (True, False) else Kind.NUMBER), len(values), 240, STEP, 30 * SECOND, width, buckets, tuple(gaps),
        sum(end - begin for begin, end in gaps), spread,
    )  # fmt: skip


def side(name, rules):
    """A configuration's outcome of these rules."""
    raised = sorted(event.at for one in rules for event in one.events if event.type is EventType.ALARM_RAISED)
    total = figures(raised, sum(len(one.events) for one in rules), blind=GAP[1] - GAP[0])
    priorities = {Priority.CRITICAL: 1, Priority.HIGH: 20, Priority.MEDIUM: 5, Priority.LOW: 2}
    floods = ((GAP[1], GAP[1] + HOUR),) if len(raised) > 100 else ()
    return Side(name, tuple(rules), total, tally(raised, HOUR), floods, 1.0, priorities)


def week():
    """Three rules against their old selves."""
    hot, flow = (
        temperature(),
        [30 + 3 * math.sin(i / 900) + random.Random(i).gauss(0, 0.8) for i in range(SAMPLES)],
    )
    for index in range(int(2.2 * 8640), int(2.7 * 8640)):
        flow[index] = 12 + random.Random(index).gauss(0, 0.9)
    running = [not 4.25 < i / 8640 < 4.6 for i in range(SAMPLES)]
    suppressed = (Stretch("", Doing.SUPPRESSED, *KEPT_DOWN), Stretch("", Doing.BLIND, *GAP))
    calm = (
        limit("high_high", 1, 175.0, 2, 2.0, 0, 60, Priority.CRITICAL),
        limit("high", 1, 170.0, 1, 2.0, 60, 60),
        limit("low", -1, 146.0, 1, 2.0, 60, 60),
    )
    bare = (limit("high_high", 1, 175.0, 2), limit("high", 1, 170.0, 1), limit("low", -1, 146.0, 1))
    suggestion = Suggestion(
        "low",
        "deadband",
        "0.5",
        "4.2",
        "Noise is 0.70 L/s (sigma); 6 sigma keep noise from raising the alarm again.",
    )
    said = Suggestion(
        "high",
        "limit",
        "170",
        "",
        "The limit lies outside the 99.9 % of normal operation: not a nuisance by construction.",
    )
    new = rule("R1-temperature", "R1.TT101", hot, *calm, others=("P101.RUN_FB",), stretches=suppressed, suggestions=(said,),
               sentence="Raises high when R1.TT101 has been at or above 170 °C for 60 s, and returns when it has been below 168 °C for 60 s.")  # fmt: skip
    old = rule("R1-temperature", "R1.TT101", hot, *bare, stretches=suppressed)
    gate = (Stretch("", Doing.DISABLED, BEGIN + int(4.25 * DAY), BEGIN + int(4.6 * DAY)),)
    noisy = rule("P101-low-flow", "P101.FT", flow, limit("low", -1, 12.0, 1, 0.5), others=("P101.RUN_FB",), stretches=gate,
                 suggestions=(suggestion,), first=len(new.events) + 1, sentence="Raises low when P101.FT is at or below 12 L/s while P101.RUN_FB.")  # fmt: skip
    rate = [
        None if None in (now, then) else (now - then) * 2 for now, then in zip(hot[3:], hot, strict=False)
    ]
    rate = [None] * 3 + rate
    steep = rule("R1-heatup", "R1.TT101", rate, limit("high", 1, 5.0, 1, 0.5))
    steep = replace(
        steep,
        spec=replace(steep.spec, measures=(Rate(60 * SECOND, 30 * SECOND),)),
        compared=replace(series("", rate, "°C/min"), spread=None),
    )
    trip = replace(
        rule("K1-trip", "K1.TRIP", [0.0] * SAMPLES),
        spec=AlarmSpec(
            "K1-trip", "K1.TRIP", (State(Announcement("is", 0, 0, 0, Priority.HIGH), (True,)),), "d"
        ),
    )
    new, noisy = (
        replace(one, normal=normal)
        for one, normal in (
            (new, Normal(SAMPLES, 147.2, 158.1, 168.9, 0.7)),
            (noisy, Normal(SAMPLES, 14.1, 29.8, 38.0, 0.8)),
        )
    )
    known = (
        series("R1.TT101", hot, "°C"),
        series("P101.FT", flow, "L/s", ()),
        series("P101.RUN_FB", running, "", ()),
        series("K1.TRIP", [False] * SAMPLES, "", ()),
    )
    now, then = side("plant.yaml", (new, noisy, steep, trip)), side("old.yaml", (old, noisy))
    changed = (
        Difference(
            "R1-temperature",
            old.figures.alarms,
            new.figures.alarms,
            float(new.figures.alarms - old.figures.alarms),
        ),
        Difference("R1-heatup", None, 0, 0.0),
        Difference("R9-gone", 12, None, -12.0),
    )
    return Backtest(
        ("history.csv",), BEGIN, BEGIN + SAMPLES * STEP, 4 * SAMPLES, "Europe/Berlin", {one.tag.name: one for one in known},
        now, then, changed, {"X9.SPARE": 604}, {"R7-level": "R7.LT"},
    )  # fmt: skip
