"""Replay: what a receiver had acknowledged waits again, and nothing else moves."""

import pytest
from rigs.stores import START_WALL, event, numbers, opened, recorded, refusing_disk, sql, step

from agent.errors import StoreUnavailable
from agent.model import EventType
from agent.store import replay
from agent.store.orders import Replay, Stretch, Tally
from agent.store.records import (
    Addressed,
    DeliveryState,
    EventFilter,
    MarkDead,
    MarkDelivered,
    Selection,
    Step,
)


@pytest.fixture(autouse=True)
def small_bites(monkeypatch):
    """Every walk takes more than one bite."""
    monkeypatch.setattr(replay, "CEILING", replay.CEILING.replace("LIMIT 500", "LIMIT 2"))
    monkeypatch.setattr(replay, "BITE", 2)


async def delivered(store, *seqs, to=("a", "b")):
    """Events with these numbers, all delivered; the odd ones are reports."""
    for seq in seqs:
        kind = EventType.TAG_CHANGED if seq % 2 else EventType.ALARM_RAISED
        await store.commit(Step([Addressed(event(seq, type=kind), to)]))
        for name in to:
            store.mark(MarkDelivered(name, seq, 100 + seq))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Replay(), [(seq, name) for seq in range(1, 7) for name in "ab"]),
        (Replay(destination="b"), [(seq, "b") for seq in range(1, 7)]),
        (Replay(destination="a", rule="rule-1"), [(1, "a"), (4, "a")]),
        (Replay(destination="a", type="alarm.*"), [(2, "a"), (4, "a"), (6, "a")]),
        (Replay(destination="a", type="tag."), [(1, "a"), (3, "a"), (5, "a")]),
        (Replay(destination="a", since_wall=START_WALL + 3, until_wall=START_WALL + 5), [(3, "a"), (4, "a")]),
        (Replay(since_wall=START_WALL + 99), []),
    ],
)
async def test_what_was_delivered_is_sent_again(tmp_path, wanted, expected):
    """It is counted first, handed over in order, marked as late, and waits also after a restart."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await delivered(store, *range(1, 7))
        tallies, left = await store.letters.replay_tally(wanted)
        assert (sum(tally.count for tally in tallies.values()), left) == (len(expected), None)
        assert store.waiting_count() == 0
        announced = recorded(store)

        walked = await store.letters.replay(wanted)
        assert (walked.count, walked.next) == (len(expected), None)
        handed = [one for _, some in announced for one in some]
        assert [(one.stored.seq, one.destination) for one in handed] == expected
        assert all((one.resent, one.charged, one.due_wall) == (True, 0, 0) for one in handed)
        assert store.waiting_count() == len(expected)
    async with opened(tmp_path / "store.db", "a", "b") as store:
        for name in "ab":
            assert await store.waiting(name, 0, 10) == [one for one in handed if one.destination == name]
            for one in await store.waiting(name, 0, 10):
                store.mark(MarkDelivered(name, one.stored.seq, 300))
        assert store.waiting_count() == 0
        assert await store.events(EventFilter(state=DeliveryState.PENDING), 10) == []


async def test_what_waits_or_died_or_was_dropped_is_left_alone(tmp_path):
    """Sent again is what was delivered, although its outcome is not on disk yet."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(step(1, 2, 3, 4))
        store.mark(MarkDelivered("a", 2, 6))
        store.mark(MarkDead("a", 3, 6, "400"))
        store.mark(MarkDead("a", 4, 6, "400"))
        await store.letters.drop(Selection(seq=4))
        announced = recorded(store)

        assert (await store.letters.replay(Replay())).count == 1
        assert numbers(announced[0][1]) == [2]
        assert [(one.stored.seq, one.resent) for one in await store.waiting("a", 0, 9)] == [
            (1, False),
            (2, True),
        ]
        assert store.dead_count() == 1


async def test_a_damaged_event_is_counted_and_not_sent(tmp_path):
    """Its receiver had it; there is nothing to send any more."""
    async with opened(tmp_path / "store.db") as store:
        await delivered(store, 1, 2, to=("a",))
        await store.flush()
        await sql(store, "UPDATE event SET checksum = 0 WHERE seq = 1")

        tallies, _ = await store.letters.replay_tally(Replay())
        assert tallies == {"a": Tally(1, START_WALL + 2, START_WALL + 2, damaged=1)}
        assert (await store.letters.replay(Replay())).count == 1


async def test_a_destination_that_is_gone_takes_nothing(tmp_path):
    """By its name it is refused; of all, it is left out."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await delivered(store, 1, 2)
        await store.sync_destinations(["a"])

        for name in ("b", "never"):
            with pytest.raises(KeyError):
                await store.letters.replay(Replay(destination=name))
            with pytest.raises(KeyError):
                await store.letters.replay_tally(Replay(destination=name))
        assert (await store.letters.replay(Replay())).count == 2
        assert store.waiting_count("b") == 0


async def test_a_long_replay_is_done_a_stretch_at_a_time(tmp_path):
    """Each goes on where the one before ended, up to the end that was set at the beginning."""
    async with opened(tmp_path / "store.db") as store:
        await delivered(store, *range(1, 8), to=("a",))
        stretches, after = [], 0
        while after is not None:
            walked = await store.letters.replay(Replay(), Stretch(after, upto=5, limit=3))
            stretches.append((walked.count, walked.next))
            after = walked.next

        assert stretches == [(4, 4), (1, None)]


async def test_a_disk_that_refuses_sends_nothing(tmp_path):
    """The person is told, nothing is handed over, the counters stand."""
    async with opened(tmp_path / "store.db") as store:
        await delivered(store, 1, 2, to=("a",))
        await store.flush()
        announced = recorded(store)
        with refusing_disk(), pytest.raises(StoreUnavailable):
            await store.letters.replay(Replay())

        assert (announced, store.waiting_count()) == ([], 0)
