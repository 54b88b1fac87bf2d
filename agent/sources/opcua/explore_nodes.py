"""What a variable of a server is, as a person is to read it: its type, its value, what stands in the way.

Rules for whoever changes this file: what is written as `tag` is what the configuration takes, with
the namespace by its URI, always; a value is told with its quality or not at all; a name of the
server's own (a data type, a unit) is shown as the server writes it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Final
from uuid import UUID

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIdNames

from agent.model import Json
from agent.sources.exploring import Found
from agent.sources.naming import Names
from agent.sources.opcua.explore_space import Space, attribute, content, write_node
from agent.sources.opcua.values import to_reading

UNIT: Final = "EngineeringUnits"
RANGE: Final = "EURange"
MOST_ELEMENTS: Final = 100  # of an array, one by one
_SINGLE: Final = (bool, int, float, str, datetime, UUID, ua.LocalizedText, type(None))  # what a tag can be
_EXCERPT: Final = 60
_CURRENT_READ: Final = 1 << ua.AccessLevel.CurrentRead
_CURRENT_WRITE: Final = 1 << ua.AccessLevel.CurrentWrite
_DATA_TYPE: Final = 1
_DESCRIBED_BY: Final = (
    AttributeIds.Value,
    AttributeIds.DataType,
    AttributeIds.ValueRank,
    AttributeIds.UserAccessLevel,
    AttributeIds.Description,
)


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


class Describer:
    """Describes variables; remembers the names it has given, and those of the server's data types."""

    def __init__(self, space: Space, now: int) -> None:
        """`now`: monotonic nanoseconds."""
        self._space = space
        self._now = now
        self._names = Names()
        self._types: dict[ua.NodeId, str] = {}

    async def describe(self, variables: Sequence[Branch], *, elements: bool = False) -> list[Found]:
        """Read all that is told of these variables; `elements`: of an array, tell each of them as well."""
        wanted: list[ua.ReadValueId] = []
        for one in variables:
            wanted += [attribute(one.node, which) for which in _DESCRIBED_BY]
            wanted += [attribute(node) for node in one.properties.values()]
        answers = iter(await self._space.read(wanted))
        read: list[tuple[Branch, list[ua.DataValue], dict[str, object]]] = []
        for one in variables:
            attributes = [next(answers) for _ in _DESCRIBED_BY]
            read.append((one, attributes, {name: content(next(answers)) for name in one.properties}))
        await self._learn_types([content(attributes[_DATA_TYPE]) for _, attributes, _ in read])
        told: list[Found] = []
        for one, attributes, properties in read:
            found = self._variable(one, attributes, properties)
            told.append(found)
            if elements:
                told += self._elements(one, found, attributes[0], _section(properties))
        return told

    async def _learn_types(self, types: Sequence[object]) -> None:
        """Ask how the server calls those of its data types that are not everyone's."""
        new = {one for one in types if isinstance(one, ua.NodeId) and one not in self._types}
        for one in new:
            number = one.Identifier
            if one.NamespaceIndex == 0 and isinstance(number, int) and number in ObjectIdNames:
                self._types[one] = ObjectIdNames[number]
        own = [one for one in new if one not in self._types]
        names = await self._space.read([attribute(one, AttributeIds.BrowseName) for one in own])
        for one, data in zip(own, names, strict=True):
            name = content(data)
            self._types[one] = str(name.Name) if isinstance(name, ua.QualifiedName) else self._place(one)

    def _variable(
        self, one: Branch, attributes: Sequence[ua.DataValue], properties: Mapping[str, object]
    ) -> Found:
        data, data_type, rank, access, description = attributes
        reading = to_reading("", data, self._now, baseline=False)
        value, place = content(data), self._place(one.node)
        about, section = _text(content(description)), _section(properties)
        notes = [
            _shown(section),
            _access(content(access)),
            _of_array(value) if isinstance(value, list) and _is_good(data) else reading.reason,
            "" if one.path[-1:] == (about,) else about,
        ]
        tag: dict[str, Json] = {"node": place, **section} if isinstance(value, _SINGLE) else {}
        return Found(
            self._names.give(one.path),
            place,
            self._kind(content(data_type), content(rank), data),
            reading.value,
            "; ".join(note for note in notes if note),
            tag,
        )

    def _elements(
        self, one: Branch, array: Found, data: ua.DataValue, section: dict[str, Json]
    ) -> Iterator[Found]:
        """Tell each element as the tag that it could be."""
        values = content(data)
        if not isinstance(values, list) or any(isinstance(value, list) for value in values):
            return  # a tag cannot name an element of a matrix
        for index in range(min(len(values), MOST_ELEMENTS)):
            reading = to_reading("", data, self._now, baseline=False, index=index)
            yield Found(
                self._names.give((*one.path, str(index))),
                f"{array.place}[{index}]",
                array.type.partition("[")[0],
                reading.value,
                reading.reason,
                {"node": array.place, "index": index, **section},
            )

    def _place(self, node: ua.NodeId) -> str:
        return write_node(node, self._space.calls.namespaces)

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


def raw(data: ua.DataValue) -> str:
    """Show what was on the wire: `Double 21.5 Good`."""
    status = "Good" if data.StatusCode is None else data.StatusCode.name
    if data.Value is None or data.Value.Value is None:
        return status
    return f"{data.Value.VariantType.name} {_excerpt(data.Value.Value)} {status}"


def _section(properties: Mapping[str, object]) -> dict[str, Json]:
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


def _shown(section: Mapping[str, Json]) -> str:
    """Show unit and range: `0 to 25 bar`."""
    limits = section.get("range")
    between = f"{limits[0]:g} to {limits[1]:g}" if isinstance(limits, list) else ""
    return f"{between} {section.get('unit', '')}".strip()


def _is_good(data: ua.DataValue) -> bool:
    return data.StatusCode is None or data.StatusCode.is_good()


def _of_array(values: Sequence[object]) -> str:
    return f"an array, of which a tag names one element by its `index`: {_excerpt(values)}"


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
