"""Runs Modbus sessions as the agent does, and keeps everything that they emit."""

import asyncio
import contextlib

from rigs.modbus_serial import SerialModbusServer
from rigs.modbus_server import ModbusServer

from agent.clock import SystemClock
from agent.errors import SourceError
from agent.model import Link, Quality, Reading
from agent.sources.modbus.config import ModbusSource
from agent.sources.modbus.source import run
from agent.sources.writing import Door

PATIENCE = 30.0  # seconds a test waits for something that takes milliseconds on an idle machine


LINES = ("tcp", "rtu+tcp", "serial")


def server_on(line, folder, **keys: object):
    """The misbehaving server on one of `LINES`."""
    if line == "serial":
        return SerialModbusServer(name=folder / "ttyUSB0", **keys)
    return ModbusServer(rtu=line == "rtu+tcp", **keys)


def source(server, tags, **keys: object):
    """The configuration of a source on the server, quick enough for a test."""
    usual = {"type": "modbus", "url": server.url, "poll_every": "50ms", "timeout": "200ms"}
    return ModbusSource.model_validate({**usual, "tags": tags, **keys})


def holding(*offsets: int, **keys: object):
    """Tags H0, H100, ... : holding registers whose value is their offset."""
    return {
        f"H{offset}": {"area": "holding", "offset": offset, "type": "uint16", **keys} for offset in offsets
    }


class Sink:
    """Stands where the rules stand."""

    def __init__(self) -> None:
        self.door = Door()
        self.seen = []
        self.batches = []
        self.ends = []
        self.failure = None
        self._news = asyncio.Event()

    async def emit(self, batch):
        self._news.set()
        if self.failure is not None:
            raise self.failure
        self.batches.append(list(batch))
        self.seen += batch

    def ended(self, reason):
        self.ends.append(reason)
        self._news.set()

    def readings(self, tag=None):
        return [seen for seen in self.seen if isinstance(seen, Reading) and tag in {None, seen.tag}]

    def links(self):
        return [seen for seen in self.seen if isinstance(seen, Link)]

    def good(self, tag):
        return [reading.value for reading in self.readings(tag) if reading.quality is Quality.GOOD]

    def latest(self, tag):
        return self.readings(tag)[-1]

    async def until(self, condition):
        """Wait until `condition()` holds; it is looked at after every batch."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def polls(self, number):
        """Wait for so many batches more."""
        target = len(self.batches) + number
        await self.until(lambda: len(self.batches) >= target)

    async def poll(self):
        """Wait for a batch all of which was read after this call, and give its readings by tag."""
        await self.polls(2)
        return {seen.tag: seen for seen in self.batches[-1] if isinstance(seen, Reading)}


class Lag:
    """How late the event loop ran at worst, seconds; with `async with Lag() as lag:`.

    Server and source share the loop: while it stands still (a busy machine), every answer is late, so what
    a test says of promptness holds for a loop that runs.
    """

    worst = 0.0

    async def __aenter__(self):
        self._task = asyncio.create_task(self._watch(), name="lag")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self):
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + 0.01
            await asyncio.sleep(0.01)
            self.worst = max(self.worst, loop.time() - due)


async def one_session(config, sink, name="plc"):
    """One session to its end, which is an error; its text."""
    try:
        await run(name, config, sink.emit, SystemClock(), sink.door)
    except SourceError as error:
        return str(error)
    raise AssertionError("a session ended without an error")


@contextlib.asynccontextmanager
async def sessions(config, sink, name="plc"):
    """Session after session, as under the supervisor but with hardly a wait between them."""

    async def keep_alive():
        while True:
            sink.ended(await one_session(config, sink, name))
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(keep_alive(), name="modbus sessions")
        try:
            yield
        finally:
            task.cancel()
