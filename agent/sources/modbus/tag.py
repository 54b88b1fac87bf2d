"""What an engineer writes about one value in a Modbus device.

Rules for whoever changes this file: the words are those of the device's manual; nothing that could
be read in two ways is guessed; a key without a meaning for the type is refused, not ignored.
"""

from typing import Annotated, Final, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat, WithJsonSchema, model_validator

from agent.codec.iec_types import IEC_TYPES, canonical_type
from agent.codec.modbus import (
    BitField,
    ByteOrder,
    Linear,
    NumberField,
    NumberType,
    RegisterField,
    StringBytes,
    TextField,
)
from agent.config.fields import Duration, format_duration
from agent.model import MILLISECOND
from agent.sources.base import Range, TagSection
from agent.sources.modbus.address import manual_address, parse_bit_address, refuse_bare_number
from agent.sources.modbus.grant import check_grant
from agent.sources.modbus.plan import ADDRESSES, Area, Point
from agent.sources.writing import WriteSection

_LARGEST_FACTOR_BITS: Final = 400  # times 64 bits of value that is still within a float
_TypeName = Literal[
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
    "bool",
    "bit",
    "string",
]
_KEYS_OF_NUMBERS: Final = ("scale", "add", "raw_range", "invalid", "valid_range")
_KEYS_OF_TEXTS: Final = ("length", "encoding", "string_bytes")
_SHORTEST: Final = 10 * MILLISECOND


def _check_address(text: str) -> str:
    parse_bit_address(text)
    return text


def _long_enough(duration: int) -> int:
    if duration < _SHORTEST:
        raise ValueError(f"expected {format_duration(_SHORTEST)} or more, got {format_duration(duration)}")
    return duration


Interval = Annotated[Duration, AfterValidator(_long_enough)]


UnitId = Annotated[int, Field(ge=0, le=255)]
Order = Annotated[ByteOrder, Field(strict=False)]


class ModbusTag(TagSection):
    """One value in the device."""

    address: Annotated[str, BeforeValidator(refuse_bare_number), AfterValidator(_check_address)] | None = None
    """The address as the manual prints it, counted from 1, in quotes: "40011", "30001", "10001", "00001";
    "40011.3" is bit 3 of that register."""
    area: Annotated[Area, Field(strict=False)] | None = None
    """With `offset`, instead of `address`: holding, input, coil or discrete."""
    offset: Annotated[int, Field(ge=0, lt=ADDRESSES)] | None = None
    """With `area`: the address on the wire, counted from 0."""
    unit_id: UnitId | None = None
    """The device's unit id, if it is not the source's."""
    poll_every: Interval | None = None
    """How often it is read, if not as often as the source's other tags."""
    type: (
        Annotated[
            _TypeName,
            BeforeValidator(canonical_type),
            WithJsonSchema({"type": "string", "enum": [*get_args(_TypeName), *IEC_TYPES]}),
        ]
        | None
    ) = None
    """What the registers hold; IEC 61131 names (REAL, DINT, WORD) mean the same."""
    byte_order: Order | None = None
    """How the bytes of a number stand: ABCD, CDAB (low word first), BADC or DCBA; if not the source's."""
    bit: Annotated[int, Field(ge=0, le=15)] | None = None
    """For type bit: which bit of the register; 0 is the least significant."""
    length: Annotated[int, Field(ge=1, le=250)] | None = None
    """For type string: how many characters."""
    encoding: Literal["utf-8", "ascii", "latin-1", "cp1252"] = "utf-8"
    """For type string: how the characters are encoded."""
    string_bytes: Annotated[StringBytes, Field(strict=False)] = StringBytes.BOTH
    """For type string: whether a register holds two characters, or one in its high or its low byte."""
    scale: FiniteFloat = 1.0
    """The raw value times this ..."""
    add: FiniteFloat = 0.0
    """... plus this is the value."""
    raw_range: Range | None = None
    """Instead of `scale`: the raw values [low, high] that mean the ends of `range` (0 to 27648, 4000 to 20000)."""
    invalid: list[int] = Field(default_factory=list)
    """Raw codes by which the device says that it has no value: [0x8000, 0x7FFF]."""
    valid_range: Range | None = None
    """Values outside of [low, high] are bad: a broken wire is no temperature."""
    write: WriteSection | None = None
    """What signed messages may write to it: {min: 20, max: 80} for a number, {} for a coil; left out: nothing."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        point = self.point("", 0, ByteOrder.ABCD)
        if point.end > ADDRESSES:
            raise ValueError(
                f"it would end behind the last address of its area: {manual_address(point.area, point.offset)} "
                f"and {point.end - point.offset} registers make {point.end - ADDRESSES} too many"
            )
        if self.write is not None:
            try:
                check_grant(point, self.write)
            except ValueError as error:
                raise ValueError(f"`write`: {error}") from None
        return self

    def point(self, tag: str, unit_id: int, order: ByteOrder) -> Point:
        """Where the tag stands and what it means.

        Args:
            tag: its name.
            unit_id: the source's, if the tag names none.
            order: the source's, if the tag names none.

        Raises:
            ValueError: its keys do not go together.
        """
        area, offset, bit = self._place()
        unit = unit_id if self.unit_id is None else self.unit_id
        if bit is not None:
            return Point(tag, unit, area, offset, self._bit_of_address(bit, self.byte_order or order))
        if not area.of_bits:
            return Point(tag, unit, area, offset, self._register_field(self.byte_order or order))
        if self.type not in {None, "bool"}:
            raise ValueError(
                f"a {area.value} is one bit: leave out `type: {self.type}`, or is the area another?"
            )
        self._refuse((*_KEYS_OF_NUMBERS, *_KEYS_OF_TEXTS, "bit", "byte_order"), f"a {area.value} is one bit")
        return Point(tag, unit, area, offset)

    def _place(self) -> tuple[Area, int, int | None]:
        match self.address, self.area, self.offset:
            case str(address), None, None:
                return parse_bit_address(address)
            case None, Area() as area, int(offset):
                return area, offset, None
            case str(), None, int():
                raise ValueError("`offset` is an address and goes with `area`; a number to be added is `add`")
            case None, _, _:
                raise ValueError('expected `address: "40011"`, or `area: holding` together with `offset: 10`')
            case _:
                raise ValueError("expected either `address`, or `area` and `offset`, not both")

    def _bit_of_address(self, bit: int, order: ByteOrder) -> BitField:
        if self.type not in {None, "bit", "bool"}:
            raise ValueError(
                f"`address: {self.address}` is one bit: leave out `type: {self.type}` or the `.{bit}`"
            )
        self._refuse((*_KEYS_OF_NUMBERS, *_KEYS_OF_TEXTS, "bit"), f"`address: {self.address}` is one bit")
        return BitField(bit, order)

    def _register_field(self, order: ByteOrder) -> RegisterField:
        match self.type:
            case None:
                raise ValueError(
                    "`type` is missing, and registers do not tell it: the device's manual says int16, "
                    "uint16, int32, uint32, float32, ... , bit or string"
                )
            case "bool":
                raise ValueError("a register has 16 bits: write `type: bit` and which one, `bit: 0`")
            case "bit":
                self._refuse((*_KEYS_OF_NUMBERS, *_KEYS_OF_TEXTS), "type bit is true or false")
                if self.bit is None:
                    raise ValueError("`bit` is missing: add which one, 0 (the least significant) to 15")
                return BitField(self.bit, order)
            case "string":
                self._refuse((*_KEYS_OF_NUMBERS, "bit"), "type string is a text")
                if self.length is None:
                    raise ValueError("`length` is missing: add how many characters the text has at most")
                return TextField(self.length, self.encoding, order, self.string_bytes)
            case _:
                self._refuse((*_KEYS_OF_TEXTS, "bit"), f"type {self.type} is a number")
                field = NumberField(
                    NumberType(self.type), order, self._linear(), valid_range=self.valid_range
                )
                return NumberField(field.type, order, field.linear, self._codes(field), field.valid_range)

    def _refuse(self, keys: tuple[str, ...], because: str) -> None:
        if wrong := [key for key in keys if key in self.model_fields_set]:
            raise ValueError(f"{because}: `{wrong[0]}` has no meaning there, delete it")

    def _linear(self) -> Linear | None:
        if self.raw_range is None:
            if self.scale == 0:
                raise ValueError("`scale: 0` would make every value the same")
            linear = Linear.scaled(self.scale, self.add)
        elif self.range is None:
            raise ValueError("`raw_range` needs `range`: what its two ends mean")
        elif {"scale", "add"} & self.model_fields_set:
            raise ValueError("`raw_range` with `range` is a scaling already: leave out `scale` and `add`")
        else:
            linear = Linear.through(self.raw_range, self.range)
        if max(map(abs, (linear.slope, linear.shift, linear.divisor))).bit_length() > _LARGEST_FACTOR_BITS:
            raise ValueError("the scaling is beyond any measurement: look at its powers of ten")
        return None if linear == Linear(1, 0, 1) else linear

    def _codes(self, field: NumberField) -> frozenset[int]:
        lowest = -(1 << field.bits - 1) if field.type.startswith("int") else 0
        for code in self.invalid:
            if not lowest <= code < 1 << field.bits:
                raise ValueError(f"`invalid`: {code} is no code of {field.bits} bits")
        return frozenset(code % (1 << field.bits) for code in self.invalid)
