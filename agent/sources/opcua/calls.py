"""What is asked of a server in a session: never more in one call than it allows, one call at a time.

An S7-1500 counts what is in flight over all calls together (EPICS opcua#201), and a server that is
asked for more than its limits refuses the whole call (telegraf#11455, #19609). Its limits are read at
each connect; one that names none and refuses all the same is asked for half, until it answers.

Rules for whoever changes this file: every service goes through `_in_chunks`, but for the one that writes,
which takes its `turn` in `writing`; the one request that is always open beside it is asyncua's own Publish.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Self, TypeVar, cast

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from agent.errors import SourceError

Question = TypeVar("Question")
Answer = TypeVar("Answer")

_READ: Final = "Read"
_MONITOR: Final = "monitor"
_TRANSLATE: Final = "translate"
_LIMITS: Final = {
    _READ: ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    _MONITOR: ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
    _TRANSLATE: (
        ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds
    ),
}
_MOST: Final = 1000  # in one call to a server that names no limit: decoding more holds up the loop
_TOO_MUCH: Final = {
    StatusCodes.BadTooManyOperations,
    StatusCodes.BadEncodingLimitsExceeded,
    StatusCodes.BadRequestTooLarge,
    StatusCodes.BadResponseTooLarge,
}
_OF_ONE_VALUE: Final = {
    StatusCodes.BadInternalError,  # what asyncua's server and others say of a value that they cannot encode
    StatusCodes.BadUnexpectedError,
    StatusCodes.BadEncodingError,
}
_MOST_FAILED: Final = 20  # values in one reading; with more, it is the server that fails
UNDECODABLE: Final = (
    UaError,
    struct.error,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
)
"""What asyncua's decoder raises: it has no exception of its own."""

_HIERARCHY: Final = ua.NodeId(ua.Int32(ObjectIds.HierarchicalReferences))


class Calls:
    """The services of an active session; made by `of`.

    Attributes:
        namespaces: the server's, by index, as of the last `refresh`.
        turn: held by whoever asks something.
    """

    def __init__(self, session: UaSession) -> None:
        self.namespaces: list[str] = []
        self.turn = asyncio.Lock()
        self._session = session
        self._limits = dict.fromkeys(_LIMITS, _MOST)

    @classmethod
    async def of(cls, session: UaSession) -> Self:
        """Read what the server says of itself."""
        calls = cls(session)
        limits = [_value_of(ua.NodeId(ua.Int32(number))) for number in _LIMITS.values()]
        for service, data in zip(_LIMITS, await calls.read(limits), strict=True):
            content = _content(data)
            # Zero, or no such node: no limit (OPC 10000-5, 6.3.11).
            calls._limits[service] = min(
                content if isinstance(content, int) and content > 0 else _MOST, _MOST
            )
        await calls.refresh()
        return calls

    async def refresh(self) -> None:
        """Read the namespaces anew."""
        (data,) = await self.read([_value_of(_NAMESPACES)])
        content = _content(data)
        self.namespaces = [str(text) for text in content] if isinstance(content, list) else []

    async def read(self, values: Sequence[ua.ReadValueId]) -> list[ua.DataValue]:
        """Read them, as fresh as the server can give them (a MaxAge of 0); BadDecodingError: what nobody can decode.

        One value that the server cannot encode, or asyncua cannot decode, costs the whole answer, so the
        others are asked for without it.
        """
        failed = 0

        async def ask(chunk: list[ua.ReadValueId]) -> list[ua.DataValue]:
            nonlocal failed
            parameters = ua.ReadParameters(TimestampsToReturn=ua.TimestampsToReturn.Both, NodesToRead=chunk)
            code = StatusCodes.BadDecodingError
            try:
                return await self._session.read(parameters)
            except UaStatusCodeError as error:
                if error.code not in _OF_ONE_VALUE or failed == _MOST_FAILED:
                    raise
                code = error.code
                failed += len(chunk) == 1
            except UNDECODABLE:
                pass
            if len(chunk) == 1:
                return [ua.DataValue(None, ua.StatusCode(ua.UInt32(code)))]
            half = len(chunk) // 2
            return [*await ask(chunk[:half]), *await ask(chunk[half:])]

        return await self._in_chunks(_READ, values, ask)

    async def gives_alone(self, elements: Sequence[tuple[ua.NodeId, int]]) -> list[bool]:
        """Tell for each element of an array, by its node and index, whether the server gives it without the others.

        Some servers send all of the array though one element is asked for, of some nodes or of all: then
        an array of one element looks like the one that was asked for. So it is seen at an array of more.
        """
        nodes = list({node for node, _ in elements})
        alone = [_value_of(node, str(index)) for node, index in elements]
        lengths = [_length(data) for data in await self.read([*alone, *map(_value_of, nodes)])]
        whole = dict(zip(nodes, lengths[len(alone) :], strict=True))
        return [
            length == 1 < whole[node]
            for (node, _), length in zip(elements, lengths[: len(alone)], strict=True)
        ]

    async def children(self, steps: Sequence[tuple[ua.NodeId, ua.QualifiedName]]) -> list[list[ua.NodeId]]:
        """Find the nodes right below each node that have the browse name."""

        async def ask(chunk: list[ua.BrowsePath]) -> list[ua.BrowsePathResult]:
            return await self._session.translate_browsepaths_to_nodeids(chunk)

        results = await self._in_chunks(_TRANSLATE, [_step(node, name) for node, name in steps], ask)
        return [
            [
                ua.NodeId(target.TargetId.Identifier, target.TargetId.NamespaceIndex)
                for target in result.Targets or ()
                if not getattr(
                    target.TargetId, "ServerIndex", 0
                )  # asyncua gives a plain NodeId where there is none
            ]
            if result.StatusCode.is_good()
            else []
            for result in results
        ]

    async def monitor(
        self, subscription: int, items: Sequence[ua.MonitoredItemCreateRequest]
    ) -> list[ua.MonitoredItemCreateResult]:
        """Create monitored items."""

        async def ask(chunk: list[ua.MonitoredItemCreateRequest]) -> list[ua.MonitoredItemCreateResult]:
            parameters = ua.CreateMonitoredItemsParameters(
                SubscriptionId=ua.IntegerId(subscription),
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=chunk,
            )
            return await self._session.create_monitored_items(parameters)

        return await self._in_chunks(_MONITOR, items, ask)

    async def forget(self, subscription: int, items: Sequence[int]) -> None:
        """Delete monitored items; one that the server knows no more is none."""

        async def ask(chunk: list[int]) -> list[ua.StatusCode]:
            parameters = ua.DeleteMonitoredItemsParameters(
                SubscriptionId=ua.IntegerId(subscription),
                MonitoredItemIds=[ua.IntegerId(one) for one in chunk],
            )
            return await self._session.delete_monitored_items(parameters)

        await self._in_chunks(_MONITOR, items, ask)

    async def _in_chunks(
        self,
        service: str,
        questions: Sequence[Question],
        ask: Callable[[list[Question]], Awaitable[list[Answer]]],
    ) -> list[Answer]:
        """Ask all of it, in calls that the server takes.

        Raises:
            SourceError: the server answers something else than it was asked.
        """
        answers: list[Answer] = []
        async with self.turn:
            while len(answers) < len(questions):
                chunk = list(questions[len(answers) : len(answers) + self._limits[service]])
                try:
                    found = await ask(chunk)
                except UaStatusCodeError as error:
                    if error.code not in _TOO_MUCH or len(chunk) == 1:
                        raise
                    self._limits[service] = len(chunk) // 2
                    continue
                if len(found) != len(chunk):
                    raise SourceError(
                        f"the server gave {len(found)} answers to {len(chunk)} questions: see its log"
                    )
                answers += found
        return answers


_NAMESPACES: Final = ua.NodeId(ua.Int32(ObjectIds.Server_NamespaceArray))


def _value_of(node: ua.NodeId, index_range: str | None = None) -> ua.ReadValueId:
    return ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value, IndexRange=index_range)


def _content(data: ua.DataValue) -> object:
    return None if data.Value is None else data.Value.Value


def _length(data: ua.DataValue) -> int:
    content = _content(data)
    return len(content) if isinstance(content, list) else 0


def _step(node: ua.NodeId, name: ua.QualifiedName) -> ua.BrowsePath:
    element = ua.RelativePathElement(ReferenceTypeId=_HIERARCHY, TargetName=name)
    element.IsInverse, element.IncludeSubtypes = cast("ua.Boolean", False), cast("ua.Boolean", True)
    return ua.BrowsePath(StartingNode=node, RelativePath=ua.RelativePath(Elements=[element]))
