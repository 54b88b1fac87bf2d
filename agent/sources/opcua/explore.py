"""What an engineer asks of an OPC UA server before it is in use: what is there, and what does it say.

Rules for whoever changes this file: nothing here writes, calls or subscribes; what is found is told
while the rest is still sought, and a server of any size needs no more memory than its node ids; what
one node refuses is told of that node.
"""

import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Final, TypeAlias

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from agent.clock import Clock
from agent.errors import SourceError
from agent.model import bad
from agent.sources.exploring import Expected, Found, Look, MistypedError, Scope
from agent.sources.opcua.config import OpcUaSource, OpcUaTag
from agent.sources.opcua.connection import connected
from agent.sources.opcua.explore_nodes import RANGE, UNIT, Branch, Describer, raw
from agent.sources.opcua.explore_space import Space, attribute, content, write_node
from agent.sources.opcua.nodes import split_node, split_path
from agent.sources.opcua.resolving import resolve_all
from agent.sources.opcua.values import status_reason, to_reading

_AT_ONCE: Final = 50  # nodes that are looked into before what was found is told
_LOOKS: Final = 100  # tags that are read with one question, whose latency is theirs
_NEIGHBOURS: Final = 1000  # variables right below a node that is tried out
_OBJECTS: Final = ua.NodeId(ua.Int32(ObjectIds.ObjectsFolder))
_SERVER: Final = ua.NodeId(ua.Int32(ObjectIds.Server))
_Meant: TypeAlias = tuple[OpcUaTag, tuple[str, ...] | None]
"""What is asked for; of a browse path, the names below the server's root folders."""


async def look(name: str, config: OpcUaSource, clock: Clock, tags: Collection[str]) -> AsyncIterator[Look]:
    """Read the tags' values once.

    Raises:
        SourceError: no connection, or it was lost.
    """
    async with _space(name, config, clock) as space:
        wanted = {tag: section for tag, section in config.tags.items() if tag in tags}
        nodes = await resolve_all(space.calls, dict(enumerate(wanted.values())))
        found: list[tuple[str, OpcUaTag, ua.NodeId]] = []
        for (tag, section), node in zip(
            wanted.items(), (nodes[at] for at in range(len(wanted))), strict=True
        ):
            if isinstance(node, str):
                yield Look(bad(tag, clock.monotonic(), node), section.place)
            else:
                found.append((tag, section, node))
        for at in range(0, len(found), _LOOKS):
            for one in await _look_at(space, clock, found[at : at + _LOOKS]):
                yield one


async def browse(name: str, config: OpcUaSource, clock: Clock, scope: Scope) -> AsyncIterator[Found]:
    """Walk the address space from `scope.start` (a node id or a browse path), breadth first.

    Raises:
        MistypedError: the start is neither.
        SourceError: no connection, it was lost, or there is no such start.
    """
    meant = _meant(scope.start) if scope.start else None
    async with _space(name, config, clock) as space:
        start = await _start(space, scope.start, meant)
        describer = Describer(space, clock.monotonic())
        known = await _known(space, config)
        async with aclosing(_walk(space, start, scope.depth, scope.limit)) as walk:
            async for branches in walk:
                for found in await describer.describe(branches):
                    yield replace(found, read_as=known.get(found.place, ""))


async def probe(
    name: str, config: OpcUaSource, clock: Clock, place: str, expect: Expected | None
) -> AsyncIterator[Found]:
    """Read one node (a node id or a browse path), the elements of an array, and the variables right below it.

    Raises:
        MistypedError: it is neither.
        SourceError: no connection, it was lost, or there is no such node.
    """
    meant = _meant(place)
    async with _space(name, config, clock) as space:
        start = await _start(space, place, meant)
        describer = Describer(space, clock.monotonic())
        async with aclosing(_walk(space, start, 1, _NEIGHBOURS)) as walk:
            async for branches in walk:
                for found in await describer.describe(branches, elements=True):
                    met = expect is not None and found.value is not None and expect.met_by(found.value)
                    yield replace(found, matches=met)


@asynccontextmanager
async def _space(name: str, config: OpcUaSource, clock: Clock) -> AsyncIterator[Space]:
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)  # what it logs it also raises, and we tell
    async with connected(name, config, clock) as client:
        yield await Space.open(client)


async def _known(space: Space, config: OpcUaSource) -> dict[str, str]:
    """Give the tags of the configuration by their nodes, written as what is found is."""
    whole = {name: section for name, section in config.tags.items() if section.index is None}
    nodes = await resolve_all(space.calls, dict(enumerate(whole.values())))
    return {
        write_node(node, space.calls.namespaces): name
        for name, node in zip(whole, (nodes[at] for at in range(len(whole))), strict=True)
        if not isinstance(node, str)
    }


async def _look_at(
    space: Space, clock: Clock, tags: Collection[tuple[str, OpcUaTag, ua.NodeId]]
) -> list[Look]:
    asked = clock.monotonic()
    answers = await space.read([attribute(node) for _, _, node in tags])
    received = clock.monotonic()
    looks: list[Look] = []
    for (tag, section, _), data in zip(tags, answers, strict=True):
        reading = section.believed(to_reading(tag, data, received, baseline=True, index=section.index))
        looks.append(Look(reading, section.place, raw(data), received - asked))
    return looks


async def _start(space: Space, place: str, meant: _Meant | None) -> Branch:
    """Find where to begin.

    Raises:
        SourceError: there is no such node.
    """
    if meant is None:
        return Branch(_OBJECTS, (), 0, is_variable=False)
    tag, path = meant
    (node,) = (await resolve_all(space.calls, {0: tag})).values()
    if isinstance(node, str):
        raise SourceError(node)
    kind, name = await space.read(
        [attribute(node, AttributeIds.NodeClass), attribute(node, AttributeIds.BrowseName)]
    )
    if (node_class := content(kind)) is None:
        status = 0 if kind.StatusCode is None else kind.StatusCode.value
        raise SourceError(f"{place}: {status_reason(status)}")
    called = content(name)
    if path is None:
        path = (str(called.Name),) if isinstance(called, ua.QualifiedName) and node != _OBJECTS else ()
    return Branch(node, path, 0, node_class == ua.NodeClass.Variable)


def _meant(place: str) -> _Meant:
    """Read a node id or a browse path; of a path, the names below the server's root folders.

    Raises:
        MistypedError: it is neither.
    """
    try:
        split_node(place)
        return OpcUaTag(node=place), None
    except ValueError as no_node:
        try:
            names = tuple(step.name for step in split_path(place)[1:])
            return OpcUaTag(browse_path=place), names
        except ValueError as no_path:
            looks_like_a_node = "=" in place.partition("/")[0]
            raise MistypedError(str(no_node if looks_like_a_node else no_path)) from None


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
                if variables >= limit and not any(one.is_variable for one in branches):
                    break  # a folder of 100,000 need not be leafed through for the first ten
        if told := [one for one in branches if one.is_variable]:
            yield told
