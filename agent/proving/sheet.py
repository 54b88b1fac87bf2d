"""One CSV file of a history: its header tells the layout, its rows come as columns of tags.

    long   time,tag,value[,quality]      one sample a row; names in any order, common spellings
    wide   time,TAG1,TAG2,...            one instant a row; an empty cell is no sample

Rules for whoever changes it: rows are read in portions and each portion becomes a column a tag, so that
the work a sample is done by the interpreter's own loops; a portion never ends within one instant.
Every refusal names file, line and remedy.
"""

import csv
import gzip
import re
import zlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from io import TextIOWrapper
from itertools import compress, islice
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

from agent.errors import EdgeRelayError
from agent.model import Kind, Quality
from agent.proving.cells import Qualities, Stamps, Values
from agent.proving.columns import Column

_WIDE_ROWS: Final = 512
_LONG_ROWS: Final = 8_192
_BEFORE_ALL: Final = -(2**63)
_TIME: Final = frozenset(
    ("time", "ts", "timestamp", "time stamp", "date", "datetime", "date time", "zeit", "zeitstempel", "_time")
)
_TAG: Final = frozenset(
    (
        *("tag", "name", "tagname", "tag name", "tag_name", "point", "signal", "variable", "item", "id"),
        *("series", "metric", "pointname", "tagid"),
    )
)
_VALUE: Final = frozenset(("value", "val", "v", "wert", "_value"))
_SHOWN: Final = re.compile(r"[-+]?\d[\d., ]*\s*[^\d\s:/-]{0,8}(?:/\w{1,4})?")  # with a unit, or grouped
_QUALITY: Final = frozenset(("quality", "status", "q", "qual", "opcquality", "opc quality"))


class HistoryError(EdgeRelayError):
    """A history cannot be read: `FILE:LINE: what, and what to do`."""


class Layout(NamedTuple):
    """Where a header's columns are; `tag` is None in a wide file, whose other columns are tags."""

    time: int
    tag: int | None
    value: int
    quality: int | None


def read_header(names: Sequence[str]) -> Layout | None:
    """Find the layout in the names of a header; None: it has no time."""
    found = {
        what: next((index for index, name in enumerate(names) if name.strip().lower() in known), None)
        for what, known in (("time", _TIME), ("tag", _TAG), ("value", _VALUE), ("quality", _QUALITY))
    }
    time, tag, value = found["time"], found["tag"], found["value"]
    if time is None:
        return None
    if tag is None or value is None:
        return Layout(time, None, 0, None)
    return Layout(time, tag, value, found["quality"])


class Sheet:
    """One file.

    Attributes:
        path: of the file.
        unknown: how many samples each tag has that nobody asked for.
    """

    def __init__(self, path: Path, kinds: Mapping[str, Kind], stamps: Stamps) -> None:
        self.path = path
        self.unknown: dict[str, int] = {}
        self._kinds = kinds
        self._stamps = stamps
        self._qualities = Qualities()
        self._values: dict[Kind, Values] = {}
        self._last = _BEFORE_ALL
        self._raw: BinaryIO | None = None

    @property
    def position(self) -> int:
        """How many bytes of the file have been read."""
        return 0 if self._raw is None or self._raw.closed else self._raw.tell()

    def portions(self) -> Iterator[list[Column]]:
        """Read it through.

        Raises:
            HistoryError: it cannot be read.
        """
        reader = None
        try:
            with self.path.open("rb") as self._raw, _text(self._raw) as text:
                first = text.readline()
                skipped = first.startswith("sep=")  # Excel's way to name the delimiter
                head = text.readline() if skipped else first
                delimiter = max(";\t,", key=head.count)
                reader = csv.reader(text, delimiter=delimiter)
                self._comma = delimiter == ";"
                names = next(csv.reader([head], delimiter=delimiter), [])
                yield from self._read(reader, [name.strip() for name in names], 3 if skipped else 2)
        except OSError as error:
            raise HistoryError(
                f"{self.path}: cannot be read ({error.strerror or error}): check the path"
            ) from None
        except (csv.Error, UnicodeError, EOFError, zlib.error) as error:
            line = reader.line_num + 2 if reader else 1
            text_of = (
                f"{error}: write it anew as UTF-8 text" if isinstance(error, UnicodeError) else str(error)
            )
            raise HistoryError(f"{self.path}:{line}: cannot be read from here on: {text_of}") from None

    def _read(self, reader: "Iterator[list[str]]", names: list[str], first: int) -> Iterator[list[Column]]:
        layout = read_header(names)
        if layout is None:
            raise HistoryError(
                f"{self.path}:{first - 1}: no column is named time (or ts, timestamp): begin the file with "
                "`time,tag,value,quality` or with `time,TAG1,TAG2`"
            )
        rows: list[list[str]] = []
        lines: list[int] = []
        number, portion = first, _WIDE_ROWS if layout.tag is None else _LONG_ROWS
        ended = False
        while not ended:
            more = list(islice(reader, portion))
            ended = len(more) < portion
            rows += more
            lines += range(number, number + len(more))
            number += len(more)
            rows, lines = self._even(rows, lines, len(names))
            times = self._times([row[layout.time] for row in rows], lines)
            cut = len(rows) if ended or not rows else bisect_left(times, times[-1])
            if cut:
                self._last = times[cut - 1]
                whole = rows[:cut]
                if layout.tag is None:
                    yield self._wide(whole, times[:cut], names, layout.time, lines)
                else:
                    yield self._long(whole, times[:cut], layout, lines)
            rows, lines = rows[cut:], lines[cut:]

    def _even(self, rows: list[list[str]], lines: list[int], width: int) -> tuple[list[list[str]], list[int]]:
        """Leave out empty lines; refuse a row that is not as long as the header."""
        if all(len(row) == width for row in rows):
            return rows, lines
        for row, line in zip(rows, lines, strict=True):
            if row and (len(row) < width or any(row[width:])):
                raise HistoryError(
                    f"{self.path}:{line}: {len(row)} cells under a header of {width}: is the line cut off, or "
                    "does a value hold the delimiter without quotes?"
                )
        kept = [bool(row) for row in rows]
        return [row[:width] for row in compress(rows, kept)], list(compress(lines, kept))

    def _times(self, texts: list[str], lines: Sequence[int]) -> list[int]:
        times: list[int] = []
        before, last = "", self._last
        for text in texts:
            if text != before or not times:
                line = lines[len(times)]
                try:
                    time = self._stamps.read(text.strip(), last)
                except ValueError:
                    raise HistoryError(
                        f"{self.path}:{line}: {text!r} is no time: write 2026-11-21T08:00:00Z, or seconds "
                        "since 1970"
                    ) from None
                if time < last:
                    raise HistoryError(
                        f"{self.path}:{line}: {text} is before the line above it: sort the file by time "
                        "(below its header: `sort -t, -k1,1`, where the time comes first)"
                    )
                before, last = text, time
            times.append(last)
        return times

    def _wide(
        self,
        rows: list[list[str]],
        times: list[int],
        names: list[str],
        time: int,
        lines: Sequence[int],
    ) -> list[Column]:
        columns: list[Column] = []
        for index, (name, cells) in enumerate(zip(names, zip(*rows, strict=True), strict=True)):
            if index == time or not name:
                continue
            if name not in self._kinds:
                self._count_unknown(name, len(cells) - cells.count(""))
                continue
            column = self._column(name, times, cells)
            if column.numbers is None and "" in cells:
                there = [cell != "" for cell in cells]
                column = self._column(name, list(compress(times, there)), list(compress(cells, there)))
            if column.times:
                self._refuse_units(column, cells, lines)
                columns.append(column)
        return columns

    def _long(
        self, rows: list[list[str]], times: list[int], layout: Layout, lines: Sequence[int]
    ) -> list[Column]:
        whole = list(zip(*rows, strict=True))
        tags, cells = whole[layout.tag or 0], whole[layout.value]
        places: dict[str, list[int]] = {}
        for index, tag in enumerate(tags):
            places.setdefault(tag, []).append(index)
        qualities: list[Quality] | None = None
        if layout.quality is not None:
            words = whole[layout.quality]
            try:
                if {self._qualities[word] for word in set(words)} != {Quality.GOOD}:
                    qualities = [self._qualities[word] for word in words]
            except ValueError as error:
                line = next(
                    line for word, line in zip(words, lines, strict=False) if word not in self._qualities
                )
                raise HistoryError(f"{self.path}:{line}: {error}") from None
        columns: list[Column] = []
        for tag, where in places.items():
            name = tag.strip()
            if name not in self._kinds:
                self._count_unknown(name, len(where))
                continue
            pick = itemgetter(*where) if len(where) > 1 else lambda row, only=where[0]: (row[only],)
            own = None if qualities is None else pick(qualities)
            column = self._column(name, pick(times), pick(cells), own)
            self._refuse_units(column, column.cells, pick(lines))
            columns.append(column)
        return columns

    def _refuse_units(self, column: Column, cells: Sequence[str], lines: Sequence[int]) -> None:
        """`70.1 °C`, as Grafana writes what it shows, is a text to the rules: none of them would raise."""
        if column.numbers is not None or column.known.kind not in (Kind.NUMBER, Kind.WHOLE):
            return
        for cell, line in zip(cells, lines, strict=False):
            if isinstance(column.known[cell], str) and _SHOWN.fullmatch(cell.strip()):
                raise HistoryError(
                    f"{self.path}:{line}: {cell!r} is no number for {column.tag}: export the plain numbers, "
                    "without units and with a decimal point (a comma where semicolons stand between the cells)"
                )

    def _count_unknown(self, name: str, samples: int) -> None:
        self.unknown[name] = self.unknown.get(name, 0) + samples

    def _column(
        self,
        tag: str,
        times: Sequence[int],
        cells: Sequence[str],
        qualities: Sequence[Quality] | None = None,
    ) -> Column:
        kind = self._kinds[tag]
        if kind not in self._values:
            self._values[kind] = Values(kind, decimal_comma=self._comma)
        known = self._values[kind]
        if qualities is not None and set(qualities) == {Quality.GOOD}:
            qualities = None
        numbers = None if qualities or kind in (Kind.TEXT, Kind.SWITCH) else self._numbers(cells)
        return Column(tag, times, cells, known, qualities, numbers)

    def _numbers(self, cells: Sequence[str]) -> list[float] | None:
        try:
            numbers = (
                [float(cell.replace(",", ".")) for cell in cells] if self._comma else list(map(float, cells))
            )
        except ValueError:
            return None
        total = sum(numbers)
        return numbers if total - total == 0.0 else None  # not so if one of them is nan or infinite


def _text(raw: BinaryIO) -> TextIOWrapper:
    """The text of a file, which may be compressed, or be what Excel calls Unicode."""
    head = raw.read(2)
    raw.seek(0)
    if head == b"\x1f\x8b":
        return TextIOWrapper(cast("BinaryIO", gzip.GzipFile(fileobj=raw)), "utf-8-sig", newline="")
    encoding = "utf-16" if head in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return TextIOWrapper(raw, encoding, newline="")
