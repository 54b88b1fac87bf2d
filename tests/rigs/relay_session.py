"""Runs a session of any relay as the agent does, with everything that it hands over kept."""

import asyncio
import contextlib

from agent import inbound
from agent.clock import SystemClock
from agent.errors import RelayError, StoreUnavailable

PATIENCE = 30.0  # seconds for what takes milliseconds on an idle machine
CANCELLED_WITHIN = 2.0  # seconds
NAME = "cloud"


class Session:
    """Sessions one after the other, and what stands in the place of the agent.

    Attributes:
        taken: every message that was taken, in its order.
        cursor: where the next session goes on.
        answers: how often the relay has answered, with messages or without.
        offers: how often messages were offered.
        refusing: the store takes nothing.
        gate: closed, `accept` does not return.
    """

    def __init__(self, cursor=None) -> None:
        self.taken = []
        self.cursor = cursor
        self.answers = 0
        self.offers = 0
        self.refusing = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.task = None
        self._news = asyncio.Event()

    def begin(self, config, clock=None):
        """Start one where the last one stood."""
        run = inbound.session(config)
        self.task = asyncio.create_task(
            run(NAME, self.accept, clock or SystemClock(), self.cursor), name="session"
        )
        self.task.add_done_callback(lambda _: self._news.set())

    async def accept(self, messages, cursor=None):
        self.offers += bool(messages)
        self._news.set()
        await self.gate.wait()
        if self.refusing and (messages or cursor is not None):
            raise StoreUnavailable("no space left on device")
        # As a transaction has it: both, or none.
        self.taken += messages
        self.cursor = cursor if cursor is not None else self.cursor
        self.answers += 1
        self._news.set()

    @property
    def bodies(self):
        return [message.body for message in self.taken]

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
            raise AssertionError(f"not within {PATIENCE} s; taken last: {self.taken[-5:]}") from None

    async def offered(self, number=1):
        """Wait for so many offers more."""
        target = self.offers + number
        await self.until(lambda: self.offers >= target)

    async def error(self, within=PATIENCE):
        """Wait for the end; the text of the error, which is the one that every relay may end with."""
        await asyncio.wait({self.task}, timeout=within)
        assert self.task.done(), f"the session goes on after {within} s"
        error = self.task.exception()
        assert isinstance(error, RelayError), repr(error)
        return str(error)

    async def cancel(self):
        """End it, in time."""
        self.task.cancel()
        await asyncio.wait({self.task}, timeout=CANCELLED_WITHIN)
        assert self.task.done(), f"still there {CANCELLED_WITHIN} s after it was cancelled: {self.task}"
        assert self.task.cancelled() or isinstance(self.task.exception(), RelayError), self.task


@contextlib.asynccontextmanager
async def running(config, cursor=None, **more: object):
    """A session for the length of the block."""
    session = Session(cursor)
    session.begin(config, **more)
    try:
        yield session
    finally:
        await session.cancel()


async def until(condition):
    """Wait for a condition of the outside world."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)
