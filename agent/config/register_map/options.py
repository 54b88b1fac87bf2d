"""How a vendor's list is to be read where it does not tell by itself: the keys under `import`."""

from typing import Annotated, Literal

from pydantic import Field

from agent.config.fields import FilePath, Section
from agent.config.register_map.areas import Counting
from agent.config.register_map.scaling import Direction
from agent.sources.modbus.plan import Area

LengthUnit = Literal["registers", "bytes", "bits"]
Column = Literal[
    "name",
    "address",
    "type",
    "area",
    "scale",
    "add",
    "unit",
    "range",
    "min",
    "max",
    "length",
    "bit",
    "byte_order",
    "unit_id",
    "invalid",
    "access",
    "description",
    "node",
    "topic",
    "value",
    "time",
]


class ListOptions(Section):
    """What a list does not tell by itself."""

    columns: dict[Column, str] = Field(default={})
    """Where a heading is not understood: which column holds what, {name: Bezeichnung, address: "Reg. (dez)"}."""
    addresses: Counting | None = None
    """manual: 5 or 6 digits, 40011 is the eleventh holding register; number: counted from 1; offset: from 0."""
    area: Annotated[Area, Field(strict=False)] | None = None
    """Where no column says it: holding, input, coil or discrete."""
    scaling: Direction | None = None
    """multiply: the raw value times the number of the list is the value; divide: divided by it."""
    lengths: LengthUnit | None = None
    """What the column of lengths counts: registers, bytes (characters of a text) or bits."""


class Import(ListOptions):
    """A vendor's list of registers (Modbus), nodes (OPC UA) or topics (MQTT) as tags."""

    file: FilePath
    """The list, a CSV beside the configuration or in a folder of it; a change of it is one of the configuration."""
