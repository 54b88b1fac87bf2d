"""What may go is found again, whatever happened while room was made; and what is worth more never goes instead."""

import asyncio
import random

import pytest
from rigs.stores import HandClock, event, opened, refusing_disk, sql

from agent.errors import StoreUnavailable
from agent.model import SECOND, EventType, Priority
from agent.store.blocks import Worth
from agent.store.gaps import told
from agent.store.records import Addressed, MarkDead, MarkDelivered, Selection, Step

LIMIT = 2_300_000  # 1.27 MB are for events, the rest for the log and the ballast
DAY = 86_400 * SECOND


def bulk(number, priority=Priority.HIGH, to=("a",)):
    """An event that takes about a page."""
    one = event(number, priority=priority, data={"value": number, "bulk": "x" * 3_000})
    return Addressed(one, to)


def bound(store, to=()):
    """Give the store its bound; what it tells of what it gave up, which goes to `to`."""
    heard = []
    store.room.limit = lambda: LIMIT
    store.room.address = lambda made: heard.append(made) or Addressed(made, to)
    return heard


async def test_letters_that_were_dropped_go_before_alarms_that_wait(tmp_path):
    """Nobody waits for them, from the moment on which a person says so."""
    async with opened(tmp_path / "store.db") as store:
        heard = bound(store)
        await store.commit(Step([bulk(number) for number in range(1, 281)]))
        for seq in range(1, 280):
            store.mark(MarkDead("a", seq, store._clock.wall(), "400"))
        await store.room.keep()  # looks for what is delivered, and finds nothing
        await store.letters.drop(Selection(destination="a"))
        await store.commit(Step([bulk(number) for number in range(281, 400)]))
        await store.room.keep()

        assert heard == []
        assert store.waiting_count("a") == 120


async def test_what_a_failing_disk_did_not_let_go_goes_when_it_is_well(tmp_path):
    """A bite that fell is found again; nothing that somebody waits for goes in its place."""
    async with opened(tmp_path / "store.db") as store:
        heard = bound(store)
        await store.commit(Step([bulk(number) for number in range(1, 301)]))
        for seq in range(1, 300):
            store.mark(MarkDelivered("a", seq, 0))
        await store.flush()
        with refusing_disk(), pytest.raises(StoreUnavailable):
            await store.room.keep()
        await store.commit(Step([bulk(number) for number in range(301, 501)]))
        await store.room.keep()

        assert heard == []
        assert store.waiting_count("a") == 201


async def test_an_outcome_that_comes_while_room_is_made_is_seen_by_the_next_look(tmp_path):
    """It may go from when it is on disk: who looks before finds it waiting, and would not look again."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(Step([bulk(number) for number in range(1, 601)]))
        blocks = store._counters.blocks
        store.mark(MarkDelivered("a", 1, 0))
        while blocks.take(Worth.SETTLED):
            pass
        await store.flush()

        assert 1 in blocks.take(Worth.SETTLED)


async def test_a_settling_ends_though_outcomes_come_all_the_time(tmp_path):
    """Else whoever drains fast would keep every reader of the store waiting until all is sent."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(Step([bulk(number) for number in range(1, 51)]))
        loop, sent = asyncio.get_running_loop(), iter(range(1, 51))

        def on_statement(statement):
            """While each transaction is on its way to the disk, one more is delivered."""
            if statement == "COMMIT":
                loop.call_soon_threadsafe(lambda: store.mark(MarkDelivered("a", next(sent), 0)))

        store.mark(MarkDelivered("a", next(sent), 0))
        await store._turns.connection.set_trace_callback(on_statement)
        await store.flush()
        await store._turns.connection.set_trace_callback(None)

        assert await sql(store, "SELECT count(*) FROM delivery WHERE state = 1") == [(1,)]


async def test_an_old_record_of_a_gap_does_not_go_with_the_old_dead_letters(tmp_path):
    """It is a dead letter itself when its receiver refused it, and all that says what else is missing."""
    clock = HandClock()
    async with opened(tmp_path / "store.db", "a", "b", clock=clock) as store:
        heard = bound(store, to=("b",))
        await store.commit(Step([bulk(number) for number in range(1, 401)]))
        await store.room.keep()
        [record] = heard
        store.mark(MarkDead("b", store.seq, clock.wall(), "413"))
        await store.commit(Step([bulk(1_000, to=("b",))]))
        clock.instant += 40 * DAY
        await store.commit(Step([bulk(number) for number in range(401, 700)]))
        await store.room.keep()

        gone = {seq for one in heard[1:] for first, last in told(one).seqs for seq in range(first, last + 1)}
        records = await sql(store, "SELECT id FROM event WHERE type = ?", EventType.STORE_OVERFLOW.value)
        assert (record.id,) in records
        assert gone - set(range(402))


async def test_records_of_gaps_do_not_fill_the_store(tmp_path):
    """They stand for others when these were all between them, whichever priority went first."""
    dice = random.Random(1)
    async with opened(tmp_path / "store.db", "a", "b") as store:
        bound(store, to=("b",))
        for start in range(1, 40_000, 400):
            priorities = dice.choices(list(Priority), weights=(40, 20, 20, 15, 5), k=400)
            events = [event(start + place, priority=each) for place, each in enumerate(priorities)]
            await store.commit(Step([Addressed(each, ("a",)) for each in events]))
            await store.room.keep()
        [(taken,)] = await sql(store, "SELECT sum(length(content)) FROM event WHERE type = 'store.overflow'")
        [(records,)] = await sql(store, "SELECT count(*) FROM gap")
        left = dict(
            await sql(store, "SELECT priority, count(*) FROM event WHERE type <> 'store.overflow' GROUP BY 1")
        )

        assert (records < 100, taken < store.room.usage.room / 5) == (True, True)
        assert left[Priority.CRITICAL] > 1_000
        assert store.room.usage.share <= 1


async def test_that_nothing_is_left_to_give_up_is_said_once(tmp_path, caplog):
    """Not at every look: the log has the changes."""
    async with opened(tmp_path / "store.db") as store:
        bound(store)
        await store.commit(Step([Addressed(event(1, data={"bulk": "x" * LIMIT}), ("a",))]))
        for _ in range(3):
            await store.room.keep()

    assert caplog.text.count("nothing is left") == 1
