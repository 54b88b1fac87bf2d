"""A source without a plant: signals for trying rules, the same on every run of the same seed.

Rules for whoever changes this: a sample is a pure function of the tag, the seed and the count of
samples before it, so a test can say what will be read; nothing heavy is imported.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from math import pi, sin
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from agent.clock import Clock
from agent.config.fields import Duration
from agent.errors import SourceError, StoreUnavailable
from agent.model import SECOND, Kind, Link, Quality, Reading, TagSpec, Value
from agent.sources.base import Emit, SourceSection, TagSection
from agent.sources.exploring import Expected, Found, Look, Scope

_FRESH_POLLS: Final = 3
_KINDS: Final = {bool: Kind.SWITCH, int: Kind.WHOLE, float: Kind.NUMBER, str: Kind.TEXT}


class SimulatedTag(TagSection):
    """One signal. It moves between `min` and `max`, or through `values`."""

    signal: Literal["sine", "ramp", "square", "random", "steps", "constant"]
    """Its form: sine, ramp (rises and falls back), square (min, then max), random, steps, constant."""
    min: float = 0.0
    """Lowest value of sine, ramp, square and random."""
    max: float = 100.0
    """Highest value of sine, ramp, square and random."""
    period: Annotated[Duration, Field(gt=0)] = 60 * SECOND
    """How long sine, ramp, square and steps take until they repeat."""
    values: tuple[Value, ...] = Field(default=(), strict=False)
    """What steps goes through, each for an equal part of the period; constant takes the one given."""

    @model_validator(mode="after")
    def _fits_the_signal(self) -> Self:
        if self.signal == "steps" and not self.values:
            raise ValueError("signal: steps needs `values`, a list of at least one")
        if self.signal == "constant" and len(self.values) != 1:
            raise ValueError("signal: constant needs `values` with exactly one value")
        if not self.min < self.max:
            raise ValueError(f"expected min < max, got min {self.min:g} and max {self.max:g}")
        return self

    @property
    def kind(self) -> Kind:
        """What its values have in common."""
        if self.signal not in {"steps", "constant"}:
            return Kind.NUMBER
        kinds = {type(value) for value in self.values}
        if kinds == {int, float}:
            return Kind.NUMBER
        return _KINDS[kinds.pop()] if len(kinds) == 1 else Kind.ANY

    @property
    def reach(self) -> tuple[float, float] | None:
        """The least and the greatest number it gives; None if it gives others than numbers."""
        match self.kind:
            case Kind.NUMBER | Kind.WHOLE if self.signal in {"steps", "constant"}:
                numbers = [value for value in self.values if isinstance(value, int | float)]
                return min(numbers), max(numbers)
            case Kind.NUMBER:
                return self.min, self.max
            case _:
                return None


class SimulatedSource(SourceSection):
    """A source that needs no device: made-up signals, to try rules and receivers with."""

    type: Literal["simulated"]
    every: Annotated[Duration, Field(gt=0)] = SECOND
    """How often all tags are sampled."""
    seed: int = 0
    """Another seed gives other random values; the same seed gives the same again."""
    tags: dict[str, SimulatedTag]
    """The signals, by tag name."""

    def tag_specs(self, source: str) -> list[TagSpec]:
        """Every tag; fresh for three sampling intervals unless something else is written."""
        default = self.stale_after or _FRESH_POLLS * self.every
        return [
            TagSpec(
                name,
                source,
                unit=tag.unit,
                range=tag.range,
                stale_after=tag.stale_after or default,
                kind=tag.kind,
                reach=tag.reach,
                every=self.every,
            )
            for name, tag in self.tags.items()
        ]


def sample(name: str, tag: SimulatedTag, config: SimulatedSource, count: int) -> Value:
    """Give the sample of a tag after `count` others: a pure function of its arguments."""
    phase = count * config.every % tag.period / tag.period
    match tag.signal:
        case "sine":
            share = 0.5 + sin(2 * pi * phase) / 2
        case "ramp":
            share = phase
        case "square":
            share = float(phase >= 0.5)  # noqa: PLR2004 - the second half
        case "random":
            share = random.Random(f"{config.seed} {name} {count}").random()  # noqa: S311 - a signal, no secret
        case "steps" | "constant":
            return tag.values[int(phase * len(tag.values))]
    return tag.min + share * (tag.max - tag.min)


async def run(name: str, config: SimulatedSource, emit: Emit, clock: Clock) -> None:
    """Emit all tags every `config.every` until cancelled; a missed sample is skipped, never caught up."""
    start = clock.monotonic()
    count, baseline = 0, True
    while True:
        now = clock.monotonic()
        readings = [
            Reading(tag, sample(tag, section, config, count), Quality.GOOD, now, baseline=baseline)
            for tag, section in config.tags.items()
        ]
        try:
            await emit([Link(name, up=True, at=now), *readings] if baseline else readings)
            baseline = False
        except StoreUnavailable:
            pass  # like a polled source: the next sample is the next attempt
        count = max(count + 1, -((start - clock.monotonic()) // config.every))
        await asyncio.sleep((start + count * config.every - clock.monotonic()) / SECOND)


async def look(config: SimulatedSource, clock: Clock, tags: Collection[str]) -> AsyncIterator[Look]:
    """See `Explorer.look`: the first sample of each."""
    for name, tag in config.tags.items():
        if name in tags:
            reading = Reading(name, sample(name, tag, config, 0), Quality.GOOD, clock.monotonic())
            yield Look(reading, tag.signal)


async def browse(config: SimulatedSource, clock: Clock, scope: Scope) -> AsyncIterator[Found]:  # noqa: ARG001 - as all
    """See `Explorer.browse`: there is nothing but what is written."""
    for name, tag in [*config.tags.items()][: scope.limit]:
        written = tag.model_dump(mode="json", exclude_unset=True, exclude={"period", "stale_after"})
        yield Found(name, tag.signal, tag.kind.value, sample(name, tag, config, 0), tag=written)


async def probe(
    config: SimulatedSource, clock: Clock, place: str, expect: Expected | None
) -> AsyncIterator[Found]:
    """See `Explorer.probe`: a place is a tag.

    Raises:
        SourceError: there is no such tag.
    """
    if place not in config.tags:
        raise SourceError(
            f"a simulated source has nothing but its tags, and no {place} among them: `edge-relay browse` lists them"
        )
    async for found in browse(config, clock, Scope()):
        if found.name == place and found.value is not None:
            yield replace(found, matches=expect is not None and expect.met_by(found.value))
