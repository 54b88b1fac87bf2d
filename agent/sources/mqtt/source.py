"""One session with an MQTT broker: messages in, readings out, acknowledged after they were taken.

Rules for whoever changes this file: a QoS 1 message is acknowledged after `emit` returned, in the
order of arrival (MQTT 3.1.1, 4.6), on the connection it came on and on no other; a payload that
cannot be read is acknowledged too, it would come back for ever; the session never reconnects. All
of it runs in the event loop, in tasks of one group: what any callback raises ends the session.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Final, NoReturn, assert_never

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.clock import Clock
from agent.codec.payload import excerpt
from agent.config.fields import PLACE
from agent.errors import SourceError, StoreUnavailable
from agent.metrics import ITEMS_ALIVE, ITEMS_WANTED
from agent.model import SECOND, Link, Quality, Reading, Seen, bad
from agent.mqtt.connect import Connection, close, connect
from agent.mqtt.loop import PahoLoop
from agent.mqtt.reasons import lost, not_subscribed, refused, silent, unanswered
from agent.sources.aside import Unread, aside
from agent.sources.base import Emit, until_one_fails
from agent.sources.mqtt.broker import MqttBroker
from agent.sources.mqtt.config import MqttSource
from agent.sources.mqtt.decode import Decoded, Decoder, Message
from agent.sources.mqtt.inbox import Arrived, Inbox
from agent.sources.mqtt.sparkplug_config import SparkplugSource
from agent.sources.mqtt.subscriptions import Subscriptions
from agent.sources.mqtt.topics import Topics

_log = logging.getLogger(__name__)

_OFFER_AGAIN: Final = 1.0  # seconds until a batch that the store did not take is offered again
_ASK_AGAIN: Final = 60.0  # seconds until refused topics are asked for again
_STALLED: Final = 2.0  # seconds without reading, because `emit` takes nothing
_ASK: Final = 1.0  # seconds between two questions whether the decoder needs something published


async def run(name: str, config: MqttSource | SparkplugSource, emit: Emit, clock: Clock) -> None:
    """Be one session: connect, subscribe, emit until the connection ends.

    Raises:
        SourceError: no connection, refused, or lost; with the cause and the remedy.
    """
    understands = decoder(config, clock)
    ITEMS_WANTED.labels(name).set(len(_tags(understands, understands.filters())))
    connection = await connect(config)
    try:
        await _Session(name, config, emit, clock, connection, understands).run()
    finally:
        close(connection.client)
        ITEMS_ALIVE.labels(name).set(0)


def decoder(config: MqttSource | SparkplugSource, clock: Clock) -> Decoder:
    """Choose who understands the messages of a broker."""
    match config:
        case MqttSource():
            return Topics(config.tags, config.retained)
        case SparkplugSource():
            from agent.sources.mqtt.sparkplug import Sparkplug  # noqa: PLC0415 - else all pay for protobuf

            return Sparkplug(config, clock.wall)
        case _:
            assert_never(config)


def _tags(understands: Decoder, filters: Iterable[str]) -> set[str]:
    return {tag for topic_filter in filters for tag in understands.tags_of(topic_filter)}


class _Session:
    def __init__(
        self,
        name: str,
        config: MqttBroker,
        emit: Emit,
        clock: Clock,
        connection: Connection,
        understands: Decoder,
    ) -> None:
        self._name = name
        self._config = config
        self._emit = emit
        self._clock = clock
        self._client = client = connection.client
        self._errors = connection.errors
        self._decoder = understands
        self._inbox = Inbox()
        self._aside = aside(name)
        self._dropping = False
        self._accepted = asyncio.Event()
        self._subscribed = asyncio.Event()
        self._subscriptions = Subscriptions(client, config)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        self._paho = PahoLoop(client, connection.sock, self._on_message)

    async def run(self) -> None:
        tasks = {
            "link": self._paho.drive(),
            "keepalive": self._paho.keep_alive(f"MQTT broker {self._config.url}"),
            "subscriptions": self._subscribe(),
            "hand over": self._hand_over(),
            "requests": self._ask_for_it(),
            "stall": self._watch_stall(),
        }
        try:
            async with asyncio.TaskGroup() as group:
                for what, task in tasks.items():
                    group.create_task(task, name=f"mqtt {self._name} {what}")
                await until_one_fails()
        except ExceptionGroup as errors:
            # One of them ended it and is the reason; a bug among them must not hide behind weather.
            _, bugs = errors.split(SourceError)
            first = (bugs or errors).exceptions[0]
            raise first from first.__cause__
        finally:
            self._paho.stop()

    async def _subscribe(self) -> NoReturn:
        try:
            async with asyncio.timeout(self._config.timeout / SECOND):
                await self._accepted.wait()
        except TimeoutError:
            raise SourceError(silent(self._config)) from None
        wanted = self._decoder.filters()
        tags = _tags(self._decoder, wanted)
        told: set[str] = set()
        while True:
            answers = await self._subscriptions.ask(wanted)
            for topic, reason in answers.items():
                self._tell(topic, reason, told)
            wanted = [topic for topic, reason in answers.items() if reason.is_failure]
            ITEMS_ALIVE.labels(self._name).set(len(tags - _tags(self._decoder, wanted)))
            self._subscribed.set()
            await asyncio.sleep(_ASK_AGAIN)

    async def _ask_for_it(self) -> NoReturn:
        await self._subscribed.wait()
        while True:
            if overdue := self._decoder.overdue(self._clock.monotonic()):
                self._inbox.put(Arrived(overdue))
            self._publish_requests()
            self._paho.flush()
            await asyncio.sleep(_ASK)

    def _publish_requests(self) -> None:
        for request in self._decoder.requests(self._clock.monotonic()):
            self._client.publish(request.topic, request.payload, qos=0)

    async def _hand_over(self) -> NoReturn:
        while True:
            batch = await self._inbox.take()
            self._dropping = False
            self._paho.resume()
            if seen := [one for arrived in batch for one in arrived.seen]:
                await self._offer(seen)
            for arrived in batch:
                if arrived.mid is not None:
                    self._client.ack(arrived.mid, qos=1)
            self._paho.flush()

    async def _offer(self, seen: Sequence[Seen]) -> None:
        while True:
            try:
                return await self._emit(seen)
            except StoreUnavailable:
                await asyncio.sleep(_OFFER_AGAIN)

    async def _watch_stall(self) -> NoReturn:
        """Keep the link alive while the store takes nothing: read on, and drop the oldest QoS 0."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_STALLED / 2)
            paused = self._paho.paused_since
            if paused is not None and loop.time() - paused > _STALLED and self._inbox.drop_oldest():
                self._dropping = True
                self._decoder.dropped()
                self._paho.resume()
                _log.warning(
                    "source %s: the store takes nothing; the oldest QoS 0 messages are dropped: make room on the disk",
                    self._name,
                )

    def _on_message(self, arrived: MQTTMessage) -> None:
        topic = _topic(arrived, self._config)
        message = Message(topic, bytes(arrived.payload), arrived.retain, self._clock.monotonic())
        decoded = self._decoder.decode(message)
        if decoded is None:
            self._leave(topic)
        else:
            self._set_aside(message, decoded)
            if self._subscribed.is_set():
                self._publish_requests()
        if self._inbox.full:
            if self._dropping and self._inbox.drop_oldest():
                self._decoder.dropped()
            else:
                self._paho.pause()
        self._inbox.put(Arrived(decoded.readings if decoded else (), arrived.mid if arrived.qos else None))

    def _set_aside(self, message: Message, decoded: Decoded) -> None:
        if decoded.warning:
            _log.warning("source %s: %s", self._name, decoded.warning)
        if decoded.unreadable:
            unread = Unread(message.received, decoded.unreadable, excerpt(message.payload))
            self._aside.put(message.topic, unread)

    def _leave(self, topic: str) -> None:
        """Leave a topic that only an earlier configuration asked for; a kept session remembers it."""
        if filters := self._subscriptions.leave(topic):
            _log.info("source %s: no tag is on %s any more: unsubscribed", self._name, filters[0])

    def _tell(self, topic: str, reason: ReasonCode, told: set[str]) -> None:
        """Make the tags of a refused topic bad, once; tell when it is allowed at last."""
        if reason.is_failure and topic not in told:
            told.add(topic)
            why = not_subscribed(self._config, topic, reason)
            _log.warning("source %s: %s", self._name, why)
            now = self._clock.monotonic()
            self._inbox.put(Arrived([bad(tag, now, why) for tag in self._decoder.tags_of(topic)]))
        elif not reason.is_failure and topic in told:
            told.discard(topic)
            _log.info("source %s: the subscription to %s is accepted now", self._name, topic)
            self._inbox.put(
                Arrived([_allowed(tag, self._clock.monotonic()) for tag in self._patterns_of(topic)])
            )
        if reason.value < self._config.qos:
            _log.warning(
                "source %s: the broker grants %s only QoS 0: a crash may lose messages; allow QoS 1 at the broker",
                self._name,
                topic,
            )

    def _patterns_of(self, topic: str) -> list[str]:
        return [tag for tag in self._decoder.tags_of(topic) if PLACE.search(tag)]

    def _on_connect(
        self,
        client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            raise SourceError(refused(self._config, reason))
        client.on_log = None  # it formats every packet
        self._accepted.set()
        self._inbox.put(Arrived([Link(self._name, up=True, at=self._clock.monotonic())]))

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if not self._accepted.is_set():
            raise SourceError(unanswered(self._config, self._errors))
        raise SourceError(lost(self._config, reason, told=flags.is_disconnect_packet_from_server))


def _allowed(pattern: str, now: int) -> Reading:
    """Take back what was told of a tag with wildcards: no value will ever come under its name to do that."""
    return Reading(pattern, None, Quality.UNCERTAIN, now, "each of its topics is a tag of its own")


def _topic(message: MQTTMessage, config: MqttBroker) -> str:
    try:
        return message.topic
    except UnicodeDecodeError:
        # MQTT 3.1.1, 1.5.3: whoever receives it must close the connection.
        raise SourceError(
            f"MQTT broker {config.url}: it sent a topic that is not UTF-8: find out who publishes that"
        ) from None
