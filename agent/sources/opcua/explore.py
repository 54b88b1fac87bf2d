"""What an engineer asks of an OPC UA server before it is in use: what is there, and what does it say.

Rules for whoever changes this file: nothing here writes, calls or subscribes; what is found is told
while the rest is still sought, and a server of any size needs no more memory than its node ids; what
one node refuses is told of that node.
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from agent.clock import Clock
from agent.errors import SourceError
from agent.model import Reading, bad
from agent.sources.exploring import Expected, Found, Look, Scope
from agent.sources.opcua.config import OpcUaSource
from agent.sources.opcua.connection import connected
from agent.sources.opcua.explore_nodes import (
    RANGE,
    UNIT,
    Branch,
    Describer,
    Variable,
    content,
    raw,
    reading_of,
)
from agent.sources.opcua.explore_space import READS, Space, value_of
from agent.sources.opcua.subscription import resolve
from agent.sources.opcua.values import status_reason

_NAME: Final = "commissioning"
_AT_ONCE: Final = 50  # nodes that are looked into before what was found is told
_OBJECTS: Final = ua.NodeId(ua.Int32(ObjectIds.ObjectsFolder))
_SERVER: Final = ua.NodeId(ua.Int32(ObjectIds.Server))


async def look(config: OpcUaSource, clock: Clock, tags: Collection[str]) -> AsyncIterator[Look]:
    """Read the tags' values once, from the devices."""
    async with _space(config, clock) as space:
        wanted = [name for name in config.tags if name in tags]
        for at in range(0, len(wanted), READS):
            for one in await _look_at(space, config, clock, wanted[at : at + READS]):
                yield one


async def browse(config: OpcUaSource, clock: Clock, scope: Scope) -> AsyncIterator[Found]:
    """Walk the address space from `scope.start` (a node id or a browse path), breadth first."""
    async with _space(config, clock) as space:
        start = await _start(space, scope.start)
        describer = Describer(space, clock.monotonic())
        async with aclosing(_walk(space, start, scope.depth, scope.limit)) as walk:
            async for branches in walk:
                for variable in await describer.describe(branches):
                    yield variable.found


async def probe(
    config: OpcUaSource, clock: Clock, place: str, expect: Expected | None
) -> AsyncIterator[Found]:
    """Read one node, the elements of an array, and the variables right below it."""
    async with _space(config, clock) as space:
        start = await _start(space, place)
        describer = Describer(space, clock.monotonic())
        async with aclosing(_walk(space, start, 1, READS)) as walk:
            async for branches in walk:
                for variable in await describer.describe(branches, fresh=True):
                    for found in _all_of(variable):
                        met = expect is not None and found.value is not None and expect.met_by(found.value)
                        yield replace(found, matches=met)


@asynccontextmanager
async def _space(config: OpcUaSource, clock: Clock) -> AsyncIterator[Space]:
    async with connected(_NAME, config, clock) as client:
        yield await Space.open(client)


async def _look_at(space: Space, config: OpcUaSource, clock: Clock, tags: Collection[str]) -> list[Look]:
    nodes: dict[str, ua.NodeId] = {}
    missing: dict[str, str] = {}
    for tag in tags:
        try:
            nodes[tag] = resolve(config.tags[tag].node, space.namespaces)
        except LookupError as error:
            missing[tag] = f"{error}: check the node id in the configuration"
    asked = clock.monotonic()
    answers = await space.read([value_of(node) for node in nodes.values()])
    received = clock.monotonic()
    looks = [Look(bad(tag, asked, why), config.tags[tag].node) for tag, why in missing.items()]
    for tag, data in zip(nodes, answers, strict=True):
        reading: Reading = reading_of(tag, data, received)
        looks.append(Look(reading, config.tags[tag].node, raw(data), received - asked))
    return looks


def _all_of(variable: Variable) -> list[Found]:
    return [variable.found, *variable.elements]


async def _start(space: Space, place: str) -> Branch:
    """Find where to begin.

    Raises:
        SourceError: there is no such node, or it has no values below it.
    """
    try:
        node = resolve(place, space.namespaces) if place else _OBJECTS
    except (ValueError, LookupError) as error:
        raise SourceError(str(error)) from error
    kind, name = await space.read(
        [value_of(node, AttributeIds.NodeClass), value_of(node, AttributeIds.BrowseName)]
    )
    if (node_class := content(kind)) is None:
        status = kind.StatusCode.value if kind.StatusCode is not None else 0
        raise SourceError(f"{place}: {status_reason(status)}")
    called = content(name)
    path = () if node == _OBJECTS or not isinstance(called, ua.QualifiedName) else (str(called.Name),)
    return Branch(node, path, 0, node_class == ua.NodeClass.Variable)


async def _walk(
    space: Space, start: Branch, depth: int | None, limit: int
) -> AsyncGenerator[list[Branch], None]:
    """Give the variables at and below `start`, a few at a time, the nearest first, each once."""
    waiting = deque([start])
    seen = {start.node, _SERVER}
    variables = int(start.is_variable)
    while waiting:
        branches = [waiting.popleft() for _ in range(min(len(waiting), _AT_ONCE))]
        if variables >= limit:
            branches = [one for one in branches if one.is_variable]  # the others would only find more
        async with aclosing(space.children([one.node for one in branches])) as found:
            async for place, child in found:
                parent = branches[place]
                if parent.is_variable and child.is_property:
                    if child.name in (UNIT, RANGE):
                        parent.properties[child.name] = child.node
                elif child.node not in seen and variables < limit and (depth is None or parent.depth < depth):
                    seen.add(child.node)
                    variables += child.is_variable
                    path = (*parent.path, child.name)
                    waiting.append(Branch(child.node, path, parent.depth + 1, child.is_variable))
        if told := [one for one in branches if one.is_variable]:
            yield told
