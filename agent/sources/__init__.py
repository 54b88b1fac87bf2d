"""The table of sources: what the configuration may name, and the session that each one is.

Rules for whoever adds a protocol: one class in the union, one branch in `session`; mypy names the
branch that was forgotten; the same in `explorer` and `reached`. An adapter is imported when a source
of its kind is started, so that an agent that reads Modbus alone pays for no OPC UA.
"""

# ruff: noqa: PLC0415 - that import on demand is the point of this table

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, TypeAlias, assert_never
from urllib.parse import urlsplit

from pydantic import Field

from agent.clock import Clock
from agent.sources.base import Emit
from agent.sources.exploring import Explorer
from agent.sources.modbus.config import ModbusSource
from agent.sources.modbus.endpoint import Network
from agent.sources.mqtt.config import MqttSource
from agent.sources.mqtt.sparkplug_config import AnyMqttSource, SparkplugSource
from agent.sources.opcua.config import OpcUaSource
from agent.sources.simulated import SimulatedSource
from agent.sources.writing import Door

SourceConfig: TypeAlias = Annotated[
    ModbusSource | OpcUaSource | AnyMqttSource | SimulatedSource, Field(discriminator="type")
]
Session: TypeAlias = Callable[[str, Emit, Clock], Awaitable[None]]


def session(config: SourceConfig, door: Door) -> Session:
    """Give the session of a source: called with its name, it runs until its connection is lost.

    While it is connected, and one of its tags says `write`, what writes to them lies behind `door`.
    """
    match config:
        case ModbusSource():
            from agent.sources.modbus import source as modbus

            return lambda name, emit, clock: modbus.run(name, config, emit, clock, door)
        case OpcUaSource():
            from agent.sources.opcua import source as opcua

            return lambda name, emit, clock: opcua.run(name, config, emit, clock, door)
        case MqttSource() | SparkplugSource():
            from agent.sources.mqtt import source as mqtt

            return lambda name, emit, clock: mqtt.run(name, config, emit, clock)
        case SimulatedSource():
            from agent.sources import simulated

            return lambda name, emit, clock: simulated.run(name, config, emit, clock)
        case _:
            assert_never(config)


def explorer(name: str, config: SourceConfig, clock: Clock) -> Explorer:
    """Give what the commands of the commissioning day can ask of a source; its remedies name it as it is typed."""
    match config:
        case ModbusSource():
            from agent.sources.modbus import explore as modbus

            return Explorer(
                lambda tags: modbus.look(config, clock, tags),
                lambda scope: modbus.browse(name, config, clock, scope),
                lambda place, expect: modbus.probe(name, config, clock, place, expect),
            )
        case OpcUaSource():
            from agent.sources.opcua import explore as opcua

            return Explorer(
                lambda tags: opcua.look(name, config, clock, tags),
                lambda scope: opcua.browse(name, config, clock, scope),
                lambda place, expect: opcua.probe(name, config, clock, place, expect),
            )
        case MqttSource() | SparkplugSource():
            from agent.sources.mqtt import explore as mqtt

            return Explorer(
                lambda tags: mqtt.look(config, clock, tags),
                lambda scope: mqtt.browse(config, clock, scope),
                lambda place, expect: mqtt.probe(config, clock, place, expect),
            )
        case SimulatedSource():
            from agent.sources import simulated

            return Explorer(
                lambda tags: simulated.look(config, clock, tags),
                lambda scope: simulated.browse(config, clock, scope),
                lambda place, expect: simulated.probe(config, clock, place, expect),
            )
        case _:
            assert_never(config)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a source connects to, for a firewall request.

    Attributes:
        host: name or address; of a serial line, the port of this machine.
        port: of TCP; None: no network.
        protocol: what is spoken.
        encrypted: `no`, or how.
    """

    host: str
    port: int | None
    protocol: str
    encrypted: str = "no"


def reached(config: SourceConfig) -> Place | None:
    """Give where a source connects to; None: nowhere."""
    match config:
        case ModbusSource():
            endpoint = config.endpoint
            if not isinstance(endpoint, Network):
                return Place(endpoint.device, None, "Modbus RTU")
            protocol = "Modbus RTU/TCP" if endpoint.rtu else "Modbus TCP"
            return Place(endpoint.host, endpoint.port, protocol, "TLS" if endpoint.tls else "no")
        case OpcUaSource():
            parts = urlsplit(config.url)
            how = {"none": "no", "sign": "signed only", "sign_and_encrypt": "OPC UA"}[config.security.mode]
            return Place(parts.hostname or "", parts.port, "OPC UA", how)
        case MqttSource() | SparkplugSource():
            return Place(config.url.host, config.url.port, "MQTT", "TLS" if config.url.tls else "no")
        case SimulatedSource():
            return None
        case _:
            assert_never(config)


def expiring(config: SourceConfig, wall: int) -> list[str]:
    """Say which certificates of a source are about to expire, a sentence each; blocks on their files.

    `wall` is nanoseconds UTC. Only those of OPC UA are looked at: devices make them by themselves, once,
    and then they are forgotten.
    """
    match config:
        case OpcUaSource():
            from agent.sources.opcua.trust import expiring as expiring_opcua

            return expiring_opcua(config, wall)
        case ModbusSource() | MqttSource() | SparkplugSource() | SimulatedSource():
            return []
        case _:
            assert_never(config)
