"""Tables for people: columns as wide as their widest cell; on a terminal what does not fit stands below its row.

Rules for whoever changes this: a file, a pipe or `grep` gets a row a line; what people said, or are to do, is never
cut, for the remedy stands at the end.
"""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Final

from agent.model import SECOND, Json

_WIDEST: Final = 48
"""No column of rows that are printed as they come grows beyond it."""


def print_table(
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    whole: bool = False,
    below: Sequence[Sequence[str]] = (),
) -> None:
    """Print a table; on a terminal the columns that do not fit stand below, unless the `whole` is wanted as it is.

    `below` has sentences for each row that stand under it, all of them.
    """
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    width = sys.maxsize if whole else _width()
    for row, notes in zip_longest(cells, [(), *below], fillvalue=()):
        for line in _laid_out(row, widths, width):
            print(line)
        for note in notes:
            print(wrapped(f"    {note}"))


def _laid_out(row: Sequence[str], widths: Sequence[int], screen: int) -> Iterator[str]:
    """Give a row as lines: as many of its columns as the screen has room for, and the others below, whole."""
    padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
    fitting = len(row)
    while fitting > 1 and len("  ".join(padded[:fitting]).rstrip()) > screen:
        fitting -= 1
    yield "  ".join(padded[:fitting]).rstrip()
    if rest := "  ".join(cell for cell in row[fitting:] if cell):
        yield wrapped(f"    {rest}")


class Rows:
    """A table whose rows are printed as they come: a column is as wide as was thought, or as its widest cell yet.

    Attributes:
        cut: whether a row did not fit the terminal.
    """

    def __init__(self, head: Sequence[str], widths: Sequence[int], *, below: bool = False) -> None:
        """With `below` nothing is cut: what does not fit stands below its row."""
        self.cut = False
        self._below = below
        self._widths = [max(width, len(name)) for name, width in zip(head, widths, strict=True)]
        self._head: Sequence[str] | None = head

    def print(self, cells: Sequence[str]) -> None:
        """Print a row, the first with its head; cut to what fits the terminal."""
        self._widths = [
            max(width, min(len(cell), _WIDEST)) for width, cell in zip(self._widths, cells, strict=True)
        ]
        if self._head is not None:
            head, self._head = self._head, None
            self.print(head)
        if self._below:
            print("\n".join(_laid_out(cells, self._widths, _width())), flush=True)
            return
        padded = (cell.ljust(width) for cell, width in zip(cells, self._widths, strict=True))
        line = "  ".join(padded).rstrip()
        self.cut |= len(line) > (width := _width())
        print(line if len(line) <= width else line[: width - 1] + "…", flush=True)

    def line(self, text: str) -> None:
        """Print a sentence below a row, all of it."""
        print(wrapped(text), flush=True)


def wrapped(text: str) -> str:
    """A sentence in as many lines as the terminal needs, each as far from the left as the first."""
    if len(text) <= (width := _width()):
        return text
    indent = " " * (len(text) - len(text.lstrip()))
    return textwrap.fill(
        text.strip(),
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def coloured() -> bool:
    """Whether colours are wanted: by a terminal that can show them, whose user has not said no (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def part_of_screen() -> int:
    """How many rows a part may have where four or five share a screen: 5 of 24 lines; 20 in a file or a pipe."""
    return max(5, shutil.get_terminal_size().lines // 5) if sys.stdout.isatty() else 20


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize


def seconds(count: float) -> str:
    """A span of time as people say it: `12 s`, `3 min`, `2 h 5 min`, `4 d`."""
    whole = round(count)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if whole >= 2 * size:
            return f"{whole // size} {unit}"
    return f"{whole} s"


def local_stamp(stamp: Json) -> str:
    """A stamp of an answer (`2026-11-21T13:00:03.120Z`) as the clock on the wall shows it."""
    return local(round(datetime.fromisoformat(str(stamp)).timestamp() * SECOND))


def local(wall: int) -> str:
    """An instant, nanoseconds UTC, as the clock on the wall shows it: `2026-11-21 14:00:03`."""
    return f"{datetime.fromtimestamp(wall // SECOND):%Y-%m-%d %H:%M:%S}"  # noqa: DTZ006 - the reader's zone
