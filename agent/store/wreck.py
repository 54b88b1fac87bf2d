"""Reads what can be read of a damaged file: every row that SQLite can still reach, one way or another.

A scan ends at the first page that is no page; so it is taken up behind it, and what lies between is asked for
row by row. Nothing is believed that does not fit: types are looked at here, checksums by whoever reads.

Rules for whoever changes this: no error of SQLite leaves this file; whatever is not reached is counted.
"""

# ruff: noqa: S608 - statements are put together from constants and integers

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

Row: TypeAlias = Sequence[Any]

_NEEDED: Final = {"meta", "destination", "event", "delivery", "attempt", "state"}
_PROBES: Final = (
    "SELECT value FROM meta WHERE key = ''",
    "SELECT id, name, disabled, paused, paused_at_wall, paused_for, failing_since_wall FROM destination",
    'SELECT seq, id, type, priority, subject, tag, rule, at, boot, "offset", content, checksum FROM event',
    "SELECT seq, state, charged, due_wall, resent, settled_wall, reason, urgent FROM delivery",
    "SELECT destination, seq FROM delivery INDEXED BY delivery_pending WHERE state = 0",
    "SELECT destination, seq FROM delivery INDEXED BY delivery_dead WHERE state = 2",
    "SELECT seq, number, at_wall, status, latency, text FROM attempt",
    "SELECT key, value, checksum FROM state",
)
# What SQLite says may quote what is damaged, and then be no text itself.
_ERRORS: Final = (sqlite3.Error, UnicodeDecodeError)
# Rows asked for one by one behind an unreadable place; more are given up with it.
_PATIENCE: Final = 20_000


class Wreck:
    """A damaged store, open for reading; it is left as it is, but for its log, which SQLite folds into it.

    Attributes:
        unreadable: how many numbers lie in places that cannot be read; an upper bound of what was there.
    """

    def __init__(self, path: Path) -> None:
        self.unreadable = 0
        self._connection = sqlite3.connect(path, timeout=1.0, isolation_level=None)
        self._connection.text_factory = lambda raw: raw.decode(errors="replace")
        # Lets it go on with a header that says more pages than there are, and with odd tables beside ours.
        for pragma in ("locking_mode = EXCLUSIVE", "writable_schema = ON", "cell_size_check = ON"):
            with suppress(*_ERRORS):
                self._connection.execute(f"PRAGMA {pragma}").fetchall()

    def close(self) -> None:
        """Let go of the file."""
        with suppress(*_ERRORS):
            self._connection.close()

    @property
    def legible(self) -> bool:
        """Whether it says where its tables are."""
        tables = {name for (name,) in self.all("SELECT name FROM sqlite_schema")}
        return tables >= _NEEDED and all(self._prepares(sql) for sql in _PROBES)

    def _prepares(self, sql: str) -> bool:
        """Whether tables, columns and indexes have their names; what they hold is another matter."""
        try:
            self._connection.execute(f"EXPLAIN {sql}").fetchall()
        except _ERRORS:
            return False
        return True

    def all(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Rows up to the first place that cannot be read."""
        found: list[Row] = []
        with suppress(*_ERRORS):
            found.extend(self._connection.execute(sql, parameters))
        return found

    def numbered(self, table: str, columns: str, condition: str, first: int, last: int) -> Iterator[Row]:
        """Rows of `table` with `condition`, whose `seq` (the first column) is between the two; by `seq`."""
        select = f"SELECT {columns} FROM {table} WHERE {condition}"
        onwards = f"{select} AND seq >= ? AND seq <= ? ORDER BY seq"
        at = first
        while at <= last:
            try:
                for row in self._connection.execute(onwards, (at, last)):
                    # Else it was damaged itself, or stands in a page out of place: the order is not to be trusted.
                    if isinstance(row[0], int) and first <= row[0] <= last:
                        yield row
                        at = max(at, row[0] + 1)
            except _ERRORS:
                behind = self._behind(f"{onwards} LIMIT 1", at, last)
                yield from self._one_by_one(f"{select} AND seq = ?", at, behind - 1)
                at = behind
            else:
                yield from self._from_the_end(select, at, last)
                return

    def _from_the_end(self, select: str, at: int, last: int) -> Iterator[Row]:
        """What is behind a row whose key is damaged: there a scan ends as if nothing more came."""
        rows = self.all(f"{select} AND seq >= ? AND seq <= ? ORDER BY seq DESC", (at, last))
        behind = [row for row in rows if isinstance(row[0], int) and at <= row[0] <= last]
        if behind:
            yield from self._one_by_one(f"{select} AND seq = ?", at, min(row[0] for row in behind) - 1)
            yield from behind[::-1]

    def last(self, table: str, condition: str) -> int:
        """The highest number of a table, if its end can be read; else 0."""
        rows = self.all(f"SELECT seq FROM {table} WHERE {condition} ORDER BY seq DESC LIMIT 1")
        return max((seq for (seq,) in rows if isinstance(seq, int)), default=0)

    def _behind(self, sql: str, at: int, last: int) -> int:
        """The first number behind an unreadable place from where reading goes on; beyond `last` if there is none."""
        step, bad = 1, at
        while bad + step <= last and not self._reads(sql, (bad + step, last)):
            bad += step
            step *= 2
        good = min(bad + step, last + 1)
        while good - bad > 1:
            middle = (bad + good) // 2
            if self._reads(sql, (middle, last)):
                good = middle
            else:
                bad = middle
        return good

    def _reads(self, sql: str, parameters: Sequence[int]) -> bool:
        try:
            self._connection.execute(sql, parameters).fetchall()
        except _ERRORS:
            return False
        return True

    def _one_by_one(self, sql: str, first: int, last: int) -> Iterator[Row]:
        self.unreadable += last - first + 1
        for seq in range(first, min(last, first + _PATIENCE) + 1):
            with suppress(*_ERRORS):
                for row in self._connection.execute(sql, (seq,)).fetchall():
                    self.unreadable -= 1
                    yield row
