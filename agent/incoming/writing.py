"""Whether a value may be written to a machine, at this moment; and whether it is what stands there now.

    unfit(spec, grant, value)            what is wrong with the value, whatever the machine does
    refusal(spec, grant, value, moment)  that, and all that is against it now

Rules for whoever changes this: what is not known is against it; strangers write the values, so nothing
here raises, whatever they are; each refusal says what its sender, or the plant, has to change.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from agent.codec.json_path import kind
from agent.model import SECOND, Json, Kind, Quality, Reading, TagSpec, Value

PRESENT_FOR: Final = 10 * SECOND
"""How long what was read of a machine counts as what it is now, nanoseconds."""
_SMALLEST: Final = 2**-149  # number of 32 bits that is not 0
_ROUNDING: Final = 1e-6  # of a step
_EXACT: Final = 2**-50  # of a number: two calculations of the same differ by less
_GRAIN: Final = 2**-22
"""Of a number: closer ones are the same in 32 bits, as most machines keep them (62.3 reads 62.29999924)."""


class Against(StrEnum):
    """What is against a write: for counting, and for refusals that share a row."""

    TAG = "not writable"
    VALUE = "no such value"
    BOUNDS = "out of bounds"
    STEP = "step too large"
    WHEN = "when"
    QUALITY = "quality"
    SOON = "too soon"
    AUDIT = "audit full"


class Refusal(NamedTuple):
    """Why not; `code` is for counting, `why` for a person."""

    code: str
    why: str


class Grant(Protocol):
    """What a tag says that may be written to it; see `agent.sources.writing.WriteSection`."""

    @property
    def min(self) -> float | None:
        """The smallest number; None: it is a switch."""
        ...

    @property
    def max(self) -> float | None:
        """The greatest number."""
        ...

    @property
    def max_step(self) -> float | None:
        """How far it may be moved at once."""
        ...

    @property
    def when(self) -> str | None:
        """The condition, as it is written."""
        ...

    @property
    def at_most_every(self) -> int:
        """Nanoseconds from one write to the next."""
        ...


@dataclass(frozen=True, slots=True)
class Moment:
    """All that counts now.

    Attributes:
        at: monotonic nanoseconds.
        present: what the tag is, just asked of the device.
        holds, unknown: whether its `when` is true (without one it is); None: unknown, and what of it is.
        since_write: nanoseconds since the tag was written last; None: it never was.
        audit_full: there is no room to write down what is done.
    """

    at: int
    present: Reading
    holds: bool | None = True
    unknown: str = ""
    since_write: int | None = None
    audit_full: bool = False


def refusal(spec: TagSpec, grant: Grant, value: Json, moment: Moment) -> Refusal | None:
    """Why `value` may not be written now; None: it may."""
    return unfit(spec, grant, value) or _untimely(spec, grant, moment) or _too_far(spec, grant, value, moment)


def unfit(spec: TagSpec, grant: Grant, value: Json) -> Refusal | None:
    """What is wrong with the value itself."""
    if grant.min is None or grant.max is None:
        if isinstance(value, bool):
            return None
        return Refusal(Against.VALUE, f"{spec.name} takes true or false, there is {kind(value)}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
        what = str(value) if isinstance(value, float) else kind(value)
        return Refusal(Against.VALUE, f"{spec.name} takes a number, there is {what}")
    if not grant.min <= value <= grant.max:
        why = f"{_short(value)} is outside of [{grant.min:g}, {grant.max:g}], which {spec.name} may be"
        return Refusal(Against.BOUNDS, why)
    if spec.kind is Kind.WHOLE and value != math.floor(value):
        return Refusal(Against.VALUE, f"{spec.name} takes whole numbers, {_short(value)} is none")
    return None


def _untimely(spec: TagSpec, grant: Grant, moment: Moment) -> Refusal | None:
    """What is against any write now."""
    if moment.audit_full:
        why = "the audit is full, and nothing is written that nobody could read later: see `edge-relay audit`"
        return Refusal(Against.AUDIT, why)
    if moment.holds is None:
        return Refusal(Against.WHEN, f"whether `{grant.when}` is true is not known: {moment.unknown}")
    if not moment.holds:
        return Refusal(Against.WHEN, f"`{grant.when}` is not true now, and only then {spec.name} is written")
    if moment.since_write is not None and moment.since_write < grant.at_most_every:
        since, every = moment.since_write / SECOND, grant.at_most_every / SECOND
        why = f"{spec.name} was written {since:.1f} s ago, and is at most every {every:g} s"
        return Refusal(Against.SOON, why)
    return None


def _too_far(spec: TagSpec, grant: Grant, value: Json, moment: Moment) -> Refusal | None:
    """What is against it because of what the machine is now."""
    present, name = moment.present, spec.name
    if present.quality is not Quality.GOOD:
        what = "cannot be read" if present.quality is Quality.BAD else "is uncertain"
        return Refusal(Against.QUALITY, f"{name} {what}: {present.reason or 'the device does not say why'}")
    if moment.at - present.received > PRESENT_FOR:
        age = (moment.at - present.received) // SECOND
        return Refusal(Against.QUALITY, f"what is known of {name} is {age} s old by now: send it anew")
    now = present.value
    if (
        isinstance(now, bool) is not (grant.min is None)
        or not isinstance(now, int | float)
        or not _finite(now)
    ):
        wanted = "true or false" if grant.min is None else "a number"
        return Refusal(Against.QUALITY, f"{name} is {_said(now)} now, not {wanted}: see its type")
    if isinstance(value, bool) or not isinstance(value, int | float) or grant.max_step is None:
        return None
    if abs(value - now) <= grant.max_step + _grain(value, now):
        return None
    why = f"from {_short(now)} to {_short(value)} is too far: {name} is moved by {grant.max_step:g} at once at most"
    return Refusal(Against.STEP, why)


def since_write(last: tuple[str, int] | None, boot: str, now: int) -> int | None:
    """How long ago a tag was written last, at least, nanoseconds; None: it never was.

    By no wall clock, so none that jumps can shorten it.

    Args:
        last: the boot in which it was, and the monotonic nanoseconds there.
        boot: this one.
        now: monotonic nanoseconds.
    """
    if last is None:
        return None
    return max(0, now - last[1]) if last[0] == boot else now


def stands(spec: TagSpec, grant: Grant, written: Value, found: Reading) -> bool:
    """Whether `found`, read back, is what was `written`, as exactly as the machine can show it."""
    value = found.value
    if found.quality is Quality.BAD or isinstance(written, bool) is not isinstance(value, bool):
        return False
    if not isinstance(value, int | float) or not isinstance(written, int | float):
        return value == written
    apart = abs(value - written)
    if spec.step is None:
        return apart <= max(_grain(value, written), _SMALLEST)
    # Next to a bound it is not the nearest step that is written, but the one within.
    inner = (
        grant.min is None or grant.max is None or grant.min + spec.step <= written <= grant.max - spec.step
    )
    reach = spec.step * (0.5 + _ROUNDING if inner else 1 - _ROUNDING)
    return apart <= reach + _EXACT * max(abs(value), abs(written))


def _finite(number: float) -> bool:
    return isinstance(number, int) or math.isfinite(number)


def _grain(one: float, other: float) -> float:
    return _GRAIN * max(abs(one), abs(other))


def _said(value: Value | None) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _short(number: float) -> str:
    return f"{number:.10g}"
