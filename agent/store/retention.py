"""Lets go of what nobody waits for any more, a bite at a time between commits.

An event goes when it is old and every delivery of it is delivered or dropped; pending and dead ones
stay. The newest event, and the newest of each destination, stay too: they are the counters that
`seq` and `previous` go on from.
"""

# ruff: noqa: S608 - statements are put together from constants; values are always bound

from collections.abc import Collection
from typing import Final

import aiosqlite
import orjson

from agent.store.counters import Counters
from agent.store.turns import Turns

BITE: Final = 500
# Free pages that a store at rest reuses itself; giving back more is worth the writes.
SLACK_PAGES: Final = 1_024
VACUUM_PAGES: Final = 256
_CEILING: Final = f"SELECT max(seq) FROM (SELECT seq FROM event WHERE seq > ? ORDER BY seq LIMIT {BITE})"
_OLD: Final = (
    "SELECT seq, EXISTS (SELECT 1 FROM delivery WHERE destination IN (SELECT id FROM destination) "
    "AND delivery.seq = event.seq AND state IN (0, 2)) "
    'FROM event WHERE seq > ? AND seq <= ? AND at + "offset" < ?'
)
_NUMBERS: Final = "seq IN (SELECT value FROM json_each(?))"
_OF_ALL: Final = f"destination IN (SELECT id FROM destination) AND {_NUMBERS}"


async def prune(turns: Turns, counters: Counters, before_wall: int, *, shrink: bool = True) -> int:
    """Delete settled events that happened before `before_wall`, give space back; how many went.

    Without `shrink` the space stays in the file: on a full disk somebody else would take it.

    Raises:
        StoreUnavailable: the disk does not take it; earlier bites are done.
    """
    after: int | None = 0
    count = 0

    async def bite() -> tuple[int | None, int]:
        """The number to go on above (None at the end), and how many went."""
        [(ceiling,)] = await turns.connection.execute_fetchall(_CEILING, (after,))
        if ceiling is None:
            return None, 0
        old = list(await turns.connection.execute_fetchall(_OLD, (after, ceiling, before_wall)))
        settled = [seq for seq, awaited in old if not awaited and seq not in counters.kept]
        if settled:
            await delete_events(turns.connection, settled)
            await turns.connection.commit()
        # Time and numbers rise together, but for a clock that was set: a bite without old events is the end.
        return (ceiling if old else None), len(settled)

    newest = counters.seq  # what comes meanwhile is for the next time
    while after is not None and after < newest:
        after, gone = await turns.run(bite)
        count += gone
    while shrink and await turns.run(lambda: _give_back(turns.connection)):
        pass
    return count


async def delete_events(connection: aiosqlite.Connection, numbers: Collection[int]) -> None:
    """Delete events with all that belongs to them; the caller commits.

    Raises:
        sqlite3.Error: the disk does not take it.
    """
    parameter = (orjson.dumps(sorted(numbers)).decode(),)
    await connection.execute(f"DELETE FROM gap WHERE {_NUMBERS}", parameter)
    await connection.execute(f"DELETE FROM attempt WHERE {_OF_ALL}", parameter)
    await connection.execute(f"DELETE FROM delivery WHERE {_OF_ALL}", parameter)
    await connection.execute(f"DELETE FROM event WHERE {_NUMBERS}", parameter)


async def _give_back(connection: aiosqlite.Connection) -> bool:
    """Return a bite of free pages to the disk; False when few are left."""
    [(free,)] = await connection.execute_fetchall("PRAGMA freelist_count")
    if free <= SLACK_PAGES:
        return False
    # As a script: a page is freed at each step of the statement, and execute() takes but one.
    await connection.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
    return True
