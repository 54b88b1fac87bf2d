"""The file of recent samples: a ring, bounded by age and by bytes, beside the store and never in its way.

It is evidence, not truth: no event depends on it. So it is synced only when SQLite folds its log
(`synchronous = NORMAL`), a damaged file is moved aside and begun anew, and a disk that is full costs
samples and nothing else.

Rules for whoever changes this file: one connection writes, in one thread. Commands read beside it, and
their connections can neither write nor checkpoint: two that write may corrupt a WAL (see `opening`).
"""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Final, Self

from agent.errors import EdgeRelayError, StoreUnavailable
from agent.store.chunks import Hold, Key, read_chunk
from agent.store.failures import explain, is_damage

_APPLICATION_ID: Final = 0x45525341
_VERSION: Final = 1
_SCHEMA: Final = files("agent.store").joinpath("samples.sql").read_text(encoding="utf-8")
_PRAGMAS: Final = (
    "auto_vacuum = INCREMENTAL",  # before the first table
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "mmap_size = 0",
    "wal_autocheckpoint = 256",  # 1 MB
    "journal_size_limit = 1048576",
)
_INSERT: Final = 'INSERT INTO chunk (session, begin, until, "offset", whole, lost_since, content) VALUES (?, ?, ?, ?, ?, ?, ?)'
_HEADS: Final = 'SELECT id, session, begin, until, "offset", whole, lost_since FROM chunk ORDER BY id'
# The newest chunk stays in any case.
_DELETE_OLD: Final = 'DELETE FROM chunk WHERE until + "offset" < ? AND id < (SELECT max(id) FROM chunk)'
# A sixteenth of the chunks at a time: how much room that makes is known only afterwards.
_DELETE_OLDEST: Final = (
    "DELETE FROM chunk WHERE id <= (SELECT min(id) + (max(id) - min(id)) / 16 FROM chunk) "
    "AND id < (SELECT max(id) FROM chunk)"
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is written at once; instants are monotonic nanoseconds, see samples.sql."""

    begin: int
    until: int
    offset: int
    content: bytes
    whole: bool = False
    lost_since: int | None = None


@dataclass(slots=True)
class Recorded:
    """What is left of one run of the agent; instants are monotonic nanoseconds of `boot`.

    Attributes:
        started: when it began to watch.
        away_since: since when nobody had watched before; None: not known.
        begin: from here on all that was seen is here, but for `lost`.
        until: up to here.
        offset: `instant + offset` is its UTC stamp, as the clock was last known to be.
        tracks: what was seen of each track, in order.
        lost: intervals of which nothing was kept.
    """

    boot: str
    started: int
    away_since: int | None
    begin: int
    until: int
    offset: int
    tracks: dict[Key, list[Hold]] = field(default_factory=dict)
    lost: list[tuple[int, int]] = field(default_factory=list)


class SampleFile:
    """The ring, for the one who writes; every method raises StoreUnavailable where the disk does not take it.

    Attributes:
        damaged: opening it once more moves the file aside, and makes a new one.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, session: int) -> None:
        self.damaged = False
        self._path = path
        self._connection = connection
        self._session = session

    @classmethod
    def open(cls, path: Path, boot: str, started: int, away_since: int | None) -> tuple[Self, Path | None]:
        """Open the file or make it, and begin a session; where a damaged one was put, if there was one."""
        aside = path.with_name(f"{path.name}.damaged")
        with _explained(path):
            try:
                return cls._open(path, boot, started, away_since), None
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
            path.replace(aside)
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            return cls._open(path, boot, started, away_since), aside

    @classmethod
    def _open(cls, path: Path, boot: str, started: int, away_since: int | None) -> Self:
        connection = sqlite3.connect(path, timeout=1.0, check_same_thread=False, isolation_level=None)
        try:
            new = not connection.execute("SELECT name FROM sqlite_schema LIMIT 1").fetchall()
            if not new:
                _refuse_others(connection)  # before anything is written
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            if new:
                connection.executescript(f"BEGIN;\n{_SCHEMA}\nCOMMIT;")
            [(session,)] = connection.execute("SELECT coalesce(max(session), 0) + 1 FROM chunk").fetchall()
            # Sessions that wrote nothing leave nothing behind.
            connection.execute("DELETE FROM session WHERE id NOT IN (SELECT session FROM chunk)")
            connection.execute(
                "INSERT INTO session VALUES (?, ?, ?, ?)", (session, boot, started, away_since)
            )
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, session)

    def write(self, chunk: Chunk) -> None:
        """Append a chunk."""
        row = (chunk.begin, chunk.until, chunk.offset, chunk.whole, chunk.lost_since, chunk.content)
        with self._told():
            self._connection.execute(_INSERT, (self._session, *row))

    def prune(self, before_wall: int, max_bytes: int) -> None:
        """Delete chunks older than `before_wall`, then the oldest until the file holds `max_bytes`; but the newest."""
        connection = self._connection
        with self._told():
            connection.execute(_DELETE_OLD, (before_wall,))
            [(page,)] = connection.execute("PRAGMA page_size").fetchall()
            while self._pages() * page > max_bytes and connection.execute(_DELETE_OLDEST).rowcount:
                pass
            connection.execute(
                "DELETE FROM session WHERE id <> ? AND id NOT IN (SELECT session FROM chunk)",
                (self._session,),
            )
            # As a script: a page is freed at each step of the statement, and execute() takes but one.
            connection.executescript("PRAGMA incremental_vacuum")

    def shrink(self, max_bytes: int) -> None:
        """Delete the oldest until the file holds `max_bytes`, and give the room back at once."""
        self.prune(-(2**63), max_bytes)
        with self._told():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _pages(self) -> int:
        """Pages in use."""
        [(pages,)] = self._connection.execute("PRAGMA page_count").fetchall()
        [(free,)] = self._connection.execute("PRAGMA freelist_count").fetchall()
        return int(pages) - int(free)

    def close(self) -> None:
        """Let go of the file."""
        with self._told():
            self._connection.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        with _explained(self._path):
            try:
                yield
            except sqlite3.Error as error:
                self.damaged = is_damage(error)
                raise


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What SQLite and the disk say, as a sentence."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(explain(path, error)) from error


def _refuse_others(connection: sqlite3.Connection) -> None:
    for pragma, wanted in (("application_id", _APPLICATION_ID), ("user_version", _VERSION)):
        [(value,)] = connection.execute(f"PRAGMA {pragma}").fetchall()
        if value != wanted:
            error = sqlite3.DatabaseError("not a file of samples of this version")
            error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
            raise error


def read_samples(path: Path, wanted: Collection[Key], begin_wall: int, end_wall: int) -> list[Recorded]:
    """What was seen of the `wanted` tracks from `begin_wall` to `end_wall` or a little around, a session each.

    Raises:
        EdgeRelayError: there is no such file, or it cannot be read.
    """
    if not path.exists():
        raise EdgeRelayError(
            f"no samples are kept: there is no {path} (`store: {{samples: {{keep: 7d}}}}` keeps them while an agent runs)"
        )
    try:
        with _reading(path) as connection:
            return _read(connection, wanted, begin_wall, end_wall)
    except sqlite3.Error as error:
        raise EdgeRelayError(explain(path, error)) from None


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can only read. Without a log nobody writes, and nothing but the file is needed."""
    log = path.with_name(f"{path.name}-wal").exists()
    uri = f"{path.absolute().as_uri()}?{'mode=ro' if log else 'immutable=1'}"
    with closing(sqlite3.connect(uri, uri=True, timeout=1.0, isolation_level=None)) as connection:
        connection.execute("BEGIN")  # one state of the ring, whatever is written meanwhile
        _refuse_others(connection)
        yield connection


def _read(
    connection: sqlite3.Connection, wanted: Collection[Key], begin_wall: int, end_wall: int
) -> list[Recorded]:
    heads: dict[int, list[tuple[int, int, int, int, int, int | None]]] = {}
    for key, session, *head in connection.execute(_HEADS):
        begin, until, offset, whole, lost = head
        heads.setdefault(session, []).append((key, begin, until, offset, whole, lost))
    found: list[Recorded] = []
    for session, boot, started, away in connection.execute("SELECT * FROM session ORDER BY id").fetchall():
        rows = heads.get(session)
        if not rows:
            continue
        offset = rows[-1][3]
        starts = [n for n, row in enumerate(rows) if row[4] and row[1] + offset <= begin_wall]
        rows = [row for row in rows[starts[-1] if starts else 0 :] if row[1] + offset < end_wall]
        if not rows or rows[-1][2] + offset < begin_wall:
            continue
        recorded = Recorded(boot, started, away, rows[0][1], rows[-1][2], offset)
        for key, begin, until, _, _, lost in rows:
            _add(connection, key, (begin, until, lost), recorded, wanted)
        found.append(recorded)
    return found


def _add(
    connection: sqlite3.Connection,
    key: int,
    span: tuple[int, int, int | None],
    into: Recorded,
    wanted: Collection[Key],
) -> None:
    begin, until, lost_since = span
    if lost_since is not None:
        _lose(into, lost_since, begin)
    [(content,)] = connection.execute("SELECT content FROM chunk WHERE id = ?", (key,)).fetchall()
    try:
        read_chunk(content, wanted, into.tracks)
    except ValueError:
        _lose(into, begin, until)


def _lose(into: Recorded, begin: int, until: int) -> None:
    """Nothing is known of this interval: what was held before it is over."""
    into.lost.append((begin, until))
    for holds in into.tracks.values():
        if holds and holds[-1].open:
            holds[-1].open, holds[-1].last = False, max(holds[-1].last, begin)
