"""What one transaction is going to write: numbers given out to the events of a group, in queue order.

Pure: nothing is used up until the caller says that it is on disk (`Counters.advance`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from agent.stamps import Reckoning
from agent.store.counters import Counters
from agent.store.messages import InboxChange
from agent.store.records import Delivery, Stored
from agent.store.rows import Draft, EventRow, event_row

INSERT_DELIVERY: Final = (
    "INSERT INTO delivery (destination, seq, previous, subject, urgent) VALUES (?, ?, ?, ?, ?)"
)

ROW: Final = 200

DeliveryRow: TypeAlias = tuple[int, int, int | None, int, bool]


@dataclass(frozen=True, slots=True)
class Plan:
    """The rows of a group of steps.

    Attributes:
        events: rows for INSERT_EVENT.
        deliveries: rows for INSERT_DELIVERY.
        handed: for each step, its deliveries as they are handed on once they are on disk.
        seq: the newest number afterwards.
        previous: the newest number of each destination that is addressed.
        inbox: what changes of messages; beside each, the number of its step's first event.
    """

    events: list[EventRow]
    deliveries: list[DeliveryRow]
    handed: list[list[Delivery]]
    seq: int
    previous: dict[str, int]
    inbox: list[tuple[InboxChange, int]]

    @property
    def size(self) -> int:
        """How many bytes they take, about."""
        return sum(len(row[10]) for row in self.events) + ROW * len(self.events) + ROW * len(self.deliveries)


def plan(
    group: Iterable[tuple[Sequence[Draft], Sequence[InboxChange]]],
    counters: Counters,
    boot: str,
    now: Reckoning,
) -> Plan:
    """Number the events of each step in turn, beside which messages change; `now`: what is known of the wall clock."""
    made = Plan([], [], [], counters.seq, {}, [])
    seq = counters.seq
    for drafts, changes in group:
        handed: list[Delivery] = []
        made.inbox.extend((change, seq + 1) for change in changes)
        for draft in drafts:
            seq += 1
            made.events.append(event_row(seq, draft, boot, now.offset, now.standing))
            stored = Stored(seq, draft.event, boot, now.offset, now.standing)
            for name in draft.destinations:
                counter = counters.destinations[name]
                previous = made.previous.get(name, counter.newest)
                made.deliveries.append((counter.key, seq, previous, draft.subject, draft.urgent))
                handed.append(Delivery(name, stored, previous))
                made.previous[name] = seq
        made.handed.append(handed)
    return Plan(made.events, made.deliveries, made.handed, seq, made.previous, made.inbox)
