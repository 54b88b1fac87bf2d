"""A table of text as it comes out of Excel or a vendor's tool: bytes to cells, each with its place.

Rules for whoever changes this: the encoding and the delimiter are found out, not asked for; every
cell keeps the line and the column at which it begins, because that is what a problem names.
"""

import codecs
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

DELIMITERS: Final = ";,\t|"
_LARGEST_FILE: Final = 16 * 1024 * 1024
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods; .xls
_DECLARED: Final = re.compile(r"sep=(.)\s*$")  # Excel's own first line
_NEWLINE: Final = re.compile(r"\r\n|\r|\n")


class Cell(NamedTuple):
    """What stands in one cell, without blanks around it; line and column count from 1."""

    text: str
    line: int
    column: int


Row: TypeAlias = Sequence[Cell]


class ListError(Exception):
    """A list of which nothing can be used.

    Attributes:
        line: where in it, from 1; 0: the list as a whole.
        column: the same.
        option: the key of the import that is wrong, if it is one.
    """

    def __init__(self, text: str, line: int = 0, column: int = 0, option: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.line, self.column, self.option = line, column, option


def decode(content: bytes) -> str:
    """Read the bytes as UTF-8, as UTF-16 with its mark, or as the cp1252 of a western Windows.

    Raises:
        ListError: a workbook, or far too large.
    """
    if content.startswith(_WORKBOOKS):
        raise ListError("a workbook, not a text: open it and save the sheet as CSV (UTF-8)")
    if len(content) > _LARGEST_FILE:
        raise ListError(f"larger than {_LARGEST_FILE} bytes: is it the right file?")
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")  # every byte is a character there: five of them are none in cp1252


def declared_delimiter(text: str) -> str:
    """The delimiter that Excel wrote into the first line (`sep=;`); empty if it did not."""
    declared = _DECLARED.match(text.partition("\n")[0])
    return declared[1] if declared else ""


def split(text: str, delimiter: str, at_most: int | None = None) -> Iterator[list[Cell]]:
    """Cut a text into rows of cells; quotes may hold delimiters, quotes (doubled) and line ends.

    Args:
        text: the whole file.
        delimiter: one character.
        at_most: so many rows; None: all.
    """
    mark = re.escape(delimiter)
    cell = re.compile(rf' *"((?:[^"]|"")*)" *(?={mark}|[\r\n]|\Z)|([^{mark}\r\n]*)')
    at, line, begin, count = 0, 1, 0, 0
    row: list[Cell] = []
    while match := cell.match(text, at):
        quoted, bare = match.groups()
        written = bare if quoted is None else quoted.replace('""', '"')
        row.append(Cell(written.strip(), line, at - begin + 1))
        for newline in _NEWLINE.finditer(text, at, match.end()) if quoted and "\n" in quoted else ():
            line, begin = line + 1, newline.end()
        at = match.end() + 1
        if text[at - 1 : at] == delimiter:
            continue
        yield row
        row, count = [], count + 1
        at += text[at - 1 : at + 1] == "\r\n"
        line, begin = line + 1, at
        if at > len(text) - 1 or count == at_most:
            return
