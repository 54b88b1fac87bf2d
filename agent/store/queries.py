"""What is read of events and their deliveries: for sending, and for people.

Rules for whoever changes this file: reads share the writer's thread, so each is a bite of bounded size
and commits go between two bites; a row that is read for sending has passed its checksum.
"""

# ruff: noqa: S608 - statements are put together from constants; values are always bound

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import orjson

from agent.store.records import (
    Attempt,
    Delivery,
    DeliveryState,
    DeliveryStatus,
    EventFilter,
    Listed,
    Mark,
    MarkCharged,
    Part,
    Stored,
)
from agent.store.rows import EVENT_COLUMNS, decode_event, subject_key
from agent.store.turns import Turns

Row: TypeAlias = Sequence[Any]

BITE: Final = 2_000
_INDEX: Final = {
    Part.ALL: ("delivery_pending", ""),
    Part.URGENT: ("delivery_urgent", "AND delivery.urgent = 1 "),
    Part.SUBJECT: ("delivery_subject", "AND delivery.subject = :subject "),
}
_WAITING: Final = {
    part: "SELECT delivery.seq, delivery.previous, delivery.charged, delivery.due_wall, delivery.resent, "
    f"{EVENT_COLUMNS} FROM delivery INDEXED BY {index} LEFT JOIN event ON event.seq = delivery.seq "
    f"WHERE delivery.destination = :destination AND delivery.state = 0 {condition}"
    "AND delivery.seq > :after ORDER BY delivery.seq LIMIT :limit"
    for part, (index, condition) in _INDEX.items()
}
STATUS_COLUMNS: Final = (
    "delivery.destination, delivery.state, delivery.previous, delivery.charged, delivery.settled_wall, "
    "delivery.reason, delivery.resent"
)
_BITE_FLOOR: Final = (
    f"SELECT min(seq) FROM (SELECT seq FROM event WHERE seq < ? ORDER BY seq DESC LIMIT {BITE})"
)
_BITE_CEILING: Final = (
    f"SELECT max(seq) FROM (SELECT seq FROM event WHERE seq >= ? ORDER BY seq LIMIT {BITE})"
)
# A destination is named by all there are, so that the primary key (destination, seq) is used.
_EVENTS: Final = (
    f"SELECT {EVENT_COLUMNS} FROM event WHERE seq >= :floor AND seq < :before "
    'AND (:since IS NULL OR at + "offset" >= :since) '
    "AND (:type IS NULL OR substr(type, 1, length(:type)) = :type) "
    "AND (:rule IS NULL OR rule = :rule) "
    "AND (:state IS NULL OR EXISTS (SELECT 1 FROM delivery WHERE destination IN (SELECT id FROM destination) "
    "AND delivery.seq = event.seq AND delivery.state = :state)) "
)
_NEWEST: Final = f"{_EVENTS} ORDER BY seq DESC LIMIT :limit"
_NEXT: Final = f"{_EVENTS} ORDER BY seq LIMIT :limit"
_EVENT: Final = f"SELECT {EVENT_COLUMNS} FROM event WHERE seq = ?"
_STATUSES: Final = (
    f"SELECT delivery.seq, {STATUS_COLUMNS} FROM delivery WHERE destination IN (SELECT id FROM destination) "
    "AND seq IN (SELECT value FROM json_each(?)) ORDER BY seq, destination"
)
_TRIED: Final = (
    "SELECT destination, at_wall, status, latency, text FROM attempt "
    "WHERE destination IN (SELECT id FROM destination) AND seq = ? ORDER BY destination, number"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which waiting deliveries: of a destination (name and key), and which part of them."""

    destination: str
    key: int
    part: Part
    subject: str = ""

    def parameters(self, after: int, limit: int) -> dict[str, int]:
        """For the statement of the part."""
        key = {"subject": subject_key(self.subject)} if self.part is Part.SUBJECT else {}
        return {"destination": self.key, "after": after, "limit": limit, **key}

    def fits(self, stored: Stored) -> bool:
        """Two subjects may share a key: only the event itself tells."""
        return self.part is not Part.SUBJECT or stored.event.subject == self.subject


async def find_waiting(
    turns: Turns, which: Wanted, after: int, limit: int, unwritten: Callable[[], list[Mark]]
) -> tuple[list[Delivery], list[int]]:
    """Read the next `limit` pending deliveries that are wanted, with `seq` above `after`.

    They are as the marks that the disk does not know yet (`unwritten`) left them. Beside them: the numbers
    of damaged ones, which must not be sent.

    Raises:
        StoreUnavailable: the file cannot be read.
    """
    found: list[Delivery] = []
    damaged: list[int] = []
    last = after
    more = True

    async def bite() -> tuple[int, bool]:
        """Add what is found; the last `seq` looked at, and whether there may be more."""
        wanted = limit - len(found)
        sql, parameters = _WAITING[which.part], which.parameters(last, wanted)
        rows: Sequence[Row] = list(await turns.connection.execute_fetchall(sql, parameters))
        marks: dict[int, list[Mark]] = {row[0]: [] for row in rows}
        for mark in unwritten():  # thousands, and hardly one of them of these rows
            if mark.seq in marks:
                marks[mark.seq].append(mark)
        for row in rows:
            _read_waiting(row, which, marks[row[0]], found, damaged)
        return (rows[-1][0] if rows else last), len(rows) == wanted

    while more and len(found) < limit:
        last, more = await turns.run(bite)
    return found, damaged


def _read_waiting(
    row: Row, which: Wanted, later: Sequence[Mark], found: list[Delivery], damaged: list[int]
) -> None:
    """Add what a row says, as the marks that are `later` than it left it."""
    seq, previous, charged, due_wall, resent, *event = row
    charges = [mark for mark in later if isinstance(mark, MarkCharged)]
    if len(charges) < len(later):
        return  # it has its outcome already
    stored = decode_event(event)
    if stored is None:
        damaged.append(seq)
    elif which.fits(stored):
        due = charges[-1].due_wall if charges else due_wall
        found.append(Delivery(which.destination, stored, previous, charged + len(charges), due, bool(resent)))


async def find_events(
    turns: Turns, names: Mapping[int, str], wanted: EventFilter, before: int, limit: int
) -> list[Listed]:
    """Read the newest `limit` events below number `before` that are `wanted`, newest last.

    With `wanted.after`: the first `limit` beyond that number.

    Raises:
        StoreUnavailable: the file cannot be read.
    """
    found: list[Listed] = []
    upward = wanted.after is not None
    first, last = (wanted.after or 0) + 1, before

    async def bite() -> tuple[int, int]:
        """Add what is found; the numbers between which to go on, the last not among them."""
        connection = turns.connection
        edge, start = (_BITE_CEILING, first) if upward else (_BITE_FLOOR, last)
        [(end,)] = await connection.execute_fetchall(edge, (start,))
        if end is None:
            return last, last
        low, high = (first, min(end + 1, last)) if upward else (max(end, first), last)
        parameters = {"floor": low, "before": high, **_parameters(wanted), "limit": limit - len(found)}
        rows = list(await connection.execute_fetchall(_NEXT if upward else _NEWEST, parameters))
        found.extend(await _with_deliveries(turns, names, rows))
        return (high, last) if upward else (first, low)

    while first < last and len(found) < limit:
        first, last = await turns.run(bite)
    return found if upward else found[::-1]


async def find_event(turns: Turns, names: Mapping[int, str], seq: int) -> Listed | None:
    """Read one event with each attempt that is kept; None when there is none, or none any more.

    Raises:
        StoreUnavailable: the file cannot be read.
    """

    async def read() -> Listed | None:
        rows = list(await turns.connection.execute_fetchall(_EVENT, (seq,)))
        if not rows:
            return None
        [listed] = await _with_deliveries(turns, names, rows)
        attempts: dict[str, list[Attempt]] = {}
        for key, *attempt in await turns.connection.execute_fetchall(_TRIED, (seq,)):
            attempts.setdefault(names[key], []).append(Attempt(*attempt))
        return replace(listed, attempts=attempts)

    return await turns.run(read)


def _parameters(wanted: EventFilter) -> Mapping[str, object]:
    return {
        "since": wanted.since_wall,
        "type": wanted.type,
        "rule": wanted.rule,
        "state": wanted.state,
    }


async def _with_deliveries(turns: Turns, names: Mapping[int, str], rows: Sequence[Row]) -> Sequence[Listed]:
    """Read rows of EVENT_COLUMNS, and what became of their deliveries."""
    statuses: dict[int, list[DeliveryStatus]] = {row[0]: [] for row in rows}
    numbers = orjson.dumps(list(statuses)).decode()
    for seq, *status in await turns.connection.execute_fetchall(_STATUSES, (numbers,)):
        statuses[seq].append(read_status(status, names))
    return [Listed(row[0], decode_event(row), tuple(statuses[row[0]])) for row in rows]


def read_status(row: Row, names: Mapping[int, str]) -> DeliveryStatus:
    """Read a row of STATUS_COLUMNS."""
    key, state, previous, charged, settled_wall, reason, resent = row
    return DeliveryStatus(
        names[key], DeliveryState(state), previous, charged, settled_wall, reason, resent=bool(resent)
    )
