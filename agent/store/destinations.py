"""The destinations that the configuration names, and what of their health survives a restart."""

from collections.abc import Collection
from dataclasses import astuple
from typing import Final

from agent.store.counters import Counter, Counters
from agent.store.records import DestinationFacts
from agent.store.turns import Turns

REMOVED: Final = "destination_removed"
BITE: Final = 2_000
_KNOWN: Final = "SELECT id, name FROM destination"
_FACTS: Final = (
    "SELECT name, disabled, failing_since_wall, paused, paused_at_wall, paused_for FROM destination"
)
_SET_FACTS: Final = (
    "UPDATE destination SET disabled = ?, failing_since_wall = ?, paused = ?, paused_at_wall = ?, paused_for = ? "
    "WHERE name = ?"
)
_BURY: Final = (
    "UPDATE delivery SET state = 2, settled_wall = ?, reason = ? WHERE destination = ? AND seq IN "
    "(SELECT seq FROM delivery INDEXED BY delivery_pending WHERE destination = ? AND state = 0 LIMIT ?)"
)


async def sync_destinations(
    turns: Turns, counters: Counters, configured: Collection[str], at_wall: int
) -> dict[str, int]:
    """Make the store know exactly these; see `Store.sync_destinations`.

    Raises:
        StoreUnavailable: the disk does not take it.
    """

    async def know() -> None:
        await turns.connection.executemany(
            "INSERT OR IGNORE INTO destination (name) VALUES (?)", [(name,) for name in configured]
        )
        known = {name: key for key, name in await turns.connection.execute_fetchall(_KNOWN)}
        removed = [(*astuple(DestinationFacts()), name) for name in known if name not in configured]
        await turns.connection.executemany(_SET_FACTS, removed)
        await turns.connection.commit()
        for name, key in known.items():
            counters.destinations.setdefault(name, Counter(key)).configured = name in configured

    await turns.run(know)
    buried: dict[str, int] = {}
    for name, counter in tuple(counters.destinations.items()):
        if not counter.configured and (count := await _bury(turns, counter, at_wall)):
            buried[name] = count
    return buried


async def _bury(turns: Turns, counter: Counter, at_wall: int) -> int:
    async def bite() -> int:
        cursor = await turns.connection.execute(_BURY, (at_wall, REMOVED, counter.key, counter.key, BITE))
        await turns.connection.commit()
        return cursor.rowcount

    count = 0
    while moved := await turns.run(bite):
        count += moved
        counter.waiting -= moved
        counter.dead += moved
    counter.oldest = None
    return count


async def read_facts(turns: Turns) -> dict[str, DestinationFacts]:
    """What is kept of every destination's health.

    Raises:
        StoreUnavailable: the file cannot be read.
    """

    async def read() -> dict[str, DestinationFacts]:
        rows = await turns.connection.execute_fetchall(_FACTS)
        return {name: DestinationFacts(*facts) for name, *facts in rows}

    return await turns.run(read)


async def write_facts(turns: Turns, name: str, facts: DestinationFacts) -> None:
    """Keep a destination's health.

    Raises:
        StoreUnavailable: the disk does not take it.
    """

    async def write() -> None:
        await turns.connection.execute(_SET_FACTS, (*astuple(facts), name))
        await turns.connection.commit()

    await turns.run(write)
