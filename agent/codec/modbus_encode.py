"""What is to stand in registers so that they mean a number: the inverse of what `agent.codec.modbus` reads.

Pure. Rules for whoever changes this file: what is encoded here is decoded before it is given away, so
a number never goes out that would not come back; the arithmetic is that of decimal fractions, as it is
there (21.5 at a scale of 0.1 is 215, not 214.99999).
"""

import math
import struct
from fractions import Fraction
from typing import Final

from agent.codec.modbus import ByteOrder, Linear, Number, NumberField, NumberType, swap_bytes
from agent.codec.single import single

_RAW: Final = Linear(1, 0, 1)
_FLOATS: Final = {NumberType.FLOAT32, NumberType.FLOAT64}


def encode(field: NumberField, value: Number, bounds: tuple[float, float]) -> bytes:
    """Give the registers' bytes, as they travel, whose number is the nearest to `value` within `bounds`.

    Between two steps of a whole number the nearer one is taken, but never one beyond a bound: 10.4 of at
    most 10.4 is 10, and 10.6 of at most 10.6 is 10 as well.

    Args:
        field: what the registers mean.
        value: in engineering units.
        bounds: the least and the greatest that may be written.

    Raises:
        ValueError: the registers cannot hold it, or what they then hold would be believed by nobody.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"it is no finite number ({value})")
    low, high = bounds
    if not low <= value <= high:
        raise ValueError(f"it is outside of [{low:g}, {high:g}]")
    raw = _float(field, value, bounds) if field.type in _FLOATS else _whole(field, value, bounds)
    try:
        pattern = struct.pack(f">{field.code}", raw)
    except (struct.error, OverflowError):
        raise ValueError(f"it is beyond what {field.type} can hold") from None
    decoded, why = field.value(struct.unpack(f">{field.code}", pattern)[0])
    if decoded is None:
        raise ValueError(why)
    return _ordered(pattern, field.order)


def _float(field: NumberField, value: Number, bounds: tuple[float, float]) -> float:
    try:
        exact = _inverse(field, value)
        if field.type is not NumberType.FLOAT32:
            return float(exact)
        return single(exact, *sorted(_inverse(field, bound) for bound in bounds))
    except OverflowError:
        raise ValueError(f"it is beyond what {field.type} can hold") from None


def _whole(field: NumberField, value: Number, bounds: tuple[float, float]) -> int:
    low, high = sorted(_inverse(field, bound) for bound in bounds)
    first, last = math.ceil(low), math.floor(high)
    if first > last:
        raise ValueError("no step of the register lies within the bounds")
    return min(max(round(_inverse(field, value)), first), last)


def _inverse(field: NumberField, value: Number) -> Fraction:
    """What would have to stand in the registers, exactly."""
    linear = field.linear or _RAW
    exact = Fraction(value) if isinstance(value, int) else Fraction(repr(value))
    return (exact * linear.divisor - linear.shift) / linear.slope


def _ordered(pattern: bytes, order: ByteOrder) -> bytes:
    """The bytes of a number, most significant first, as they stand on the wire."""
    if order in {ByteOrder.CDAB, ByteOrder.DCBA}:  # reversed, and CDAB with each register turned back
        pattern = pattern[::-1]
    return swap_bytes(pattern) if order in {ByteOrder.CDAB, ByteOrder.BADC} else pattern
