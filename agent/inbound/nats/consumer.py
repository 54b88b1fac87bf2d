"""The durable consumer: found, or made; and what is wrong with one that somebody else has made.

Rules for whoever changes this: a consumer that could lose a message is refused, with the line that
mends it, and nothing that somebody made is changed; every question has its bound.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from agent.codec.nats import Arrived
from agent.delivery.said import Lost, TurnedAway
from agent.inbound.nats.config import NatsRelay
from agent.inbound.nats.reasons import (
    NO_SUCH_CONSUMER,
    NO_SUCH_STREAM,
    no_stream,
    not_allowed_to_make,
    refused,
    unfit,
)
from agent.model import SECOND, Json
from agent.nats.connection import Connection

_NOBODY: Final = 503
_API: Final = "$JS.API"
_STREAMS: Final = f"{_API}.STREAM.NAMES"
_ACK_WAIT: Final = 10 * SECOND
"""How long a message that was handed out is ours: short, for what a killed agent had comes only then again."""
_MAX_ACK_PENDING: Final = 1000
_BATCH: Final = 200
_LARGEST_BATCH: Final = 8_000_000
_EXPIRES: Final = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Consumer:
    """What a session needs to know of it.

    Attributes:
        next: the subject on which messages are asked for.
        ack_wait: nanoseconds after which a message comes again, unless it is acknowledged or in progress.
        abandoned: how many messages were handed out to somebody and not acknowledged; they come again.
        batch, size: how many messages, and bytes, may be asked for at once.
        expires: nanoseconds that a question may stand.
    """

    next: str
    ack_wait: int
    abandoned: int
    batch: int
    size: int
    expires: int


async def find(connection: Connection, config: NatsRelay) -> Consumer:
    """Find the consumer; make it, if there is none.

    Raises:
        Lost: there is none that can be used.
        TurnedAway: this user may not ask.
        TimeoutError: no answer.
    """
    answer = await _ask(connection, config, f"{_API}.CONSUMER.INFO.{config.stream}.{config.consumer}")
    if _number(answer) == NO_SUCH_CONSUMER:
        answer = await _make(connection, config)
    if _number(answer) == NO_SUCH_STREAM:
        raise Lost(no_stream(config, await _streams(connection, config)))
    match answer:
        case {"error": dict(error)}:
            raise Lost(refused(config, error))
        case {"config": dict(settings), "num_ack_pending": int(abandoned)}:
            if wrong := unfit(config, settings):
                raise Lost(wrong)
            return _consumer(config, settings, abandoned)
        case _:
            raise Lost(refused(config, {}))


def _consumer(config: NatsRelay, settings: Mapping[str, Json], abandoned: int) -> Consumer:
    waits = settings.get("backoff") or [settings.get("ack_wait")]
    given = [wait for wait in waits if isinstance(wait, int) and wait > 0] if isinstance(waits, list) else []
    return Consumer(
        f"{_API}.CONSUMER.MSG.NEXT.{config.stream}.{config.consumer}",
        min(given, default=30 * SECOND),
        abandoned,
        _least(_BATCH, settings.get("max_batch")),
        _least(_LARGEST_BATCH, settings.get("max_bytes")),
        _least(_EXPIRES, settings.get("max_expires")),
    )


def _least(ours: int, theirs: Json) -> int:
    """What we ask for, within what the consumer allows."""
    return min(ours, theirs) if isinstance(theirs, int) and theirs > 0 else ours


async def _make(connection: Connection, config: NatsRelay) -> Json:
    settings: dict[str, Json] = {
        "durable_name": config.consumer,
        "name": config.consumer,
        "description": "edge-relay",
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": _ACK_WAIT,
        "max_deliver": -1,
        "max_ack_pending": _MAX_ACK_PENDING,
        "replay_policy": "instant",
    }
    subject = f"{_API}.CONSUMER.CREATE.{config.stream}.{config.consumer}"
    if config.subject:
        settings["filter_subject"] = config.subject
        subject = f"{subject}.{config.subject}"
    try:
        return await _ask(connection, config, subject, {"stream_name": config.stream, "config": settings})
    except TurnedAway as turned_away:
        raise Lost(not_allowed_to_make(config, subject, turned_away.said.words)) from None


async def _streams(connection: Connection, config: NatsRelay) -> list[str] | None:
    """Ask which streams there are; None: we may not know."""
    try:
        answer = await _ask(connection, config, _STREAMS)
    except (TurnedAway, TimeoutError):
        return None
    match answer:
        case {"streams": list(names)}:
            return sorted(map(str, names))
        case {"streams": None}:
            return []
        case _:
            return None


async def _ask(
    connection: Connection, config: NatsRelay, subject: str, question: Mapping[str, Json] | None = None
) -> Json:
    async with asyncio.timeout(config.timeout / SECOND):
        told = b"" if question is None else orjson.dumps(dict(question))
        arrived: Arrived = await connection.ask(subject, {}, told)
    if arrived.status == _NOBODY:
        raise Lost(
            "JetStream does not answer: see that it is enabled at the server and for the account of this user, "
            "and that its cluster has a leader"
        )
    try:
        answer: Json = orjson.loads(arrived.payload)
    except orjson.JSONDecodeError:
        raise Lost(
            "what answers in the place of JetStream does not speak its language: check `servers`"
        ) from None
    return answer


def _number(answer: Json) -> int | None:
    """What JetStream calls an error."""
    match answer:
        case {"error": {"err_code": int(number)}}:
            return number
        case _:
            return None
