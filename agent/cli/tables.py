"""Tables for people: columns as wide as their widest cell, cut to the terminal."""

import shutil
from collections.abc import Sequence


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; the last column is cut to what fits."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    width = shutil.get_terminal_size((120, 40)).columns
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
