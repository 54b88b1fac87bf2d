"""Writing one value to one variable, once; and reading one now. Imported only where a tag says `write`.

Each write looks at the variable first: where its path leads, whether this user may write it, its type.
Nothing of that is kept, for a program that is loaded into the PLC changes it while the session goes on,
and a right that was granted counts at once.

Rules for whoever changes this file: one WriteRequest for each call of `write`, with one value, and none
is ever repeated. Only what says that nothing was done is a refusal; whatever leaves it open is uncertain.
The value goes without a status and without stamps, which many servers refuse (Bad_WriteNotSupported) and
asyncua's DataValue has by itself (seen with 2.1.0).
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Final

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError

from agent.clock import Clock
from agent.errors import SourceError
from agent.model import SECOND, Reading, Value, bad
from agent.sources.opcua.calls import UNDECODABLE, Calls
from agent.sources.opcua.config import OpcUaSource
from agent.sources.opcua.discovery import FAILURES
from agent.sources.opcua.refusals import explain
from agent.sources.opcua.resolving import resolve_all
from agent.sources.opcua.values import NAME_BITS, status_reason, to_reading
from agent.sources.opcua.variants import DESCRIBED_BY, to_variant, type_of
from agent.sources.writing import LastWord, WriteRefused, WriteUncertain, unopposed

_GOOD, _UNCERTAIN = 0, 1
_GRANT: Final = "allow the user of this source to write this variable at the server"
_REMEDIES: Final = {
    StatusCodes.BadNodeIdUnknown: "check the node id in the configuration against the server's tree",
    StatusCodes.BadNodeIdInvalid: "check the node id in the configuration against the server's tree",
    StatusCodes.BadAttributeIdInvalid: "the node is an object or a folder: name one of its variables",
    StatusCodes.BadUserAccessDenied: _GRANT,
    StatusCodes.BadNotWritable: "make this variable writable at the server",
    StatusCodes.BadWriteNotSupported: _GRANT,
    StatusCodes.BadTypeMismatch: "its type has changed, or is not the one that the server tells: see the server's own tool",
    StatusCodes.BadOutOfRange: "the server takes no such value: write a min and max within its own limits",
    StatusCodes.BadNotConnected: "check the server's own connection to the device",
    StatusCodes.BadNoCommunication: "check the server's own connection to the device",
    StatusCodes.BadOutOfService: "the variable is out of service at the server",
    StatusCodes.BadInvalidState: "the machine is not in a state to take it: see its mode of operation",
    StatusCodes.BadLocked: "somebody else holds the machine: see who works at it",
    StatusCodes.BadServiceUnsupported: "the server takes no writes at all",
}
# Of one value: the server handed it on, and does not know what became of it.
_IN_DOUBT: Final = {
    StatusCodes.BadCommunicationError,
    StatusCodes.BadConnectionClosed,
    StatusCodes.BadDeviceFailure,
    StatusCodes.BadInternalError,
    StatusCodes.BadOperationAbandoned,
    StatusCodes.BadRequestCancelledByClient,
    StatusCodes.BadRequestCancelledByRequest,
    StatusCodes.BadRequestInterrupted,
    StatusCodes.BadRequestNotComplete,
    StatusCodes.BadRequestTimeout,
    StatusCodes.BadServerNotConnected,
    StatusCodes.BadShutdown,
    StatusCodes.BadTimeout,
    StatusCodes.BadUnexpectedError,
    StatusCodes.BadUnknownResponse,
    StatusCodes.BadWaitingForResponse,
}
# Of the whole request: the server did not begin. All others may come from a connection that breaks.
_UNTOUCHED: Final = {
    StatusCodes.BadNotImplemented,
    StatusCodes.BadNotSupported,
    StatusCodes.BadNotWritable,
    StatusCodes.BadServerTooBusy,
    StatusCodes.BadServiceUnsupported,
    StatusCodes.BadSessionIdInvalid,
    StatusCodes.BadSessionNotActivated,
    StatusCodes.BadTooManyOperations,
    StatusCodes.BadUserAccessDenied,
    StatusCodes.BadWriteNotSupported,
}


class OpcUaWriter:
    """What a connected session lends; see `agent.sources.writing.Writer`."""

    def __init__(self, config: OpcUaSource, session: UaSession, calls: Calls, clock: Clock) -> None:
        self._config = config
        self._session = session
        self._calls = calls
        self._clock = clock
        self._patience = config.timeout / SECOND

    async def read(self, tag: str) -> Reading:
        """Ask the server for the tag now, for no longer than `timeout`; what comes is judged as every value is."""
        try:
            async with asyncio.timeout(self._patience):
                node = await self._find(tag)
                (data,) = await self._calls.read([_attribute(node, AttributeIds.Value)])
        except FAILURES as error:
            return bad(tag, self._clock.monotonic(), explain(error, self._config))
        except SourceError as error:
            return bad(tag, self._clock.monotonic(), str(error))
        section = self._config.tags[tag]
        received = self._clock.monotonic()
        return section.believed(to_reading(tag, data, received, baseline=False, index=section.index))

    async def write(self, tag: str, value: Value, last_word: LastWord = unopposed) -> None:
        """Write one value, once; `timeout` bounds what is asked before, and then the answer.

        Raises:
            WriteRefused: nothing was sent, or the server says no.
            WriteUncertain: it was sent, and nobody says what became of it.
        """
        async with AsyncExitStack() as turn:
            try:
                async with asyncio.timeout(self._patience):
                    request = await self._prepare(tag, value)
                    await turn.enter_async_context(self._calls.turn)
            except FAILURES as error:
                raise WriteRefused(f"nothing was sent: {explain(error, self._config)}") from error
            except SourceError as error:
                raise WriteRefused(f"nothing was sent: {error}") from error
            last_word()
            await self._send(request)

    async def _find(self, tag: str) -> ua.NodeId:
        """Find the node of a tag; the namespaces are those of the connect, as long as the session lasts.

        Raises:
            SourceError: there is none; the message says why.
        """
        if (section := self._config.tags.get(tag)) is None:
            raise SourceError("the source has no such tag: check the configuration")
        node = (await resolve_all(self._calls, {0: section}))[0]
        if isinstance(node, str):
            raise SourceError(node)
        return node

    async def _prepare(self, tag: str, value: Value) -> ua.WriteParameters:
        """Make the request; nothing else than it is left to be sent."""
        grant = self._config.writes().get(tag)
        if grant is None:
            raise WriteRefused("the tag says no `write`: add it, with min and max")
        node = await self._find(tag)
        answers = await self._calls.read([_attribute(node, which) for which in DESCRIBED_BY])
        variant = to_variant(value, type_of(answers), grant)
        plain = ua.DataValue(variant, StatusCode=None)
        return ua.WriteParameters(
            [ua.WriteValue(NodeId=node, AttributeId=ua.IntegerId(AttributeIds.Value), Value=plain)]
        )

    async def _send(self, request: ua.WriteParameters) -> None:
        try:
            async with asyncio.timeout(self._patience):
                results = await self._session.write(request)
        except UaStatusCodeError as error:
            if error.code & NAME_BITS in _UNTOUCHED:
                raise WriteRefused(_refusal(error.code)) from error
            raise WriteUncertain(_doubt(status_reason(error.code, _REMEDIES))) from error
        except OSError as error:
            raise WriteUncertain(_doubt(explain(error, self._config))) from error
        except UNDECODABLE as error:
            raise WriteUncertain(
                _doubt("this agent cannot decode the server's answer: see its log")
            ) from error
        if len(results) != 1:
            raise WriteUncertain(_doubt(f"the server gave {len(results)} answers to one write: see its log"))
        _judge(int(results[0].value))


def _judge(code: int) -> None:
    """Tell what the server says of the one value.

    Raises:
        WriteRefused: it says no.
        WriteUncertain: it does not know, or has yet to do it.
    """
    severity, name = code >> 30, code & NAME_BITS
    if name == StatusCodes.GoodCompletesAsynchronously:
        raise WriteUncertain(
            "GoodCompletesAsynchronously: the server took the value, and passes it on to the device later: read "
            "the tag in a while"
        )
    if severity == _GOOD:
        return
    if severity == _UNCERTAIN or name in _IN_DOUBT:
        raise WriteUncertain(_doubt(status_reason(code, _REMEDIES)))
    raise WriteRefused(_refusal(code))


def _refusal(code: int) -> str:
    return f"the server refuses to write it, {status_reason(code, _REMEDIES)}"


def _doubt(why: str) -> str:
    return f"it was sent, and may have been written: {why}; read the tag to see what is there"


def _attribute(node: ua.NodeId, which: AttributeIds) -> ua.ReadValueId:
    return ua.ReadValueId(NodeId=node, AttributeId=which)
