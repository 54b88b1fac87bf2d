"""What Modbus registers mean: one block's bytes into the values of its tags, or why there is none.

Pure. A block is decoded by one `struct` for each byte order that occurs in it, made once when the
poll is planned (2 us for 125 registers; register by register it was 51 us). Rules for whoever
changes this file: a value is never invented, so whatever cannot be believed comes back as None with
a reason for a person, which does not hold the value (a reason that changes at every poll fills the
log); integers stay exact integers (64 bits do not fit a float).

Registers travel high byte first (Modbus Application Protocol 1.1b3, section 4.2); how several
registers make one number, each vendor decides, hence `ByteOrder`.
"""

import math
import struct
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final, Self, TypeAlias

from agent.model import Value

Decoded: TypeAlias = tuple[Value | None, str]
"""A value and an empty reason, or None and why there is no value."""

Number: TypeAlias = int | float
REGISTER_BYTES: Final = 2


class ByteOrder(StrEnum):
    """How the bytes A B C D (A the most significant) of a 32-bit number stand on the wire.

    For 64 bits the same is done to eight bytes. A 16-bit number has its bytes swapped where A and B
    are; a text has its characters swapped in pairs there, and its words are never reversed.
    """

    ABCD = "ABCD"
    CDAB = "CDAB"
    BADC = "BADC"
    DCBA = "DCBA"

    @property
    def swaps_bytes(self) -> bool:
        """Whether the two bytes of each register stand the other way round."""
        return self in {ByteOrder.BADC, ByteOrder.DCBA}


class NumberType(StrEnum):
    """The number types that registers hold."""

    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"


_STRUCT_CODES: Final = {
    NumberType.INT16: "h",
    NumberType.UINT16: "H",
    NumberType.INT32: "i",
    NumberType.UINT32: "I",
    NumberType.INT64: "q",
    NumberType.UINT64: "Q",
    NumberType.FLOAT32: "f",
    NumberType.FLOAT64: "d",
}


@dataclass(frozen=True, slots=True)
class Linear:
    """The straight line `(raw * slope + shift) / divisor` from raw to engineering value.

    Integers, because 3 * 0.1 is 0.30000000000000004 but 3 * 1 / 10 is 0.3, which is what the
    display at the machine shows.
    """

    slope: int
    shift: int
    divisor: int

    @classmethod
    def scaled(cls, scale: float, add: float) -> Self:
        """`raw * scale + add`, the two taken as the decimal numbers that were written."""
        return cls._line(Fraction(repr(scale)), Fraction(repr(add)))

    @classmethod
    def through(cls, raw: tuple[float, float], value: tuple[float, float]) -> Self:
        """The line through two points: raw[0] is value[0], raw[1] is value[1]."""
        raw_low, raw_high, low, high = (Fraction(repr(number)) for number in (*raw, *value))
        scale = (high - low) / (raw_high - raw_low)
        return cls._line(scale, low - raw_low * scale)

    @classmethod
    def _line(cls, scale: Fraction, add: Fraction) -> Self:
        divisor = math.lcm(scale.denominator, add.denominator)
        return cls(int(scale * divisor), int(add * divisor), divisor)

    def __call__(self, raw: Number) -> Number:
        """The engineering value; an integer stays one where nothing is divided."""
        value = raw * self.slope + self.shift
        return value if self.divisor == 1 else value / self.divisor


@dataclass(frozen=True, slots=True)
class NumberField:
    """A number in one to four registers.

    Attributes:
        type: which number.
        order: how its bytes stand.
        linear: raw to engineering value; None: the raw value is the value.
        invalid: bit patterns (unsigned) by which the device says that it has no value.
        valid_range: engineering values outside of it are not to be believed.
    """

    type: NumberType
    order: ByteOrder = ByteOrder.ABCD
    linear: Linear | None = None
    invalid: frozenset[int] = field(default_factory=frozenset)
    valid_range: tuple[float, float] | None = None

    @property
    def code(self) -> str:
        """Its letter in a `struct` format."""
        return _STRUCT_CODES[self.type]

    @property
    def bits(self) -> int:
        """How many bits it has."""
        return 8 * struct.calcsize(f">{self.code}")

    @property
    def is_plain_integer(self) -> bool:
        """Whether what stands in the registers is the value, always."""
        return not (self.linear or self.invalid or self.valid_range or self.type.startswith("float"))

    def value(self, raw: Number) -> Decoded:
        """The engineering value of what stood in the registers."""
        if self.invalid:
            pattern = int.from_bytes(struct.pack(f">{self.code}", raw))
            if pattern in self.invalid:
                return None, f"the device says that it has no value (its code 0x{pattern:0{self.bits // 4}X})"
        value = raw if self.linear is None else self.linear(raw)
        if not math.isfinite(value):
            return None, f"the registers hold no finite number ({value})"
        if self.valid_range and not self.valid_range[0] <= value <= self.valid_range[1]:
            low, high = self.valid_range
            return None, f"the value is outside of its valid_range [{low:g}, {high:g}]"
        return value, ""


@dataclass(frozen=True, slots=True)
class BitField:
    """One bit of a register; 0 is the least significant."""

    number: int
    order: ByteOrder = ByteOrder.ABCD
    code: str = "H"

    def value(self, raw: int) -> Decoded:
        """Whether the bit is set."""
        return bool(raw >> self.number & 1), ""


class StringBytes(StrEnum):
    """Which bytes of a register hold characters."""

    BOTH = "both"
    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class TextField:
    """A text, two characters a register or one, as long as `length` or up to the first NUL."""

    length: int
    encoding: str = "utf-8"
    order: ByteOrder = ByteOrder.ABCD
    string_bytes: StringBytes = StringBytes.BOTH

    @property
    def code(self) -> str:
        """Whole registers; an odd length leaves the last byte unread."""
        registers = (self.length + 1) // 2 if self.string_bytes is StringBytes.BOTH else self.length
        return f"{registers * REGISTER_BYTES}s"

    def value(self, raw: bytes) -> Decoded:
        """The text; what stands behind a NUL is left over from a longer one before."""
        if self.string_bytes is not StringBytes.BOTH:
            raw = raw[self.string_bytes is StringBytes.LOW :: REGISTER_BYTES]
        text = raw[: self.length].split(b"\0", 1)[0]
        try:
            return text.decode(self.encoding).rstrip(), ""
        except UnicodeDecodeError:
            return None, f"the registers hold no {self.encoding} text"


RegisterField: TypeAlias = NumberField | BitField | TextField


def width(register_field: RegisterField) -> int:
    """How many registers it takes."""
    return struct.calcsize(f">{register_field.code}") // REGISTER_BYTES


class _Lane:
    """Fields of one byte order that do not overlap: one `struct` reads them all."""

    def __init__(self, order: ByteOrder) -> None:
        self.order = order
        self._codes: list[str] = []
        self._last = (-1, "")
        self._end = 0
        self._count = 0

    def place(self, start: int, code: str) -> int | None:
        """Take in a field that begins at byte `start`; its index, None if it does not fit behind the last."""
        if (start, code) != self._last:  # else: another bit of the same word
            if start < self._end:
                return None
            self._codes.append(f"{start - self._end}x{code}")
            self._end = start + struct.calcsize(f">{code}")
            self._last = (start, code)
            self._count += 1
        return self._count - 1

    def layout(self, size: int) -> struct.Struct:
        """The `struct` for a block of `size` bytes."""
        # With the bytes of each register swapped, CDAB reads DCBA and BADC reads ABCD: two endiannesses do.
        endian = ">" if self.order in {ByteOrder.ABCD, ByteOrder.BADC} else "<"
        return struct.Struct(f"{endian}{''.join(self._codes)}{size - self._end}x")


def swap_bytes(registers: bytes) -> bytes:
    """The two bytes of each register the other way round."""
    words = array("H", registers)
    words.byteswap()
    return words.tobytes()


def register_decoder(
    fields: Sequence[tuple[int, RegisterField]], registers: int
) -> Callable[[bytes], list[Decoded]]:
    """Make the decoder of a block of registers.

    Args:
        fields: each with its first register, counted from the block's start.
        registers: how many registers the block has.

    Returns:
        A function from the block's bytes (exactly `2 * registers`) to the values, in the order of `fields`.
    """
    lanes: list[_Lane] = []
    slots: list[tuple[int, int, Callable[[Any], Decoded]]] = []
    for start, register_field in fields:
        lane, index = _find_place(lanes, start * REGISTER_BYTES, register_field)
        plain = isinstance(register_field, NumberField) and register_field.is_plain_integer
        slots.append((lane, index, (lambda raw: (raw, "")) if plain else register_field.value))
    layouts = [
        (lane.layout(registers * REGISTER_BYTES), lane.order in {ByteOrder.BADC, ByteOrder.CDAB})
        for lane in lanes
    ]
    any_swapped = any(swapped for _, swapped in layouts)

    def decode(data: bytes) -> list[Decoded]:
        turned = swap_bytes(data) if any_swapped else data
        raw = [layout.unpack(turned if swapped else data) for layout, swapped in layouts]
        return [value(raw[lane][index]) for lane, index, value in slots]

    return decode


def _find_place(lanes: list[_Lane], start: int, register_field: RegisterField) -> tuple[int, int]:
    """The lane and the index that the field got; a new lane where it fits into none."""
    order = register_field.order
    if isinstance(register_field, TextField):  # no words to reverse, and `struct` leaves its bytes alone
        order = ByteOrder.BADC if order.swaps_bytes else ByteOrder.ABCD
    for number, lane in enumerate(lanes):
        if lane.order is order and (index := lane.place(start, register_field.code)) is not None:
            return number, index
    lanes.append(_Lane(order))
    return _find_place(lanes, start, register_field)


def bit_decoder(positions: Sequence[int]) -> Callable[[bytes], list[Decoded]]:
    """Make the decoder of a block of coils or discrete inputs; `positions` count from the block's start."""

    def decode(data: bytes) -> list[Decoded]:
        # The first bit is the least significant of the first byte (1.1b3, section 6.1).
        return [(bool(data[position >> 3] >> (position & 7) & 1), "") for position in positions]

    return decode
