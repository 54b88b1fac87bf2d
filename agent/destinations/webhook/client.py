"""One attempt to deliver a message by HTTP POST.

Rules for whoever changes this: no redirect is followed, no cookie kept, no proxy taken from the
environment, no certificate left unchecked; everything ends within the section's timeout, whatever
the receiver does; what does not change from one attempt to the next is made once.
"""

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from agent import __version__
from agent.clock import Clock
from agent.delivery.http_time import clock_offset, receiver_time
from agent.destinations.base import Message
from agent.destinations.webhook.config import WebhookDestination
from agent.destinations.webhook.errors import explain
from agent.destinations.webhook.network import CONNECT_SECONDS, Resolver, open_socket
from agent.model import SECOND, Answer, NoAnswer
from agent.signing.signer import signer

_log = logging.getLogger(__name__)

_EXCERPT: Final = 2048
_NOT_CONNECTED: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


@asynccontextmanager
async def open_webhook(name: str, config: WebhookDestination, clock: Clock) -> AsyncIterator["WebhookClient"]:
    """Open the client of one destination, with connections of its own (a slow one delays no other)."""
    context = ssl.create_default_context() if not config.plain_http else True
    connector = aiohttp.TCPConnector(
        limit=config.concurrency, resolver=Resolver(), socket_factory=open_socket, ssl=context
    )
    async with aiohttp.ClientSession(
        connector=connector,
        headers=_fixed_headers(config),
        cookie_jar=aiohttp.DummyCookieJar(),
        # `total` bounds the whole attempt, from the look-up to the end of the answer's body.
        timeout=aiohttp.ClientTimeout(total=config.timeout / SECOND, sock_connect=CONNECT_SECONDS),
        # The answer is only looked at; a compressed one could be made to fill the memory.
        auto_decompress=False,
    ) as session:
        yield WebhookClient(name, config, clock, session)


class WebhookClient:
    """See `agent.destinations.base.Destination`."""

    def __init__(
        self, name: str, config: WebhookDestination, clock: Clock, session: aiohttp.ClientSession
    ) -> None:
        self.clock_offset = 0
        self.utc_offset: int | None = None
        self._date: str | None = None
        self._name = name
        self._url = config.url
        self._verified = not config.plain_http
        self._timeout = config.timeout / SECOND
        self._sign = signer(config.signing)
        self._headers = _fixed_headers(config)
        self._clock = clock
        self._session = session

    async def deliver(self, message: Message) -> Answer | NoAnswer:
        """See the protocol. An answer that breaks off or never ends in its body has still been given."""
        began = self._clock.monotonic()
        response: aiohttp.ClientResponse | None = None
        excerpt = bytearray()
        why, unsent = "", False
        try:
            response = await self._session.post(
                self._url, data=message.body, headers=self._stamp(message), allow_redirects=False
            )
            self._learn_clock(response.headers.get("Date"))
            await _read_excerpt(response.content, excerpt)
        except aiohttp.ClientError as error:
            why, unsent = explain(error), isinstance(error, _NOT_CONNECTED)
        except TimeoutError:
            why = f"no answer within {self._timeout:g} s"
        finally:
            if response is not None:
                response.close()  # nothing, once the body was read to its end
        latency = (self._clock.monotonic() - began) / SECOND
        if response is None:
            return NoAnswer(why, latency, unsent)
        return Answer(response.status, response.headers, latency, excerpt.decode(errors="replace"))

    def headers(self, message: Message) -> dict[str, str]:
        """See the protocol."""
        return self._headers | self._stamp(message)

    def _stamp(self, message: Message) -> dict[str, str]:
        """Stamp and sign the message, for an attempt that begins now."""
        timestamp = (self._clock.wall() + self.clock_offset) // SECOND
        return {
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp),
            **self._sign(message.id, timestamp, message.body),
        }

    def _learn_clock(self, date: str | None) -> None:
        """Stamp what follows with the receiver's time: it refuses signatures that are minutes off (C2)."""
        if date == self._date:  # the same second: only its first answer says something new
            return
        self._date = date
        if self._verified and (told := receiver_time(date)) is not None:
            self.utc_offset = told - self._clock.monotonic()
        offset = clock_offset(self.clock_offset, date, self._clock.wall())
        if offset != self.clock_offset:
            _log.warning(
                "destination %s: its clock is %+.0f s from ours; signatures carry its time, look at both clocks",
                self._name,
                offset / SECOND,
            )
            self.clock_offset = offset


async def _read_excerpt(content: aiohttp.StreamReader, excerpt: bytearray) -> None:
    """Read the first 2 kB, or to the end (then the connection can be used again)."""
    while len(excerpt) < _EXCERPT and (chunk := await content.read(_EXCERPT - len(excerpt))):
        excerpt += chunk


def _fixed_headers(config: WebhookDestination) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"edge-relay/{__version__}",
        "Accept-Encoding": "identity",
    }
    if config.auth is not None:
        headers["Authorization"] = f"Bearer {config.auth.bearer.reveal()}"
    ours = {name.lower(): name for name in headers}
    for name, value in config.headers.items():
        headers[ours.get(name.lower(), name)] = value.reveal()
    return headers
