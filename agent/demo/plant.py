"""A simulated plant: three real servers on one machine, with signals that cross their limits for ever.

A Modbus TCP device (pymodbus), an OPC UA server (asyncua, about a second to build its address space)
and an MQTT broker (amqtt) with a compressor that publishes to it. All in the caller's event loop.

Rules for whoever changes this file: what `sources_yaml` says is what the servers serve, and
`tests/demo/test_plant.py` reads it back with the protocols' own clients.
"""

import asyncio
import contextlib
import json
import logging
import random
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from agent.clock import Clock
from agent.demo import DemoError
from agent.demo.signals import Signals, signals_at
from agent.model import SECOND

if TYPE_CHECKING:
    from amqtt.broker import Broker

HOST: Final = "127.0.0.1"
NAMESPACE: Final = "urn:edge-relay:demo:boiler"
STEAM: Final = "Steam.Pressure"
TOPIC: Final = "plant/compressor/1/telemetry"
_QUIET_PORTS: Final = range(20_000, 32_000)  # Linux takes 32768 and up for outgoing connections
_STEP: Final = 0.25  # seconds between two states of the plant
_STOP_WITHIN: Final = 3.0  # seconds; a server that waits for a silent client must not hold the demo
_UNIT: Final = 1
_READ_DISCRETE, _READ_INPUT, _WRITE_HOLDING = (
    2,
    4,
    16,
)  # Modbus function codes, which name the area to pymodbus
_CHATTY: Final = ("asyncua", "amqtt", "transitions", "pymodbus", "websockets")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the three servers listen."""

    modbus: int
    opcua: int
    mqtt: int


@dataclass(frozen=True, slots=True)
class Servers:
    """What the script moves."""

    modbus: ModbusTcpServer
    steam: Node
    broker: "Broker"


class Plant:
    """The plant's script and its addresses; made by `open_plant`, moved by `live`.

    `hold()` freezes the signals (the servers go on answering), so that nothing new happens while
    somebody counts; `resume()` lets them go on.
    """

    def __init__(self, clock: Clock, ports: Ports, servers: Servers) -> None:
        self._clock = clock
        self._ports = ports
        self._servers = servers
        self._held = False

    def hold(self) -> None:
        """Freeze the signals where they are."""
        self._held = True

    def resume(self) -> None:
        """Let the signals go on from where they were frozen."""
        self._held = False

    async def live(self) -> None:
        """Move the plant from state to state, for ever; time that was held does not count."""
        played, before = 0, self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            played += 0 if self._held else now - before
            before = now
            await self.show(signals_at(played / SECOND))
            await asyncio.sleep(_STEP)

    async def show(self, signals: Signals) -> None:
        """Put one state on all three servers."""
        await _set_registers(self._servers.modbus, signals)
        await self._servers.steam.write_value(ua.Variant(round(signals.steam, 2), ua.VariantType.Double))
        await self._servers.broker.internal_message_broadcast(TOPIC, self._telemetry(signals), 1)

    def _telemetry(self, signals: Signals) -> bytes:
        stamp = datetime.fromtimestamp(self._clock.wall() / SECOND, UTC).isoformat(timespec="milliseconds")
        return json.dumps(
            {"ts": stamp.replace("+00:00", "Z"), "current_a": round(signals.current, 1)}
        ).encode()

    def sources_yaml(self) -> str:
        """The `sources:` that read this plant."""
        return f"""\
sources:
  plc:
    type: modbus
    url: tcp://{HOST}:{self._ports.modbus}
    unit_id: {_UNIT}
    poll_every: 500ms
    tags:
      R1.TT101: {{address: "40011", type: int16, scale: 0.1, unit: "°C", range: [0, 250]}}
      R1.PT102: {{area: holding, offset: 12, type: float32, byte_order: CDAB, unit: bar, range: [0, 10]}}
      P101.RUN: {{address: "10001"}}
      TANK1.LT: {{address: "30001", type: int16, raw_range: [0, 27648], range: [0, 100], unit: "%"}}
  boiler:
    type: opcua
    url: opc.tcp://{HOST}:{self._ports.opcua}
    security: none                        # on loopback; a plant's server gets server_certificate:
    sample_every: 250ms
    tags:
      BOILER.STEAM: {{node: "nsu={NAMESPACE};s={STEAM}", unit: bar, range: [0, 16]}}
  compressor:
    type: mqtt
    url: mqtt://{HOST}:{self._ports.mqtt}
    client_id: edge-relay-demo
    tags:
      COMP1.CURRENT: {{topic: {TOPIC}, value: $.current_a, time: $.ts, unit: A, range: [0, 60]}}
"""


@contextlib.asynccontextmanager
async def open_plant(clock: Clock, ports: Ports) -> AsyncIterator[Plant]:
    """Start the three servers; they stop with the context.

    Raises:
        DemoError: a port is taken, or the MQTT broker is not installed.
    """
    for name in _CHATTY:  # their errors are the agent's reconnects and kills: not news to who watches
        logging.getLogger(name).setLevel(logging.CRITICAL)
    async with (
        _mqtt_broker(ports.mqtt) as broker,
        _modbus_server(ports.modbus) as modbus,
        _opcua_server(ports.opcua) as steam,
    ):
        plant = Plant(clock, ports, Servers(modbus, steam, broker))
        await plant.show(signals_at(0))  # no server ever answers with the zeros that it was made of
        yield plant


def free_port() -> int:
    """A TCP port of loopback that nobody listens on, and that no outgoing connection will take.

    A server that goes away for a while must find its port free when it comes back; and whoever keeps
    connecting to a free port of the outgoing range meets itself one day (TCP's simultaneous open).
    """
    while True:
        port = random.choice(_QUIET_PORTS)  # noqa: S311 - no secret, only out of each other's way
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


async def _set_registers(server: ModbusTcpServer, signals: Signals) -> None:
    """Write the state as the device's registers hold it (see `Plant.sources_yaml`)."""
    high, low = struct.unpack(">HH", struct.pack(">f", signals.pressure))
    level = round(signals.level / 100 * 27648)
    await server.async_setValues(_UNIT, _WRITE_HOLDING, 10, [round(signals.temperature * 10)])
    await server.async_setValues(_UNIT, _WRITE_HOLDING, 12, [low, high])  # CDAB: low word first
    await server.async_setValues(_UNIT, _READ_INPUT, 0, [level])
    await server.async_setValues(_UNIT, _READ_DISCRETE, 0, [signals.pump_running])


@contextlib.asynccontextmanager
async def _modbus_server(port: int) -> AsyncIterator[ModbusTcpServer]:
    bits = SimData(0, values=[False] * 16, datatype=DataType.BITS)
    words = SimData(0, count=100, datatype=DataType.REGISTERS)
    device = SimDevice(_UNIT, simdata=([bits], [bits], [words], [words]))
    server = ModbusTcpServer(device, address=(HOST, port))
    try:
        await server.serve_forever(background=True)
    except RuntimeError as error:
        raise _port_taken("Modbus", port) from error
    try:
        yield server
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]  # untyped in pymodbus 3.16.1


@contextlib.asynccontextmanager
async def _opcua_server(port: int) -> AsyncIterator[Node]:
    """Serve Objects/Boiler/Steam; yields its node."""
    server = Server()
    server.iserver.disabled_clock = True  # its clock task would hold every stop for a second
    await server.init()
    server.set_endpoint(f"opc.tcp://{HOST}:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    namespace = await server.register_namespace(NAMESPACE)
    boiler_id, steam_id = (ua.NodeId.from_string(f"ns={namespace};s={name}") for name in ("Boiler", STEAM))
    boiler = await server.nodes.objects.add_object(boiler_id, f"{namespace}:Boiler")
    steam = await boiler.add_variable(steam_id, f"{namespace}:Steam", 0.0)
    try:
        await server.start()
    except OSError as error:
        raise _port_taken("OPC UA", port) from error
    try:
        yield steam
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_WITHIN):
                await server.stop()


@contextlib.asynccontextmanager
async def _mqtt_broker(port: int) -> AsyncIterator["Broker"]:
    try:
        from amqtt.broker import Broker  # noqa: PLC0415 - the one dependency that only the demo needs
        from amqtt.errors import BrokerError  # noqa: PLC0415 - same
    except ModuleNotFoundError as error:
        raise DemoError("the demo's MQTT broker is not installed: pip install 'edge-relay[demo]'") from error
    anonymous = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    broker = Broker(
        {"listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}}, "plugins": anonymous}
    )
    try:
        await broker.start()
    except BrokerError as error:
        raise _port_taken("MQTT", port) from error
    try:
        yield broker
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_WITHIN):
                await broker.shutdown()


def _port_taken(protocol: str, port: int) -> DemoError:
    return DemoError(f"the simulated {protocol} server cannot listen on {HOST}:{port}: choose another port")
