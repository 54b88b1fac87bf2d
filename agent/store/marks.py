"""Outcomes of attempts on their way to disk, and what they mean for what is read meanwhile.

Rules: a mark moves a delivery that is pending and no other; a charge always comes before the mark
that ends the same delivery. At most ten attempts of a delivery are kept.
"""

# ruff: noqa: S608 - statements are put together from constants; values are always bound

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final, assert_never

import aiosqlite

from agent.store.counters import Counter
from agent.store.records import Attempt, Mark, MarkCharged, MarkDead, MarkDelivered

_PENDING: Final = "destination = ? AND seq = ? AND state = 0"
_DELIVERED: Final = f"UPDATE delivery SET state = 1, settled_wall = ? WHERE {_PENDING}"
_CHARGED: Final = f"UPDATE delivery SET charged = charged + 1, due_wall = ? WHERE {_PENDING}"
_DEAD: Final = (
    f"UPDATE delivery SET state = 2, settled_wall = ?, reason = ?, charged = charged + ? WHERE {_PENDING}"
)
_OF_THIS: Final = "destination = :destination AND seq = :seq"
_ATTEMPT: Final = (
    f"INSERT INTO attempt SELECT :destination, :seq, (SELECT coalesce(max(number), 0) + 1 FROM attempt WHERE {_OF_THIS}), "
    f":at_wall, :status, :latency, :text FROM delivery WHERE {_OF_THIS}"
)
_FORGET: Final = f"DELETE FROM attempt WHERE {_OF_THIS} AND number <= (SELECT max(number) FROM attempt WHERE {_OF_THIS}) - 10"


async def write_marks(
    connection: aiosqlite.Connection, marks: Iterable[Mark], destinations: Mapping[str, Counter]
) -> bool:
    """Put outcomes into the transaction under way; False if one of them found nothing pending.

    Raises:
        sqlite3.Error: see the writer.
    """
    delivered: list[tuple[int, int, int]] = []
    charged: list[Sequence[object]] = []
    dead: list[Sequence[object]] = []
    attempts: list[Mapping[str, object]] = []
    for mark in marks:
        key = destinations[mark.destination].key
        match mark:
            case MarkDelivered(_, seq, at_wall):
                delivered.append((at_wall, key, seq))
            case MarkCharged(_, seq, attempt, due_wall):
                charged.append((due_wall, key, seq))
                attempts.append(_attempt_row(key, seq, attempt))
            case MarkDead(_, seq, at_wall, reason, attempt):
                dead.append((at_wall, reason, int(attempt is not None), key, seq))
                if attempt is not None:
                    attempts.append(_attempt_row(key, seq, attempt))
            case _:
                assert_never(mark)
    # Neighbours in the file together: a fifth less work in a long backlog.
    delivered.sort(key=itemgetter(1, 2))
    moved = 0
    for sql, rows in ((_CHARGED, charged), (_DELIVERED, delivered), (_DEAD, dead)):
        if rows:
            cursor = await connection.executemany(sql, rows)
            moved += cursor.rowcount
    if attempts:
        await connection.executemany(_ATTEMPT, attempts)
        await connection.executemany(_FORGET, attempts)
    return moved == len(delivered) + len(charged) + len(dead)


def _attempt_row(key: int, seq: int, attempt: Attempt) -> Mapping[str, object]:
    return {
        "destination": key,
        "seq": seq,
        "at_wall": attempt.at_wall,
        "status": attempt.status,
        "latency": attempt.latency,
        "text": attempt.text,
    }
