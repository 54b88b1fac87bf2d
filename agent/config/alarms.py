"""What holds for all alarms together: planned maintenance, floods, chattering.

Rules for whoever changes this: without its section nothing is held back (design: rules).
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from agent.config.fields import Section, parse_duration
from agent.config.rule_parts import Lasting, PriorityWord
from agent.config.times import Moment
from agent.model import Priority
from agent.rules.spec import Chattering, FloodSpec

_OFTEN: Final = re.compile(r"(\d{1,6}) in (.+)")


@dataclass(frozen=True, slots=True)
class Often:
    """So many within so many nanoseconds."""

    times: int
    within: int


def parse_often(value: object) -> Often:
    """Read `10 in 10m`.

    Raises:
        ValueError: not a count and a duration, or none at all.
    """
    match = _OFTEN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected how many alarms in which time, such as 10 in 10m")
    often = Often(int(match[1]), parse_duration(match[2]))
    if not (often.times and often.within):
        raise ValueError("expected more than 0 alarms in more than 0s")
    return often


OftenKey = Annotated[
    Often,
    BeforeValidator(parse_often),
    WithJsonSchema({"type": "string", "pattern": r"^\d+ in \S", "examples": ["10 in 10m"]}),
]


class MaintenanceSection(Section):
    """A span of time in which alarms are expected: they are computed and not announced."""

    match: Annotated[str, Field(min_length=1)]
    """The rules it is for, by pattern: "P10*"."""
    from_: Annotated[Moment, Field(alias="from")]
    """When it begins: 2026-12-01T06:00, in the zone of the agent."""
    to: Moment
    """When it ends."""
    reason: Annotated[str, Field(min_length=1)]
    """Why, as the events say it."""


class FloodSection(Section):
    """When more alarms come than anybody can read, they are told in digests."""

    more_than: OftenKey
    """More raised alarms than this begin a flood."""
    until: OftenKey
    """Fewer than this end it."""
    digest_every: Lasting
    """How often a digest tells what was held back."""
    always: Annotated[tuple[PriorityWord, ...], Field(strict=False)] = ("critical",)
    """The priorities that are never held back."""

    @model_validator(mode="after")
    def _calms_down(self) -> Self:
        begin, end = self.more_than, self.until
        if end.times * begin.within > begin.times * end.within:
            raise ValueError(
                "a flood must end below what begins it: expected until to be no more than more_than"
            )
        return self

    def spec(self) -> FloodSpec:
        """Give what the engine takes."""
        return FloodSpec(
            self.more_than.times,
            self.more_than.within,
            self.until.times,
            self.until.within,
            self.digest_every,
            frozenset(Priority[word.upper()] for word in self.always),
        )


class ChatteringSection(Section):
    """An alarm that comes and goes is told once, and its return when it stays away."""

    raises: Annotated[int, Field(ge=2)]
    """So many raises of one alarm ..."""
    in_: Annotated[Lasting, Field(alias="in")]
    """... within this time are too many."""
    quiet: Lasting
    """After that the alarm returns when the value was back for this long."""

    def spec(self) -> Chattering:
        """Give what the engine takes."""
        return Chattering(self.raises, self.in_, self.quiet)
