"""What a register can show, before anything is read: so that a rule which could never be true is noticed.

Rules for whoever changes this file: what is not certain is None; the arithmetic is that of the
decoder (`agent.codec.modbus`), so that the ends are the very values which it would give.
"""

from typing import Final, NamedTuple

from agent.codec.modbus import Linear, NumberField, RegisterField, TextField
from agent.model import Kind

_RAW: Final = Linear(1, 0, 1)


class Facts(NamedTuple):
    """See the attributes of `TagSpec` of the same names."""

    kind: Kind
    step: float | None = None
    reach: tuple[float, float] | None = None


def facts(field: RegisterField | None) -> Facts:
    """What is known of a value by its type and scaling; None: a coil or a discrete input."""
    match field:
        case NumberField():
            return _of_number(field)
        case TextField():
            return Facts(Kind.TEXT)
        case _:
            return Facts(Kind.SWITCH)


def _of_number(field: NumberField) -> Facts:
    """A float has no step that is the same everywhere; its ends are those that are believed, if any."""
    if field.type.startswith("float"):
        return Facts(Kind.NUMBER, reach=field.valid_range)
    linear = field.linear or _RAW
    low, high = _codes(field)
    ends = sorted((linear(low), linear(high)))
    if field.valid_range is not None:
        ends = [max(ends[0], field.valid_range[0]), min(ends[1], field.valid_range[1])]
    kind = Kind.WHOLE if field.linear is None else Kind.NUMBER
    step = abs(linear.slope / linear.divisor)
    return Facts(kind, step, (ends[0], ends[1]) if ends[0] < ends[1] else None)


def _codes(field: NumberField) -> tuple[int, int]:
    """The least and the greatest raw value; those at the ends by which the device says "no value" are none."""
    size = 1 << field.bits
    low, high = (-size // 2, size // 2 - 1) if field.type.startswith("int") else (0, size - 1)
    while low % size in field.invalid and low < high:
        low += 1
    while high % size in field.invalid and low < high:
        high -= 1
    return low, high
