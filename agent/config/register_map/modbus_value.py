"""What the registers of a Modbus row mean: type, scaling, range.

Rules for whoever changes this: what the section of a tag checks itself (`ModbusTag`) is not checked here
a second time.
"""

from collections.abc import Callable
from typing import Final

from agent.config.register_map.areas import Place
from agent.config.register_map.decided import BITS_OF, Decided
from agent.config.register_map.numbers import whole_number
from agent.config.register_map.row import RowReader
from agent.config.register_map.scaling import Factor, read_factor, scale
from agent.config.register_map.text import Cell
from agent.config.register_map.types import BITS, TypeWord, sized, type_word
from agent.config.register_map.words import read_codes, read_order
from agent.sources.modbus.plan import Area

_LAST_BIT: Final = 15
_KNOWN: Final = "INT16, UINT16, INT32, UINT32, INT64, UINT64, FLOAT32, FLOAT64, BIT or STRING"


def read_value(reader: RowReader, decided: Decided, place: Place, area: Area) -> None:
    """Write what stands there into the tag."""
    cell, bit = reader.cell("type"), reader.cell("bit")
    word = None if cell is None else type_word(cell.text)
    if area.of_bits:
        if cell is not None and (word is None or word.name != "bit"):
            reader.refuse(f"a {area.value} is one bit, no `{cell.text}`: is the area another?", cell)
    elif cell is None:
        reader.refuse(
            "the type is missing, and registers do not tell it: write it as the manual says, such as INT16"
        )
    elif word is None:
        reader.refuse(f"unknown type `{cell.text}`: write {_KNOWN}", cell)
    elif word.name == "bit" or (bit is not None and word.name in {"bit", "uint16"}):
        _bit(reader, word, place, cell)
    elif bit is not None or place.bit is not None:  # 40001.0 may be what a spreadsheet made of 40001
        reader.refuse(
            f"one bit is no `{cell.text}`: write BIT, or leave the bit out", bit or reader.cell("address")
        )
    elif word.name == "string":
        _text(reader, decided, word, place, cell)
    elif kind := _sized(reader, decided, word, place, cell):
        _number(reader, decided, kind)


def _bit(reader: RowReader, word: TypeWord, place: Place, kind: Cell) -> None:
    cell = reader.cell("bit")
    written = None if cell is None else whole_number(cell.text)
    number = next((each for each in (written, place.bit, word.bit) if each is not None), None)
    if cell is not None and (written is None or written > _LAST_BIT):
        reader.refuse(f"expected a bit 0 to {_LAST_BIT}, got `{cell.text}`", cell)
    elif number is None:
        text = f"a register has 16 bits: give the one that is meant in a column Bit (0 to {_LAST_BIT}), or type UINT16"
        reader.refuse(text, kind)
    else:
        reader.put("type", "bit", kind)
        reader.put("bit", number, cell or kind)
        _put_order(reader, word, kind)


def _bits(reader: RowReader, decided: Decided, place: Place) -> int | None:
    """How many bits the list gives a value; 0: it does not say; None: refused."""
    cell = reader.cell("length")
    if place.registers:
        return place.registers * 16
    if cell is None:
        return 0
    count = whole_number(cell.text)
    if count is None:
        reader.refuse(f"expected a number, got `{cell.text}`", cell)
    elif decided.lengths is None:
        reader.refuse_list(
            "lengths",
            f"the column `{reader.rows.table.titles['length']}` does not tell what it counts, registers, bytes or bits: "
            + reader.remedy("lengths: registers"),
            cell,
        )
    else:
        return count * BITS_OF[decided.lengths]
    return None


def _text(reader: RowReader, decided: Decided, word: TypeWord, place: Place, kind: Cell) -> None:
    bits = word.characters * 8 or _bits(reader, decided, place)
    if bits == 0:
        reader.refuse("a text needs its length: write STRING(16), or add a column Length", kind)
    elif bits is not None:
        reader.put("type", "string", kind)
        reader.put("length", bits // 8, kind if word.characters else reader.cell("length") or kind)
        _put_order(reader, word, kind)


def _sized(reader: RowReader, decided: Decided, word: TypeWord, place: Place, kind: Cell) -> str:
    """The type of a number, which is told by its word, or by its family and its length; empty: refused."""
    needless = word.name in BITS and decided.lengths is None and not place.registers
    bits = 0 if needless else _bits(reader, decided, place)
    if bits is None:
        return ""
    name = word.name or sized(word, bits or word.usual)
    if not name:
        text = f"`{kind.text}` does not tell its size: write INT16 or UINT16, INT32 or UINT32, FLOAT32"
        reader.refuse(text, kind)
    elif bits and bits != BITS[name]:
        text = f"`{kind.text}` has {BITS[name]} bits, but the list gives it {bits}: which is right?"
        reader.refuse(text, reader.cell("length") or kind)
    else:
        reader.put("type", name, kind)
        _put_order(reader, word, kind)
    return name


def _put_order(reader: RowReader, word: TypeWord, kind: Cell) -> None:
    if word.order:
        reader.put("byte_order", word.order, kind)
    _word(reader, "byte_order", read_order)


def _number(reader: RowReader, decided: Decided, kind: str) -> None:
    """Write what only numbers have."""
    factor = _scale(reader, decided)
    if (added := reader.number("add")) is not None and added != 0:
        reader.put("add", added, reader.cell("add"))
    reader.read_unit()
    if factor is not None and factor.unit and "unit" not in reader.tag:
        reader.put("unit", factor.unit, reader.cell("scale"))
    reader.read_range(_reach(reader, kind))
    _word(reader, "invalid", read_codes)


def _scale(reader: RowReader, decided: Decided) -> Factor | None:
    if (cell := reader.cell("scale")) is None:
        return None
    try:
        factor = read_factor(cell.text, comma=reader.rows.comma)
    except ValueError as error:
        reader.refuse(str(error), cell)
        return None
    value = None if factor is None else scale(factor, decided.way)
    if factor is None:
        reader.refuse(f"`{cell.text}` is no scaling: write 0.1, 1/10 or 10 = 1 V", cell)
    elif value is None:
        reader.refuse_list(
            "scaling",
            f"a scaling of {factor.number:g} can be read in two ways: the raw value times {factor.number:g} (scaling: "
            f"multiply), or divided by it (scaling: divide): {reader.remedy('scaling: divide')}",
            cell,
        )
    elif value != 1:
        reader.put("scale", value, cell)
    return factor


def _reach(reader: RowReader, kind: str) -> tuple[float, float] | None:
    """The least and the greatest value that the type can show; None: a float has none."""
    if kind.startswith("float"):
        return None
    factor, added = (reader.tag.get(key, usual) for key, usual in (("scale", 1), ("add", 0)))
    if not isinstance(factor, int | float) or not isinstance(added, int | float):
        return None
    low, high = (
        (-(1 << BITS[kind] - 1), (1 << BITS[kind] - 1) - 1) if kind[0] == "i" else (0, (1 << BITS[kind]) - 1)
    )
    ends = sorted((low * factor + added, high * factor + added))
    return ends[0], ends[1]


def _word(reader: RowReader, name: str, read: Callable[[str], object]) -> None:
    if (cell := reader.cell(name)) is None:
        return
    try:
        value = read(cell.text)
    except ValueError as error:
        reader.refuse(str(error), cell)
        return
    if isinstance(value, str | list):
        reader.put(name, value, cell)
    else:
        reader.refuse(f"`{cell.text}` is not understood", cell)
