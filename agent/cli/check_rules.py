"""What the rules make of one look at the plant: now, and if it stays so. Nothing is sent, nothing kept.

The very engine that runs live is shown what was read; then time passes on paper, with the same values
read again and again, up to an hour.

Rules for whoever changes this: no clock and no I/O; what cannot be judged is said, never guessed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from agent.config.model import Configuration
from agent.model import MILLISECOND, SECOND, Event, EventType, Link, Quality, Reading, Seen, WallClock
from agent.proving.play import Player
from agent.rules.engine import Engine
from agent.rules.inputs import Tag
from agent.rules.runs import Run, is_alarm

HORIZON: Final = 3600 * SECOND
"""How long it is imagined to stay so."""
_REPEATED: Final = {EventType.ALARM_REMINDER, EventType.TAG_CHANGED}
_PER_TAG: Final = MILLISECOND
"""So much imagined time for each tag between two readings of all: what thousands of tags cost stays bounded."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """An event that would be made, and where it would be sent.

    Attributes:
        after: nanoseconds from the look on; 0: at once.
    """

    after: int
    event: Event
    receivers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of it.

    Attributes:
        foreseen: in order of time.
        unjudged: rules that cannot be judged, or are not watched, now; each with the reason.
        rules: how many there are.
    """

    foreseen: Sequence[Foreseen]
    unjudged: Sequence[tuple[str, str]]
    rules: int


def judge(
    configuration: Configuration,
    readings: Iterable[Reading],
    failures: Mapping[str, str],
    at: int,
    wall: int,
) -> Judgement:
    """Show the rules one look at everything.

    Args:
        configuration: the rules.
        readings: one of each tag.
        failures: sources that could not be read, and why.
        at: the instant of the look, monotonic nanoseconds; the readings count as made then.
        wall: the same instant, nanoseconds UTC.
    """
    minted = count(1)
    engine = Engine(
        configuration.rules,
        [replace(tag, stale_after=None) for tag in configuration.tags.values()],
        configuration.sources,
        mint=lambda _: f"evt_{next(minted)}",
        started=at,
    )
    held = [reading._replace(received=at, source_time=None) for reading in readings]
    first: list[Seen] = [WallClock(at, wall - at)]
    first += [
        Link(name, up=name not in failures, at=at, reason=failures.get(name, ""))
        for name in configuration.sources
    ]
    first += [reading._replace(baseline=True) for reading in held]
    player = Player(engine)
    events = list(player.play(first))
    unjudged = [(name, why) for name, run in engine.runs.items() if (why := _why_unjudged(run, at))]
    events += _stays(player, held, at)
    return Judgement([*_foreseen(configuration, events, at)], unjudged, len(configuration.rules))


def _stays(player: Player, held: Sequence[Reading], at: int) -> Iterable[Event]:
    """Let an hour pass in which nothing changes, read again whenever somebody waits for it."""
    step = max(SECOND, len(held) * _PER_TAG)
    read_at = at
    tags = player.engine.tags
    while (due := player.engine.due) is not None and due <= at + HORIZON:
        if due - 1 >= read_at + step:
            read_at = due - 1
            yield from player.play(
                reading._replace(received=read_at)
                for reading in held
                if _is_awaited(tags[reading.tag], reading)
            )
        yield from player.let_pass(due)


def _is_awaited(tag: Tag, reading: Reading) -> bool:
    """Whether the same value, read again, can change anything for a rule over the tag."""
    return bool(tag.joint) or any(
        run.spec.stale_after is not None or not run.unmoved_by(reading.value) for run in tag.runs
    )


def _foreseen(configuration: Configuration, events: Iterable[Event], at: int) -> Iterable[Foreseen]:
    from agent.delivery.subscription import subscribers

    subscriptions = {name: each.subscription() for name, each in configuration.destinations.items()}
    told: set[tuple[str, EventType]] = set()
    for event in events:
        if event.type in _REPEATED and (event.subject, event.type) in told:
            continue
        told.add((event.subject, event.type))
        yield Foreseen(max(event.at - at, 0), event, subscribers(event, subscriptions))


def _why_unjudged(run: Run, now: int) -> str:
    """Why the rule says nothing about the plant; empty if it does."""
    gate = run.state.gate
    try:
        if gate.enabled is False:
            return "it is not watched now: its `when` or its hours say so"
        if gate.waits or gate.enabled is None:
            return "its `when` cannot be decided: something in it is unknown"
        if not gate.open(now):
            return f"it is watched in {(gate.since - now) / SECOND:g} s: its `settle` has begun"
        if run.sight.quality is Quality.BAD and not (is_alarm(run) and run.spec.of_source):
            return run.sight.reason or "its value is unknown"
    except TypeError as error:
        return f"it {error}"
    return run.state.core.fault
