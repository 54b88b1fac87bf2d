"""Numbers of 32 bits: the one that is nearest to a number, and never beyond a bound.

80.3 has no place among them: the nearest is 80.30000305, which lies above a `max: 80.3`, and the one below
it is what may be written. Pure.
"""

import math
import struct
from fractions import Fraction
from typing import Final, TypeAlias

Exact: TypeAlias = int | float | Fraction

_NUMBER: Final = struct.Struct(">f")
_BITS: Final = struct.Struct(">I")
_SIGN: Final = 1 << 31


def single(value: Exact, low: Exact, high: Exact) -> float:
    """Give the number of 32 bits within [low, high] that is nearest to `value`, which lies in there.

    Raises:
        OverflowError: there is none so large.
        ValueError: there is none between the bounds.
    """
    near: float = _NUMBER.unpack(_NUMBER.pack(float(value)))[0]
    if near > high:
        near = _below(near)
    elif near < low:
        near = -_below(-near)
    if not low <= near <= high:
        raise ValueError(f"no number of 32 bits lies within [{float(low):g}, {float(high):g}]")
    return near


def _below(number: float) -> float:
    """The next smaller one."""
    if number == 0:
        return float(_NUMBER.unpack(_BITS.pack(_SIGN | 1))[0])
    (bits,) = _BITS.unpack(_NUMBER.pack(number))
    return float(_NUMBER.unpack(_BITS.pack(bits - 1 if math.copysign(1, number) > 0 else bits + 1))[0])
