"""What people list: the newest events that match, and what became of each delivery."""

import pytest
from rigs.stores import START_WALL, event, opened

from agent.model import EventType
from agent.store import queries
from agent.store.records import (
    Addressed,
    DeliveryState,
    DeliveryStatus,
    EventFilter,
    MarkDead,
    MarkDelivered,
    Step,
)


@pytest.fixture(autouse=True)
def small_bites(monkeypatch):
    """Every walk takes more than one bite."""
    for name in ("_BITE_FLOOR", "_BITE_CEILING"):
        monkeypatch.setattr(queries, name, getattr(queries, name).replace("LIMIT 2000", "LIMIT 2"))


async def filled(store):
    """Nine events; the rule of number n is rule-(n % 3), each third returned; 1 delivered, 2 dead at b."""
    for number in range(1, 10):
        kind = EventType.ALARM_RETURNED if number % 3 == 0 else EventType.ALARM_RAISED
        await store.commit(Step([Addressed(event(number, type=kind), ("a", "b"))]))
    store.mark(MarkDelivered("a", 1, 70))
    store.mark(MarkDead("b", 2, 80, "413"))


@pytest.mark.parametrize(
    ("wanted", "limit", "before", "expected"),
    [
        (EventFilter(), 3, None, [7, 8, 9]),
        (EventFilter(), 3, 7, [4, 5, 6]),
        (EventFilter(), 100, None, list(range(1, 10))),
        (EventFilter(), 100, 1, []),
        (EventFilter(type="alarm."), 2, None, [8, 9]),
        (EventFilter(type="alarm.ret"), 100, None, [3, 6, 9]),
        (EventFilter(type="alarm_"), 100, None, []),
        (EventFilter(rule="rule-1"), 2, None, [4, 7]),
        (EventFilter(since_wall=START_WALL + 6), 100, None, [6, 7, 8, 9]),
        (EventFilter(state=DeliveryState.DELIVERED), 100, None, [1]),
        (EventFilter(state=DeliveryState.DEAD), 100, None, [2]),
        (EventFilter(state=DeliveryState.PENDING, rule="rule-1"), 100, None, [1, 4, 7]),
        (EventFilter(after=0), 3, None, [1, 2, 3]),
        (EventFilter(after=3), 100, None, [4, 5, 6, 7, 8, 9]),
        (EventFilter(after=3), 100, 7, [4, 5, 6]),
        (EventFilter(after=4, rule="rule-1"), 1, None, [7]),
        (EventFilter(after=9), 100, None, []),
        (EventFilter(after=2**63 - 1), 100, None, []),
    ],
)
async def test_the_newest_that_match_are_listed_oldest_first(tmp_path, wanted, limit, before, expected):
    """However far back they are; `after` a number, the first that match."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await filled(store)
        listed = await store.events(wanted, limit, *(() if before is None else (before,)))

        assert [one.seq for one in listed] == expected
        assert [one.stored.event.at for one in listed] == expected


async def test_each_event_tells_what_became_of_its_deliveries(tmp_path):
    """State, reason and time for each destination."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await filled(store)
        first, second, *_ = await store.events(EventFilter(), 100)

        pending = DeliveryState.PENDING
        assert first.deliveries == (
            DeliveryStatus("a", DeliveryState.DELIVERED, None, 0, 70, "", resent=False),
            DeliveryStatus("b", pending, None, 0, None, "", resent=False),
        )
        assert second.deliveries == (
            DeliveryStatus("a", pending, 1, 0, None, "", resent=False),
            DeliveryStatus("b", DeliveryState.DEAD, 1, 0, 80, "413", resent=False),
        )
        assert second.deliveries[1].state.word == "dead"
