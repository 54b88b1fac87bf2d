"""A connection that is lost again and again: what the agent holds, and what the device holds of it, stays the same.

`make faults` loses each connection 1,000 times; as one of all tests it is done often enough to see a leak.
"""

import asyncio
import gc
import logging
import os
import random

import pytest
from rigs.census import census, settled
from rigs.source_kinds import KINDS, able
from rigs.source_session import PATIENCE

from agent import sources
from agent.clock import SystemClock
from agent.model import MILLISECOND, Link, Quality, Reading
from agent.sources.writing import Door
from agent.supervise import Backoff, Supervisor

LOSSES = int(os.environ.get("EDGE_RELAY_LOSSES", "40"))
HALF_OPEN = max(1, LOSSES * 30 // 1000)  # each takes the time in which it is noticed
KILLED_EVERY = 20  # losses at which the device itself is switched off, not only the line cut
OBJECTS_A_LOSS = 5  # what the collector may find more, a loss; a forgotten task or session has hundreds
QUICK = Backoff(10 * MILLISECOND, 10 * MILLISECOND)


class Kept:
    """A source kept connected as the agent does it, with a back-off of 10 ms."""

    def __init__(self, config, session=None):
        self.ups = self.values = 0
        self._run = session or sources.session(config, Door())
        self._news = asyncio.Event()
        self._supervisor = Supervisor(
            "source plant",
            self._session,
            on_down=self._down,
            clock=SystemClock(),
            random=random.random,
            backoff=QUICK,
        )

    async def __aenter__(self):
        self._task = asyncio.create_task(self._supervisor.run(), name="kept")
        return self

    async def __aexit__(self, *_: object):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _session(self):
        self.values = 0
        await self._run("plant", self._emit, SystemClock())

    async def _down(self, reason):
        pass

    async def _emit(self, batch):
        self.ups += sum(isinstance(one, Link) for one in batch)
        self.values += sum(isinstance(one, Reading) and one.quality is Quality.GOOD for one in batch)
        self._supervisor.alive()
        self._news.set()

    async def read_after(self, ups):
        """Wait until it is connected for the time after `ups`, and reads."""
        async with asyncio.timeout(PATIENCE):
            while not (self.ups > ups and self.values):
                self._news.clear()
                await self._news.wait()


@pytest.fixture
def kind(request):
    return KINDS[request.param](request)


@pytest.fixture(autouse=True)
def _unlogged():
    """What is logged is kept until the test ends, and would be counted."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def objects():
    gc.collect()
    return len(gc.get_objects())


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", able("link"), indirect=True)
async def test_losses_leave_nothing_behind(kind):
    """Each comes back by itself; descriptors, tasks, threads, connections at the device and objects do not grow.

    Azure/Industrial-IoT#2365, thingsboard-gateway#1444: memory that grows until somebody restarts it.
    """
    async with kind, Kept(kind.config()) as source:
        await source.read_after(0)
        held, grown_from = census(), 0
        for loss in range(LOSSES):
            ups = source.ups
            if loss % KILLED_EVERY == KILLED_EVERY - 1:
                await kind.stop()
                await kind.start()
            else:
                kind.line.cut()
            await source.read_after(ups)
            kind.forget()
            if loss == LOSSES // 4:
                grown_from = objects()
        await settled(held)
        assert kind.line.open == 1
        assert (objects() - grown_from) / (LOSSES - LOSSES // 4) < OBJECTS_A_LOSS


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", able("link"), indirect=True)
async def test_half_open_links_leave_nothing_behind(kind):
    """The line swallows all without a word; each time it is noticed, and nothing of the dead one stays."""
    async with kind:
        config = kind.config()
        async with Kept(config, kind.impatient(config)) as source:
            await source.read_after(0)
            held = census()
            for _ in range(HALF_OPEN):
                ups = source.ups
                kind.line.dead = True
                async with asyncio.timeout(kind.silence + PATIENCE):
                    while kind.line.open and source.values:
                        await asyncio.sleep(0.01)
                kind.line.dead = False
                await source.read_after(ups)
            await settled(held)
            assert kind.line.open == 1
