"""One session with a channel of server-sent events; see `agent.inbound.base`.

The channel talks and the agent listens: what has come is handed over before more is read, so that TCP
holds back what the agent cannot take yet. A gosmee with Redis keeps its messages: it is told the id of
the last one that is on disk, and goes on after it. The others keep nothing: what they send while nobody
listens is gone, so that a stream that ends in good order (proxies end it after some minutes) is opened
anew at once, within the session. smee.io does not read the id, and gosmee without Redis neither.

Rules for whoever changes this: the id moves on only after `accept` has returned; a stream that ends as
soon as it has begun is an error, which the supervisor's back-off is for.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from agent.clock import Clock
from agent.errors import StoreUnavailable
from agent.http.reading import OK, Opened, Reader, open_reader
from agent.inbound.base import LARGEST_BODY, Accept
from agent.inbound.sse.config import SseRelay
from agent.inbound.sse.frames import EndlessError, Event, Frames, TooLarge
from agent.inbound.sse.messages import Encrypted, read_cursor, read_event, resumes, write_cursor
from agent.incoming.message import Arrived
from agent.metrics import RELAY_GAPS
from agent.model import SECOND

_STREAM: Final = "text/event-stream"
_LARGEST_EVENT: Final = LARGEST_BODY * 4 // 3 + 256_000
"""Bytes: the largest body in base64, and its headers."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a session waits, nanoseconds.

    Attributes:
        shortest: a stream that ends sooner is an error.
        alive_every: between proofs that the relay is there.
        offer_again: after the store could not take what came.
    """

    shortest: int = 10 * SECOND
    alive_every: int = SECOND
    offer_again: int = SECOND


USUAL: Final = Timing()


async def run(
    name: str,
    config: SseRelay,
    accept: Accept,
    clock: Clock,
    cursor: bytes | None,
    *,
    timing: Timing = USUAL,
) -> None:
    """Take messages until the relay is lost.

    Raises:
        RelayError: it cannot be listened to (any more).
    """
    async with open_reader(
        name, config.url, clock, token=config.token, tls=config.tls, proxy=config.proxy
    ) as reader:
        listener = _Listener(name, config, accept, clock, reader, timing)
        listener.last = read_cursor(cursor, config.url)
        while True:
            await listener.listen()


class _Listener:
    """Listens, and hands over; `last` is the id after which the channel is to go on."""

    def __init__(
        self, name: str, config: SseRelay, accept: Accept, clock: Clock, reader: Reader, timing: Timing
    ) -> None:
        self.last = ""
        self._name = name
        self._config = config
        self._accept = accept
        self._clock = clock
        self._reader = reader
        self._timing = timing
        self._gaps = RELAY_GAPS.labels(name)
        self._proved_at: int | None = None

    async def listen(self) -> None:
        """Take what one stream brings until it ends in good order.

        Raises:
            RelayError: it was none, was lost, or had no more than begun.
        """
        # smee.io compares `Accept` with this text, and answers anything else with a web page.
        headers = {"Accept": _STREAM, "Cache-Control": "no-store", "Last-Event-ID": self.last}
        async with self._reader.get({}, headers, self._config.timeout / SECOND) as answer:
            began = self._clock.monotonic()
            self._check(answer)
            frames = Frames(_LARGEST_EVENT)
            async with aclosing(answer.chunks(self._config.silence / SECOND)) as chunks:
                async for chunk in chunks:
                    await self._take(self._events(frames, chunk))
        if self._clock.monotonic() - began < self._timing.shortest:
            raise self._reader.error(
                "it ended the stream as soon as it had begun: look at the relay, and at proxies on the way"
            )

    def _check(self, answer: Opened) -> None:
        if answer.status != OK:
            raise self._reader.refused(answer.status)
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind == "text/html":
            raise self._reader.error(
                "it answered with a web page, no stream of events: check `url` (gosmee's channels are at "
                "/events/CHANNEL), and whether a portal or a proxy stands before it"
            )
        if kind != _STREAM:
            raise self._reader.error("what it answers is no stream of events: check `url`")

    def _events(self, frames: Frames, chunk: bytes) -> list[Event | TooLarge]:
        try:
            return frames.feed(chunk)
        except EndlessError:
            raise self._reader.error(
                "it sends without end, and no event: check `url`, and that it is a relay of this `type`"
            ) from None

    async def _take(self, events: Sequence[Event | TooLarge]) -> None:
        """Hand over what was there already, in one go; then it is acknowledged."""
        messages = [message for event in events if (message := self._message(event)) is not None]
        last = next((event.id for event in reversed(events) if resumes(event.id)), self.last)
        if messages or last != self.last:
            await self._offer(messages, write_cursor(last, self._config.url) if last != self.last else None)
        elif self._proved_at is None or self._clock.monotonic() - self._proved_at >= self._timing.alive_every:
            await self._offer(())
        self.last = last

    async def _offer(self, messages: Sequence[Arrived], cursor: bytes | None = None) -> None:
        while True:
            try:
                await self._accept(messages, cursor)
            except StoreUnavailable:
                await asyncio.sleep(self._timing.offer_again / SECOND)
            else:
                self._proved_at = self._clock.monotonic()
                return

    def _message(self, event: Event | TooLarge) -> Arrived | None:
        """Give the message that an event is; None: it is none.

        Raises:
            RelayError: it is encrypted. It stays where it is until somebody has mended that.
        """
        message = read_event(event)
        if isinstance(message, Encrypted):
            raise self._reader.error(
                "its messages are encrypted, which this agent cannot read: name a channel that gosmee does "
                "not protect (its encrypted-channels file)"
            )
        if message is not None and message.lost:
            self._gaps.inc()
        return message
