"""Every kind of source beside its device, in the same words, so that one suite runs over all of them.

Whoever adds a protocol adds a class here and a row in `KINDS`: a device that can be started, stopped
and given another value, and the configuration that reads it. What a kind cannot do stands in
`cannot`, with the reason; the suite reads it there and leaves nothing out silently.
"""

import asyncio
import functools
import itertools
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar, Self

from asyncua.crypto.permission_rules import User, UserRole
from pydantic import TypeAdapter
from rigs.modbus_server import ModbusServer
from rigs.mosquitto import Mosquitto
from rigs.opcua_server import PASSWORD, USER, Line
from rigs.opcua_session import FAST

from agent import sources
from agent.sources.opcua import source as opcua
from agent.sources.writing import Door

ABILITIES = {"link", "spoil", "secret", "writes"}
CANARY = "canary-4711"
POLL = 0.05  # seconds; every kind is asked to look that often
CLIENT_ID = "edge-relay-contract"
_SERVER_ITSELF = User(role=UserRole.Admin)
_SECTION = TypeAdapter(sources.SourceConfig)


class Kind:
    """A device behind a line; `async with kind:` switches it on. Tag T can be read, tag SPOILED cannot.

    Attributes:
        cannot: abilities (`ABILITIES`) that this kind lacks, each with the reason.
        library: what is imported for this kind and for no other; None if nothing is.
        silence: seconds within which `impatient` must notice that the line has gone silent.
        place: where T stands, as `probe` is told.
    """

    cannot: ClassVar[dict[str, str]] = {}
    library: str | None = None
    silence = 0.0
    place = ""

    async def __aenter__(self) -> Self:
        await self.start()
        self.line = await Line(self.device_port).__aenter__()
        self.port = self.line.port
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.line.__aexit__(*exc_info)
        await self.stop()

    def config(self, **address_or_password: object):
        """What the configuration says of the device; see `section`."""
        return _SECTION.validate_python(self.section(**address_or_password))

    def impatient(self, config):
        """The session that notices a silent line soonest."""
        return sources.session(config, Door())

    def forget(self):
        """Keep nothing of what the device was asked so far."""


class Modbus(Kind):
    """Holding registers of a server in the same loop."""

    cannot: ClassVar = {"secret": "Modbus knows no credentials"}
    library = "pymodbus"
    place = "holding:0"
    silence = 5.0  # two attempts of a second, before and after the answer that came

    def __init__(self, request) -> None:
        self._server = ModbusServer(illegal={(1, 100)})

    @property
    def device_port(self):
        return self._server.port

    async def start(self):
        await self._server.start()

    async def stop(self):
        await self._server.stop()

    async def change(self):
        self._server.added += 1
        return self._server.added

    def section(self, host="127.0.0.1", port=None, **_: object):
        tags = {
            "T": {"area": "holding", "offset": 0, "type": "uint16"},
            "SPOILED": {"area": "holding", "offset": 100, "type": "uint16"},
        }
        url = f"tcp://{host}:{port or self.port}"
        return {"type": "modbus", "url": url, "poll_every": "50ms", "timeout": "1s", "tags": tags}

    def forget(self):
        self._server.requests.clear()

    def written(self):
        """How often something was written, and how often we would have seen it."""
        reading = [exchange for exchange in self._server.requests if exchange.function in {1, 2, 3, 4}]
        return len(self._server.requests) - len(reading), len(reading)


class OpcUa(Kind):
    """A variable of the server that serves the whole run, which runs in a thread of its own."""

    library = "asyncua"
    silence = 5.0  # FAST: 1.5 s, and the goodbye that nobody answers
    _numbers = itertools.count()

    def __init__(self, request) -> None:
        self._plant = request.getfixturevalue("plant")
        self._name = f"contract{next(self._numbers)}"
        self._value = 0
        self._running = False
        self._plant.add(self._name, 0)
        self.place = f"ns={self._plant.index};s={self._name}"
        server = self._plant.server.iserver
        attributes = server.attribute_service
        self._counted = [(attributes, "read"), (attributes, "write"), (server.method_service, "call")]
        self._calls = {"read": 0, "write": 0, "call": 0}

    @property
    def device_port(self):
        return self._plant.port

    async def __aexit__(self, *exc_info: object) -> None:
        await super().__aexit__(*exc_info)
        await self.start()  # for the others
        for service, name in self._counted:
            del service.__dict__[name]

    async def __aenter__(self) -> Self:
        for service, name in self._counted:
            self._count(service, name)
        self._running = True
        return await super().__aenter__()

    def _count(self, service, name):
        original = getattr(service, name)

        def counted(parameters, **user: object):
            # The server writes its own clock once a second, as an administrator.
            self._calls[name] += user.get("user") != _SERVER_ITSELF
            return original(parameters, **user)

        setattr(service, name, counted)

    async def start(self):
        if not self._running:
            await self._do(self._plant.server.bserver.start())
            self._running = True

    async def stop(self):
        if self._running:
            await self._do(self._plant._stop())
            self._running = False

    async def _do(self, work):
        async with asyncio.timeout(10):
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._plant._loop))

    async def change(self):
        self._value += 1
        self._plant.set(self._name, self._value)
        return self._value

    def section(self, host="127.0.0.1", port=None, password=PASSWORD):
        node = self.place
        settings = {
            "url": f"opc.tcp://{host}:{port or self.port}",
            "security": {"mode": "none", "insecure_password": True},
            "tags": {"T": {"node": node}, "SPOILED": {"node": node + "-that-is-not-there"}},
        }
        quick = {"sample_every": "50ms", "publish_every": "50ms", "timeout": "1s"}
        return {"type": "opcua", "user": USER, "password": password, **settings, **quick}

    def impatient(self, config):
        return lambda name, emit, clock: opcua.run(name, config, emit, clock, timing=FAST)

    def written(self):
        return self._calls["write"] + self._calls["call"], self._calls["read"]


@functools.cache
def _password_file():
    """What mosquitto wants to know of our user; hashing it takes a moment."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "passwords"
        file.touch(mode=0o600)
        command = ["mosquitto_passwd", "-b", file, USER, PASSWORD]
        subprocess.run(command, check=True, capture_output=True)
        return file.read_bytes()


class Mqtt(Kind):
    """Retained messages of a broker; values change by publishing."""

    library = "paho"
    place = "t"
    silence = 14.0  # the shortest keepalive, 5 s, and what the answer to a ping may take

    def __init__(self, request) -> None:
        folder, free_port = (request.getfixturevalue(name) for name in ("tmp_path", "free_port"))
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        passwords.write_bytes(_password_file())
        extra = f"allow_anonymous false\npassword_file {passwords}\n"
        self._broker = Mosquitto(folder, free_port(), extra)
        self._value = 0

    @property
    def device_port(self):
        return self._broker.port

    async def start(self):
        self._broker.start()
        self._publish(("t", str(self._value)), ("spoiled", "{"))

    async def stop(self):
        self._broker.kill()

    async def change(self):
        self._value += 1
        self._publish(("t", str(self._value)))
        return self._value

    def _publish(self, *messages):
        self._broker.publish(*messages, retain=True, auth={"username": USER, "password": PASSWORD})

    def section(self, host="127.0.0.1", port=None, password=PASSWORD):
        tags = {"T": {"topic": "t"}, "SPOILED": {"topic": "spoiled", "value": "$.x"}}
        settings = {"url": f"mqtt://{host}:{port or self.port}", "client_id": CLIENT_ID, "tags": tags}
        credentials = {"user": USER, "password": password, "insecure_password": True}
        return {"type": "mqtt", "keepalive": "5s", "timeout": "1s", **settings, **credentials}

    def written(self):
        published = [line for line in self._broker.log.read_text().splitlines() if "Received PUBLISH" in line]
        ours = [line for line in published if f"from {CLIENT_ID}" in line]  # and what is made of that name
        return len(ours), len(published)


class Simulated(Kind):
    """A signal that takes two values in turn."""

    cannot: ClassVar = {
        "link": "it has no device, and so no link to lose",
        "spoil": "a signal always has a value",
        "secret": "it has no credentials",
        "writes": "there is nothing to write to",
    }

    def __init__(self, request) -> None:
        self._value = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def change(self):
        self._value = 100.0 - self._value
        return self._value

    def section(self, **_: object):
        signal = {"signal": "square", "min": 0, "max": 100, "period": "400ms"}
        return {"type": "simulated", "every": "50ms", "tags": {"T": signal}}


KINDS = {"modbus": Modbus, "opcua": OpcUa, "mqtt": Mqtt, "simulated": Simulated}


def able(*abilities: str) -> list[str]:
    """The kinds that can do all this."""
    return [name for name, kind in KINDS.items() if not set(abilities) & set(kind.cannot)]
