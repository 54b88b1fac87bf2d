"""A history in one or several CSV files, as one stream of portions in order of time.

Files may follow each other (one a day) or lie side by side (one a tag): whatever is earlier comes first.

Rules for whoever changes it: bounded memory, one portion a file; a tag's samples stay in order of time.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import sub
from pathlib import Path
from statistics import median_low
from typing import Final

from agent.model import Kind
from agent.proving.cells import Stamps
from agent.proving.columns import Column
from agent.proving.sheet import HistoryError, Sheet

_HEAD: Final = 20  # portions of each file that are looked at for the time between samples
_ENOUGH: Final = 100  # times between samples of a tag, to know the usual one


class History:
    """What the tags were.

    Attributes:
        unknown: samples by name, of tags that nobody asked for.
        size: bytes of all files, as they lie on disk.
    """

    def __init__(self, paths: Sequence[Path], kinds: Mapping[str, Kind], zone: str) -> None:
        self._paths = paths
        self._kinds = kinds
        self._stamps = Stamps(zone)
        self._sheets: list[Sheet] = []
        try:
            self.size = sum(path.stat().st_size for path in paths)
        except OSError as error:
            raise HistoryError(
                f"{error.filename}: cannot be read ({error.strerror}): check the path"
            ) from None

    @property
    def naive(self) -> bool:
        """At least one stamp had no zone of its own."""
        return self._stamps.naive

    @property
    def position(self) -> int:
        """How many bytes have been read."""
        return sum(sheet.position for sheet in self._sheets)

    @property
    def unknown(self) -> dict[str, int]:
        """Samples by name, of tags that nobody asked for."""
        counted: dict[str, int] = {}
        for sheet in self._sheets:
            for tag, count in sheet.unknown.items():
                counted[tag] = counted.get(tag, 0) + count
        return counted

    def intervals(self) -> dict[str, int]:
        """The median time between two samples of each tag, nanoseconds, from the head of the files.

        Raises:
            HistoryError: a file cannot be read.
        """
        apart: dict[str, list[int]] = {}
        for sheet in self._open():
            mine: set[str] = set()
            for portion in islice(sheet.portions(), _HEAD):
                for column in portion:
                    mine.add(column.tag)
                    times = column.times
                    apart.setdefault(column.tag, []).extend(map(sub, times[1:], times))
                if mine and all(len(apart[tag]) >= _ENOUGH for tag in mine):
                    break
        return {tag: median_low(times) for tag, times in apart.items() if times}

    def portions(self) -> Iterator[list[Column]]:
        """Read all of it, once.

        Raises:
            HistoryError: a file cannot be read, or two files tell of the same tag at the same time.
        """
        self._sheets = self._open()
        if len(self._sheets) == 1:
            return (portion for portion in self._sheets[0].portions() if portion)
        return _merged([(sheet.path, sheet.portions()) for sheet in self._sheets])

    def _open(self) -> list[Sheet]:
        return [Sheet(path, self._kinds, self._stamps) for path in self._paths]


def _merged(streams: Iterable[tuple[Path, Iterator[list[Column]]]]) -> Iterator[list[Column]]:
    """Bring several files into one order; a portion reaches as far as every file has been read."""
    waiting = [(path, portions, held) for path, portions in streams if (held := _next(portions))]
    while waiting:
        horizon = min(max(column.times[-1] for column in held) for _, _, held in waiting)
        portion: dict[str, Column] = {}
        left: list[tuple[Path, Iterator[list[Column]], list[Column]]] = []
        for path, portions, held in waiting:
            rest: list[Column] = []
            for column in held:
                cut = bisect_right(column.times, horizon)
                if cut:
                    _join(portion, column.part(0, cut), path)
                if cut < len(column.times):
                    rest.append(column.part(cut, len(column.times)))
            rest = rest or _next(portions)
            if rest:
                left.append((path, portions, rest))
        waiting = left
        yield list(portion.values())


def _next(portions: Iterator[list[Column]]) -> list[Column]:
    return next((portion for portion in portions if portion), [])


def _join(portion: dict[str, Column], column: Column, path: Path) -> None:
    before = portion.get(column.tag)
    if before is None:
        portion[column.tag] = column
    elif before.times[-1] <= column.times[0]:
        portion[column.tag] = before.then(column)
    elif column.times[-1] <= before.times[0]:
        portion[column.tag] = column.then(before)
    else:
        raise HistoryError(
            f"{path}: {column.tag} stands in another of the files for the same time: leave one of them out"
        )
