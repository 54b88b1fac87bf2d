"""A server's address space, asked for in portions that the server can take.

Rules for whoever changes this file: one request at a time, none larger than the operation limits of
the server (OPC 10000-5, 6.3.11), and where a server keeps its limits to itself, smaller ones as soon
as it complains (telegraf#19609); a continuation point that is not followed to its end is given back,
for servers have few; a namespace is told by its URI, because its index moves with a restart
(node-red-contrib-opcua#478). Only Read, Browse and BrowseNext are called.
"""

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError

from agent.sources.opcua.connection import FAILURES

_T = TypeVar("_T")
_R = TypeVar("_R")

READS: Final = 500  # attributes in one request to a server that names no limit
BROWSES: Final = 50  # nodes in one request, likewise
_REFERENCES: Final = 500  # of one node in one answer; the rest is fetched in further ones
_RENEW_AT: Final = 0.75  # of the channel's lifetime (OPC 10000-4, 5.6.2)
_TOO_MUCH: Final = (
    StatusCodes.BadTooManyOperations,
    StatusCodes.BadResponseTooLarge,
    StatusCodes.BadRequestTooLarge,
    StatusCodes.BadEncodingLimitsExceeded,
)
_ESCAPES: Final = str.maketrans({"%": "%25", ";": "%3B"})  # OPC 10000-6, 5.1.12
_HAS_PROPERTY: Final = ua.NodeId(ua.Int32(ObjectIds.HasProperty))
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
    """The address space of one server, over one session."""

    def __init__(self, client: Client, namespaces: list[str], reads: int, browses: int) -> None:
        """See `open`; `reads` and `browses`: how many operations one request may hold."""
        self._client = client
        self._session = client.uaclient.session
        self.namespaces = namespaces
        self._reads = reads
        self._browses = browses
        self._keyed = asyncio.get_running_loop().time()

    @classmethod
    async def open(cls, client: Client) -> Self:
        """Read what the server says of itself: its namespaces and how much it takes at a time."""
        facts = [
            ObjectIds.Server_NamespaceArray,
            ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
            ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
        ]
        space = cls(client, [], 1, BROWSES)
        answers = await space.read([value_of(ua.NodeId(ua.Int32(fact))) for fact in facts])
        names, reads, browses = [None if data.Value is None else data.Value.Value for data in answers]
        space.namespaces = [str(name) for name in names] if isinstance(names, list) else []
        space._reads = _at_most(reads, READS)
        space._browses = _at_most(browses, BROWSES)
        return space

    def place(self, node: ua.NodeId) -> str:
        """Write a node id so that it survives the next restart: `nsu=urn:plant:boiler;s=Steam`."""
        kind = _LETTERS.get(node.NodeIdType, "i")
        identifier = (
            b64encode(node.Identifier).decode()
            if isinstance(node.Identifier, bytes)
            else str(node.Identifier)
        )
        index = node.NamespaceIndex
        if index == 0:
            return f"{kind}={identifier}"
        if index >= len(self.namespaces):
            return f"ns={index};{kind}={identifier}"
        return f"nsu={self.namespaces[index].translate(_ESCAPES)};{kind}={identifier}"

    async def read(self, wanted: Sequence[ua.ReadValueId], *, max_age: float = 0) -> list[ua.DataValue]:
        """Read attributes, in order.

        Args:
            wanted: of any number of nodes.
            max_age: milliseconds; how old a value may be that the server has at hand. Zero: it asks the device.
        """

        async def ask(portion: Sequence[ua.ReadValueId]) -> list[ua.DataValue]:
            parameters = ua.ReadParameters(
                MaxAge=max_age, TimestampsToReturn=ua.TimestampsToReturn.Both, NodesToRead=list(portion)
            )
            return await self._session.read(parameters)

        answers: list[ua.DataValue] = []
        for at in range(0, len(wanted), self._reads):
            answers += await self._portioned(wanted[at : at + self._reads], ask)
        return answers

    async def children(self, nodes: Sequence[ua.NodeId]) -> AsyncGenerator[tuple[int, Child], None]:
        """Give the objects and variables below each node, with the node's place in `nodes`.

        A node that the server does not let us look into has none. Close the iterator (`aclosing`).
        """
        for at in range(0, len(nodes), self._browses):
            portion = nodes[at : at + self._browses]
            results = await self._portioned([_forward(node) for node in portion], self._browse)
            again = [one for one, result in enumerate(results) if _ran_out(result)]
            async with aclosing(self._pages(results)) as found:
                async for one, child in found:
                    yield at + one, child
            for one in again:  # the others have given their continuation points back by now
                async with aclosing(self._pages(await self._browse([_forward(portion[one])]))) as found:
                    async for _, child in found:
                        yield at + one, child

    async def _browse(self, portion: Sequence[ua.BrowseDescription]) -> list[ua.BrowseResult]:
        return await self._session.browse(
            ua.BrowseParameters(
                View=ua.ViewDescription(),
                RequestedMaxReferencesPerNode=_REFERENCES,
                NodesToBrowse=list(portion),
            )
        )

    async def _pages(self, results: list[ua.BrowseResult]) -> AsyncGenerator[tuple[int, Child], None]:
        """Give all that the results hold, and what they left for later."""
        waiting = {one: result.ContinuationPoint for one, result in enumerate(results) if _goes_on(result)}
        try:
            for one, result in enumerate(results):
                for child in self._children(result):
                    yield one, child
                while one in waiting:
                    await self._keep_channel()
                    parameters = ua.BrowseNextParameters(ContinuationPoints=[waiting[one]])
                    (page,) = await self._session.browse_next(parameters)
                    del waiting[one]
                    if _goes_on(page):
                        waiting[one] = page.ContinuationPoint
                    for child in self._children(page):
                        yield one, child
        finally:
            if waiting:
                await self._release(list(waiting.values()))

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
        if node.NamespaceUri in self.namespaces:
            index = self.namespaces.index(node.NamespaceUri)
        return ua.NodeId(node.Identifier, ua.Int16(index), node.NodeIdType)

    async def _release(self, points: list[bytes]) -> None:
        with suppress(*FAILURES):  # the connection may be why we stop
            await self._session.browse_next(
                ua.BrowseNextParameters(ReleaseContinuationPoints=True, ContinuationPoints=points)
            )

    async def _portioned(
        self, portion: Sequence[_T], ask: Callable[[Sequence[_T]], Awaitable[list[_R]]]
    ) -> list[_R]:
        """Ask; where that was too much at once, ask for each half."""
        await self._keep_channel()
        try:
            return await ask(portion)
        except UaStatusCodeError as error:
            if error.code not in _TOO_MUCH or len(portion) == 1:
                raise
        middle = len(portion) // 2
        return [
            *await self._portioned(portion[:middle], ask),
            *await self._portioned(portion[middle:], ask),
        ]

    async def _keep_channel(self) -> None:
        """Renew the keys in time; here, for a walk has no task beside it that could."""
        now = asyncio.get_running_loop().time()
        if now - self._keyed > self._client.secure_channel_timeout / 1000 * _RENEW_AT:
            self._keyed = now
            await self._client.open_secure_channel(renew=True)


def value_of(node: ua.NodeId, attribute: AttributeIds = AttributeIds.Value) -> ua.ReadValueId:
    """Name an attribute of a node, its value unless another is meant."""
    return ua.ReadValueId(NodeId=node, AttributeId=attribute)


def _at_most(limit: object, ours: int) -> int:
    """Zero or nothing: the server names no limit."""
    return min(limit, ours) if isinstance(limit, int) and limit > 0 else ours


def _forward(node: ua.NodeId) -> ua.BrowseDescription:
    return ua.BrowseDescription(
        NodeId=node,
        BrowseDirection=ua.BrowseDirection.Forward,
        ReferenceTypeId=ua.NodeId(ua.Int32(ObjectIds.HierarchicalReferences)),
        IncludeSubtypes=True,
        NodeClassMask=ua.NodeClass.Object | ua.NodeClass.Variable,
        ResultMask=ua.BrowseResultMask.All,
    )


def _ran_out(result: ua.BrowseResult) -> bool:
    return int(result.StatusCode.value) == StatusCodes.BadNoContinuationPoints


def _goes_on(result: ua.BrowseResult) -> bool:
    return bool(result.ContinuationPoint)
