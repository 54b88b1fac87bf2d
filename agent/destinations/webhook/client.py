"""One attempt to deliver a message by HTTP.

Rules for whoever changes this: no redirect is followed, no cookie kept, no proxy taken from the
environment, no certificate left unchecked; everything ends within the section's timeout, whatever
the receiver does; what does not change from one attempt to the next is made once. The session has no
headers of its own: aiohttp would show them, credentials too, to a proxy that is asked for a tunnel.

A kept connection that turns out to be closed costs no attempt with PUT, which aiohttp sends once more
(RFC 9110, 9.2.2); with POST and PATCH it is a failure, since nobody knows whether it was read.
"""

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import aiohttp

from agent import __version__
from agent.clock import Clock
from agent.delivery.http_time import clock_offset, receiver_time
from agent.destinations.base import Message
from agent.destinations.webhook.config import WebhookDestination
from agent.destinations.webhook.credentials import credentials, with_token
from agent.formats.covering import covered
from agent.http.errors import Failure, explain, of_token_endpoint
from agent.http.network import CONNECT_SECONDS, Resolver, open_socket
from agent.http.oauth import NoTokenError, Tokens
from agent.http.proxy import way_to
from agent.http.trust import Trust, UnusableError
from agent.model import SECOND, Answer, Blocked, NoAnswer
from agent.signing.signer import signer
from agent.threads import in_a_thread

_log = logging.getLogger(__name__)

_EXCERPT: Final = 2048
_WORTH_COMPRESSING: Final = 200  # bytes; gzip makes smaller bodies larger
_LONG: Final = 65_536  # bytes
_LEVEL: Final = 6  # 9 takes twice the time for a hundredth of the size
_UNAUTHORIZED: Final = 401
_PROXY_AUTHENTICATION: Final = 407


@asynccontextmanager
async def open_webhook(name: str, config: WebhookDestination, clock: Clock) -> AsyncIterator["WebhookClient"]:
    """Open the client of one destination, with connections of its own (a slow one delays no other)."""
    connector = aiohttp.TCPConnector(
        limit=config.concurrency, resolver=Resolver(), socket_factory=open_socket
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        # The attempt as a whole has its own, which `deliver` sets.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        # The answer is only looked at; a compressed one could be made to fill the memory.
        auto_decompress=False,
    ) as session:
        yield WebhookClient(name, config, clock, session)


class _Heard:
    """What one attempt has come to so far.

    Attributes:
        sent: the message, or a part of it, has left.
        awaits_token: it has not come to the receiver yet.
        token: what was fetched for it, as its header.
        response: the receiver's, once its headers are there.
        excerpt: the beginning of its body.
    """

    def __init__(self) -> None:
        self.sent = False
        self.awaits_token = False
        self.token = ""
        self.response: aiohttp.ClientResponse | None = None
        self.excerpt = bytearray()

    def close(self) -> None:
        """Give the connection back if the body was read to its end; else end it."""
        if self.response is not None:
            self.response.close()

    def forget(self) -> None:
        """Begin anew."""
        self.close()
        self.response = None
        self.excerpt.clear()


class WebhookClient:
    """See `agent.destinations.base.Destination`."""

    def __init__(
        self, name: str, config: WebhookDestination, clock: Clock, session: aiohttp.ClientSession
    ) -> None:
        self.clock_offset = 0
        self.utc_offset: int | None = None
        self._date: str | None = None
        self._name = name
        self._method = config.method
        self._url = config.url
        self._secrets = credentials(config)
        self._plain = config.plain_http
        self._timeout = config.timeout / SECOND
        self._sign = signer(config.signing)
        self._compresses = config.compress == "gzip"
        self._way = way_to(config.url, config.proxy)
        self._shown = _fixed_headers(config)
        self._headers = {**self._shown, **self._way.request_headers}
        self._own = {name.lower() for name in self._headers}
        self._own_type = "content-type" in self._own
        self._clock = clock
        self._session = session
        self._trust = Trust(name, config.tls, clock)
        self._tokens = _tokens(name, config, clock, session)

    async def deliver(self, message: Message) -> Answer | NoAnswer:
        """See the protocol. An answer that breaks off or never ends in its body has still been given."""
        began = self._clock.monotonic()
        heard = _Heard()
        failure = Failure("")
        try:
            async with asyncio.timeout(self._timeout):
                await self._attempt(message, heard)
        except aiohttp.ClientHttpProxyError as error:
            if error.status == _PROXY_AUTHENTICATION:  # a row of the table, whoever says it
                return Answer(error.status, {}, self._since(began))
            failure = explain(error, self._way)
        except aiohttp.ClientError as error:
            failure = explain(error, self._way)
        except NoTokenError as error:
            failure = error.failure
        except UnusableError as error:
            failure = Failure(str(error), unsent=True, blocked=Blocked.CONFIGURATION)
        except TimeoutError:
            failure = self._too_late(heard)
        finally:
            heard.close()
        latency = self._since(began)
        if heard.response is None:
            return NoAnswer(failure.why, latency, failure.unsent and not heard.sent, failure.blocked)
        secrets = with_token(self._secrets, heard.token)
        excerpt = covered(heard.excerpt.decode(errors="replace"), secrets)
        return Answer(heard.response.status, heard.response.headers, latency, excerpt)

    async def _attempt(self, message: Message, heard: _Heard) -> None:
        """Make the request; with a token that was kept and is not accepted, once more with a new one."""
        headers = self._headers | self._stamp(message)
        body = await _packed(message.body) if "Content-Encoding" in headers else message.body
        if self._tokens is None:
            await self._request(headers, body, heard)
            return
        for again in (True, False):
            heard.awaits_token = True
            headers["Authorization"], fresh = await self._tokens.header()
            heard.awaits_token = False
            heard.token = headers["Authorization"]
            status = await self._request(headers, body, heard)
            if fresh or status != _UNAUTHORIZED:
                return
            self._tokens.refused(headers["Authorization"])
            if again:
                heard.forget()

    async def _request(self, headers: dict[str, str], body: bytes, heard: _Heard) -> int:
        context = True if self._plain else await self._trust.context()
        heard.response = await self._session.request(
            self._method,
            self._url,
            data=body,
            headers=headers,
            allow_redirects=False,
            ssl=context,
            proxy=self._way.proxy,
            proxy_headers=self._way.connect_headers,
        )
        heard.sent = True
        self._learn_clock(heard.response.headers.get("Date"))
        await _read_excerpt(heard.response.content, heard.excerpt)
        return heard.response.status

    def headers(self, message: Message) -> dict[str, str]:
        """See the protocol; a token is not fetched for this, and what only a proxy is told is left out."""
        shown = self._shown | self._stamp(message)
        if self._tokens is not None:
            shown["Authorization"] = f"Bearer <a token from {self._tokens.place}>"
        return shown

    def _stamp(self, message: Message) -> dict[str, str]:
        """Stamp and sign the message, for an attempt that begins now; signed is the body as it is unpacked."""
        if message.headers is not None:
            theirs = {"content-type": message.content_type, **message.headers}
            return {name: text for name, text in theirs.items() if name not in self._own}
        timestamp = (self._clock.wall() + self.clock_offset) // SECOND
        stamp = {
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp),
            **self._sign(message.id, timestamp, message.body),
        }
        if not self._own_type:
            stamp["Content-Type"] = message.content_type
        if self._compresses and len(message.body) >= _WORTH_COMPRESSING:
            stamp["Content-Encoding"] = "gzip"
        return stamp

    def _since(self, began: int) -> float:
        return (self._clock.monotonic() - began) / SECOND

    def _too_late(self, heard: _Heard) -> Failure:
        failure = Failure(f"no answer within {self._timeout:g} s")
        if heard.awaits_token and self._tokens is not None:
            return of_token_endpoint(failure, self._tokens.place)
        return failure

    def _learn_clock(self, date: str | None) -> None:
        """Stamp what follows with the receiver's time: it refuses signatures that are minutes off (C2)."""
        if date == self._date:  # the same second: only its first answer says something new
            return
        self._date = date
        if not self._plain and (told := receiver_time(date)) is not None:
            self.utc_offset = told - self._clock.monotonic()
        offset = clock_offset(self.clock_offset, date, self._clock.wall())
        if offset != self.clock_offset:
            _log.warning(
                "destination %s: its clock is %+.0f s from ours; signatures carry its time, look at both clocks",
                self._name,
                offset / SECOND,
            )
            self.clock_offset = offset


async def _packed(body: bytes) -> bytes:
    """Compress a body; the same bytes each time. A long one, of a large batch, does not hold up the loop."""
    pack = partial(gzip.compress, body, _LEVEL, mtime=0)
    return pack() if len(body) < _LONG else await in_a_thread("gzip", pack)


async def _read_excerpt(content: aiohttp.StreamReader, excerpt: bytearray) -> None:
    """Read the first 2 kB, or to the end (then the connection can be used again)."""
    while len(excerpt) < _EXCERPT and (chunk := await content.read(_EXCERPT - len(excerpt))):
        excerpt += chunk


def _fixed_headers(config: WebhookDestination) -> dict[str, str]:
    headers = {
        "User-Agent": f"edge-relay/{__version__}",
        "Accept-Encoding": "identity",
    }
    if config.auth is not None and config.auth.bearer is not None:
        headers["Authorization"] = f"Bearer {config.auth.bearer.reveal()}"
    if config.auth is not None and config.auth.basic is not None:
        headers["Authorization"] = config.auth.basic.header()
    ours = {name.lower(): name for name in headers}
    for name, value in config.headers.items():
        headers[ours.get(name.lower(), name)] = value.reveal()
    return headers


def _tokens(
    name: str, config: WebhookDestination, clock: Clock, session: aiohttp.ClientSession
) -> Tokens | None:
    """What fetches tokens, where the receiver wants them; a pin is the receiver's, not the endpoint's."""
    oauth2 = None if config.auth is None else config.auth.oauth2
    if oauth2 is None:
        return None
    tls = oauth2.tls or (config.tls and config.tls.model_copy(update={"pin": ()}))
    trust = Trust(f"{name}, token endpoint", tls, clock)
    return Tokens(oauth2, session, trust, way_to(oauth2.token_url, config.proxy), clock)
