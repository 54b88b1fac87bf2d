"""What a variable of a server is, as a person is to read it: its type, its value, what stands in the way.

Rules for whoever changes this file: what is written as `tag` is what the configuration takes, with
the namespace by its URI, always; a value is told with its quality or not at all; a name of the
server's own (a data type, a unit) is shown as the server writes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import isfinite
from typing import Final
from uuid import UUID

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIdNames

from agent.model import Json, Reading
from agent.sources.exploring import Found
from agent.sources.naming import Names
from agent.sources.opcua.explore_space import Space, value_of
from agent.sources.opcua.values import to_reading

UNIT: Final = "EngineeringUnits"
RANGE: Final = "EURange"
MOST_ELEMENTS: Final = 100  # of an array, one by one
_SINGLE: Final = (bool, int, float, str, datetime, UUID, ua.LocalizedText, type(None))  # what a tag can be
_EXCERPT: Final = 60
_CURRENT_READ: Final = 1 << ua.AccessLevel.CurrentRead
_CURRENT_WRITE: Final = 1 << ua.AccessLevel.CurrentWrite
_DESCRIBED_BY: Final = (
    AttributeIds.Value,
    AttributeIds.DataType,
    AttributeIds.ValueRank,
    AttributeIds.UserAccessLevel,
    AttributeIds.Description,
)
_AT_HAND: Final = 10_000.0  # milliseconds: a survey takes what the server has, and does not stir the devices


@dataclass(slots=True)
class Branch:
    """A node on the walk.

    Attributes:
        node: its id.
        path: browse names from the start of the walk to here.
        depth: levels below the start.
        is_variable: it has a value.
        properties: what describes it: `EngineeringUnits` and `EURange`, if it has them.
    """

    node: ua.NodeId
    path: tuple[str, ...]
    depth: int
    is_variable: bool
    properties: dict[str, ua.NodeId] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable and what it holds.

    Attributes:
        found: as it is told.
        elements: of an array, each as it is told.
    """

    found: Found
    elements: Sequence[Found] = ()


class Describer:
    """Describes variables; remembers the names it has given, and those of the server's data types."""

    def __init__(self, space: Space, now: int) -> None:
        """`now`: monotonic nanoseconds."""
        self._space = space
        self._now = now
        self._names = Names()
        self._types: dict[ua.NodeId, str] = {}

    async def describe(self, variables: Sequence[Branch], *, fresh: bool = False) -> list[Variable]:
        """Read all that is told of these variables; `fresh`: from the devices, not what is at hand."""
        wanted: list[ua.ReadValueId] = []
        for one in variables:
            wanted += [value_of(one.node, attribute) for attribute in _DESCRIBED_BY]
            wanted += [value_of(node) for node in one.properties.values()]
        answers = iter(await self._space.read(wanted, max_age=0 if fresh else _AT_HAND))
        read = [
            (
                one,
                [next(answers) for _ in _DESCRIBED_BY],
                {name: content(next(answers)) for name in one.properties},
            )
            for one in variables
        ]
        await self._learn_types([content(attributes[1]) for _, attributes, _ in read])
        return [self._variable(one, attributes, properties) for one, attributes, properties in read]

    async def _learn_types(self, types: Sequence[object]) -> None:
        """Ask how the server calls those of its data types that are not everyone's."""
        new = {one for one in types if isinstance(one, ua.NodeId) and one not in self._types}
        for one in new:
            number = one.Identifier
            if one.NamespaceIndex == 0 and isinstance(number, int) and number in ObjectIdNames:
                self._types[one] = ObjectIdNames[number]
        own = [one for one in new if one not in self._types]
        names = await self._space.read([value_of(one, AttributeIds.BrowseName) for one in own])
        for one, data in zip(own, names, strict=True):
            name = content(data)
            self._types[one] = (
                str(name.Name) if isinstance(name, ua.QualifiedName) else self._space.place(one)
            )

    def _variable(
        self, one: Branch, attributes: Sequence[ua.DataValue], properties: dict[str, object]
    ) -> Variable:
        data, data_type, rank, access, description = attributes
        place = self._space.place(one.node)
        name = self._names.give(one.path)
        reading = to_reading(name, data, self._now, baseline=False)
        kind = self._kind(content(data_type), content(rank), data)
        tag = {"node": place} | _section(properties)
        value = content(data)
        elements: list[Found] = []
        if isinstance(value, list):
            note = f"an array: {_excerpt(value)}"
            reading = reading._replace(value=None, reason="")
            elements = self._elements(Found(name, place, kind, tag=tag), value, data)
            tag = {}
        else:
            note = reading.reason
            if not isinstance(value, _SINGLE):
                tag = {}
        about = _text(content(description))
        notes = [_access(content(access)), note, "" if one.path[-1:] == (about,) else about]
        found = Found(name, place, kind, reading.value, "; ".join(note for note in notes if note), tag)
        return Variable(found, elements)

    def _elements(self, array: Found, values: Sequence[object], data: ua.DataValue) -> list[Found]:
        """Tell each element as the tag that it could be."""
        if any(isinstance(value, list) for value in values):
            return []  # a matrix: a tag names an element of a row only
        told: list[Found] = []
        for index, value in enumerate(values[:MOST_ELEMENTS]):
            reading = to_reading("", replace(data, Value=ua.Variant(value)), self._now, baseline=False)
            told.append(
                Found(
                    f"{array.name}_{index}",
                    f"{array.place}[{index}]",
                    array.type.partition("[")[0],
                    reading.value,
                    reading.reason,
                    dict(array.tag) | {"index": index},
                )
            )
        return told

    def _kind(self, data_type: object, rank: object, data: ua.DataValue) -> str:
        """Name the data type, with the dimensions of an array: `Double[5]`."""
        name = self._types.get(data_type, "") if isinstance(data_type, ua.NodeId) else ""
        if not name and data.Value is not None:
            name = data.Value.VariantType.name
        value = content(data)
        if isinstance(value, list):
            sizes = (
                data.Value.Dimensions if data.Value is not None and data.Value.Dimensions else [len(value)]
            )
            return f"{name}[{','.join(map(str, sizes))}]"
        return f"{name}[]" if isinstance(rank, int) and rank >= 0 else name


def content(data: ua.DataValue) -> object:
    """Give what a value holds; None if it is none."""
    return None if data.Value is None else data.Value.Value


def raw(data: ua.DataValue) -> str:
    """Show what was on the wire: `Double 21.5 Good`."""
    status = "Good" if data.StatusCode is None else data.StatusCode.name
    if data.Value is None or data.Value.Value is None:
        return status
    return f"{data.Value.VariantType.name} {_excerpt(data.Value.Value)} {status}"


def reading_of(tag: str, data: ua.DataValue, received: int) -> Reading:
    """Give what the running agent would have emitted as the first value of a tag."""
    return to_reading(tag, data, received, baseline=True)


def _section(properties: dict[str, object]) -> dict[str, Json]:
    """Write unit and range as a tag's section takes them."""
    section: dict[str, Json] = {}
    unit, limits = properties.get(UNIT), properties.get(RANGE)
    if isinstance(unit, ua.EUInformation) and (text := _text(unit.DisplayName)):
        section["unit"] = text
    if isinstance(limits, ua.Range) and isfinite(limits.Low) and isfinite(limits.High):
        low, high = float(limits.Low), float(limits.High)
        if low < high:
            section["range"] = [low, high]
    return section


def _text(text: object) -> str:
    return " ".join((text.Text or "").split()) if isinstance(text, ua.LocalizedText) else ""


def _access(level: object) -> str:
    if not isinstance(level, int):
        return ""
    if not level & _CURRENT_READ:
        return "not readable for this user"
    return "writable" if level & _CURRENT_WRITE else ""


def _excerpt(value: object) -> str:
    shown = str(value)
    return shown if len(shown) <= _EXCERPT else f"{shown[: _EXCERPT - 1]}…"
