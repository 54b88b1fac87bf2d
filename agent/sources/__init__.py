"""The table of sources: what the configuration may name, and the session that each one is.

Rules for whoever adds a protocol: one class in the union, one branch in `session`; mypy names the
branch that was forgotten. An adapter is imported when a source of its kind is started, so that an
agent that reads Modbus alone pays for no OPC UA.
"""

from typing import Annotated, TypeAlias

from pydantic import Field

from agent.sources.modbus.config import ModbusSource
from agent.sources.opcua.config import OpcUaSource
from agent.sources.simulated import SimulatedSource

SourceConfig: TypeAlias = Annotated[
    ModbusSource | OpcUaSource | SimulatedSource, Field(discriminator="type")
]
