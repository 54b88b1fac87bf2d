"""Runs a session of any source as the agent does, with everything that it emits kept."""

import asyncio
import contextlib
import time

from agent import sources
from agent.clock import SystemClock
from agent.errors import SourceError, StoreUnavailable
from agent.model import Link, Quality, Reading
from agent.sources.writing import Door

PATIENCE = 30.0  # seconds for what takes milliseconds on an idle machine
CANCELLED_WITHIN = 2.0  # seconds
NAME = "plant"


class Session:
    """One session, and what stands in the place of the rules.

    Attributes:
        offers: how often something was offered.
        refusing: the store takes nothing.
        gate: closed, `emit` does not return.
        door: where a session that may write leaves its writer.
    """

    def __init__(self) -> None:
        self.seen = []
        self.taken_at = []
        self.offers = 0
        self.refusing = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.task = None
        self.door = Door()
        self._news = asyncio.Event()

    def begin(self, config, clock=None, session=None):
        """Start it; `session` if it is not to be the usual one of the configuration."""
        run = session or sources.session(config, self.door)
        self.task = asyncio.create_task(run(NAME, self.emit, clock or SystemClock()), name="session")
        self.task.add_done_callback(lambda _: self._news.set())

    async def emit(self, batch):
        self.offers += 1
        self._news.set()
        await self.gate.wait()
        if self.refusing:
            raise StoreUnavailable("no space left on device")
        self.seen += batch
        self.taken_at.append(time.monotonic())
        self._news.set()

    def readings(self, tag="T"):
        return [one for one in self.seen if isinstance(one, Reading) and one.tag == tag]

    @property
    def values(self):
        """Every good value of T."""
        return [reading.value for reading in self.readings() if reading.quality is Quality.GOOD]

    @property
    def links(self):
        return [one for one in self.seen if isinstance(one, Link)]

    async def until(self, condition):
        """Wait until `condition()` holds, looked at after every offer; the session must not end meanwhile."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    if self.task.done():
                        self.task.result()
                        raise AssertionError("the session ended without an error")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {PATIENCE} s; seen last: {self.seen[-5:]}") from None

    async def offered(self, number):
        """Wait for so many offers more."""
        target = self.offers + number
        await self.until(lambda: self.offers >= target)

    async def error(self, within):
        """Wait for the end; the text of the error, which is the one that every source may end with."""
        await asyncio.wait({self.task}, timeout=within)
        assert self.task.done(), f"the session goes on after {within} s"
        error = self.task.exception()
        assert isinstance(error, SourceError), repr(error)
        return str(error)

    async def cancel(self):
        """End it, in time."""
        self.task.cancel()
        await asyncio.wait({self.task}, timeout=CANCELLED_WITHIN)
        assert self.task.done(), f"still there {CANCELLED_WITHIN} s after it was cancelled: {self.task}"
        assert self.task.cancelled() or isinstance(self.task.exception(), SourceError), self.task


@contextlib.asynccontextmanager
async def running(config, **more: object):
    """A session for the length of the block."""
    session = Session()
    session.begin(config, **more)
    try:
        yield session
    finally:
        await session.cancel()


async def glance(config):
    """A session up to its first good value."""
    async with running(config) as session:
        await session.until(lambda: session.values)
