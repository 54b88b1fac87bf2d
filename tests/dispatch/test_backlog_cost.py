"""What a waiting event costs does not depend on how many wait: a real store, a reduced form of `make bench`."""

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from rigs.history import fill
from rigs.stores import BOOT, HandClock

from agent.dispatch.backlog import Backlog
from agent.store.records import MarkDelivered
from agent.store.store import Store

FEW, MANY, SENT = 1_500, 12_000, 1_000
# Five of the ten subjects are urgent; each has far more than its share of memory.
SUBJECTS, URGENT_EVERY = 10, 2


async def drain(path, sent):
    """CPU seconds for each of so many events from the store into memory and out of it, and which they were."""
    clock = HandClock()
    async with await Store.open(path, clock=clock, boot=BOOT) as store:
        await store.sync_destinations(["a"])
        backlog = Backlog("a", store, clock, longest_wait=0, boot=BOOT)
        page = asyncio.Event()
        reading = asyncio.create_task(backlog.read(page.set))
        numbers, began = [], time.process_time()
        while len(numbers) < sent:
            entries = backlog.queue.take(clock.monotonic())
            for entry in entries:
                store.mark(MarkDelivered("a", entry.seq, 0))
                numbers.append(entry.seq)
            backlog.settle(entries)
            if not entries:
                page.clear()
                await asyncio.wait_for(page.wait(), 60)
        cost = (time.process_time() - began) / sent
        reading.cancel()
        await asyncio.wait([reading])
    return cost, numbers


@pytest.fixture(scope="module")
def stores():
    """One with few, one with many that wait."""
    with TemporaryDirectory() as folder:
        made = [Path(folder) / f"{many}.db" for many in (FEW, MANY)]
        for path, many in zip(made, (FEW, MANY), strict=True):
            fill(path, "a", many, subjects=SUBJECTS, urgent_every=URGENT_EVERY)
        yield made


def test_the_cost_is_flat(stores):
    """Eight times as many wait: an event costs as much, but for the machine's moods."""
    costs = []
    for path in stores:
        seen = []
        for turn in range(3):
            copy = path.with_suffix(f".{turn}")
            copy.write_bytes(path.read_bytes())
            cost, numbers = asyncio.run(drain(copy, SENT))
            assert len(set(numbers)) == SENT
            seen.append(cost)
        costs.append(min(seen))

    assert costs[1] < 2 * costs[0]
