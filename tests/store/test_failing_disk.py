"""A disk that is full or fails: nothing is announced that is not stored, and it recovers by itself."""

import asyncio
import logging

import pytest
from rigs.stores import (
    HandClock,
    busy_disk,
    eventually,
    full_disk,
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
from agent.store.records import DestinationFacts, MarkDead, MarkDelivered, Step

BULK = 20_000  # an event of this size needs new pages


async def test_a_full_disk_fells_the_group_and_what_queued_behind(tmp_path):
    """One failed transaction, one `on_failure`, and only then does each commit raise, remedy included."""
    async with opened(tmp_path / "store.db") as store:
        order = recorded(store)
        store.on_failure = lambda reason: order.append(f"failure: {reason}")

        async def offer(number):
            try:
                await store.commit(step(number, bulk=BULK))
            except StoreUnavailable as error:
                order.append(f"raised: {error}")

        async with full_disk(store):
            nap = await busy_disk(store, 0.05)
            first = asyncio.create_task(offer(1))
            await asyncio.sleep(0.01)
            await asyncio.gather(nap, first, offer(2), offer(3))

        reason = (
            f"the store {tmp_path}/store.db: database or disk is full; "
            "free some space on its disk; it goes on by itself"
        )
        assert order == [f"failure: {reason}", *[f"raised: {reason}"] * 3]
        assert store.unavailable == reason


async def test_numbers_of_a_fallen_group_are_not_used_up(tmp_path):
    """`seq` stays contiguous and `previous` unbroken across the failure, and across a restart."""
    clock = HandClock()
    async with opened(tmp_path / "store.db", clock=clock) as store:
        await store.commit(step(1))
        async with full_disk(store):
            with pytest.raises(StoreUnavailable):
                await store.commit(step(2, 3, bulk=BULK))
        clock.instant += SECOND
        await store.commit(step(4))
    async with opened(tmp_path / "store.db", clock=clock) as store:
        await store.commit(step(5))

        waiting = await store.waiting("a", 0, 10)
        assert [(one.stored.seq, one.previous, one.stored.event.at) for one in waiting] == [
            (1, None, 1),
            (2, 1, 4),
            (3, 2, 5),
        ]


async def test_a_group_that_fails_in_the_middle_leaves_nothing_behind(tmp_path):
    """Its first rows do not slip into the next transaction (SQLite itself rolls back some errors, not this one)."""
    clock = HandClock()
    async with opened(tmp_path / "store.db", clock=clock) as store:
        await sql(
            store, "INSERT INTO delivery (destination, seq, state, subject, urgent) VALUES (1, 1, 1, 0, 0)"
        )
        with pytest.raises(StoreUnavailable, match="UNIQUE"):
            await store.commit(step(1, states={"rule/x": b"1"}))
        await sql(store, "DELETE FROM delivery")
        clock.instant += SECOND
        await store.commit(step(2))

        assert [one.stored.event.at for one in await store.waiting("a", 0, 10)] == [2]
        assert await store.states() == {}


async def test_a_job_that_stumbles_is_rolled_back(tmp_path):
    """What it had written does not ride with the next commit."""
    async with opened(tmp_path / "store.db") as store:

        async def job():
            await store._turns.connection.execute("INSERT INTO state VALUES ('rule/x', x'31', 0)")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await store._turns.run(job)
        await store.commit(step(1))

        assert await sql(store, "SELECT key FROM state") == []


async def test_a_failing_disk_is_asked_once_a_second(tmp_path):
    """Commits are refused at once meanwhile, each after `on_failure`; then the next one is tried."""
    clock = HandClock()
    async with opened(tmp_path / "store.db", clock=clock) as store:
        announced = recorded(store)
        with refusing_disk(), pytest.raises(StoreUnavailable):
            await store.commit(step(1))
        clock.instant += SECOND - 1
        async with transactions(store) as commits:
            with pytest.raises(StoreUnavailable):
                await store.commit(step(2))
            assert commits == []
            clock.instant += 1
            await store.commit(step(3))

        reason = announced[0]
        assert "dmesg" in reason
        assert announced[:2] == [reason, reason]
        assert announced[2][0] == [3]
        assert store.unavailable is None


async def test_outcomes_and_checkpoints_of_a_failed_group_ride_again(tmp_path):
    """They are true whatever the disk says."""
    clock = HandClock()
    async with opened(tmp_path / "store.db", "a", "b", clock=clock) as store:
        await store.commit(step(1, to=("a", "b")))
        store.mark(MarkDelivered("a", 1, 5))
        store.mark(MarkDead("b", 1, 6, "refused"))
        store.checkpoint({"rule/x": b"running"})
        with refusing_disk():
            with pytest.raises(StoreUnavailable):
                await store.commit(step(2, states={"rule/y": b"raised"}))
            with pytest.raises(StoreUnavailable):
                await store.flush()
            assert await store.waiting("a", 0, 10) == []
        clock.instant += SECOND
        await store.commit(step(3))

        states = await sql(store, "SELECT destination, seq, state FROM delivery ORDER BY destination, seq")
        assert states == [(1, 1, 1), (1, 2, 0), (2, 1, 2)]
        assert await store.states() == {"rule/x": b"running"}


async def test_a_checkpoint_that_builds_on_a_fallen_step_falls_with_it(tmp_path):
    """Else the rule would be stored as raised and its event never."""
    clock = HandClock()
    async with opened(tmp_path / "store.db", clock=clock) as store:
        await store.commit(Step(states={"rule/x": b"normal", "rule/y": b"1 s"}))
        store.checkpoint({"rule/x": b"active for 3 s", "rule/y": b"4 s"})
        with refusing_disk(), pytest.raises(StoreUnavailable):
            await store.commit(step(1, states={"rule/x": b"active"}))
        await store.flush()

        assert await store.states() == {"rule/x": b"normal", "rule/y": b"4 s"}


async def test_a_step_is_newer_than_a_checkpoint_made_before_it_was_on_disk(tmp_path):
    """A checkpoint is taken from what is committed: it never overwrites the step that was under way."""
    async with opened(tmp_path / "store.db") as store:
        nap = await busy_disk(store, 0.05)
        store.checkpoint({"rule/x": b"older"})
        commit = asyncio.create_task(store.commit(step(1, states={"rule/x": b"raised", "rule/gone": None})))
        await asyncio.sleep(0.01)
        store.checkpoint({"rule/x": b"older still"})
        await asyncio.gather(nap, commit)
        await store.flush()

        assert await store.states() == {"rule/x": b"raised"}


async def test_it_recovers_by_itself_without_new_events(tmp_path, caplog):
    """`unavailable` clears at the next tick after there is room, and both changes are logged once."""
    async with opened(tmp_path / "store.db", tick=0.02) as store:
        with refusing_disk():
            with pytest.raises(StoreUnavailable):
                await store.commit(step(1))
            await asyncio.sleep(0.1)
            assert store.unavailable
        await eventually(lambda: store.unavailable is None)

    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [message.split(":")[0] for message in told if "upkeep" not in message] == [
        "nothing can be stored",
        f"the store {tmp_path}/store.db takes events again",
    ]


async def test_outcomes_that_alone_fail_refuse_no_step(tmp_path):
    """No step fell, so nobody has to fall back, and the next one is tried at once."""
    async with opened(tmp_path / "store.db", tick=0.01) as store:
        announced = recorded(store)
        with refusing_disk():
            store.checkpoint({"rule/x": b"1"})
            await eventually(lambda: store.unavailable)
        await store.commit(step(1))

        assert [events for events, _ in announced] == [[1]]


async def test_people_still_read_on_a_full_disk(tmp_path):
    """What is stored can be listed and sent; only what writes is refused, with the reason."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(step(1, 2))
        store.mark(MarkDead("a", 1, 5, "refused"))
        await store.flush()
        with refusing_disk():
            assert numbers(await store.waiting("a", 0, 10)) == [2]
            with pytest.raises(StoreUnavailable, match="dmesg"):
                await store.set_destination("a", DestinationFacts(disabled="410"))
        await store.set_destination("a", DestinationFacts(disabled="410"))

        assert (await store.destination_facts())["a"].disabled == "410"


async def test_it_starts_on_a_full_disk(tmp_path):
    """What is stored is read and sent although not a byte can be written, after a kill as after a good end."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await store.commit(step(1, 2, to=("a", "b")))
        (tmp_path / "killed.db").write_bytes((tmp_path / "store.db").read_bytes())
        (tmp_path / "killed.db-wal").write_bytes((tmp_path / "store.db-wal").read_bytes())
    for name in ("store.db", "killed.db"):
        with refusing_disk():
            async with opened(tmp_path / name, "a", "b") as store:
                assert numbers(await store.waiting("b", 0, 10)) == [1, 2]
