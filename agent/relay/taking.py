"""`POST /in/CHANNEL`: a message is on disk, byte for byte, before its sender is told so.

Who is refused keeps its message and may come again: 429 when it came too fast or the plant has not taken
enough, 507 when all channels together have no room, 503 when the disk takes nothing. What came twice is
kept twice: the agent knows it by its signature.

Rules for whoever changes this: nothing is read that was not reserved; headers that are credentials, or
mean this connection, go no further.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web
from multidict import CIMultiDictProxy

from agent.clock import Clock
from agent.delivery.identity import RANDOM_BYTES, mint
from agent.errors import StoreUnavailable
from agent.relay.answers import refusal
from agent.relay.channel import Channel, bearer, may_post, password, seconds
from agent.relay.metrics import RECEIVED, RECEIVED_BYTES, REFUSED
from agent.store.mailbox import Mailbox
from agent.store.mailbox_box import Put
from agent.store.mailbox_rows import Message

_READ_WITHIN_S: Final = 30.0
_IN_MEMORY: Final = 50_000_000  # bytes of all messages that are being read or written
_READING: Final = 20_000_000  # bytes that one channel may be reading: strangers must not fill it for all
_HEADERS: Final = 32_000  # bytes of headers that are kept with a message; four times what senders send
# Of this connection (RFC 9110, 7.6.1), or between the sender and us alone.
_NOT_KEPT: Final = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te"}
    | {"trailer", "transfer-encoding", "upgrade", "expect", "authorization", "cookie"}
)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a message is not taken.

    Attributes:
        status: of the answer.
        code: for programs, and for the metric.
        detail: for people.
        after: seconds after which the same may be taken; 0: it never will.
    """

    status: int
    code: str
    detail: str
    after: int = 0


_BUSY: Final = Refused(503, "busy", "too much comes at once", 1)
_SLOW: Final = Refused(408, "slow", f"the body did not come within {_READ_WITHIN_S:g} s")
_BROKEN: Final = Refused(400, "malformed", "the body is not framed as HTTP has it")
_HEADERS_TOO_LARGE: Final = Refused(431, "headers_too_large", f"more than {_HEADERS} bytes of headers")
_DISK: Final = Refused(503, "disk", "nothing can be stored now", 30)
_CHANNEL_FULL: Final = Refused(
    429, Put.CHANNEL_FULL.value, "the channel keeps as much as it may until the plant takes some of it", 60
)
_MAILBOX_FULL: Final = Refused(
    507, Put.MAILBOX_FULL.value, "the relay keeps as much as it may until the plants take some of it", 60
)


class Taker:
    """Takes messages for all channels."""

    def __init__(self, channels: Mapping[str, Channel], mailbox: Mailbox, clock: Clock) -> None:
        self._channels = channels
        self._mailbox = mailbox
        self._clock = clock
        self._reading = 0

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Answer 202 once the message is on disk."""
        channel = self._channels.get(request.match_info["channel"])
        authorization = request.headers.get("Authorization", "")
        shown = bearer(authorization) or password(authorization) or request.query.get("token", "")
        if not may_post(channel, shown) or channel is None:
            REFUSED.labels("", "token").inc()
            return _unknown(shown)
        size = channel.config.max_body if request.content_length is None else request.content_length
        taken = self._unfit(channel, size) or await self._take(channel, request, size)
        if isinstance(taken, Refused):
            REFUSED.labels(channel.name, taken.code).inc()
            return refusal(taken.status, taken.code, taken.detail, taken.after)
        return web.Response(status=202, body=orjson.dumps({"id": taken}), content_type="application/json")

    def _unfit(self, channel: Channel, size: int) -> Refused | None:
        """What can be said before anything is read."""
        if size > channel.config.max_body:
            return _too_large(channel)
        if channel.reading + size > _READING or self._reading + self._mailbox.queued + size > _IN_MEMORY:
            return _BUSY
        if wait := channel.rate.wait(self._clock.monotonic()):
            return Refused(429, "rate", "the channel takes no more in this time", seconds(wait))
        return None

    async def _take(self, channel: Channel, request: web.Request, size: int) -> str | Refused:
        """Read and store it; its id."""
        headers = kept_headers(request.headers)
        if len(headers) > _HEADERS:
            return _HEADERS_TOO_LARGE
        channel.reading += size
        self._reading += size
        try:
            async with asyncio.timeout(_READ_WITHIN_S):
                body = await _read(request, channel.config.max_body)
        except TimeoutError:
            return _SLOW
        except web.RequestPayloadError:
            return _BROKEN
        finally:
            channel.reading -= size
            self._reading -= size
        # From here on the mailbox counts it until it is written, also when its sender goes away meanwhile.
        return _too_large(channel) if body is None else await self._store(channel, headers, body)

    async def _store(self, channel: Channel, headers: bytes, body: bytes) -> str | Refused:
        now = self._clock.wall()
        name = mint(now, secrets.token_bytes(RANDOM_BYTES), "msg")
        try:
            put = await self._mailbox.put(channel.box, Message(name, now, headers, body))
        except StoreUnavailable:
            return _DISK
        channel.note(full=put is not Put.STORED)
        match put:
            case Put.STORED:
                RECEIVED.labels(channel.name).inc()
                RECEIVED_BYTES.labels(channel.name).inc(len(body))
                return name
            case Put.CHANNEL_FULL:
                return _CHANNEL_FULL
            case Put.MAILBOX_FULL:
                return _MAILBOX_FULL


def _too_large(channel: Channel) -> Refused:
    return Refused(413, "too_large", f"the channel takes at most {channel.config.max_body} bytes")


def _unknown(shown: str) -> web.Response:
    """The same for a channel that does not exist, and for a token that is not its."""
    if not shown:
        detail = "a token is needed: Authorization: Bearer TOKEN, or ?token=TOKEN where no header can be set"
        response = refusal(401, "token_needed", detail)
        response.headers["WWW-Authenticate"] = 'Bearer realm="edge-relay"'
        return response
    return refusal(403, "not_allowed", "no such channel, or not its token")


async def _read(request: web.Request, most: int) -> bytes | None:
    """The body, as it is on the wire; None: it is more than that."""
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > most:
            return None
        parts.append(part)
    return b"".join(parts)


def kept_headers(headers: CIMultiDictProxy[str]) -> bytes:
    """The sender's headers as a JSON object, by their lower-case names; one that came twice is joined (RFC 9110, 5.3)."""
    dropped = _NOT_KEPT | {word.strip().lower() for word in headers.get("Connection", "").split(",")}
    kept: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower()
        if key not in dropped:
            text = value.encode(errors="surrogateescape").decode(errors="replace")
            kept[key] = f"{kept[key]}, {text}" if key in kept else text
    return orjson.dumps(kept)
