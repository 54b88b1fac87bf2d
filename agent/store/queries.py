"""What is read of events and their deliveries: for sending, and for people.

Rules for whoever changes this file: reads share the writer's thread, so each is a bite of bounded size
and commits go between two bites; a row that is read for sending has passed its checksum.
"""

# ruff: noqa: S608 - statements are put together from constants; values are always bound

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import orjson

from agent.store.records import (
    Delivery,
    DeliveryState,
    DeliveryStatus,
    EventFilter,
    Listed,
    Mark,
    MarkCharged,
)
from agent.store.rows import EVENT_COLUMNS, decode_event
from agent.store.turns import Turns

Row: TypeAlias = Sequence[Any]

BITE: Final = 2_000
_WAITING: Final = (
    "SELECT delivery.seq, delivery.previous, delivery.charged, delivery.due_wall, delivery.resent, "
    f"{EVENT_COLUMNS} FROM delivery INDEXED BY delivery_pending LEFT JOIN event ON event.seq = delivery.seq "
    "WHERE delivery.destination = ? AND delivery.state = 0 AND delivery.seq > ? ORDER BY delivery.seq LIMIT ?"
)
STATUS_COLUMNS: Final = (
    "delivery.destination, delivery.state, delivery.previous, delivery.charged, delivery.settled_wall, "
    "delivery.reason, delivery.resent"
)
_BITE_FLOOR: Final = (
    f"SELECT min(seq) FROM (SELECT seq FROM event WHERE seq < ? ORDER BY seq DESC LIMIT {BITE})"
)
# A destination is named by all there are, so that the primary key (destination, seq) is used.
_EVENTS: Final = (
    f"SELECT {EVENT_COLUMNS} FROM event WHERE seq >= :floor AND seq < :before "
    'AND (:since IS NULL OR at + "offset" >= :since) '
    "AND (:type IS NULL OR substr(type, 1, length(:type)) = :type) "
    "AND (:rule IS NULL OR rule = :rule) "
    "AND (:state IS NULL OR EXISTS (SELECT 1 FROM delivery WHERE destination IN (SELECT id FROM destination) "
    "AND delivery.seq = event.seq AND delivery.state = :state)) "
    "ORDER BY seq DESC LIMIT :limit"
)
_STATUSES: Final = (
    f"SELECT delivery.seq, {STATUS_COLUMNS} FROM delivery WHERE destination IN (SELECT id FROM destination) "
    "AND seq IN (SELECT value FROM json_each(?)) ORDER BY seq, destination"
)


async def find_waiting(
    turns: Turns, destination: tuple[str, int], after: int, limit: int, unwritten: Callable[[], list[Mark]]
) -> tuple[list[Delivery], list[int]]:
    """Read the next `limit` pending deliveries of `destination` (name and key) with `seq` above `after`.

    They are as the marks that the disk does not know yet (`unwritten`) left them. Beside them: the numbers
    of damaged ones, which must not be sent.

    Raises:
        StoreUnavailable: the file cannot be read.
    """
    name, key = destination
    found: list[Delivery] = []
    damaged: list[int] = []
    last: int | None = after

    async def bite() -> int | None:
        """Add what is found; the last `seq` looked at, None at the end."""
        wanted = limit - len(found)
        marks: dict[int, list[Mark]] = {}
        for mark in unwritten():
            marks.setdefault(mark.seq, []).append(mark)
        rows: Sequence[Row] = list(await turns.connection.execute_fetchall(_WAITING, (key, last, wanted)))
        for seq, previous, charged, due_wall, resent, *event in rows:
            later = marks.get(seq, [])
            charges = [mark for mark in later if isinstance(mark, MarkCharged)]
            if len(charges) < len(later):
                continue  # it has its outcome already
            stored = decode_event(event)
            if stored is None:
                damaged.append(seq)
                continue
            due = charges[-1].due_wall if charges else due_wall
            found.append(Delivery(name, stored, previous, charged + len(charges), due, bool(resent)))
        return rows[-1][0] if len(rows) == wanted else None

    while last is not None and len(found) < limit:
        last = await turns.run(bite)
    return found, damaged


async def find_events(
    turns: Turns, names: Mapping[int, str], wanted: EventFilter, before: int, limit: int
) -> list[Listed]:
    """Read the newest `limit` events below number `before` that are `wanted`, newest last.

    Raises:
        StoreUnavailable: the file cannot be read.
    """
    found: list[Listed] = []
    floor: int | None = before

    async def bite() -> int | None:
        """Add what is found; the number to go on below, None at the end."""
        connection = turns.connection
        [(lowest,)] = await connection.execute_fetchall(_BITE_FLOOR, (floor,))
        if lowest is None:
            return None
        parameters = {
            "floor": lowest,
            "before": floor,
            "since": wanted.since_wall,
            "type": wanted.type,
            "rule": wanted.rule,
            "state": wanted.state,
            "limit": limit - len(found),
        }
        rows: Sequence[Row] = list(await connection.execute_fetchall(_EVENTS, parameters))
        statuses: dict[int, list[DeliveryStatus]] = {row[0]: [] for row in rows}
        numbers = orjson.dumps(list(statuses)).decode()
        for seq, *status in await connection.execute_fetchall(_STATUSES, (numbers,)):
            statuses[seq].append(read_status(status, names))
        found.extend(Listed(row[0], decode_event(row), tuple(statuses[row[0]])) for row in rows)
        return int(lowest)

    while floor is not None and len(found) < limit:
        floor = await turns.run(bite)
    found.reverse()
    return found


def read_status(row: Row, names: Mapping[int, str]) -> DeliveryStatus:
    """Read a row of STATUS_COLUMNS."""
    key, state, previous, charged, settled_wall, reason, resent = row
    return DeliveryStatus(
        names[key], DeliveryState(state), previous, charged, settled_wall, reason, resent=bool(resent)
    )
