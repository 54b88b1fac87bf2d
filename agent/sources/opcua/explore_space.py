"""A server's address space, asked for in portions that the server can take.

Rules for whoever changes this file: Read, Browse, BrowseNext and TranslateBrowsePaths alone are called,
one at a time; a continuation point that is not followed to its end is given back, for servers have few;
a namespace is told by its URI, because its index moves with a restart (node-red-contrib-opcua#478).
"""

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final, Self

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError

from agent.sources.opcua.calls import Calls
from agent.sources.opcua.discovery import FAILURES

REFERENCES: Final = 500  # of one node in one answer; the rest is fetched in further ones
_BROWSES: Final = 50  # nodes in one request to a server that names no limit
_TOO_MUCH: Final = (  # some servers name no limit, and have one
    StatusCodes.BadTooManyOperations,
    StatusCodes.BadResponseTooLarge,
    StatusCodes.BadEncodingLimitsExceeded,
)
RENEW_AT: Final = 0.75  # of the channel's lifetime (OPC 10000-4, 5.6.2)
_BROWSE_LIMIT: Final = ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse
_HIERARCHY: Final = ua.NodeId(ua.Int32(ObjectIds.HierarchicalReferences))
_HAS_PROPERTY: Final = ua.NodeId(ua.Int32(ObjectIds.HasProperty))
_ESCAPES: Final = str.maketrans({"%": "%25", ";": "%3B"})  # OPC 10000-6, 5.1.12
_LETTERS: Final = {
    ua.NodeIdType.String: "s",
    ua.NodeIdType.Guid: "g",
    ua.NodeIdType.ByteString: "b",
}


@dataclass(frozen=True, slots=True)
class Child:
    """What hangs below a node.

    Attributes:
        node: its id.
        name: its browse name, without the namespace.
        is_variable: it has a value; else it is an object.
        is_property: it describes its parent, such as `EURange`.
    """

    node: ua.NodeId
    name: str
    is_variable: bool
    is_property: bool


class Space:
    """The address space of one server, over one session; made by `open`.

    Attributes:
        calls: the other services of the session.
    """

    def __init__(self, client: Client, calls: Calls) -> None:
        self.calls = calls
        self._client = client
        self._session = client.uaclient.session
        self._portion = _BROWSES
        self._keyed = asyncio.get_running_loop().time()

    @classmethod
    async def open(cls, client: Client) -> Self:
        """Read what the server says of itself: its namespaces, and how much it takes at a time."""
        space = cls(client, await Calls.of(client.uaclient.session))
        (limit,) = await space.read([attribute(ua.NodeId(ua.Int32(_BROWSE_LIMIT)))])
        most = content(limit)
        if isinstance(most, int) and most > 0:  # zero: no limit (OPC 10000-5, 6.3.11)
            space._portion = min(most, _BROWSES)
        return space

    async def read(self, wanted: Sequence[ua.ReadValueId]) -> list[ua.DataValue]:
        """Read attributes of any number of nodes, in order."""
        await self._keep_channel()
        return await self.calls.read(wanted)

    async def children(self, nodes: Sequence[ua.NodeId]) -> AsyncGenerator[tuple[int, Child], None]:
        """Give the objects and variables below each node, with the node's place in `nodes`.

        A node that the server does not let us look into has none. To be closed (`aclosing`).
        """
        at = 0
        while at < len(nodes):
            portion = nodes[at : at + self._portion]
            try:
                results = await self._browse(portion)
            except UaStatusCodeError as error:
                if error.code not in _TOO_MUCH or len(portion) == 1:
                    raise
                self._portion = len(portion) // 2
                continue
            alone = [one for one, result in enumerate(results) if _ran_out_of_points(result)]
            async with aclosing(self._pages(results)) as found:
                async for one, child in found:
                    yield at + one, child
            for one in alone:  # the others have given their continuation points back by now
                async with aclosing(self._pages(await self._browse([portion[one]]))) as found:
                    async for _, child in found:
                        yield at + one, child
            at += len(portion)

    async def _browse(self, portion: Sequence[ua.NodeId]) -> list[ua.BrowseResult]:
        await self._keep_channel()
        return await self._session.browse(
            ua.BrowseParameters(
                View=ua.ViewDescription(),
                RequestedMaxReferencesPerNode=ua.Counter(REFERENCES),
                NodesToBrowse=[_below(node) for node in portion],
            )
        )

    async def _pages(self, results: Sequence[ua.BrowseResult]) -> AsyncGenerator[tuple[int, Child], None]:
        """Give all that the results hold, and what they left for later."""
        waiting = {one: result.ContinuationPoint for one, result in enumerate(results) if _goes_on(result)}
        try:
            for one, result in enumerate(results):
                for child in self._children(result):
                    yield one, child
                while (point := waiting.pop(one, None)) is not None:
                    (page,) = await self._next([point])
                    if _goes_on(page):
                        waiting[one] = page.ContinuationPoint
                    for child in self._children(page):
                        yield one, child
        finally:
            if waiting:
                with suppress(*FAILURES):  # the connection may be why we stop
                    await self._next(list(waiting.values()), release=True)

    async def _next(
        self, points: list[ua.ContinuationPoint], *, release: bool = False
    ) -> list[ua.BrowseResult]:
        await self._keep_channel()
        return await self._session.browse_next(
            ua.BrowseNextParameters(ReleaseContinuationPoints=release, ContinuationPoints=points)
        )

    def _children(self, result: ua.BrowseResult) -> list[Child]:
        return [
            Child(
                node,
                str(one.BrowseName.Name or ""),
                one.NodeClass == ua.NodeClass.Variable,
                one.ReferenceTypeId == _HAS_PROPERTY,
            )
            for one in result.References or ()
            if (node := self._local(one.NodeId)) is not None
        ]

    def _local(self, node: ua.NodeId) -> ua.NodeId | None:
        """Take the id out of an expanded one, which equals no other; None: it lives on another server."""
        if not isinstance(node, ua.ExpandedNodeId):
            return node
        if node.ServerIndex:
            return None
        index = int(node.NamespaceIndex)
        if node.NamespaceUri in self.calls.namespaces:
            index = self.calls.namespaces.index(node.NamespaceUri)
        return ua.NodeId(node.Identifier, ua.Int16(index), node.NodeIdType)

    async def _keep_channel(self) -> None:
        """Renew the keys in time; here, for a walk has no task beside it that could."""
        now = asyncio.get_running_loop().time()
        if now - self._keyed > self._client.secure_channel_timeout / 1000 * RENEW_AT:
            self._keyed = now
            await self._client.open_secure_channel(renew=True)


def write_node(node: ua.NodeId, namespaces: Sequence[str]) -> str:
    """Write a node id so that it survives the next restart: `nsu=urn:plant:boiler;s=Steam`."""
    kind = _LETTERS.get(node.NodeIdType, "i")
    identifier = (
        b64encode(node.Identifier).decode() if isinstance(node.Identifier, bytes) else node.Identifier
    )
    index = node.NamespaceIndex
    if index == 0:  # the standard's own, wherever
        return f"{kind}={identifier}"
    if index >= len(namespaces):
        return f"ns={index};{kind}={identifier}"
    return f"nsu={namespaces[index].translate(_ESCAPES)};{kind}={identifier}"


def attribute(node: ua.NodeId, which: AttributeIds = AttributeIds.Value) -> ua.ReadValueId:
    """Name an attribute of a node to read."""
    return ua.ReadValueId(NodeId=node, AttributeId=which)


def content(data: ua.DataValue) -> object:
    """Give what a value holds; None if it is none."""
    return None if data.Value is None else data.Value.Value


def _below(node: ua.NodeId) -> ua.BrowseDescription:
    return ua.BrowseDescription(
        NodeId=node,
        BrowseDirection=ua.BrowseDirection.Forward,
        ReferenceTypeId=_HIERARCHY,
        IncludeSubtypes=True,
        NodeClassMask=ua.UInt32(ua.NodeClass.Object | ua.NodeClass.Variable),
        ResultMask=ua.UInt32(ua.BrowseResultMask.All),
    )


def _ran_out_of_points(result: ua.BrowseResult) -> bool:
    return int(result.StatusCode.value) == StatusCodes.BadNoContinuationPoints


def _goes_on(result: ua.BrowseResult) -> bool:
    return bool(result.ContinuationPoint)
