"""Rules as plant engineers write them.

Rules for whoever changes this: a key is one field here with its sentence (editors show it), one line
in the compiler (`agent.config.compile`) that fills in defaults and units, its bad file and its
sample. What a rule means is the core's (`agent.rules`); here is only what may be written.
"""

from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from agent.config.fields import Duration, Section
from agent.rules.message import Message

LIMITS: Final = ("low_low", "low", "high", "high_high")


@dataclass(frozen=True, slots=True)
class Band:
    """A deadband as written: engineering units, or percent of the tag's range."""

    amount: float
    percent: bool = False


def _parse_band(value: object) -> Band:
    percent = isinstance(value, str) and value.endswith("%")
    try:
        amount = float(str(value).removesuffix("%"))
    except ValueError:
        amount = -1.0
    if isinstance(value, bool) or not 0 <= amount < float("inf") or (isinstance(value, str) and not percent):
        raise ValueError("expected a number in the tag's unit, or a percentage of its range such as 1%")
    return Band(amount, percent)


def _as_limit(value: object) -> object:
    return {"at": value} if isinstance(value, int | float | str) and not isinstance(value, bool) else value


def _as_values(value: object) -> object:
    return tuple(value) if isinstance(value, list) else (value,)


def _check_message(text: str) -> str:
    Message.parse(text)
    return text


Deadband = Annotated[
    Band,
    BeforeValidator(_parse_band),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\d+(\.\d+)?%$"}]}
    ),
]
PriorityWord: TypeAlias = Literal["critical", "high", "medium", "low", "journal"]
MessageText = Annotated[str, AfterValidator(_check_message)]


class LimitSection(Section):
    """A limit with its own noise keys."""

    at: Annotated[float, Field(allow_inf_nan=False)]
    """The trip point, in the tag's unit; a deadband never moves it."""
    deadband: Deadband | None = None
    """How far the value must come back before the alarm returns."""
    on_delay: Duration | None = None
    """How long the value must stay beyond the limit before the alarm is raised."""
    off_delay: Duration | None = None
    """How long the value must stay back before the alarm returns."""
    priority: PriorityWord | None = None
    """How loud this limit is."""
    message: MessageText | None = None
    """What is said; {tag}, {value}, {unit}, {limit} and so on are filled in."""


LimitKey = Annotated[
    LimitSection,
    BeforeValidator(_as_limit),
    WithJsonSchema({"anyOf": [{"type": "number"}, LimitSection.model_json_schema()]}),
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
    connection: Literal["up"] | None = None
    """The connection of the source."""
    within: Annotated[Duration, Field(gt=0)]
    """How long it may be missing."""


class Noise(Section):
    """What a rule and the defaults of all rules have in common."""

    deadband: Deadband | None = None
    """How far the value must come back before the alarm returns: units, or percent of the tag's range."""
    on_delay: Duration | None = None
    """How long the condition must last before the alarm is raised."""
    off_delay: Duration | None = None
    """How long the value must be back before the alarm returns."""
    on_bad: Literal["hold", "alarm", "clear"] | None = None
    """What a value that cannot be read does: hold what was (the default), raise, or clear."""
    priority: PriorityWord | None = None
    """How loud: critical, high, medium (the default), low; journal makes an event without a return."""


class RuleDefaults(Noise):
    """What holds for every rule that does not say otherwise."""


class RuleSection(Noise):
    """One rule."""

    tag: str | None = None
    """The tag that is watched."""
    source: str | None = None
    """The source whose connection is watched."""
    low_low: LimitKey | None = None
    """Alarm at or below this, more severe than low."""
    low: LimitKey | None = None
    """Alarm at or below this."""
    high: LimitKey | None = None
    """Alarm at or above this."""
    high_high: LimitKey | None = None
    """Alarm at or above this, more severe than high."""
    is_: Annotated[Values | None, Field(alias="is")] = None
    """Alarm while the value is this, or one of these."""
    is_not: Values | None = None
    """Alarm while the value is none of these."""
    change: ChangeSection | None = None
    """Report every change instead of an alarm."""
    expect: ExpectSection | None = None
    """Alarm when something that should be there is not."""
    stale_after: Duration | None = None
    """How long after its receipt a value counts as fresh for this rule."""
    message: MessageText | None = None
    """What is said; {tag}, {value}, {unit}, {limit} and so on are filled in."""

    def conditions(self) -> list[str]:
        """The kinds of condition that are written, by their keys (all limits together are one)."""
        limits = [key for key in LIMITS if getattr(self, key) is not None]
        kinds = {"is": self.is_, "is_not": self.is_not, "change": self.change, "expect": self.expect}
        return limits[:1] + [key for key, value in kinds.items() if value is not None]
