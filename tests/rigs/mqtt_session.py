"""One session of the MQTT source, with its readings kept."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Self

from agent.clock import SystemClock
from agent.metrics import ITEMS_ALIVE
from agent.model import Link, Reading, Seen
from agent.sources.mqtt.config import MqttSource
from agent.sources.mqtt.source import run


async def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for what real sockets and threads bring about."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(0.005)


class Session:
    """One session of the source, as a context manager; `emit` may be replaced."""

    def __init__(self, config: MqttSource) -> None:
        self.config = config
        self.seen: list[Seen] = []
        self.batches: list[Sequence[Seen]] = []
        self.emit = self.keep

    async def keep(self, batch: Sequence[Seen]) -> None:
        self.batches.append(batch)
        self.seen.extend(batch)

    async def _emit(self, batch: Sequence[Seen]) -> None:
        await self.emit(batch)

    @property
    def readings(self) -> list[Reading]:
        return [one for one in self.seen if isinstance(one, Reading)]

    @property
    def values(self) -> list:
        return [reading.value for reading in self.readings]

    @property
    def up(self) -> bool:
        return any(isinstance(one, Link) and one.up for one in self.seen)

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(run("broker", self.config, self._emit, SystemClock()))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def until(self, holds: Callable[[], bool], seconds: float = 5) -> None:
        """Wait for a condition; a session that ended meanwhile raises what ended it."""

        def holds_or_ended() -> bool:
            if self.task.done():
                self.task.result()
            return holds()

        try:
            await eventually(holds_or_ended, seconds)
        except TimeoutError:
            raise AssertionError(f"waited {seconds} s in vain; seen last: {self.seen[-5:]}") from None

    async def error(self, seconds: float = 5) -> BaseException:
        """Wait for the end of the session and give what ended it."""
        done, _ = await asyncio.wait([self.task], timeout=seconds)
        assert done, "the session goes on"
        error = self.task.exception()
        self.task = asyncio.create_task(asyncio.sleep(0))
        assert error is not None
        return error


def source(port: int, tags: dict[str, dict] | None = None, **keys: object) -> MqttSource:
    """Make a configuration with a tag T on topic t unless others are given."""
    keys = {"client_id": "edge-relay-test", "timeout": "2s", "url": f"mqtt://127.0.0.1:{port}"} | keys
    return MqttSource.model_validate({"type": "mqtt", "tags": tags or {"T": {"topic": "t"}}, **keys})


async def subscribed(session: Session) -> None:
    """Wait until the broker has granted everything that was asked for."""
    await session.until(lambda: ITEMS_ALIVE.labels("broker")._value.get() == len(session.config.tags))
