"""What stands inside a rule: limits, measures, reports, absences, hours.

Rules for whoever changes this: a key is one field with its sentence (editors show it); what only one
value can know is checked by its field, what takes a tag or another key is the compiler's.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, WithJsonSchema, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from agent.config.fields import Duration, Section
from agent.config.times import Clock, Days, ZoneName


@dataclass(frozen=True, slots=True)
class Band:
    """A deadband as written: engineering units, or percent of the tag's range."""

    amount: float
    percent: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _OrShort:
    """Tells editors that a section may be written in short."""

    schema: JsonSchemaValue

    def __get_pydantic_json_schema__(
        self, section: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [self.schema, handler(section)]}


def _parse_band(value: object) -> Band:
    percent = isinstance(value, str) and value.endswith("%")
    try:
        amount = float(str(value).removesuffix("%"))
    except ValueError:
        amount = -1.0
    if isinstance(value, bool) or not 0 <= amount < float("inf") or (isinstance(value, str) and not percent):
        raise ValueError(
            "expected a number in the tag's unit, 0 or more, or a percentage of its range such as 1%"
        )
    return Band(amount, percent)


def _as_limit(value: object) -> object:
    return {"at": value} if isinstance(value, int | float | str) and not isinstance(value, bool) else value


def _as_values(value: object) -> object:
    return tuple(value) if isinstance(value, list) else (value,)


def _as_setpoint(value: object) -> object:
    fixed = isinstance(value, int | float)
    if fixed:
        raise ValueError(
            "expected the tag that holds the setpoint; a fixed one goes into the limits themselves"
        )
    return value


def _as_counter(value: object) -> object:
    return {} if value is True else value


SetpointTag = Annotated[str, BeforeValidator(_as_setpoint)]
Deadband = Annotated[
    Band,
    BeforeValidator(_parse_band),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\d+(\.\d+)?%$"}]}
    ),
]
Lasting = Annotated[Duration, Field(gt=0)]
"""A duration that is not 0."""
PriorityWord: TypeAlias = Literal["critical", "high", "medium", "low", "journal"]
Names = Annotated[
    tuple[str, ...],
    Field(strict=False, min_length=1),
    BeforeValidator(_as_values),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""One name, or a list of them."""


class CountSection(Section):
    """m of n: how often it must come before it is an alarm."""

    times: Annotated[int, Field(ge=2)]
    """How many times the condition must come ..."""
    in_: Annotated[Lasting, Field(alias="in")]
    """... within this time; one that stays for all of it is an alarm as well."""


class Waiting(Section):
    """What a limit, a rule, a profile and the defaults have in common."""

    deadband: Deadband | None = None
    """How far the value must come back before the alarm returns: units, or percent of the tag's range."""
    on_delay: Duration | None = None
    """How long the condition must last before the alarm is raised."""
    off_delay: Duration | None = None
    """How long the value must be back before the alarm returns."""
    count: CountSection | None = None
    """How often the condition must come before the alarm is raised, instead of an on_delay."""

    @model_validator(mode="after")
    def _one_way_to_wait(self) -> Self:
        if self.count is not None and self.on_delay is not None:
            raise ValueError("count waits instead of on_delay: leave one of them out")
        return self


class LimitSection(Waiting):
    """A limit with its own noise keys."""

    at: float | str
    """The trip point, in the tag's unit, or the tag that holds it; a deadband never moves it."""
    priority: PriorityWord | None = None
    """How loud this limit is."""
    message: str | None = None
    """What is said; {tag}, {value}, {unit}, {limit} and so on are filled in."""


LimitKey = Annotated[
    LimitSection,
    BeforeValidator(_as_limit),
    _OrShort({"type": ["number", "string"]}),
]
Values = Annotated[
    tuple[bool | int | float | str, ...],
    Field(strict=False, min_length=1),
    BeforeValidator(_as_values),
    WithJsonSchema({"anyOf": [{"type": ["boolean", "number", "string"]}, {"type": "array"}]}),
]


class ChangeSection(Section):
    """Report by exception."""

    deadband: Deadband = Band(0.0)
    """How far the value must move from the last reported one."""
    at_most_every: Duration = 0
    """The least time between two reports; what comes sooner waits."""
    at_least_every: Duration | None = None
    """After this time a fresh value is reported although it did not move."""


class ExpectSection(Section):
    """The absence of something is the alarm."""

    sample: Literal["any"] | None = None
    """A good value of the tag, whether it changed or not."""
    change: Annotated[float, Field(gt=0)] | None = None
    """A move of the value by at least this much, up or down."""
    increase: Annotated[float, Field(gt=0)] | None = None
    """A rise of the value by at least this much."""
    connection: Literal["up"] | None = None
    """The connection of the source."""
    within: Lasting
    """How long it may be missing."""


class RateSection(Section):
    """How fast the value changes."""

    per: Lasting
    """The unit of time of the limits: with `per: 1m` they are in units per minute."""
    over: Lasting
    """The time over which the change is taken."""


class WindowSection(Section):
    """What the last values were, taken together."""

    over: Lasting
    """How far back the window goes."""
    take: Literal["average", "min", "max", "median", "stdev"]
    """What is taken of it; a value counts for as long as it was held."""


class CounterSection(Section):
    """A counter that starts again at 0."""

    rollover_at: Annotated[float, Field(gt=0)] | None = None
    """The count after which it starts again; without it, every decrease is a reset."""


CounterKey = Annotated[
    CounterSection,
    BeforeValidator(_as_counter),
    _OrShort({"const": True}),
]


class UnusualSection(Section):
    """How far the value is from what it usually is; limits are then in robust standard deviations."""

    learn: Lasting
    """What is usual is learnt from values as far back as this."""
    method: Literal["robust_z"] = "robust_z"
    """The distance from the median, in robust standard deviations."""
    at_least: Annotated[float, Field(ge=0)] = 0.0
    """The least spread that is assumed, in the tag's unit, so that a value that stood still is not unusual."""


class HoursSection(Section):
    """Hours of the week in which the rule is watched."""

    days: Days | None = None
    """The days on which the hours begin: mon-fri, sat, [mon, wed]; all days if left out."""
    from_: Annotated[Clock, Field(alias="from")]
    """When they begin: "06:00"."""
    to: Clock
    """When they end; at or before the beginning: on the next day."""
    zone: ZoneName | None = None
    """The time zone of the hours, if it is not the agent's."""
