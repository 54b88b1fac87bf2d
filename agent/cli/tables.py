"""Tables for people: columns as wide as their widest cell, cut to the terminal."""

import shutil
import sys
from collections.abc import Sequence
from datetime import datetime

from agent.model import SECOND


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]], *, whole: bool = False) -> None:
    """Print a table; on a terminal the last column is cut to what fits, unless the `whole` is wanted."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    cut = sys.stdout.isatty() and not whole  # a file, a pipe or `grep` gets all of it
    width = shutil.get_terminal_size().columns if cut else sys.maxsize
    for row in cells:
        line = "  ".join(cell.ljust(widths[column]) for column, cell in enumerate(row)).rstrip()
        print(line if len(line) <= width else line[: width - 1] + "…")


def seconds(count: float) -> str:
    """A span of time as people say it: `12 s`, `3 min`, `2 h 5 min`, `4 d`."""
    whole = round(count)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if whole >= 2 * size:
            return f"{whole // size} {unit}"
    return f"{whole} s"


def local(wall: int) -> str:
    """An instant, nanoseconds UTC, as the clock on the wall shows it: `2026-11-21 14:00:03`."""
    return f"{datetime.fromtimestamp(wall // SECOND):%Y-%m-%d %H:%M:%S}"  # noqa: DTZ006 - the reader's zone
