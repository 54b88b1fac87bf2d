"""A store with a long history: as many waiting deliveries as are wanted, written in seconds, each with its checksum."""

import asyncio
import sqlite3
from itertools import islice

from rigs.stores import START_WALL, HandClock

from agent.delivery.identity import mint
from agent.model import SECOND, Event, EventType, Priority
from agent.store.plan import INSERT_DELIVERY
from agent.store.records import Addressed
from agent.store.rows import INSERT_EVENT, draft, event_row
from agent.store.store import Store

PAST = "the boot before"
_AT_ONCE = 10_000


def past_event(number, subjects, urgent_every):
    """One event of the past; of the subjects, each so manieth is urgent."""
    subject = number % subjects
    priority = Priority.HIGH if subject % urgent_every == 0 else Priority.LOW
    rule = f"past.{subject}"
    data = {"value": number / 8, "unit": "°C", "limit": 80.0, "message": "Reactor 1 is hotter than it may be"}
    ident = mint(START_WALL + number * SECOND, number.to_bytes(8, "big"))
    return Event(
        ident, EventType.ALARM_RAISED, number, rule, priority, data, {"onset": number}, f"T{subject}", rule
    )


def rows_of_the_past(first, last, destination, subjects, urgent_every):
    """The rows of event and delivery, number by number."""
    for seq in range(first, last + 1):
        made = draft(Addressed(past_event(seq, subjects, urgent_every), ("past",)), {"past"})
        yield (
            event_row(seq, made, PAST, START_WALL),
            (destination, seq, seq - 1 or None, made.subject, made.urgent),
        )


def fill(path, destination, many, *, subjects=2_000, urgent_every=10):
    """Make a store in which so many events wait for a destination."""

    async def make():
        async with await Store.open(path, clock=HandClock(), boot=PAST) as store:
            await store.sync_destinations([destination])

    asyncio.run(make())
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        [(key,)] = connection.execute("SELECT id FROM destination WHERE name = ?", (destination,))
        rows = rows_of_the_past(1, many, key, subjects, urgent_every)
        while some := list(islice(rows, _AT_ONCE)):
            events, deliveries = zip(*some, strict=True)
            connection.executemany(INSERT_EVENT, events)
            connection.executemany(INSERT_DELIVERY, deliveries)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
