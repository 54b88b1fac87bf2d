"""Rules as plant engineers write them.

Rules for whoever changes this: a key is one field here with its sentence (editors show it), one
place in the compiler (`agent.config.compile`) that says what it becomes, its bad file and its
sample. What a rule means is the core's (`agent.rules`); here is only what may be written.
"""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from agent.config.fields import Duration
from agent.config.rule_parts import (
    ChangeSection,
    CounterKey,
    ExpectSection,
    HoursSection,
    Lasting,
    LimitKey,
    Names,
    PriorityWord,
    RateSection,
    SetpointTag,
    UnusualSection,
    Values,
    Waiting,
    WindowSection,
)
from agent.config.times import Trial

LIMITS: Final = ("low_low", "low", "high", "high_high")
MEASURES: Final = ("counter", "window", "deviation_from", "rate_of_change", "unusual")
INSTANCE_NAME: Final = r"^[^\s/{}\"\x00-\x1f](?:[^/{}\"\x00-\x1f]{0,98}[^\s/{}\"\x00-\x1f])?$"
_FIELD_NAME: Final = r"^[A-Za-z_]\w{0,99}$"


def _check_instance(name: str) -> str:
    if not re.fullmatch(INSTANCE_NAME, name):
        raise ValueError(f"`{name}` cannot be a name: expected text without `/`, braces and quotes")
    return name


def _check_field(name: str) -> str:
    if not re.fullmatch(_FIELD_NAME, name):
        raise ValueError(f"`{name}` cannot be a name: expected letters, digits and `_`")
    return name


InstanceName = Annotated[
    str, AfterValidator(_check_instance), WithJsonSchema({"type": "string", "pattern": INSTANCE_NAME})
]
FieldName = Annotated[
    str, AfterValidator(_check_field), WithJsonSchema({"type": "string", "pattern": _FIELD_NAME})
]


class Noise(Waiting):
    """What keeps an alarm from being raised by noise."""

    on_bad: Literal["hold", "alarm", "clear"] | None = None
    """What a value that cannot be read does: hold what was (the default), raise, or clear."""


class ProfileSection(Noise):
    """A bundle of noise keys for one type of signal; a rule takes it with `profile: NAME`."""

    stale_after: Duration | None = None
    """How long after its receipt a value counts as fresh for rules of this profile."""


class RuleDefaults(Noise):
    """What holds for every rule that does not say otherwise."""

    priority: PriorityWord | None = None
    """How loud: critical, high, medium (the default), low; journal makes an event without a return."""


class RuleSection(Noise):
    """One rule: what is watched, how it is measured, when it is an alarm, and who is told what."""

    # What.
    tag: str | None = None
    """The tag that is watched."""
    calc: str | None = None
    """An expression over tags that is watched: (HX1.T_IN - HX1.T_OUT) / HX1.FLOW."""
    source: str | None = None
    """The source whose connection is watched."""
    for_each: Annotated[tuple[InstanceName, ...], Field(strict=False, min_length=1)] | None = None
    """Makes the rule once for each of these names, which stand in for {each} in every text of it."""

    # Measure.
    rate_of_change: RateSection | None = None
    """Compares how fast the value changes."""
    deviation_from: SetpointTag | None = None
    """Compares how far the value is above this tag."""
    window: WindowSection | None = None
    """Compares the average, min, max, median or stdev of the last values."""
    counter: CounterKey | None = None
    """The tag is a counter that starts again: compares what was counted, across every restart."""
    unusual: UnusualSection | None = None
    """Compares how unusual the value is against what was learnt."""

    # Condition.
    low_low: LimitKey | None = None
    """Alarm at or below this, more severe than low."""
    low: LimitKey | None = None
    """Alarm at or below this: a number, or the tag that holds it."""
    high: LimitKey | None = None
    """Alarm at or above this: a number, or the tag that holds it."""
    high_high: LimitKey | None = None
    """Alarm at or above this, more severe than high."""
    is_: Annotated[Values | None, Field(alias="is")] = None
    """Alarm while the value is this, or one of these."""
    is_not: Values | None = None
    """Alarm while the value is none of these."""
    bits: Annotated[dict[Annotated[int, Field(ge=0, le=63)], InstanceName], Field(min_length=1)] | None = None
    """One alarm for each bit of a word, by number (0 is the least significant) and name."""
    codes: Annotated[dict[int | str, str], Field(min_length=1)] | None = None
    """What the values of the tag stand for: {7: door open, 9: drive fault}."""
    change: ChangeSection | None = None
    """Report every change instead of an alarm."""
    expect: ExpectSection | None = None
    """Alarm when something that should be there is not."""

    # Noise, beside what profile and defaults have.
    profile: str | None = None
    """The profile whose noise keys hold where the rule is silent."""
    stale_after: Duration | None = None
    """How long after its receipt a value counts as fresh for this rule."""

    # Gate.
    when: str | None = None
    """The rule is watched while this expression is true; else its alarm returns."""
    settle: Duration | None = None
    """How long after `when` became true the value is not looked at."""
    suppress_while: str | None = None
    """While this expression is true nothing is announced; the alarm goes on being computed."""
    active_hours: HoursSection | None = None
    """The hours of the week in which the rule is watched."""
    trial: Trial | None = None
    """`until 2026-12-15`: before that day the rule is computed and nothing is sent."""

    # Event.
    priority: PriorityWord | None = None
    """How loud: critical, high, medium (the default), low; journal makes an event without a return."""
    message: str | None = None
    """What is said; {tag}, {value}, {unit}, {limit}, the names of `fields` and so on are filled in."""
    response: str = ""
    """What the operator shall do."""
    time_to_respond: Lasting | None = None
    """How long the operator has before it is too late."""
    fields: dict[FieldName, str] = Field(default={})
    """Further facts in the event, by name, and the tags that hold them: {batch: R1.BATCH_ID}."""
    send_to: Names | None = None
    """The destinations that get the events, instead of all that subscribe to them."""
    latch: bool = False
    """The alarm stays open after its return until a person resets it."""
    acknowledge: bool = False
    """The alarm stays open after its return until a person has acknowledged it."""
    remind_every: Lasting | None = None
    """While the alarm is active, it is told again this often."""
    was: Names | None = None
    """The name the rule had before, or several: its open alarms are taken over."""

    def conditions(self) -> list[str]:
        """The kinds of condition that are written, by their keys (all limits together are one)."""
        limits = [key for key in LIMITS if getattr(self, key) is not None]
        kinds = {
            "is": self.is_,
            "is_not": self.is_not,
            "bits": self.bits,
            "change": self.change,
            "expect": self.expect,
        }
        return limits[:1] + [key for key, value in kinds.items() if value is not None]

    def measures(self) -> list[str]:
        """The measures that are written, by their keys."""
        return [key for key in MEASURES if getattr(self, key) is not None]
