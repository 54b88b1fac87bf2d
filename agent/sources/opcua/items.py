"""What the server was asked to watch: one monitored item for each tag, each accepted or refused alone.

A tag that the server will not watch, though it may be read, is read on a timer instead.

Rules for whoever changes this file: an item that is missing is asked for again on a timer, with its
node looked up anew, for a PLC often answers before its program runs (telegraf#19186: one such node ended
all of them); so is one that was accepted and never sent a value. Nothing here runs in two tasks at once
but `poll` beside one of the others.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError

from agent.clock import Clock
from agent.config.fields import format_duration
from agent.model import MILLISECOND, Reading
from agent.sources.opcua.calls import Calls
from agent.sources.opcua.config import OpcUaSource
from agent.sources.opcua.resolving import resolve_all
from agent.sources.opcua.standing import Standing
from agent.sources.opcua.subscription import NONE_TAKEN, Subscription
from agent.sources.opcua.values import is_undecodable, status_reason

_log: Final = logging.getLogger(__name__)

_MOST_DOUBLINGS: Final = 6  # of the wait for a first value: a quarter of an hour
_NO_DEADBAND: Final = {
    StatusCodes.BadMonitoredItemFilterUnsupported,
    StatusCodes.BadMonitoredItemFilterInvalid,
    StatusCodes.BadFilterNotAllowed,
    StatusCodes.BadDeadbandFilterInvalid,
}


class Items:
    """The items of one session.

    Attributes:
        cyclic: the nodes that are read on a timer, by handle.
    """

    def __init__(
        self,
        name: str,
        config: OpcUaSource,
        calls: Calls,
        subscription: Subscription | None,
        clock: Clock,
    ) -> None:
        self.cyclic: dict[int, ua.NodeId] = {}
        self._name = name
        self._config = config
        self._calls = calls
        self._subscription = subscription
        self._clock = clock
        self._standing = Standing(name, config)
        self._nodes: dict[int, ua.NodeId] = {}
        self._server_ids: dict[int, int] = {}
        self._undecodable: set[int] = set()
        self._expected: dict[int, int] = {}  # since when the first value of an accepted item is waited for
        self._tries: dict[int, int] = {}  # how often an item was given up

    async def begin(self) -> list[Reading]:
        """Ask for all tags; give a bad reading for each that is refused."""
        tags = self._standing.tags
        refused = await self._ask_for(range(len(tags)))
        self._standing.count()
        if refused:
            _log.warning(
                "%s: %d of %d tags were refused by the server, such as %s: %s",
                self._name,
                len(refused),
                len(tags),
                refused[0].tag,
                refused[0].reason,
            )
        return refused

    async def retry(self) -> list[Reading]:
        """Ask again for those that are missing; give a bad reading where the reason is another one now.

        Not for those that were accepted a while ago: their first values may be on the way.
        """
        self._undecodable = await self._find_undecodable(self._undecodable)
        if not (wanted := list(self._standing.missing.keys() - self._undecodable - self._expected.keys())):
            return []
        known = set(self._standing.missing.values())
        if self._subscription is not None:
            await self._forget(self._subscription, wanted)
        for handle in wanted:
            self.cyclic.pop(handle, None)
            self._standing.begin_anew(handle)
        await self._calls.refresh()
        return [reading for reading in await self._ask_for(wanted) if reading.reason not in known]

    @property
    def broken(self) -> bool:
        """A message with values is missing."""
        return self._subscription is not None and self._subscription.continuity.broken

    async def make_up(self) -> list[Reading]:
        """Ask for all that is watched anew, after a message that was lost, or that nobody could decode.

        An item that is new sends the value that there is. What cannot be decoded is left out: it would
        cost the others their values again. Give a bad reading for each of these, and of what is refused.
        """
        if self._subscription is None:
            return []
        self._subscription.continuity.broken = False
        _log.warning(
            "%s: a message of the server was lost, or could not be decoded: all tags are asked for anew; where that stays, see its log",
            self._name,
        )
        self._standing.note_message_lost()
        handles = list(self._server_ids)
        spoilt = await self._find_undecodable(handles)
        self._undecodable |= spoilt
        reason = status_reason(StatusCodes.BadDecodingError)
        readings = [self._standing.mark(handle, reason, self._clock.monotonic()) for handle in spoilt]
        await self._forget(self._subscription, handles)
        for handle in handles:
            self._standing.begin_anew(handle)
            self._expected.pop(handle, None)
        rest = {handle: self._nodes[handle] for handle in handles if handle not in spoilt}
        readings += await self._watch(self._subscription, rest)
        self._standing.count()
        return readings

    async def _find_undecodable(self, handles: Iterable[int]) -> set[int]:
        asked = list(handles)
        answers = await self._calls.read([self._value_of(each, self._nodes[each]) for each in asked])
        return {each for each, data in zip(asked, answers, strict=True) if is_undecodable(data)}

    async def _forget(self, subscription: Subscription, handles: Iterable[int]) -> None:
        known = [self._server_ids.pop(handle) for handle in handles if handle in self._server_ids]
        await self._calls.forget(subscription.number, known)

    def late(self, within: int) -> list[Reading]:
        """Give up on items that were accepted and sent no value for `within` nanoseconds; until a `retry`.

        Each time it is twice as long: a server that is only slow would be asked anew before it comes to answer.
        """
        now = self._clock.monotonic()
        late = [
            handle
            for handle, since in self._expected.items()
            if now - since >= within << min(self._tries.get(handle, 0), _MOST_DOUBLINGS)
        ]
        readings: list[Reading] = []
        for handle in late:
            del self._expected[handle]
            self._tries[handle] = self._tries.get(handle, 0) + 1
            if handle in self._standing.missing:
                continue  # it was told
            tag, section = self._standing.tags[handle]
            reason = (
                f"the server accepted {section.place} and has sent no value for {format_duration(within)}: "
                "it is asked for anew; see whether the device behind the server delivers"
            )
            _log.warning("%s: tag %s: %s", self._name, tag, reason)
            readings.append(self._standing.mark(handle, reason, now))
        self._standing.count()
        return readings

    def read(self, change: ua.DataChangeNotification, received: int) -> list[Reading]:
        """Turn a notification into readings, and note which nodes are gone."""
        readings: list[Reading] = []
        for item in change.MonitoredItems:
            if item.ClientHandle < len(self._standing.tags):  # a server may make mistakes
                self._expected.pop(item.ClientHandle, None)
                self._tries.pop(item.ClientHandle, None)
                readings.append(self._standing.read(item.ClientHandle, item.Value, received))
        return readings

    async def poll(self) -> list[Reading]:
        """Read what is not watched."""
        nodes = list(self.cyclic.items())
        answers = await self._calls.read([self._value_of(handle, node) for handle, node in nodes])
        received = self._clock.monotonic()
        return [
            self._standing.read(handle, data, received)
            for (handle, _), data in zip(nodes, answers, strict=True)
        ]

    async def _ask_for(self, handles: Iterable[int]) -> list[Reading]:
        """Find the nodes and have them watched, or read; give bad readings for the rest."""
        tags = {handle: self._standing.tags[handle][1] for handle in handles}
        refused: list[Reading] = []
        nodes: dict[int, ua.NodeId] = {}
        for handle, node in (await resolve_all(self._calls, tags)).items():
            if isinstance(node, str):
                refused.append(self._standing.mark(handle, node, self._clock.monotonic()))
            else:
                nodes[handle] = node
        self._nodes |= nodes
        await self._look_at_arrays(nodes)
        if self._subscription is None:
            self.cyclic |= nodes
            return refused
        return refused + await self._watch(self._subscription, nodes)

    async def _look_at_arrays(self, nodes: Mapping[int, ua.NodeId]) -> None:
        """Find out which elements can be asked for without the rest of their arrays."""
        self._standing.cut -= nodes.keys()
        elements = {
            handle: (node, index)
            for handle, node in nodes.items()
            if (index := self._standing.tags[handle][1].index) is not None
        }
        alone = await self._calls.gives_alone(list(elements.values()))
        self._standing.cut |= {handle for handle, given in zip(elements, alone, strict=True) if given}

    async def _watch(
        self, subscription: Subscription, nodes: Mapping[int, ua.NodeId], *, plainly: bool = False
    ) -> list[Reading]:
        """Create the items; `plainly`: without deadbands."""
        requests = [self._item(handle, node, plainly=plainly) for handle, node in nodes.items()]
        try:
            results = await self._calls.monitor(subscription.number, requests)
        except UaStatusCodeError as error:
            if error.code not in NONE_TAKEN:
                raise
            self._read_instead(nodes, error.code)
            return []
        refused: list[Reading] = []
        unfiltered: dict[int, ua.NodeId] = {}
        unwatched: dict[int, ua.NodeId] = {}
        code = 0
        for (handle, node), result in zip(nodes.items(), results, strict=True):
            tag, section = self._standing.tags[handle]
            if result.StatusCode.is_good():
                self._standing.note_accepted(handle, result)
                self._server_ids[handle] = result.MonitoredItemId
                self._expected[handle] = self._clock.monotonic()
            elif result.StatusCode.value in _NO_DEADBAND and section.deadband is not None and not plainly:
                unfiltered[handle] = node
                _log.info("%s: the server has no deadband for tag %s: it sends every change", self._name, tag)
            elif result.StatusCode.value in NONE_TAKEN:
                unwatched[handle] = node
                code = result.StatusCode.value
            else:
                reason = f"{section.place} was refused, {status_reason(result.StatusCode.value)}"
                refused.append(self._standing.mark(handle, reason, self._clock.monotonic()))
        if unwatched:
            self._read_instead(unwatched, code)
        return refused + (await self._watch(subscription, unfiltered, plainly=True) if unfiltered else [])

    def _read_instead(self, nodes: Mapping[int, ua.NodeId], code: int) -> None:
        _log.warning(
            "%s: the server will not watch %d of %d tags, %s; they are read every %s instead",
            self._name,
            len(nodes),
            len(self._standing.tags),
            status_reason(code),
            format_duration(self._config.sample_every),
        )
        self.cyclic |= nodes

    def _item(self, handle: int, node: ua.NodeId, *, plainly: bool) -> ua.MonitoredItemCreateRequest:
        parameters = ua.MonitoringParameters(
            ClientHandle=ua.IntegerId(handle),
            SamplingInterval=self._config.sample_every / MILLISECOND,
            QueueSize=ua.Counter(self._config.server_queue),
        )
        least = self._standing.tags[handle][1].least_change
        if least is not None and not plainly:
            parameters.Filter = ua.DataChangeFilter(
                Trigger=ua.DataChangeTrigger.StatusValue,
                DeadbandType=ua.UInt32(ua.DeadbandType.Absolute),
                DeadbandValue=ua.Double(least),
            )
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=self._value_of(handle, node),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=parameters,
        )

    def _value_of(self, handle: int, node: ua.NodeId) -> ua.ReadValueId:
        index = self._standing.tags[handle][1].index
        cut = str(index) if handle in self._standing.cut else None
        return ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value, IndexRange=cut)
