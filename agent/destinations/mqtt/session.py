"""One connection to an MQTT broker, on which events are published and acknowledged.

Rules for whoever changes this: a session begins clean and ends with its connection, so that paho never
sends anything a second time: what was not acknowledged is tried again by the dispatcher, and counted.
What any callback raises, or a bug in one, ends the session and is told to all who wait.
"""

import asyncio
import logging
from typing import Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.delivery.said import OK, Lost, Said, TurnedAway
from agent.destinations.mqtt.config import MqttDestination
from agent.errors import SourceError
from agent.mqtt.connect import Connection, close
from agent.mqtt.loop import PahoLoop
from agent.mqtt.reasons import lost, refused, unanswered

_log = logging.getLogger(__name__)

_MOST: Final = 65_535  # packets on their way, where the broker names no number
_FRAME: Final = 1024  # bytes of a packet beside topic and payload, at most
_NOBODY_SUBSCRIBES: Final = 0x10
_MOST_TOLD: Final = 20
# MQTT 5, 3.4.2.1 and 3.2.2.2: what is wrong with us or the section, and what is only so now.
_STATUSES: Final = {
    "Bad user name or password": 401,
    "Not authorized": 403,
    "Banned": 403,
    "Topic name invalid": 404,
    "Packet too large": 413,
    "Payload format invalid": 400,
    "Quota exceeded": 503,
    "Server busy": 503,
    "Server unavailable": 503,
    "Connection rate exceeded": 503,
    "Use another server": 503,
    "Server moved": 404,
}


class Session:
    """See the module. `run` drives it until it is over; `welcomed` before the first `publish`."""

    def __init__(self, name: str, config: MqttDestination, connection: Connection, unheard: set[str]) -> None:
        """Begin; `unheard` are the topics of which it was said that nobody subscribes to them."""
        self._name = name
        self._config = config
        self._client = client = connection.client
        self._errors = connection.errors
        self._welcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked: dict[int, tuple[str, asyncio.Future[Said]]] = {}
        self._room = asyncio.Semaphore(_MOST)
        self._largest = 0
        self._over: Exception | None = None
        self._unheard = unheard
        self._closed = False
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        self._paho = PahoLoop(client, connection.sock, lambda _: None)

    async def run(self) -> None:
        """Drive the connection until it is lost, or cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._paho.drive(), name=f"destination {self._name} link")
                keep_alive = self._paho.keep_alive(f"MQTT broker {self._config.url}")
                group.create_task(keep_alive, name=f"destination {self._name} keepalive")
                await asyncio.Event().wait()  # in the body: one of them fails, or somebody cancels
        except ExceptionGroup as errors:
            _, bugs = errors.split(SourceError)
            first = (bugs or errors).exceptions[0]
            self._end(first if bugs else Lost(str(first)))
        finally:
            self.close()

    def close(self) -> None:
        """End it at once, also before it was driven."""
        self._end(Lost(f"MQTT broker {self._config.url}: the connection was given up"))
        if not self._closed:
            self._closed = True
            self._paho.stop()
            close(self._client)

    @property
    def over(self) -> bool:
        """Nothing can be published any more."""
        return self._over is not None

    async def welcomed(self) -> None:
        """Wait until the broker has taken us.

        Raises:
            Lost, TurnedAway: it did not.
        """
        await asyncio.shield(self._welcome)

    async def publish(self, topic: str, payload: bytes, content_type: str, told: dict[str, str]) -> Said:
        """Publish, and wait for the broker's word.

        Raises:
            Lost: it gave none; the event may have arrived.
        """
        size = len(payload) + len(topic.encode()) + _FRAME
        if self._largest and size > self._largest:
            return Said(413, f"the event has {size} bytes, the broker takes {self._largest}: raise its limit")
        async with self._room:
            if self._over is not None:
                raise self._over
            answer: asyncio.Future[Said] = asyncio.get_running_loop().create_future()
            try:
                sent = self._client.publish(
                    topic,
                    payload,
                    qos=int(self._config.acknowledged),
                    retain=self._config.retain,
                    properties=self._properties(content_type, told),
                )
            except SourceError as error:  # the socket was found dead while it was written to
                raise Lost(str(error)) from None
            if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise Lost(f"MQTT broker {self._config.url}: the connection was lost")
            if not self._config.acknowledged:
                self._paho.flush()
                return OK
            self._asked[sent.mid] = topic, answer
            self._paho.flush()
            try:
                return await answer
            finally:
                self._asked.pop(sent.mid, None)

    def _properties(self, content_type: str, told: dict[str, str]) -> Properties | None:
        if self._config.protocol != "5":
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = content_type
        properties.UserProperty = list(told.items())
        return properties

    def _end(self, why: Exception) -> None:
        """Tell all who wait, once."""
        if self._over is not None:
            return
        self._over = why
        waiting, self._asked = self._asked, {}
        if not self._welcome.done():
            self._welcome.set_exception(why)
            self._welcome.exception()  # nobody may be waiting for it
        for _, each in waiting.values():
            if not each.done():
                each.set_exception(why)
                each.exception()

    # --- paho's side: what these raise ends `run` ----------------------------------------------------------

    def _on_connect(
        self,
        client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            why = refused(self._config, reason)
            said = Said(_STATUSES.get(reason.getName(), 404), why)
            if said.status == 403:  # noqa: PLR2004 - a client without a login, mostly
                said = Said(401, why)
            self._end(TurnedAway(said))
            raise SourceError(why)
        client.on_log = None  # it formats every packet
        self._largest = int(getattr(properties, "MaximumPacketSize", 0))
        self._room = asyncio.Semaphore(int(getattr(properties, "ReceiveMaximum", _MOST)))
        acknowledges = getattr(properties, "MaximumQoS", 1) >= self._config.acknowledged
        if not acknowledges or (self._config.retain and getattr(properties, "RetainAvailable", 1) == 0):
            what = "retains nothing" if acknowledges else "acknowledges nothing (QoS 0 alone)"
            why = f"MQTT broker {self._config.url}: it {what}: see its configuration"
            self._end(TurnedAway(Said(404, why)))
        elif not self._welcome.done():
            self._welcome.set_result(None)

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if not self._welcome.done():
            why = unanswered(self._config, self._errors)
        else:
            why = lost(self._config, reason, told=flags.is_disconnect_packet_from_server)
        self._end(Lost(why))
        raise SourceError(why)

    def _on_publish(
        self, _client: Client, _userdata: object, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        topic, answer = self._asked.get(mid, ("", None))
        few = topic not in self._unheard and len(self._unheard) < _MOST_TOLD
        if reason.value == _NOBODY_SUBSCRIBES and few:
            self._unheard.add(topic)
            _log.info(
                "destination %s: the broker takes events on %s, and nobody subscribes to them: it keeps none",
                self._name,
                topic,
            )
        if answer is None or answer.done():
            return
        if reason.is_failure:
            status = _STATUSES.get(reason.getName(), 500)
            remedy = f"allow user {self._config.user!r} to publish there" if status == 403 else "see its log"  # noqa: PLR2004 - as above
            answer.set_result(Said(status, f"the broker refuses {topic} ({reason}): {remedy}"))
        else:
            answer.set_result(OK)
