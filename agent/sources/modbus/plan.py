"""Which blocks a poll reads: tags merged by unit, area and distance.

Pure. Rules for whoever changes this file: a value is never torn over two reads, a block never
exceeds what one answer can carry, and offsets are those on the wire (from 0), never the manual's.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from agent.codec.modbus import REGISTER_BYTES, Decoded, RegisterField, bit_decoder, register_decoder, width

ADDRESSES: Final = 65_536
"""How many addresses an area has (1.1b3, section 4.4: a 16-bit address on the wire)."""

BITS_IN_REGISTER: Final = 16
_HEAD: Final = 2  # of an answer: function code and byte count


class Area(StrEnum):
    """The four tables of a Modbus device."""

    COIL = "coil"
    DISCRETE = "discrete"
    INPUT = "input"
    HOLDING = "holding"

    @property
    def function(self) -> int:
        """The function code that reads it. These four are all that a `Block` can ever ask for."""
        return _READ_FUNCTIONS[self]

    @property
    def digit(self) -> str:
        """The first digit of its addresses in manuals: 4 in 40011."""
        return _DIGITS[self]

    @property
    def of_bits(self) -> bool:
        """Whether one address is one bit, not a register."""
        return self in {Area.COIL, Area.DISCRETE}


_REQUEST: Final = struct.Struct(">BHH")
_READ_FUNCTIONS: Final = {Area.COIL: 1, Area.DISCRETE: 2, Area.HOLDING: 3, Area.INPUT: 4}
_DIGITS: Final = {Area.COIL: "0", Area.DISCRETE: "1", Area.INPUT: "3", Area.HOLDING: "4"}


@dataclass(frozen=True, slots=True)
class Point:
    """Where a tag stands in a device, and what stands there.

    Attributes:
        tag: its name.
        unit: the device's unit id.
        area: the table.
        offset: its first address on the wire, from 0.
        field: what the registers mean; None for a coil or a discrete input, which is its bit.
    """

    tag: str
    unit: int
    area: Area
    offset: int
    field: RegisterField | None = None

    @property
    def end(self) -> int:
        """The first offset behind it."""
        return self.offset + (1 if self.field is None else width(self.field))


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for, in registers; for bits it is the same number of bytes.

    Attributes:
        registers: the most in one read.
        gap: how many unwanted ones are read along rather than asking twice.
    """

    registers: int
    gap: int


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One read: `count` addresses from `start`, and the points among them.

    Attributes:
        decode: turns the answer's `size` bytes into the values of `points`, in their order.
    """

    unit: int
    area: Area
    start: int
    count: int
    points: tuple[Point, ...]
    decode: Callable[[bytes], list[Decoded]]
    wish: ClassVar = "asked for"
    repeats: ClassVar = False

    @property
    def function(self) -> int:
        """See `Question.function`."""
        return self.area.function

    @property
    def pdu(self) -> bytes:
        """See `Question.pdu`."""
        return _REQUEST.pack(self.area.function, self.start, self.count)

    @property
    def size(self) -> int:
        """How many bytes of data the answer must have."""
        return (self.count + 7) // 8 if self.area.of_bits else self.count * REGISTER_BYTES

    @property
    def answer_size(self) -> int:
        """See `Question.answer_size`."""
        return _HEAD + self.size

    def fault(self, pdu: bytes) -> str:
        """See `Question.fault`."""
        content = len(pdu) - _HEAD
        if pdu[1] == content == self.size:
            return ""
        return f"{self.size} bytes were asked for, the answer says {pdu[1]} and has {content}"

    def leave(self) -> None:
        """See `Question.leave`: a question may always be asked."""

    def halves(self) -> tuple["Block", "Block"]:
        """The same points in two blocks; for a block of at least two points."""
        middle = len(self.points) // 2
        return _block(self.points[:middle]), _block(self.points[middle:])

    def singles(self) -> list["Block"]:
        """The same points, each in a block of its own."""
        return [_block([point]) for point in self.points]


def plan(points: Iterable[Point], limits: Limits) -> list[Block]:
    """The fewest blocks that read all points, in the order of unit, area and offset."""
    groups: list[list[Point]] = []
    end = 0
    for point in sorted(points, key=_place):
        scale = BITS_IN_REGISTER if point.area.of_bits else 1
        first = groups[-1][0] if groups else None
        if (
            first is not None
            and (first.unit, first.area) == (point.unit, point.area)
            and point.offset - end <= limits.gap * scale
            and max(end, point.end) - first.offset <= limits.registers * scale
        ):
            groups[-1].append(point)
            end = max(end, point.end)
        else:
            groups.append([point])
            end = point.end
    return [_block(group) for group in groups]


def _place(point: Point) -> tuple[int, int, int, str]:
    # The code last: bits of one word stand together, so that the decoder reads the word once.
    return point.unit, point.area.function, point.offset, point.field.code if point.field else ""


def _block(points: Sequence[Point]) -> Block:
    first = points[0]
    start = first.offset
    count = max(point.end for point in points) - start
    if first.area.of_bits:
        decode = bit_decoder([point.offset - start for point in points])
    else:
        placed = [(point.offset - start, point.field) for point in points if point.field is not None]
        decode = register_decoder(placed, count)
    return Block(first.unit, first.area, start, count, tuple(points), decode)
