"""One attempt to publish an event to a JetStream stream, and the connection that the attempts share.

Rules for whoever changes this: an event is delivered when a stream has acknowledged it, and by nothing
else; everything ends within the section's timeout, also the way to another server of the cluster;
a connection that has answered nothing for a whole attempt is let go of, for it may be half open.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import orjson

from agent.clock import Clock
from agent.delivery.body import Identity
from agent.delivery.said import Lost, Said, TurnedAway
from agent.destinations.base import Message
from agent.destinations.nats.config import NatsDestination
from agent.destinations.nats.reasons import (
    WHO_TAKES_IT,
    acknowledged,
    nobody_listens,
    silence,
    too_large,
)
from agent.model import SECOND, Answer, NoAnswer
from agent.nats.cluster import connect
from agent.nats.connection import Connection
from agent.signing.signer import signer

_NOBODY: Final = 503
_WHY_S: Final = 2.0  # for the question why nobody listens
_HEADERS: Final = 1024  # bytes that headers and their frame take at most of what a server allows


@asynccontextmanager
async def open_nats(
    name: str, config: NatsDestination, clock: Clock, identity: Identity
) -> AsyncIterator["NatsClient"]:
    """Open the client of one destination; it connects with the first message."""
    client = NatsClient(name, config, clock, identity)
    try:
        yield client
    finally:
        client.close()


class NatsClient:
    """See `agent.destinations.base.Destination`."""

    def __init__(self, name: str, config: NatsDestination, clock: Clock, identity: Identity) -> None:
        self.clock_offset = 0
        self.utc_offset: int | None = None
        self._name = name
        self._config = config
        self._clock = clock
        self._identity = identity
        self._sign = signer(config.signing)
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()
        # A fleet spreads over the servers of its cluster, and each agent begins where it began before.
        self._first = zlib.crc32(f"{identity.site}/{identity.agent}".encode())

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def headers(self, message: Message) -> dict[str, str]:
        """See the protocol."""
        told = {"Nats-Msg-Id": message.id, "Content-Type": message.content_type}
        if self._config.stream is not None:
            told["Nats-Expected-Stream"] = self._config.stream
        if self._config.signing != "none":
            timestamp = self._clock.wall() // SECOND
            told |= {"webhook-id": message.id, "webhook-timestamp": str(timestamp)}
            told |= self._sign(message.id, timestamp, message.body)
        return told

    async def deliver(self, message: Message) -> Answer | NoAnswer:
        """See the protocol."""
        began = self._clock.monotonic()
        subject = self._config.address(message.events, self._identity)
        sign: _SignOfLife | None = None
        why = ""
        said: Said | None = None
        try:
            async with asyncio.timeout(self._config.timeout / SECOND) as limit:
                connection = await self._connected()
                if (size := len(message.body) + _HEADERS) > connection.largest:
                    said = too_large(size, connection.largest)
                else:
                    sign = _SignOfLife(connection, limit)
                    with sign:
                        said = await self._publish(connection, subject, message)
        except Lost as lost:
            why = str(lost)
        except TurnedAway as turned_away:
            said = turned_away.said
        except TimeoutError:
            why = silence(self._config, subject, alive=sign is not None and sign.seen)
            if sign is not None and not sign.seen:
                sign.connection.close()
        latency = (self._clock.monotonic() - began) / SECOND
        if said is None:
            return NoAnswer(why, latency, unsent=sign is None)
        return Answer(said.status, {}, latency, said.words, said.words)

    async def _publish(self, connection: Connection, subject: str, message: Message) -> Said:
        arrived = await connection.ask(subject, self.headers(message), message.body)
        if arrived.status == _NOBODY:
            return nobody_listens(subject, await self._who_takes(connection, subject))
        return acknowledged(arrived.payload, subject)

    async def _who_takes(self, connection: Connection, subject: str) -> bytes | None:
        """Ask JetStream which streams take a subject; None: it does not answer; nothing: we may not ask."""
        question = orjson.dumps({"subject": subject})
        with suppress(TimeoutError, Lost):
            try:
                async with asyncio.timeout(_WHY_S):
                    arrived = await connection.ask(WHO_TAKES_IT, {}, question)
            except TurnedAway:
                return b""
            return None if arrived.status == _NOBODY else arrived.payload
        return None

    async def _connected(self) -> Connection:
        """Give the connection, opened if there is none.

        Raises:
            Lost, TurnedAway: no server can be used.
        """
        async with self._connecting:
            if self._connection is None or self._connection.over:
                within = self._config.timeout / SECOND
                self._connection = await connect(self._config, self._first, within)
            return self._connection


class _SignOfLife:
    """Asks the server for one halfway to the end of an attempt: was it the link that failed, or the stream?"""

    def __init__(self, connection: Connection, limit: asyncio.Timeout) -> None:
        self.connection = connection
        self._heard: int | None = None
        loop = asyncio.get_running_loop()
        ends = limit.when()
        half = 0.0 if ends is None else max(0.0, ends - loop.time()) / 2
        self._timer = loop.call_later(half, self._ask)

    @property
    def seen(self) -> bool:
        """Something came after it was asked."""
        return self._heard is not None and self.connection.heard > self._heard

    def _ask(self) -> None:
        self._heard = self.connection.heard
        self.connection.ping()

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
