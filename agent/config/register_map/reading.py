"""A vendor's list to tags: one entry a row, a problem for each row that cannot be used.

Rules for whoever changes this: what a row means is its protocol's business (`modbus_address`, `modbus_value`); here is what
all lists share: which rows are values at all, and what they are called.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.config.register_map.areas import WRITE_ONLY, read_area
from agent.config.register_map.decided import decide
from agent.config.register_map.headings import FIELDS, PLACE, Table, has_headings, read_table
from agent.config.register_map.modbus_address import read_address
from agent.config.register_map.modbus_value import read_value
from agent.config.register_map.numbers import NUMBER, comma_is_decimal
from agent.config.register_map.options import ListOptions
from agent.config.register_map.row import Entry, RowReader, Rows
from agent.config.register_map.text import Cell, Row, decode
from agent.config.register_map.words import is_not_used, read_access, tag_name
from agent.errors import Problem

_REMARKS: Final = ("#", "//", "--")
_NUMBERS: Final = ("scale", "add", "min", "max", "range")
_KEYS: Final = {"opcua": ("node",), "mqtt": ("topic", "value", "time")}


@dataclass(frozen=True, slots=True)
class TagList:
    """What a list holds.

    Attributes:
        entries: the rows that can be used, by the tag's name, in the order of the list.
        unusable: the names of the others.
        problems: what is wrong, or doubtful, with the name of the tag that it is about (empty: the list).
        left_out: how many rows hold nothing to read, by the reason.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    unusable: set[str] = field(default_factory=set)
    problems: list[tuple[str, Problem]] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)


def kind_of(content: bytes, options: ListOptions) -> str:
    """Which protocol a list is of, by its headings.

    Raises:
        ListError: it is no text.
    """
    text = decode(content)
    kinds = (kind for kind in ("opcua", "mqtt") if has_headings(text, kind, columns_of(kind, options)))
    return next(kinds, "modbus")


def columns_of(kind: str, options: ListOptions) -> dict[str, str]:
    """The headings that the engineer named, as far as such a list has these fields."""
    return {str(name): heading for name, heading in options.columns.items() if name in FIELDS[kind]}


def read_list(content: bytes, file: str, kind: str, options: ListOptions) -> TagList:
    """Read a list.

    Args:
        content: of the file.
        file: its name, for the problems.
        kind: the protocol, a key of `FIELDS`.
        options: what the engineer says about it.

    Raises:
        ListError: nothing of it can be used.
    """
    table = read_table(decode(content), kind, columns_of(kind, options))
    numbers = (part for text in table.texts(*_NUMBERS) for part in re.findall(NUMBER, text))
    rows = Rows(file, table, options, comma=comma_is_decimal(numbers))
    listed = TagList()
    values = [row for row in table.rows if _is_value(table, row, PLACE[kind])]
    readable = [row for row in values if not _is_left_out(table, row, listed.left_out)]
    read = _modbus(rows, values) if kind == "modbus" else _plain(_KEYS[kind])
    seen: dict[str, int] = {}
    for row in readable:
        reader = RowReader(rows, row, *_name(table, row))
        if not reader.name:
            _refuse_nameless(reader, table)
        elif reader.name in seen:
            reader.refuse(
                f"the name stands in line {seen[reader.name]} already: give one of them another", reader.at
            )
        else:
            seen[reader.name] = reader.at.line
            read(reader)
            _keep(listed, reader)
        listed.problems.extend(reader.problems)
    return listed


def _modbus(rows: Rows, values: Sequence[Row]) -> Callable[[RowReader], None]:
    """How a row of registers is read."""
    decided = decide(rows, values)  # those that nobody reads tell as much

    def read(reader: RowReader) -> None:
        if (unit_id := reader.number("unit_id")) is not None:
            reader.put("unit_id", unit_id, reader.cell("unit_id"))
        if (found := read_address(reader, decided)) is not None:
            read_value(reader, decided, *found)

    return read


def _plain(keys: Sequence[str]) -> Callable[[RowReader], None]:
    """How a row is read whose cells are written as they are: node ids, topics."""

    def read(reader: RowReader) -> None:
        for key in keys:
            if (cell := reader.cell(key)) is not None:
                reader.put(key, cell.text, cell)
            elif key == keys[0]:
                reader.refuse(f"the {key} is missing")
        reader.read_unit()
        reader.read_range()

    return read


def _keep(listed: TagList, reader: RowReader) -> None:
    if not reader.usable:
        listed.unusable.add(reader.name)
        return
    note = reader.cell("description")
    text = "" if note is None else " ".join(note.text.split())
    listed.entries[reader.name] = Entry(reader.tag, reader.cells, reader.at, reader.rows.file, text)


def _is_value(table: Table, row: Row, place: str) -> bool:
    """Whether a row is more than a blank, a remark, or the title of a section."""
    written = [cell for cell in row if cell.text]
    if len(written) < min(2, len(table.columns)) or written[0].text.startswith(_REMARKS):
        return False
    return table.cell(row, place) is not None or table.cell(row, "type") is not None


def _is_left_out(table: Table, row: Row, left_out: dict[str, int]) -> bool:
    """Whether a row holds nothing to read; counts it under its reason."""
    name, access, area = (table.cell(row, field) for field in ("name", "access", "area"))
    reason = ""
    if name is not None and is_not_used(name.text):
        reason = "reserved"
    elif (access is not None and read_access(access.text) == WRITE_ONLY) or (
        area is not None and read_area(area.text, function=True) == WRITE_ONLY
    ):
        reason = WRITE_ONLY
    if reason:
        left_out[reason] = left_out.get(reason, 0) + 1
    return bool(reason)


def _refuse_nameless(reader: RowReader, table: Table) -> None:
    if table.columns.keys() & {"name", "description"}:
        reader.refuse("a name is missing")
    else:
        known = ", ".join(f"`{title}`" for title in table.titles.values())
        text = f"no heading says where the names of the tags are, beside {known}: columns: {{name: HEADING}}"
        reader.refuse_list("name", text)


def _name(table: Table, row: Row) -> tuple[str, Cell]:
    """What the tag is called, and where that stands; without a name of its own, what describes it."""
    cell = table.cell(row, "name") or table.cell(row, "description")
    first = next(each for each in row if each.text)
    unit = table.cell(row, "unit")
    return ("", first) if cell is None else (tag_name(cell.text, unit.text if unit else ""), cell)
