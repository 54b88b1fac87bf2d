"""Delivered events go after their time, waiting ones never, and the disk gets its space back."""

import asyncio

import pytest
from rigs.stores import HandClock, numbers, opened, recorded, sql, step

from agent.store import retention
from agent.store.records import Attempt, EventFilter, MarkCharged, MarkDead, MarkDelivered, Selection


@pytest.mark.parametrize("bite", [1, 2, 500])
async def test_only_what_is_settled_everywhere_and_old_goes(tmp_path, monkeypatch, bite):
    """Pending and dead stay, so do young ones, the newest event and the newest of each destination."""
    monkeypatch.setattr(retention, "_CEILING", retention._CEILING.replace("LIMIT 500", f"LIMIT {bite}"))
    clock = HandClock()
    async with opened(tmp_path / "store.db", "a", "b", clock=clock) as store:
        await store.commit(step(1, 2, 3, 4, to=("a", "b")))
        await store.commit(step(5, 6, to=()))
        await store.commit(step(7, to=("b",)))
        await store.commit(step(clock.instant, clock.instant, to=("a",)))
        for seq in (1, 2, 3, 8, 9):
            store.mark(MarkDelivered("a", seq, 0))
        store.mark(MarkCharged("b", 1, Attempt(0, 500, 1.0, ""), 0))
        for seq in (1, 4, 7):
            store.mark(MarkDelivered("b", seq, 0))
        store.mark(MarkDead("b", 2, 0, "400"))
        store.mark(MarkDead("b", 3, 0, "400"))
        await store.letters.drop(Selection(seq=3))

        # 1 delivered twice, 2 dead, 3 dropped, 4 waits for a, 5 and 6 for nobody, 7 the newest of b, 8 and 9 young.
        assert await store.prune(keep_delivered=1000) == 4
        assert [one.seq for one in await store.events(EventFilter(), 100)] == [2, 4, 7, 8, 9]
        assert await sql(store, "SELECT count(*) FROM delivery WHERE seq IN (1, 3, 5, 6)") == [(0,)]
        assert await sql(store, "SELECT count(*) FROM attempt") == [(0,)]
        assert numbers(await store.waiting("a", 0, 100)) == [4]


async def test_numbers_go_on_after_everything_was_pruned(tmp_path):
    """Pruning and a restart neither repeat a number nor break the chain."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await store.commit(step(1, to=("b",)))
        await store.commit(step(2, 3, to=("a",)))
        store.mark(MarkDelivered("b", 1, 0))
        store.mark(MarkDelivered("a", 2, 0))
        store.mark(MarkDelivered("a", 3, 0))
        await store.flush()
        assert await store.prune(0) == 1
    async with opened(tmp_path / "store.db", "a", "b") as store:
        announced = recorded(store)
        await store.commit(step(4, to=("a", "b")))

        assert [(one.destination, one.stored.seq, one.previous) for one in announced[0][1]] == [
            ("a", 4, 3),
            ("b", 4, 1),
        ]


async def test_the_disk_gets_its_space_back(tmp_path):
    """Bite by bite, while commits go between."""
    path = tmp_path / "store.db"
    async with opened(path) as store:
        await store.commit(step(*range(1, 1001), bulk=10_000))
        for seq in range(1, 1001):
            store.mark(MarkDelivered("a", seq, 0))
        await store.flush()
        await sql(store, "PRAGMA wal_checkpoint(TRUNCATE)")
        before = path.stat().st_size
        pruning = asyncio.create_task(store.prune(0))
        between = 0
        while not pruning.done():
            await store.commit(step(between + 2000))
            between += 1
        assert await pruning in (999, 1000)  # the newest stays, which it was until the first commit between
        await sql(store, "PRAGMA wal_checkpoint(TRUNCATE)")

        assert before > 10_000_000
        assert path.stat().st_size < 6_000_000
        assert between > 3
        assert store.waiting_count("a") == between
