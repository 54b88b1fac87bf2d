"""One row of a vendor's list on its way to a tag.

Rules for whoever changes this: what is put remembers its cell, so that whatever is found wrong with it
later is told there; what a row lacks is told at its name.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.config.register_map.headings import Table
from agent.config.register_map.numbers import as_written, number
from agent.config.register_map.options import ListOptions
from agent.config.register_map.text import Cell, Row
from agent.config.register_map.words import read_range, read_unit
from agent.config.yaml_text import Key, Plain
from agent.errors import Problem

WHOLE: Final = ""
"""Of which tag a problem is that concerns the whole list."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row that can be used.

    Attributes:
        tag: what an engineer would write under the tag's name.
        cells: where each of its keys stands.
        at: where the row's name stands.
        file: the list.
        note: what the list says about it, for people.
    """

    tag: dict[Key, Plain]
    cells: dict[str, Cell]
    at: Cell
    file: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """What all rows of a list share.

    Attributes:
        file: its name, for the problems.
        table: its columns.
        options: what the engineer says about it.
        comma: its numbers have decimal commas.
        told: what concerns the whole list and was told.
    """

    file: str
    table: Table
    options: ListOptions
    comma: bool
    told: set[str] = field(default_factory=set)


class RowReader:
    """Collects the tag of a row, and what is wrong with it."""

    def __init__(self, rows: Rows, row: Row, name: str, at: Cell) -> None:
        self.rows = rows
        self.name = name
        self.at = at
        self.tag: dict[Key, Plain] = {}
        self.cells: dict[str, Cell] = {}
        self.problems: list[tuple[str, Problem]] = []
        self.usable = True
        self._row = row

    def cell(self, name: str) -> Cell | None:
        """What the row has for a field."""
        return self.rows.table.cell(self._row, name)

    def put(self, key: str, value: Plain, cell: Cell | None = None) -> None:
        """Write a key of the tag."""
        self.tag[key] = value
        self.cells[key] = cell or self.at

    def refuse(self, text: str, cell: Cell | None = None) -> None:
        """The row cannot be used, for this reason."""
        self.usable = False
        self._note(text, cell, "error")

    def refuse_list(self, about: str, text: str, cell: Cell | None = None) -> None:
        """The row cannot be used for a reason that it shares with others: `about` what it is told once."""
        self.usable = False
        if about not in self.rows.told:
            self.rows.told.add(about)
            self._note(text, cell, "error", whole=True)

    def remedy(self, words: str) -> str:
        """How the engineer says what the list does not."""
        return f"write import: {{file: {Path(self.rows.file).name}, {words}}}"

    def doubt(self, text: str, cell: Cell | None = None) -> None:
        """Something of the row was left out, for this reason."""
        self._note(text, cell, "warning")

    def _note(self, text: str, cell: Cell | None, severity: str, *, whole: bool = False) -> None:
        at = cell or self.at
        about = WHOLE if whole else self.name
        subject = "" if whole or not self.name else f"tag {self.name}: "
        self.problems.append((about, Problem(self.rows.file, at.line, at.column, subject + text, severity)))

    def number(self, name: str) -> int | float | None:
        """The number of a field; None: there is none, or it was refused."""
        if (cell := self.cell(name)) is None:
            return None
        try:
            value = number(cell.text, comma=self.rows.comma)
        except ValueError as error:
            self.refuse(str(error), cell)
            return None
        if value is None:
            self.refuse(f"expected a number, got `{cell.text}`", cell)
            return None
        return as_written(value)

    def read_unit(self) -> None:
        """Take over the unit."""
        if (cell := self.cell("unit")) is not None and (unit := read_unit(cell.text)):
            self.put("unit", unit, cell)

    def read_range(self, reach: tuple[float, float] | None = None) -> None:
        """Take over the engineering range, from a column of its own or two; `reach`: what can be shown at all."""
        cell = self.cell("range") or self.cell("min")
        ends = self._ends()
        if ends is None or cell is None:
            return
        low, high = ends
        if not low < high:
            self.doubt(f"the range is left out: {low:g} is not below {high:g}, check both", cell)
        elif reach is not None and not reach[0] <= low < high <= reach[1]:
            self.doubt(
                f"the range is left out: a value of this type and scaling is within [{reach[0]:g}, {reach[1]:g}], "
                f"so [{low:g}, {high:g}] are raw values, or the scaling is another: check both",
                cell,
            )
        else:
            self.put("range", [as_written(low), as_written(high)], cell)

    def _ends(self) -> tuple[float, float] | None:
        if (cell := self.cell("range")) is not None:
            try:
                ends = read_range(cell.text, comma=self.rows.comma)
            except ValueError as error:
                self.doubt(f"the range is left out: {error}", cell)
                return None
            if ends is None and any(character.isdigit() for character in cell.text):
                self.doubt(f"the range is left out: expected two numbers, 0...100, got `{cell.text}`", cell)
            return ends
        if self.cell("min") is None or self.cell("max") is None:
            return None
        low, high = self.number("min"), self.number("max")
        return None if low is None or high is None else (low, high)
