"""What no row of a Modbus list can tell alone: how addresses are counted, which way a scaling goes, what a length counts.

Rules for whoever changes this: the engineer's word comes first, then the heading, then what can mean
nothing else; None is an answer, and whoever needs more refuses the list.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from agent.config.register_map.areas import (
    Counting,
    Notation,
    Place,
    counting,
    notation_of,
    read_area,
    read_place,
)
from agent.config.register_map.headings import address_heading, normal, remark
from agent.config.register_map.numbers import whole_number
from agent.config.register_map.options import LengthUnit
from agent.config.register_map.row import Rows
from agent.config.register_map.scaling import Direction, Factor, direction, read_factor
from agent.config.register_map.text import Cell, Row
from agent.config.register_map.types import BITS, type_word
from agent.sources.modbus.plan import Area

BITS_OF: Final[dict[LengthUnit, int]] = {"registers": 16, "bytes": 8, "bits": 1}
_LENGTH_WORDS: Final[dict[str, LengthUnit]] = {
    **dict.fromkeys(
        ("words", "wörter", "worte", "registers", "register", "count", "anzahl", "qty", "quantity"),
        "registers",
    ),
    **dict.fromkeys(("bytes", "byte", "characters", "zeichen", "chars"), "bytes"),
    **dict.fromkeys(("bits", "width"), "bits"),
}
_FUNCTIONS: Final = re.compile(r"\b(?:function|funktion|funktionscode|fc|code|fcode)\b")


@dataclass(frozen=True, slots=True)
class Decided:
    """What holds for every row of a list.

    Attributes:
        counting: of addresses that their notation does not decide; None: nobody knows.
        notation: of the addresses.
        functions: the column of areas has function codes.
        way: whether scalings multiply or divide; None: nobody knows.
        lengths: what a length counts; None: nobody knows.
    """

    counting: Counting | None
    notation: Notation
    functions: bool
    way: Direction | None
    lengths: LengthUnit | None

    def area(self, cell: Cell | None) -> Area | None:
        """The area that a cell names."""
        area = None if cell is None else read_area(cell.text, function=self.functions)
        return area if isinstance(area, Area) else None


def decide(rows: Rows, values: Sequence[Row]) -> Decided:
    """Decide over all rows that hold a value."""
    titles, options = rows.table.titles, rows.options
    said, hexadecimal = address_heading(titles.get("address", ""))
    functions = bool(_FUNCTIONS.search(normal(titles.get("area", ""))))
    notation = "hexadecimal" if hexadecimal else notation_of(rows.table.texts("address"))
    blank = Decided(None, notation, functions, None, None)
    return Decided(
        options.addresses or counting(said, _places(rows, values, blank)),
        notation,
        functions,
        options.scaling or direction(normal(titles.get("scale", "")), _factors(rows, values)),
        options.lengths or _by_lengths(rows, values),
    )


def _places(rows: Rows, values: Sequence[Row], known: Decided) -> Iterator[tuple[Place, Area | None]]:
    for row in values:
        cell = rows.table.cell(row, "address")
        if cell is not None and (place := read_place(cell.text, known.notation)) is not None:
            yield place, known.area(rows.table.cell(row, "area"))


def _factors(rows: Rows, values: Sequence[Row]) -> Iterator[Factor]:
    for row in values:
        if (cell := rows.table.cell(row, "scale")) is not None:
            try:
                factor = read_factor(cell.text, comma=rows.comma)
            except ValueError:
                continue  # told when its row is read
            if factor is not None:
                yield factor


def _by_lengths(rows: Rows, values: Sequence[Row]) -> LengthUnit | None:
    """By the heading, else by the rows whose type tells their size."""
    title = rows.table.titles.get("length", "")
    words = f"{normal(title)} {remark(title)}".split()
    if said := [_LENGTH_WORDS[word] for word in words if word in _LENGTH_WORDS]:
        return said[-1]
    sizes = set()
    for row in values:
        length, kind = (rows.table.cell(row, name) for name in ("length", "type"))
        word = None if kind is None else type_word(kind.text)
        count = None if length is None else whole_number(length.text)
        if word is not None and count is not None and word.name in BITS:
            sizes.add((count, BITS[word.name]))
    units = [unit for unit, bits in BITS_OF.items() if all(count * bits == size for count, size in sizes)]
    return units[0] if sizes and units else None
