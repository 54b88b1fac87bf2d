"""A session of the OPC UA source, under watch."""

import asyncio
import contextlib
import time

from rigs.opcua_server import NAMESPACE

from agent.clock import SystemClock
from agent.model import MILLISECOND, SECOND, Alive, Link, Reading
from agent.sources.opcua.config import OpcUaSource
from agent.sources.opcua.source import Timing, run
from agent.sources.writing import Door, Writer

FAST = Timing(
    keep_alive=100 * MILLISECOND,
    silence=1500 * MILLISECOND,
    retry=100 * MILLISECOND,
    offer_again=20 * MILLISECOND,
)


def configure(url: str, *nodes: str, security="none", **more: object) -> OpcUaSource:
    """A source whose tags are named as their nodes are; `nsu=...;s=` is put before a bare name."""
    tags = {node: {"node": node if "=" in node else f"nsu={NAMESPACE};s={node}"} for node in nodes}
    settings = {"sample_every": "50ms", "publish_every": "50ms", "timeout": "3s"} | more
    return OpcUaSource.model_validate(
        {"type": "opcua", "url": url, "security": security, "tags": tags} | settings
    )


def writable(url: str, *names: str, write: object = None, **more: object) -> OpcUaSource:
    """A source whose tags may all be written: numbers, unless `write` says something else."""
    grant = {"min": 0, "max": 100} if write is None else write
    tags = {name: {"node": f"nsu={NAMESPACE};s={name}", "write": grant} for name in names}
    return configure(url, tags=tags, **more)


async def until(condition, within: float = 8.0) -> None:
    """Wait for a condition of the outside world."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within}s"
        await asyncio.sleep(0.01)


class Watch:
    """A session under watch: what it emitted, and how it ended."""

    def __init__(self) -> None:
        self.seen = []
        self.batches = []
        self.refusals = []
        """What `emit` is to raise, one for each call, before it takes anything."""
        self.task = None
        self.door = Door()

    async def emit(self, batch) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.batches.append(list(batch))
        self.seen += batch

    def readings(self, tag: str) -> list[Reading]:
        return [one for one in self.seen if isinstance(one, Reading) and one.tag == tag]

    def values(self, tag: str) -> list:
        return [one.value for one in self.readings(tag)]

    @property
    def up(self) -> bool:
        return any(isinstance(one, Link) and one.up for one in self.seen)

    @property
    def proofs(self) -> list[Alive]:
        return [one for one in self.seen if isinstance(one, Alive)]

    async def writer(self) -> Writer:
        """What the session lends, once it is connected."""
        await self.until(lambda: self.door.writer is not None, within=30.0)
        return self.door.writer

    async def until(self, condition, within: float = 8.0) -> None:
        """Wait for a condition; a session that ends meanwhile fails the test with its error."""
        await until(lambda: self.task.done() or condition(), within)
        if self.task.done():
            self.task.result()

    async def error(self, within: float = 8.0) -> str:
        """Wait for the end of the session; give its message."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([self.task], timeout=within)
        assert self.task.done(), "the session goes on"
        return str(self.task.exception())


@contextlib.asynccontextmanager
async def watching(config: OpcUaSource, timing: Timing = FAST, clock=None):
    """Run a session for the length of the block."""
    watch = Watch()
    session = run("boiler", config, watch.emit, clock or SystemClock(), watch.door, timing=timing)
    watch.task = asyncio.create_task(session)
    try:
        yield watch
    finally:
        watch.task.cancel()
        await asyncio.wait([watch.task], timeout=5)
        assert watch.task.done()
        if not watch.task.cancelled():
            watch.task.exception()


async def refused(config) -> str:
    """How a session ends that must not begin."""
    async with watching(config) as watch:
        message = await watch.error()
    assert not watch.seen
    return message


class SkewedClock(SystemClock):
    """The machine's clocks, the wall clock `seconds` ahead."""

    def __init__(self, seconds: int) -> None:
        self._ahead = seconds * SECOND

    def wall(self) -> int:
        return super().wall() + self._ahead
