"""A connection that only listens: for an engineer at the command line, beside the running agent.

Rules for whoever changes this file: the client id is its own and the session a clean one, so that the
running agent is neither thrown out nor robbed of what the broker keeps for it; nothing is published,
and no will is left; the socket is served only while somebody waits for messages, so no task lives on
while a caller thinks.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.clock import Clock
from agent.errors import SourceError
from agent.model import SECOND
from agent.mqtt.connect import Connection, close, connect
from agent.mqtt.loop import PahoLoop
from agent.mqtt.reasons import lost, not_subscribed, refused, silent, unanswered
from agent.sources.mqtt.broker import MqttBroker
from agent.sources.mqtt.decode import Message
from agent.sources.mqtt.subscriptions import Subscriptions

_T = TypeVar("_T")

_LONGEST_ID: Final = 23  # characters that every broker takes (MQTT 3.1.1, 3.1.3.1)


@asynccontextmanager
async def listening(config: MqttBroker, clock: Clock) -> AsyncIterator["Listener"]:
    """Give a session that the broker has accepted.

    Raises:
        SourceError: no connection, or refused; with the cause and the remedy.
    """
    own = _beside_the_agent(config)
    connection = await connect(own)
    listener = Listener(own, clock, connection)
    try:
        await listener.open()
        yield listener
    finally:
        listener.stop()
        close(connection.client)


def _beside_the_agent(config: MqttBroker) -> MqttBroker:
    """Change the name under which we come, and ask the broker to keep nothing."""
    token = secrets.token_hex(3)
    name = f"{config.client_id[: _LONGEST_ID - len(token) - 1]}-{token}" if config.client_id else ""
    return config.model_copy(update={"client_id": name, "keep_session": False, "qos": 0})


class Listener:
    """One accepted session, and the messages that have arrived and were not taken yet."""

    def __init__(self, config: MqttBroker, clock: Clock, connection: Connection) -> None:
        self._config = config
        self._clock = clock
        self._client = client = connection.client
        self._errors = connection.errors
        self._accepted = asyncio.Event()
        self._arrived = asyncio.Event()
        self._messages: list[Message] = []
        self._subscriptions = Subscriptions(client, config)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        self._paho = PahoLoop(client, connection.sock, self._on_message)

    async def open(self) -> None:
        """Wait until the broker accepts us."""
        await self._serve(self._wait_for_acceptance())

    async def subscribe(self, filters: Sequence[str]) -> dict[str, str]:
        """Ask for topics; give those that are refused, with the reason."""
        answers = await self._serve(self._subscriptions.ask(filters))
        return {
            topic: not_subscribed(self._config, topic, reason)
            for topic, reason in answers.items()
            if reason.is_failure
        }

    async def messages(self, until: float) -> list[Message]:
        """Wait for messages, and give those that came; none: it is `until` (the loop's seconds)."""
        if asyncio.get_running_loop().time() >= until:
            return []
        if not self._messages:
            await self._serve(self._wait_for_arrival(until))
        taken, self._messages = self._messages, []
        self._arrived.clear()
        return taken

    def stop(self) -> None:
        """Let go of the socket; it is closed by others."""
        self._paho.stop()

    async def _serve(self, work: Coroutine[None, None, _T]) -> _T:
        """Serve the socket while `work` waits for what comes from it.

        Raises:
            SourceError: the connection was lost, or `work` raised it.
        """
        self._client.loop_misc()  # a ping that is due: with messages coming in fast nobody else gets to it
        self._paho.flush()
        try:
            async with asyncio.TaskGroup() as group:
                serving = [
                    group.create_task(self._paho.drive(), name="mqtt listen link"),
                    group.create_task(
                        self._paho.keep_alive(f"MQTT broker {self._config.url}"), name="mqtt listen keepalive"
                    ),
                ]
                result = await work
                for task in serving:
                    task.cancel()
        except ExceptionGroup as errors:
            # One of them ended it and is the reason; a bug among them must not hide behind weather.
            _, bugs = errors.split(SourceError)
            first = (bugs or errors).exceptions[0]
            raise first from first.__cause__
        return result

    async def _wait_for_acceptance(self) -> None:
        try:
            async with asyncio.timeout(self._config.timeout / SECOND):
                await self._accepted.wait()
        except TimeoutError:
            raise SourceError(silent(self._config)) from None

    async def _wait_for_arrival(self, until: float) -> None:
        try:
            async with asyncio.timeout_at(until):
                await self._arrived.wait()
        except TimeoutError:
            pass  # nothing came, which is an answer

    def _on_message(self, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            raise SourceError(
                f"MQTT broker {self._config.url}: it sent a topic that is not UTF-8: find out who publishes that"
            ) from None
        received = self._clock.monotonic()
        self._messages.append(Message(topic, bytes(message.payload), message.retain, received))
        self._arrived.set()

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
