"""What a page of waiting events costs does not depend on how many wait, or were ever delivered."""

import time

import pytest
from rigs.stores import opened, sql, step

from agent.store import counters
from agent.store.records import MarkDelivered

MANY = 200_000
FILL = (
    "INSERT INTO delivery (destination, seq, state, subject, urgent) "
    "WITH RECURSIVE number (n) AS (SELECT ? UNION ALL SELECT n + 1 FROM number WHERE n < ?) SELECT 1, n, ?, n % 500, 0 FROM number"
)


async def best(times, work):
    """Seconds of the fastest run: what it costs, without what else the machine did."""
    found = []
    for _ in range(times):
        before = time.perf_counter()
        await work()
        found.append(time.perf_counter() - before)
    return min(found)


async def settle(store, number):
    store.mark(MarkDelivered("a", number, 0))
    await store.flush()


@pytest.mark.parametrize(
    "work",
    [
        lambda store, _: store.waiting("a", -MANY * 2, 100),
        lambda store, number: store.commit(step(number)),
        settle,
    ],
    ids=["fetch", "commit", "settle"],
)
async def test_the_cost_is_flat(tmp_path, work):
    """With 200,000 waiting and 200,000 delivered before them, at most 2.5 times that of a thousand."""
    costs = []
    for name, extra in (("small.db", 0), ("large.db", MANY)):
        async with opened(tmp_path / name) as store:
            await store.commit(step(*range(1, 1001)))
            if extra:
                await sql(store, FILL, -extra, 0, 1)
                await sql(store, FILL, 10_001, 10_000 + extra, 0)
            numbers = iter(range(1, 1001))
            costs.append(await best(40, lambda store=store, numbers=numbers: work(store, next(numbers))))

    assert costs[1] < 2.5 * costs[0]


@pytest.mark.parametrize("statement", [counters._WAITING, counters._DEAD], ids=["waiting", "dead"])
async def test_the_start_counts_without_a_look_at_each_row(tmp_path, statement):
    """The indexes alone tell: a million rows that wait would cost most of a second."""
    async with opened(tmp_path / "store.db") as store:
        plan = await sql(store, f"EXPLAIN QUERY PLAN {statement}")

    assert "USING COVERING INDEX" in str([tuple(row) for row in plan])
