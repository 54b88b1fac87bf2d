"""A session whose store cannot take what it emits."""

import asyncio

import pytest
from asyncua import ua
from rigs.opcua_session import FAST, configure, watching

from agent.errors import StoreUnavailable
from agent.model import Alive, Link, Quality, Reading
from agent.sources.opcua.source import newest


async def test_the_newest_value_is_offered_again_while_the_store_cannot_take_it(plant):
    """What replaces a baseline that nobody took is one; each tag comes once."""
    plant.add("a", 0)
    plant.add("b", 0)
    async with watching(configure(plant.url, "a", "b")) as watch:
        await watch.until(lambda: watch.values("a") == [0] == watch.values("b"))
        watch.batches.clear()
        watch.refusals[:] = [StoreUnavailable("disk full")] * 10
        for value in (1, 2, 3):
            plant.set("a", value)
        await watch.until(lambda: len(watch.refusals) < 8)
        plant.set("a", 4)
        await watch.until(lambda: watch.values("a")[-1] == 4)

    assert watch.values("a") == [0, 4]


async def test_a_store_that_is_not_ready_at_the_start_loses_no_first_value(plant):
    """The link and the baseline wait with the rest."""
    plant.add("early", 1)
    config = configure(plant.url, "early", "refused")
    refusals = [StoreUnavailable("disk full")] * 8
    async with watching(config) as watch:
        watch.refusals[:] = refusals
        await watch.until(lambda: watch.values("early") == [1])

    assert isinstance(watch.seen[0], Link)
    assert watch.readings("early")[0].baseline
    assert watch.values("refused") == [None]


async def test_more_than_the_store_takes_ends_the_session_instead_of_dropping(plant):
    """A disk that hangs for long: bounded memory, and no value is lost unsaid."""
    plant.add("stuck", 0)
    hang = asyncio.Event()
    config = configure(plant.url, "stuck", queue_size=5000, publish_every="100ms")
    async with watching(config) as watch:
        await watch.until(lambda: watch.values("stuck") == [0])
        taken = watch.emit

        async def emit(batch):
            await hang.wait()
            await taken(batch)

        watch.emit = emit

        async def flood():
            for value in range(1, 1500):
                data = ua.DataValue(ua.Variant(value))
                await plant.server.write_attribute_value(ua.NodeId("stuck", plant.index), data)

        await asyncio.to_thread(plant.call, flood())
        await asyncio.sleep(0.5)
        hang.set()
        assert "values wait for the store: see whether the disk is slow or full" in await watch.error()


def reading(tag, value, *, baseline=False):
    return Reading(tag, value, Quality.GOOD, value, baseline=baseline)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([], []),
        ([reading("a", 1), reading("b", 2), reading("a", 3)], [reading("a", 3), reading("b", 2)]),
        ([reading("a", 1, baseline=True), reading("a", 2)], [reading("a", 2, baseline=True)]),
        ([reading("a", 1), reading("a", 2, baseline=True)], [reading("a", 2, baseline=True)]),
        (
            [Link("s", True, 1), Alive("s", 2), reading("a", 1), Alive("s", 3)],
            [Link("s", True, 1), Alive("s", 3), reading("a", 1)],
        ),
    ],
)
def test_newest(seen, expected):
    """One of each tag, the link first, the last proof of life."""
    assert expected == newest(seen)


def test_fast_timing_is_only_faster():
    """The tests run the same session as the plant, with shorter waits."""
    assert FAST.keep_alive < FAST.silence
