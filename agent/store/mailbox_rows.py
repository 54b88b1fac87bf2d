"""The rows of the mailbox: what a message is on disk, and how far each channel is.

Rules for whoever changes this file: these are parts of a job (see `turns`), they leave the transaction as
it is. Messages go from the old end and from nowhere else, so that sums need no scan.
"""

import secrets
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import aiosqlite

_ROW: Final = 200  # bytes that a message takes beside its headers and its body
_INSERT: Final = "INSERT INTO message VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_CHANNEL: Final = "UPDATE channel SET newest = ?, total = ?, acknowledged = ? WHERE id = ?"
_SURVEY: Final = """
SELECT
  (SELECT number FROM message WHERE channel = :channel ORDER BY number LIMIT 1),
  (SELECT total - size FROM message WHERE channel = :channel ORDER BY number LIMIT 1),
  (SELECT total FROM message WHERE channel = :channel AND number <= :acknowledged ORDER BY number DESC LIMIT 1),
  (SELECT received FROM message WHERE channel = :channel AND number > :acknowledged ORDER BY number LIMIT 1)
"""
_UP_TO_BYTES: Final = "SELECT number FROM message WHERE channel = ? AND total >= ? ORDER BY number LIMIT 1"
_SINCE: Final = (
    "SELECT number FROM message WHERE channel = ? AND received >= ? AND number <= ? ORDER BY number LIMIT 1"
)
_FORGET: Final = "DELETE FROM message WHERE channel = ? AND number <= ?"
_HEADS: Final = "SELECT number, size FROM message WHERE channel = ? AND number > ? AND received > ? ORDER BY number LIMIT ?"
_READ: Final = (
    "SELECT number, received, id, checksum, headers, body FROM message "
    "WHERE channel = ? AND number BETWEEN ? AND ? AND received > ? ORDER BY number"
)
_MOST_RUNS: Final = 1_000  # starts with a message between them; a plant that was away for longer begins anew
_FORGET_RUNS: Final = """
DELETE FROM run WHERE channel = :channel AND first > 0 AND first <= (
  SELECT first FROM run WHERE channel = :channel ORDER BY first DESC LIMIT 1 OFFSET :most)
"""
_USED: Final = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"


Runs = Sequence[tuple[int, str]]
"""From which number on which epoch holds, in order; see mailbox.sql."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as its sender posted it.

    Attributes:
        id: the mailbox's name for it.
        received: nanoseconds UTC.
        headers: a JSON object.
        body: the raw bytes.
    """

    id: str
    received: int
    headers: bytes
    body: bytes

    @property
    def size(self) -> int:
        """Bytes that it is counted as."""
        return len(self.body) + len(self.headers) + _ROW


@dataclass(frozen=True, slots=True)
class Level:
    """How far a channel is, as of a transaction.

    Attributes:
        newest: number of the last message; 0: there never was one.
        total: bytes of all messages there ever were.
        acknowledged: up to this number the plant has them.
        taken: bytes up to that number.
        oldest: number of the first message that is kept; `newest + 1`: none is.
        before: bytes of what is not kept any more.
        waiting_since: when the first message came that the plant has not; 0: it has all.
    """

    newest: int
    total: int
    acknowledged: int
    taken: int
    oldest: int
    before: int
    waiting_since: int

    @property
    def waiting(self) -> int:
        """How many messages the plant has not."""
        return max(self.newest - max(self.acknowledged, self.oldest - 1), 0)


def checksum_of(message: Message) -> int:
    """CRC-32 over what a message is."""
    return zlib.crc32(message.body, zlib.crc32(message.headers, zlib.crc32(message.id.encode())))


async def load(
    connection: aiosqlite.Connection, names: Collection[str]
) -> dict[str, tuple[int, Runs, Level]]:
    """Key, runs and level of every channel there is, by name; those of `names` are made, and each begins a run.

    Of a channel that is not among them, what its plant took goes: nothing else would ever make that room.
    """
    await connection.executemany(
        "INSERT OR IGNORE INTO channel (name) VALUES (?)", [(name,) for name in names]
    )
    found = list(
        await connection.execute_fetchall("SELECT name, id, newest, total, acknowledged FROM channel")
    )
    for name, key, newest, _, acknowledged in found:
        if name not in names:
            await connection.execute(_FORGET, (key, acknowledged))
        await connection.execute(
            "INSERT OR IGNORE INTO run VALUES (?, 0, ?, ?)", (key, secrets.token_hex(4), name)
        )  # a new channel, or one that was salvaged
        await connection.execute(
            "INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?)", (key, newest + 1, secrets.token_hex(4), name)
        )
        await connection.execute(_FORGET_RUNS, {"channel": key, "most": _MOST_RUNS})
    await connection.commit()
    return {
        name: (key, await _runs(connection, key), await survey(connection, key, *counts))
        for name, key, *counts in found
    }


async def _runs(connection: aiosqlite.Connection, key: int) -> Runs:
    rows = await connection.execute_fetchall(
        "SELECT first, epoch FROM run WHERE channel = ? ORDER BY first", (key,)
    )
    return [(first, epoch) for first, epoch in rows]


async def last_received(connection: aiosqlite.Connection) -> int:
    """When the last message of all that are kept came, nanoseconds UTC; 0: there is none."""
    rows = await connection.execute_fetchall("SELECT received FROM message ORDER BY seq DESC LIMIT 1")
    return next((int(received) for (received,) in rows), 0)


async def survey(
    connection: aiosqlite.Connection, key: int, newest: int, total: int, acknowledged: int
) -> Level:
    """See how far a channel is."""
    [(oldest, before, taken, since)] = await connection.execute_fetchall(
        _SURVEY, {"channel": key, "acknowledged": acknowledged}
    )
    if oldest is None:
        return Level(newest, total, acknowledged, total, newest + 1, total, 0)
    return Level(newest, total, acknowledged, before if taken is None else taken, oldest, before, since or 0)


async def insert(connection: aiosqlite.Connection, rows: Iterable[Sequence[object]]) -> None:
    """Write messages, as `row_of` gives them."""
    await connection.executemany(_INSERT, rows)


def row_of(key: int, level: Level, message: Message) -> tuple[object, ...]:
    """The row of the message that has brought a channel to `level`."""
    checksum = checksum_of(message)
    place = (key, level.newest, level.total, message.size)
    return (*place, message.received, message.id, checksum, message.headers, message.body)


def grown(level: Level, message: Message) -> Level:
    """The level with one message more."""
    return Level(
        level.newest + 1,
        level.total + message.size,
        level.acknowledged,
        level.taken,
        level.oldest,
        level.before,
        level.waiting_since or message.received,
    )


async def write_levels(connection: aiosqlite.Connection, levels: Mapping[int, Level]) -> None:
    """Write how far channels are, by their keys."""
    rows = [(level.newest, level.total, level.acknowledged, key) for key, level in levels.items()]
    await connection.executemany(_CHANNEL, rows)


async def forget_bytes(connection: aiosqlite.Connection, key: int, level: Level, size: int) -> Level:
    """Make room of `size` bytes by what the plant has; less, if there is less."""
    rows = await connection.execute_fetchall(_UP_TO_BYTES, (key, level.before + size))
    cut = min([level.acknowledged, *(number for (number,) in rows)])
    await connection.execute(_FORGET, (key, cut))
    return await survey(connection, key, level.newest, level.total, level.acknowledged)


async def forget_before(
    connection: aiosqlite.Connection, key: int, level: Level, instant: int, most: int
) -> tuple[Level, int]:
    """Remove what came before an instant, `most` messages of it; and how many of them the plant never had."""
    last = min(level.newest, level.oldest + most - 1)
    rows = list(await connection.execute_fetchall(_SINCE, (key, instant, last)))
    cut = rows[0][0] - 1 if rows else last
    if cut < level.oldest:
        return level, 0
    await connection.execute(_FORGET, (key, cut))
    after = await survey(connection, key, level.newest, level.total, level.acknowledged)
    return after, level.waiting - after.waiting


async def used_bytes(connection: aiosqlite.Connection) -> int:
    """What of the file is in use."""
    [(used,)] = await connection.execute_fetchall(_USED)
    return int(used)


async def read_messages(
    connection: aiosqlite.Connection, key: int, after: int, since: int, *, most: int, size: int
) -> tuple[list[Message], int, int]:
    """Read messages behind a number that came after an instant: at most so many, and bytes, but one at least.

    Returns:
        The messages; how many were damaged and are left out; the number to go on behind.
    """
    heads = await connection.execute_fetchall(_HEADS, (key, after, since, most))
    last, taken = after, 0
    for number, each in heads:
        if taken and taken + each > size:
            break
        last, taken = number, taken + each
    rows = await connection.execute_fetchall(_READ, (key, after + 1, last, since))
    found = [
        (Message(name, received, headers, body), checksum)
        for _, received, name, checksum, headers, body in rows
    ]
    sound = [message for message, checksum in found if checksum_of(message) == checksum]
    return sound, len(found) - len(sound), last
