"""NATS and MQTT destinations beside brokers of their kinds, for the suite over every destination.

A broker that takes events is a real one, and what it was sent is seen by a client that shares no code
with the agent's; what no real one does on demand (hanging up in the middle, silence) a few lines of
its protocol do.
"""

import asyncio
import json
import tempfile
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType

import nats
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pydantic import TypeAdapter
from rigs import mqtt_packets
from rigs.agent_process import quiet_port
from rigs.mosquitto import Mosquitto
from rigs.nats_server import NatsServer
from rigs.raw_server import RawServer, raw_server
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from agent.destinations.config import DestinationConfig

CANARY = "canary4711"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_SECTION = TypeAdapter(DestinationConfig)
_PATIENCE = 30.0
_MQTT_STEPS = MappingProxyType(
    {
        "hangs up": "the connection was lost",
        "resets": "the connection was lost",
        "refused": r"127\.0\.0\.1:\d+: connection refused",
        "unknown name": "the name no-such-receiver.invalid is not found",
        "unknown certificate": r"127\.0\.0\.1:\d+: its certificate is refused",
        "no TLS": r"127\.0\.0\.1:\d+: no TLS connection",
    }
)


class Seen:
    """A real broker: `port`; `requests`, what it was sent so far, headers and body; `connections` so far."""

    def __init__(self, broker, connected: bytes) -> None:
        self.port = broker.port
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self._log = broker.log
        self._connected = connected
        self._before = 0
        self._before = self.connections

    @property
    def connections(self) -> int:
        return self._log.read_bytes().count(self._connected) - self._before


class Broker:
    """What the kinds have in common; every event is signed."""

    scheme = "standard"
    keeps_connection = True

    def read(self, request):
        """The id and the body of what arrived."""
        headers, body = request
        return headers["webhook-id"], body

    def is_genuine(self, request, *, body=None):
        """Whether a consumer accepts it; `body` in the place of that which came."""
        headers, arrived = request
        with suppress(WebhookVerificationError):
            Webhook(SECRET).verify((arrived if body is None else body).decode(), headers)
            return True
        return False

    async def requests(self, receiver, count):
        """What arrived, as soon as it is so many."""
        deadline = time.monotonic() + _PATIENCE
        while len(receiver.requests) < count and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        return receiver.requests

    @asynccontextmanager
    async def _raw(self, behaviour, greet, take):
        """Do as a test says once the handshake is done; `rig.request` reads one event."""

        async def handle(rig, reader, writer):
            await greet(reader, writer)
            await behaviour(_Events(rig, take), reader, writer)

        async with raw_server(handle) as rig:
            yield rig


class _Events:
    """What a behaviour is handed: `request` reads an event in the protocol of the kind."""

    def __init__(self, rig: RawServer, take) -> None:
        self.requests = rig.requests
        self._take = take

    async def request(self, reader):
        self.requests.append(await self._take(reader))
        return self.requests[-1]


class Nats(Broker):
    """NATS JetStream."""

    type = "nats"
    steps = MappingProxyType({})

    def config(self, place, **more: object):
        """The section for a server at `place`: a port of loopback, or an address."""
        url = f"nats://127.0.0.1:{place}" if isinstance(place, int) else place
        url = url.replace("http://", "nats://").replace("https://", "tls://")
        login = {"user": "agent", "password": CANARY, "insecure_password": True}
        section = {"type": "nats", "servers": [url], "signing": {"secret": SECRET}, "timeout": "1s"}
        return _SECTION.validate_python(section | login | more)

    @asynccontextmanager
    async def receiver(self, behaviour, certificate=None):
        """A status: a stream that takes everything; else a server that does as it is told."""
        if not isinstance(behaviour, int):
            async with self._raw(behaviour, self._greet, self._take) as rig:
                yield rig
            return
        extra = "debug: true\nlogtime: false\n"
        if certificate:
            extra += 'tls {{ cert_file: "{}", key_file: "{}" }}\n'.format(*certificate)
        with tempfile.TemporaryDirectory() as folder, NatsServer(Path(folder), quiet_port(), extra) as server:
            if certificate:
                yield server
                return
            await server.stream()
            client = await nats.connect(f"nats://127.0.0.1:{server.port}")
            seen = Seen(server, b"Client connection created")

            async def keep(message):
                seen.requests.append((message.headers, message.data))

            await client.subscribe("plant.>", cb=keep)
            await client.flush()
            try:
                yield seen
            finally:
                await client.close()

    async def answers_once(self, rig, reader, writer):
        """Acknowledge one event, and hang up."""
        reply = (await rig.request(reader))[0]
        ack = b'{"stream":"PLANT","seq":1}'
        writer.write(b"MSG %b 1 %d\r\n%b\r\n" % (reply, len(ack), ack))
        await writer.drain()

    async def speaks_no_tls(self, rig, reader, writer):
        """A server without TLS; its greeting comes first, so this is never reached."""

    async def _greet(self, reader, writer):
        info = {"server_id": "X", "version": "2.9.10", "max_payload": 1 << 20, "headers": True}
        writer.write(b"INFO " + json.dumps(info).encode() + b"\r\n")
        while await reader.readuntil(b"\r\n") != b"PING\r\n":
            pass
        writer.write(b"PONG\r\n")

    async def _take(self, reader):
        words = (await reader.readuntil(b"\r\n")).split()
        return words[2], await reader.readexactly(int(words[-1]) + 2)


class Mqtt(Broker):
    """MQTT 5."""

    type = "mqtt"
    steps = _MQTT_STEPS

    def config(self, place, **more: object):
        """The section for a broker at `place`: a port of loopback, or an address."""
        url = f"mqtt://127.0.0.1:{place}" if isinstance(place, int) else place
        url = url.replace("http://", "mqtt://").replace("https://", "mqtts://")
        login = {"user": "agent", "password": CANARY, "insecure_password": True}
        section = {"type": "mqtt", "url": url, "signing": {"secret": SECRET}, "timeout": "1s"}
        return _SECTION.validate_python(section | login | more)

    @asynccontextmanager
    async def receiver(self, behaviour, certificate=None):
        """A status: a broker that takes everything; else one that does as it is told."""
        if not isinstance(behaviour, int):
            async with self._raw(behaviour, self._greet, self._take) as rig:
                yield rig
            return
        tls = "certfile {}\nkeyfile {}\n".format(*certificate) if certificate else ""
        with tempfile.TemporaryDirectory() as folder, Mosquitto(Path(folder), quiet_port(), tls) as broker:
            if certificate:
                yield broker
                return
            with subscriber(broker.port) as requests:
                seen = Seen(broker, b"New client connected")
                seen.requests = requests
                yield seen

    async def answers_once(self, rig, reader, writer):
        """Acknowledge one event, and hang up."""
        packet = await rig.request(reader)
        topic = int.from_bytes(packet[:2], "big")
        writer.write(mqtt_packets.packet(0x40, packet[2 + topic : 4 + topic]))
        await writer.drain()

    async def speaks_no_tls(self, rig, reader, writer):
        """See the rig of raw brokers: a TLS handshake is no CONNECT."""

    async def _greet(self, reader, writer):
        await mqtt_packets.read(reader)
        writer.write(b"\x20\x03\x00\x00\x00")

    async def _take(self, reader):
        while (packet := await mqtt_packets.read(reader))[0] != mqtt_packets.PUBLISH:
            pass
        return packet[1]


class subscriber:  # noqa: N801 - used as a function
    """An official client that keeps what is published; `with subscriber(port) as requests:`."""

    def __init__(self, port: int, client_id: str = "", topic: str = "#", session: int = 0) -> None:
        """`session`: seconds for which the broker keeps what comes while the subscriber is away."""
        self._port = port
        self._topic = topic
        self._subscribed = False
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5
        )
        self._session = Properties(PacketTypes.CONNECT)
        self._session.SessionExpiryInterval = session
        self._client.reconnect_delay_set(1, 1)
        self._client.on_message = self._keep
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = self._granted

    def _granted(self, *_: object) -> None:
        self._subscribed = True

    def _keep(self, _client, _userdata, message) -> None:
        told = dict(getattr(message.properties, "UserProperty", []))
        self.requests.append((told, bytes(message.payload)))

    def __enter__(self):
        clean = not self._session.SessionExpiryInterval
        self._client.connect("127.0.0.1", self._port, clean_start=clean, properties=self._session)
        self._client.loop_start()
        deadline = time.monotonic() + _PATIENCE
        while not self._subscribed:
            assert time.monotonic() < deadline, "the broker grants no subscription"
            time.sleep(0.002)
        return self.requests

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


BROKERS = {"nats": Nats(), "mqtt": Mqtt()}
