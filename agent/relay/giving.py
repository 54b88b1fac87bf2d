"""`GET /out/CHANNEL`: the polling shape of Svix v1, with long polling and the raw bytes.

An iterator is a place in the channel. Sending it back says that everything before it is on the plant's own
disk: that may be removed when room is wanted, and stays readable till then. Two that ask the same channel
both get everything, for each has its own iterator; the furthest of them acknowledges.

Rules for whoever changes this: a question that is held costs a timer and nothing else; an answer has a
bound in bytes; headers of `headers` are the sender's and not ours to believe.
"""

import asyncio
import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson
from aiohttp import web

from agent.errors import StoreUnavailable
from agent.relay.answers import LONGEST_WAIT, refusal, sent
from agent.relay.channel import Channel, bearer, may_ask
from agent.relay.metrics import DAMAGED, HANDED_OVER, HELD, POLLS
from agent.stamps import utc_text
from agent.store.mailbox import Mailbox
from agent.store.mailbox_box import Box, Part
from agent.store.mailbox_rows import Message

_MOST: Final = 250  # Svix
_USUAL: Final = 50
_BYTES: Final = 2_000_000  # of bodies: parsed and in base64 they are about 5 MB
_HELD: Final = 16  # questions of one channel under way
_ITERATOR: Final = re.compile(r"([0-9a-f]{8})-(\d{1,18})")
_MICROSECOND: Final = 1_000
_DEEPEST: Final = 60  # levels; with those of the answer less than 64, which .NET takes
_DEEPEST_PARSED: Final = 1_024  # what orjson takes
_LATEST: Final = (1 << 63) - 1  # nanoseconds that the database can hold: the year 2262
_RETRY_S: Final = 30


@dataclass(frozen=True, slots=True)
class Question:
    """What the plant asks.

    Attributes:
        after: the number behind which it goes on; 0: from the oldest that is kept.
        most: messages at the most.
        wait: seconds to hold it while there is nothing.
        since: nanoseconds UTC: what came later; 0: all.
    """

    after: int
    most: int
    wait: float
    since: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """The question cannot be answered."""

    code: str
    detail: str


def read_question(query: Mapping[str, str], box: Box) -> Question | Malformed:
    """Read the query of a question to a channel."""
    after = 0
    if written := query.get("iterator"):
        match = _ITERATOR.fullmatch(written)
        after = int(match[2]) if match else 0
        if match is None or after > box.level.newest or match[1] != box.epoch_of(after):
            detail = "it is not of this channel, or of what it was before its database was made anew or restored: ask without"
            return Malformed("invalid_iterator", detail)
    limit = query.get("limit", str(_USUAL))
    if not re.fullmatch(r"\d{1,3}", limit) or not 1 <= int(limit) <= _MOST:
        return Malformed("invalid_limit", f"expected a number from 1 to {_MOST}")
    wait = query.get("wait", "0")
    if not re.fullmatch(r"\d{1,4}(\.\d{1,3})?", wait):
        return Malformed("invalid_wait", f"expected seconds, up to {LONGEST_WAIT}")
    since = _instant(query.get("after", ""))
    if since is None:
        return Malformed("invalid_after", "expected a time such as 2026-11-21T08:00:00Z")
    return Question(after, int(limit), min(float(wait), LONGEST_WAIT), since)


def _instant(text: str) -> int | None:
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    passed = moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.fromtimestamp(0, UTC)
    microseconds = (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
    return min(max(microseconds, 0) * _MICROSECOND, _LATEST)


class Giver:
    """Hands over what came to all channels."""

    def __init__(self, channels: Mapping[str, Channel], mailbox: Mailbox) -> None:
        self._channels = channels
        self._mailbox = mailbox
        self._stopping = False

    def stop(self) -> None:
        """Answer every question that is held, and hold none any more."""
        self._stopping = True
        for channel in self._channels.values():
            channel.box.wake()

    async def give(self, request: web.Request) -> web.StreamResponse:
        """Answer with what is there, or hold the question until something is."""
        channel = self._channels.get(request.match_info["channel"])
        shown = bearer(request.headers.get("Authorization", ""))
        if not may_ask(channel, shown) or channel is None:
            return refusal(401, "not_allowed", "no such channel, or not its poll_token as a bearer token")
        question = read_question(request.query, channel.box)
        if isinstance(question, Malformed):
            return refusal(400, question.code, question.detail)
        if channel.held >= _HELD:
            return refusal(429, "too_many", f"{_HELD} questions to this channel are under way", 1)
        channel.held += 1
        HELD.labels(channel.name).set(channel.held)
        try:
            return await sent(request, await self._answer(channel, question))
        except StoreUnavailable:
            return refusal(503, "disk", "nothing can be read now", _RETRY_S)
        finally:
            channel.held -= 1
            HELD.labels(channel.name).set(channel.held)

    async def _answer(self, channel: Channel, question: Question) -> bytes:
        box = channel.box
        self._mailbox.acknowledge(box, question.after)
        if box.level.newest <= question.after and question.wait and not self._stopping:
            with suppress(TimeoutError):
                async with asyncio.timeout(question.wait):
                    await box.news.wait()
        part, newest = Part((), question.after, 0), box.level.newest
        if newest > question.after:
            part = await self._mailbox.read(
                box, question.after, question.since, most=question.most, size=_BYTES
            )
        there = bool(part.messages or part.damaged)
        last = part.last if there else max(newest, question.after)  # all that is there came too early
        POLLS.labels(channel.name).inc()
        HANDED_OVER.labels(channel.name).inc(len(part.messages))
        DAMAGED.labels(channel.name).inc(part.damaged)
        return orjson.dumps(
            {
                "data": [shape(message) for message in part.messages],
                "iterator": f"{box.epoch_of(last)}-{last}",
                "done": last >= box.level.newest,
            }
        )


def shape(message: Message) -> dict[str, object]:
    """A message as Svix has it, with its headers, and its raw bytes in base64."""
    kind, payload = parsed(message.body)
    return {
        "id": message.id,
        "eventType": kind,
        "payload": payload,
        "timestamp": utc_text(message.received),
        "headers": orjson.Fragment(message.headers),
        "bodyB": base64.b64encode(message.body).decode(),
    }


def _nested(document: bytes) -> bool:
    """Whether a document of JSON is so deep that a usual parser refuses the answer that it stands in, others and all."""
    if document.count(b"[") + document.count(b"{") <= _DEEPEST:
        return False
    more = _DEEPEST_PARSED - _DEEPEST
    try:
        orjson.loads(b"[" * more + document + b"]" * more)
    except orjson.JSONDecodeError:
        return True
    return False


def parsed(body: bytes) -> tuple[str, orjson.Fragment | None]:
    """The type that a body names, and the body if it is JSON: as it is written, numbers of any size included."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "", None
    if _nested(body):
        return "", None
    kind = document.get("type") if isinstance(document, dict) else None
    return kind if isinstance(kind, str) else "", orjson.Fragment(body)
