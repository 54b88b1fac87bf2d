"""One session with a durable pull consumer; see `agent.inbound.base`.

Messages are asked for, some at a time (a pull), and handed over as they come; then they are
acknowledged, the last of them so that the server confirms it. Until then they are ours: while `accept`
takes long, the server is told that they are in progress, or it would hand them out again.

What the server gave to a session that broke off comes again when its time is over, and behind newer
messages. So a session that finds such messages waits for that time before it asks: an older command
does not follow a newer one.

Rules for whoever changes this: one pull at a time, and one message of it at the most in two places;
nothing is acknowledged before `accept` has returned; no task and nothing that goes on by itself but the
timer of `_InProgress`, which ends with its batch.
"""

import asyncio
import logging
import zlib
from collections.abc import Sequence
from typing import Final, NoReturn

import orjson

from agent.clock import Clock
from agent.codec.nats import Arrived as Frame
from agent.delivery.said import Lost, TurnedAway
from agent.errors import RelayError, StoreUnavailable
from agent.inbound.base import Accept
from agent.inbound.nats.config import NatsRelay
from agent.inbound.nats.consumer import Consumer, find
from agent.inbound.nats.messages import is_message, message
from agent.inbound.nats.reasons import at_server, permissions, silence, stopped
from agent.incoming.message import Arrived
from agent.model import SECOND
from agent.nats.answers import Answers
from agent.nats.cluster import connect
from agent.nats.connection import Connection

_log = logging.getLogger(__name__)

_STORE_PAUSE: Final = 1.0  # seconds
_BEATS: Final = 2.5  # heartbeats within which the server is heard, or is not there
_HEARTBEAT, _FORBIDDEN = 100, 403
_OVER: Final = frozenset({404, 408})  # a pull whose time is over
_TOO_LARGE: Final = "message size exceeds maxbytes"
_GOES_ON: Final = frozenset({_TOO_LARGE, "batch completed"})
_ASKED_ANEW: Final = frozenset({"leadership change", "server shutdown", "interest expired"})
_ANEW_PAUSE: Final = 1.0  # seconds
_TOLD_TIMES: Final = 3  # that messages are in progress, within the time after which they come again
_SHORTEST: Final = 0.1  # seconds between two such words, whatever somebody has set
_LONGEST_WAIT: Final = 60 * SECOND  # for what comes again
_MARGIN: Final = SECOND // 10


async def run(
    name: str,
    config: NatsRelay,
    accept: Accept,
    clock: Clock,  # noqa: ARG001 - nothing is stamped here
    cursor: bytes | None,  # noqa: ARG001 - what was not acknowledged the server knows
) -> None:
    """Take messages until the relay is lost.

    Raises:
        RelayError: it cannot be asked (any more).
    """
    connection: Connection | None = None
    try:
        async with asyncio.timeout(config.timeout / SECOND):
            # A fleet spreads over the servers: each agent has a consumer of its own.
            first = zlib.crc32(config.consumer.encode())
            connection = await connect(config, first, config.timeout / SECOND)
        consumer = await find(connection, config)
        await _Puller(name, config, connection, consumer, accept).run()
    except Lost as lost:
        raise RelayError(at_server(connection, str(lost))) from None
    except TurnedAway as turned_away:
        more = f"; {permissions(config)}" if turned_away.said.status == _FORBIDDEN else ""
        raise RelayError(at_server(connection, f"{turned_away}{more}")) from None
    except TimeoutError:
        raise RelayError(at_server(connection, silence(config))) from None
    finally:
        if connection is not None:
            connection.close()


class _Puller:
    """Asks, hands over, acknowledges."""

    def __init__(
        self, name: str, config: NatsRelay, connection: Connection, consumer: Consumer, accept: Accept
    ) -> None:
        self._name = name
        self._config = config
        self._connection = connection
        self._consumer = consumer
        self._accept = accept
        self._answers = connection.listen(consumer.next)
        self._silence = config.timeout / SECOND
        self._pulls = 0
        self._to_come = 0
        """Messages that the last pull may still bring; 0: it is over."""
        self._in_time = 0.0
        """When, by the loop's clock, a pull may be over without a reason to pause."""
        self._one_of_any_size = False
        """The next message is larger than a whole batch may be: it is asked for alone."""

    async def run(self) -> NoReturn:
        """Take messages.

        Raises:
            Lost, TurnedAway, TimeoutError: the session is over.
        """
        await self._taken(())
        await self._until_they_come_again()
        while True:
            if self._to_come == 0:
                self._pull()
            async with asyncio.timeout(self._silence):
                frames = await self._answers.some()
            messages = [frame for frame in frames if is_message(frame)]
            self._to_come = max(0, self._to_come - len(messages))
            await self._hand_over(messages)
            for frame in frames:
                if not is_message(frame):
                    await self._status(frame)

    async def _until_they_come_again(self) -> None:
        """Wait for what the server gave to an earlier session, if anything, so that it comes first."""
        if count := self._consumer.abandoned:
            wait = min(self._consumer.ack_wait, _LONGEST_WAIT) + _MARGIN
            _log.info(
                "relay %s: %d messages were given to an earlier session and come again, in %g s, first",
                self._name,
                count,
                wait / SECOND,
            )
            await asyncio.sleep(wait / SECOND)

    def _pull(self) -> None:
        self._pulls += 1
        self._to_come = 1 if self._one_of_any_size else self._consumer.batch
        expires = self._consumer.expires
        self._in_time = asyncio.get_running_loop().time() + expires / SECOND / 2
        beat = min(int(self._config.timeout / _BEATS), expires // 2)
        question = {"batch": self._to_come, "expires": expires, "idle_heartbeat": beat}
        if not self._one_of_any_size:
            question["max_bytes"] = self._consumer.size
        self._one_of_any_size = False
        self._connection.send([(self._consumer.next, self._reply, orjson.dumps(question))])

    @property
    def _reply(self) -> str:
        return f"{self._answers.inbox}.{self._pulls}"

    async def _status(self, frame: Frame) -> None:
        """Hear what the server says of a pull.

        Raises:
            Lost: it will bring nothing more, and the next one neither.
        """
        if frame.subject != self._reply or frame.status == _HEARTBEAT:
            return  # of a pull that is over, or a sign of life
        self._to_come = 0
        reason = frame.reason.lower()
        if reason in _GOES_ON:
            self._one_of_any_size = reason == _TOO_LARGE
        elif frame.status in _OVER or reason in _ASKED_ANEW:
            if frame.status not in _OVER or asyncio.get_running_loop().time() < self._in_time:
                await asyncio.sleep(_ANEW_PAUSE)
        else:
            raise Lost(stopped(self._config, frame.status, frame.reason))

    async def _hand_over(self, frames: Sequence[Frame]) -> None:
        """Give messages to the agent, and acknowledge them; none: tell it that the relay is there."""
        messages = [message(frame) for frame in frames]
        with _InProgress(self._connection, frames, self._answers, self._consumer):
            await self._taken(messages)
        words = [
            (frame.reply, b"+TERM" if taken.unusable else b"+ACK")
            for frame, taken in zip(frames, messages, strict=True)
        ]
        if words:
            *others, (reply, word) = words
            self._connection.send((each, "", said) for each, said in others)
            async with asyncio.timeout(self._silence):
                await self._connection.ask(reply, {}, word)

    async def _taken(self, messages: Sequence[Arrived]) -> None:
        while True:
            try:
                return await self._accept(messages)
            except StoreUnavailable:
                await asyncio.sleep(_STORE_PAUSE)


class _InProgress:
    """While a batch is being taken: what is here stays ours, and is not handed out again."""

    def __init__(
        self, connection: Connection, taken: Sequence[Frame], answers: Answers, consumer: Consumer
    ) -> None:
        self._connection = connection
        self._taken = taken
        self._answers = answers
        self._every = max(consumer.ack_wait / SECOND / _TOLD_TIMES, _SHORTEST)
        self._timer = self._next()

    def _next(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._every, self._tell)

    def _tell(self) -> None:
        ours = (*self._taken, *filter(is_message, self._answers.waiting))
        self._connection.send((frame.reply, "", b"+WPI") for frame in ours)
        self._timer = self._next()

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
