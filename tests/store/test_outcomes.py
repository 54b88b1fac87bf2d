"""What became of deliveries: marks ride with commits, count at once, and are never lost but by a kill."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.stores import (
    BOOT,
    START_WALL,
    HandClock,
    busy_disk,
    eventually,
    numbers,
    opened,
    sql,
    step,
    transactions,
)

from agent.store import riders
from agent.store.alive import Moment
from agent.store.records import (
    Attempt,
    DeliveryState,
    EventFilter,
    MarkCharged,
    MarkDead,
    MarkDelivered,
    Oldest,
)
from agent.store.riders import Riders


def attempt(number):
    return Attempt(
        at_wall=number, status=500 if number % 2 else None, latency=number / 8, text=f"try {number}"
    )


async def test_outcomes_ride_in_the_next_commit(tmp_path):
    """Marking costs no transaction of its own."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(step(1, 2))
        async with transactions(store) as commits:
            store.mark(MarkDelivered("a", 1, 7))
            await store.commit(step(3))

        assert len(commits) == 1
        assert await sql(store, "SELECT seq, state, settled_wall FROM delivery") == [
            (1, 1, 7),
            (2, 0, None),
            (3, 0, None),
        ]


async def test_outcomes_go_alone_after_a_tick(tmp_path):
    """At most one commit a tick, however many there are."""
    async with opened(tmp_path / "store.db", tick=0.05) as store:
        await store.commit(step(1, 2, 3))
        async with transactions(store) as commits:
            for seq in (1, 2, 3):
                store.mark(MarkDelivered("a", seq, 7))
            await eventually(lambda: commits)

        assert len(commits) == 1
        assert await sql(store, "SELECT count(*) FROM delivery WHERE state = 1") == [(3,)]


async def test_very_many_outcomes_do_not_wait_for_the_tick(tmp_path, monkeypatch):
    """Memory, and what a kill sends twice, are bounded."""
    monkeypatch.setattr(riders, "MARKS_A_TRANSACTION", 3)
    async with opened(tmp_path / "store.db") as store:
        await store.commit(step(*range(1, 8)))
        for seq in range(1, 8):
            store.mark(MarkDelivered("a", seq, 7))
        async with transactions(store) as commits:
            await eventually(lambda: commits)
            await store.flush()

        assert len(commits) == 3
        assert await store.waiting("a", 0, 10) == []


async def test_an_outcome_counts_from_the_moment_it_is_known(tmp_path):
    """What is read meanwhile does not offer the event again, and the counters agree."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(step(1, 2, 3, 4))
        store.mark(MarkDelivered("a", 1, 7))
        store.mark(MarkDead("a", 2, 7, "gone"))
        store.mark(MarkCharged("a", 3, attempt(1), due_wall=99))

        async with transactions(store) as commits:
            waiting = await store.waiting("a", 0, 10)
        assert commits == []
        assert [(one.stored.seq, one.charged, one.due_wall) for one in waiting] == [(3, 1, 99), (4, 0, 0)]
        assert (store.waiting_count("a"), store.waiting_count(), store.dead_count("a")) == (2, 2, 1)

        await store.flush()
        assert await store.waiting("a", 0, 10) == waiting


async def test_outcomes_survive_a_restart(tmp_path):
    """Closing writes what was only marked; counters come out the same."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await store.commit(step(1, 2, to=("a", "b")))
        store.mark(MarkDelivered("a", 1, 7))
        store.mark(MarkCharged("b", 1, attempt(1), due_wall=99))
        store.mark(MarkDead("b", 1, 8, "refused", attempt(2)))
        store.mark(MarkCharged("b", 2, attempt(3), due_wall=99))
    async with opened(tmp_path / "store.db", "a", "b") as store:
        assert [store.waiting_count(name) for name in ("a", "b")] == [1, 1]
        assert [store.dead_count(name) for name in ("a", "b")] == [0, 1]
        [waits] = await store.waiting("b", 0, 10)
        assert (waits.stored.seq, waits.charged, waits.due_wall) == (2, 1, 99)
        letter = await store.letters.one("b", 1)
        assert letter.attempts == (attempt(1), attempt(2))
        assert (letter.status.charged, letter.status.reason, letter.status.settled_wall) == (2, "refused", 8)


async def test_the_last_ten_attempts_are_kept(tmp_path):
    """Older ones go, whether they came in one transaction or in many."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(step(1))
        for number in range(1, 15):
            store.mark(MarkCharged("a", 1, attempt(number), due_wall=number))
            if number % 4 == 0:
                await store.flush()
        store.mark(MarkDead("a", 1, 5, "refused"))

        letter = await store.letters.one("a", 1)
        assert letter.attempts == tuple(attempt(number) for number in range(5, 15))
        assert letter.status.charged == 14


async def test_an_outcome_of_what_is_settled_changes_nothing(tmp_path):
    """The first word stands, and the counters are put right at the next tick."""
    async with opened(tmp_path / "store.db", tick=0.02) as store:
        await store.commit(step(1, 2))
        store.mark(MarkDelivered("a", 1, 7))
        await store.flush()
        store.mark(MarkDead("a", 1, 8, "late"))
        store.mark(MarkDelivered("a", 77, 8))
        await eventually(lambda: store.waiting_count("a") == 1 and store.dead_count("a") == 0)

        [first, _] = await store.events(EventFilter(), 10)
        assert first.deliveries[0].state is DeliveryState.DELIVERED


async def test_the_oldest_that_waits_is_known_without_asking_the_disk(tmp_path):
    """New ones, settled ones, none, and after a restart."""
    async with opened(tmp_path / "store.db", tick=0.02) as store:
        assert store.oldest_waiting("a") is None
        await store.commit(step(1, 2, 3))
        assert store.oldest_waiting("a") == Oldest(1, Moment(BOOT, 1, START_WALL + 1))

        store.mark(MarkDelivered("a", 1, 7))
        store.mark(MarkDelivered("a", 2, 7))
        await eventually(lambda: store.oldest_waiting("a") == Oldest(3, Moment(BOOT, 3, START_WALL + 3)))
    async with opened(tmp_path / "store.db") as store:
        assert store.oldest_waiting("a") == Oldest(3, Moment(BOOT, 3, START_WALL + 3))
        store.mark(MarkDelivered("a", 3, 7))
        assert store.oldest_waiting("a") is None


async def test_the_watchdog_sees_how_long_a_transaction_takes(tmp_path):
    """`writing_since` stands while a transaction is under way, and only then."""
    async with opened(tmp_path / "store.db") as store:
        nap = await busy_disk(store, 0.05)
        store.checkpoint({"rule/x": b"1"})
        assert store.writing_since is None
        flushing = asyncio.create_task(store.flush())
        await eventually(lambda: store.writing_since == HandClock().instant)
        await asyncio.gather(nap, flushing)

        assert store.writing_since is None


async def test_an_outcome_for_an_unknown_destination_is_refused_at_once(tmp_path):
    """A defect of the caller, told to the caller before anything is kept."""
    async with opened(tmp_path / "store.db") as store:
        with pytest.raises(KeyError):
            store.mark(MarkDelivered("nowhere", 1, 7))
        await store.flush()


@given(st.lists(st.tuples(st.sampled_from("xy"), st.binary(max_size=2)), max_size=6))
def test_a_checkpoint_that_came_meanwhile_stays(puts):
    """Only what was taken to disk leaves, and the newest of a key is what rides."""
    waiting = Riders()
    waiting.checkpoint({"x": b"first"})
    marks, states = waiting.take()
    for key, value in puts:
        waiting.checkpoint({key: value})
    waiting.arrived(marks, states)

    _, left = waiting.take()
    assert left == dict(puts)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_waiting_is_read_in_pages_by_number(tmp_path, limit):
    """Each page goes on after the last, whatever was settled in between."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(step(*range(1, 8)))
        for seq in (2, 3, 6):
            store.mark(MarkDelivered("a", seq, 7))
        pages, after = [], 0
        while page := await store.waiting("a", after, limit):
            assert len(page) <= limit
            pages += numbers(page)
            after = pages[-1]

        assert pages == [1, 4, 5, 7]
