"""Steps share transactions; numbers, order and announcements come out as if each had its own."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rigs.stores import (
    BOOT,
    START_WALL,
    HandClock,
    busy_disk,
    event,
    eventually,
    numbers,
    opened,
    recorded,
    refusing_disk,
    sql,
    step,
    transactions,
)

from agent.errors import StoreUnavailable
from agent.model import SECOND
from agent.store.records import Addressed, Delivery, MarkDelivered, Step, Stored

NAMES = ("a", "b", "c")
STEPS = st.lists(st.lists(st.sets(st.sampled_from(NAMES)), max_size=3), min_size=1, max_size=6)
ROUNDS = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), STEPS),
        st.tuples(st.just("fail"), STEPS),
        st.tuples(st.just("deliver"), st.sampled_from(NAMES)),
        st.tuples(st.just("restart"), st.none()),
        st.tuples(st.just("prune"), st.none()),
    ),
    min_size=1,
    max_size=8,
)


class Model:
    """What a store is, in twenty lines: numbers, the newest of each destination, what waits."""

    def __init__(self) -> None:
        self.seq = 0
        self.newest = dict.fromkeys(NAMES)
        self.waiting = {name: [] for name in NAMES}

    def commit(self, steps):
        """What is announced for these steps."""
        announced = []
        for destinations in steps:
            deliveries = []
            for names in destinations:
                self.seq += 1
                for name in sorted(names):
                    deliveries.append((name, self.seq, self.newest[name]))
                    self.waiting[name].append((self.seq, self.newest[name]))
                    self.newest[name] = self.seq
            announced.append(deliveries)
        return announced


async def offer(store, steps):
    """All of them at once, in this order; what each commit came to."""
    made = [Step([Addressed(event(), tuple(sorted(names))) for names in one]) for one in steps]
    return await asyncio.gather(*(store.commit(one) for one in made), return_exceptions=True)


class Player:
    """Plays rounds to a store and to the model, and compares after each."""

    def __init__(self, path) -> None:
        self.path, self.clock, self.model = path, HandClock(), Model()
        self.announced, self.expected = [], []

    async def play(self, rounds):
        rounds = list(rounds)
        while rounds:
            async with opened(self.path, *NAMES, clock=self.clock) as store:
                store.on_commit = lambda _, some: self.announced.append(
                    [(one.destination, one.stored.seq, one.previous) for one in some]
                )
                while rounds:
                    kind, argument = rounds.pop(0)
                    if kind == "restart":
                        break
                    await getattr(self, kind)(store, argument)
                    await self.compare(store)
        assert self.announced == self.expected

    async def commit(self, store, steps):
        assert await offer(store, steps) == [None] * len(steps)
        self.expected += self.model.commit(steps)

    async def fail(self, store, steps):
        if any(steps):
            with refusing_disk():
                assert all(isinstance(one, StoreUnavailable) for one in await offer(store, steps))
            self.clock.instant += 2 * SECOND

    async def deliver(self, store, name):
        for seq, _ in self.model.waiting[name][:2]:
            store.mark(MarkDelivered(name, seq, 0))
        del self.model.waiting[name][:2]

    async def prune(self, store, _):
        await store.prune(0)

    async def compare(self, store):
        assert store.seq == self.model.seq
        for name in NAMES:
            waiting = [(one.stored.seq, one.previous) for one in await store.waiting(name, 0, 1000)]
            assert waiting == self.model.waiting[name]
            assert store.waiting_count(name) == len(waiting)


@settings(max_examples=60, deadline=None)
@given(ROUNDS)
def test_any_history_is_that_of_the_model(rounds):
    """Through failing disks, restarts and pruning: numbers contiguous, `previous` a chain, nothing repeated."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(Player(Path(folder) / "store.db").play(rounds))


async def test_what_comes_during_a_commit_shares_the_next(tmp_path):
    """One hundred steps behind a slow transaction: one more transaction, announced in their order."""
    async with opened(tmp_path / "store.db") as store, transactions(store) as commits:
        announced = recorded(store)
        nap = await busy_disk(store, 0.05)
        first = asyncio.create_task(store.commit(step(1)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.gather(nap, first, *(store.commit(step(number)) for number in range(2, 102)))

        assert len(commits) == 2
        assert [events for events, _ in announced] == [[number] for number in range(1, 102)]
        assert store.seq == 101


async def test_a_step_is_announced_before_its_commit_returns(tmp_path):
    """The deliveries are in the destinations' hands when `emit` returns, and not before COMMIT."""
    async with opened(tmp_path / "store.db", "a", "b") as store, transactions(store) as commits:
        seen = []
        store.on_commit = lambda _, deliveries: seen.append((len(commits), deliveries))

        await store.commit(step(5, to=("a", "b")))

        stored = Stored(1, step(5).events[0].event, BOOT, START_WALL)
        assert seen == [(1, [Delivery("a", stored, None), Delivery("b", stored, None)])]


async def test_what_is_read_back_is_what_was_stored(tmp_path):
    """Every field of the event, its boot and its offset survive."""
    async with opened(tmp_path / "store.db") as store:
        announced = recorded(store)
        await store.commit(Step([Addressed(event(7, data={"fields": {"b": [1, None, "ü"]}}), ("a",))]))

        assert await store.waiting("a", 0, 10) == announced[0][1]


async def test_an_empty_step_is_announced_in_its_turn_and_writes_nothing(tmp_path):
    """What changed nothing on disk costs no transaction, but keeps its place."""
    async with opened(tmp_path / "store.db") as store, transactions(store) as commits:
        announced = recorded(store)
        await store.commit(Step())
        assert commits == []

        await asyncio.gather(store.commit(step(1)), store.commit(Step()), store.commit(step(2)))

        assert [events for events, _ in announced] == [[], [1], [], [2]]


async def test_nothing_is_written_while_nothing_changes(tmp_path):
    """Flash wears by writing: after the last tick there is no commit and no checkpoint."""
    async with opened(tmp_path / "store.db", tick=0.01) as store:
        await store.commit(step(1))
        await asyncio.sleep(0.1)
        written = (tmp_path / "store.db").stat().st_mtime_ns, (tmp_path / "store.db-wal").stat().st_mtime_ns
        async with transactions(store) as commits:
            await asyncio.sleep(0.1)

        assert commits == []
        now = (tmp_path / "store.db").stat().st_mtime_ns, (tmp_path / "store.db-wal").stat().st_mtime_ns
        assert now == written


async def test_a_cancelled_caller_leaves_its_step_in_the_queue(tmp_path):
    """Others were computed upon it: it is committed and announced all the same."""
    async with opened(tmp_path / "store.db") as store:
        announced = recorded(store)
        nap = await busy_disk(store, 0.05)
        caller = asyncio.create_task(store.commit(step(1)))
        await asyncio.sleep(0.01)
        caller.cancel()
        await asyncio.gather(nap, store.commit(step(2)))

        assert caller.cancelled()
        assert [events for events, _ in announced] == [[1], [2]]


@pytest.mark.parametrize("data", [{"value": 2**70}, {"message": "\ud800"}])
async def test_what_cannot_be_stored_fails_its_own_caller_only(tmp_path, data):
    """A number without a JSON form, half a character: nobody else of the group notices."""
    async with opened(tmp_path / "store.db") as store:
        strange = Step([Addressed(event(1, data=data), ("a",))])
        results = await asyncio.gather(store.commit(strange), store.commit(step(2)), return_exceptions=True)

        assert isinstance(results[0], TypeError)
        assert results[1] is None
        assert store.seq == 1


async def test_an_unknown_destination_is_refused_at_once(tmp_path):
    """A defect of the caller, told to the caller."""
    async with opened(tmp_path / "store.db") as store:
        with pytest.raises(KeyError):
            await store.commit(step(1, to=("nowhere",)))

        assert store.seq == 0


async def test_a_slow_sync_stops_nothing_else(tmp_path):
    """While the disk takes half a second, the loop turns and nobody sees an uncommitted event."""
    async with opened(tmp_path / "store.db") as store:
        nap = await busy_disk(store, 0.5)
        commit = asyncio.create_task(store.commit(step(1)))
        loop, gaps = asyncio.get_running_loop(), []
        while not commit.done():
            before = loop.time()
            await asyncio.sleep(0.001)
            gaps.append(loop.time() - before)
        await nap

        assert sum(gaps) > 0.4
        assert sorted(gaps)[-3] < 0.1
        assert numbers(await store.waiting("a", 0, 10)) == [1]


async def test_a_reader_never_sees_what_may_still_fall(tmp_path):
    """A read that is asked for in the middle of a transaction waits for its end: here it is rolled back."""
    async with opened(tmp_path / "store.db") as store:
        nap = await busy_disk(store, 0.05)
        commit = asyncio.create_task(store.commit(step(1)))
        await asyncio.sleep(0.01)
        with refusing_disk():
            found, result = await asyncio.gather(store.waiting("a", 0, 10), commit, return_exceptions=True)
        await nap

        assert isinstance(result, StoreUnavailable)
        assert found == []


async def test_the_log_file_is_small_again_when_idle(tmp_path):
    """A quiet tick copies the write-ahead log into the database, so that a full disk leaves room to act."""
    async with opened(tmp_path / "store.db", tick=0.02) as store:
        await store.commit(step(*range(500)))
        size = (tmp_path / "store.db").stat().st_size
        await eventually(lambda: (tmp_path / "store.db").stat().st_size > size)
        [(busy, frames, copied)] = await sql(store, "PRAGMA wal_checkpoint(PASSIVE)")

        assert (busy, frames) == (0, copied)


async def test_a_defect_ends_the_writer_and_is_seen(tmp_path):
    """A listener that raises is a bug: whoever watches gets it, nobody waits for ever."""
    held = opened(tmp_path / "store.db")
    store = await held.__aenter__()

    def broken(*_: object):
        raise ZeroDivisionError

    store.on_commit = broken
    with pytest.raises(StoreUnavailable):
        await store.commit(step(1))
    with pytest.raises(ZeroDivisionError):
        await store.watch()
    with pytest.raises(StoreUnavailable):
        await store.commit(step(2))
    with pytest.raises(ZeroDivisionError):
        await store.close()
