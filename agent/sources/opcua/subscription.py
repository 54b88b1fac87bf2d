"""The subscription on the server and its items: one for each tag, each accepted or refused alone.

asyncua's `Subscription` is not used: it starts a task for each value, forgets an item that was
refused once, and can lose all of them while it calls itself connected (seen with 2.1.0). The
services are called as they are.

Rules for whoever changes this file: an item that is missing is asked for again on a timer, with its
namespace looked up anew, for a PLC often answers before its program runs; its tag is bad until then.
Nothing is asked of the server beyond its operation limits.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Final

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from agent.metrics import ITEMS_ALIVE
from agent.model import MILLISECOND, SECOND, Reading, bad
from agent.sources.opcua.config import OpcUaSource, split_node
from agent.sources.opcua.values import has_overflowed, is_node_gone, status_reason, to_reading

_log: Final = logging.getLogger(__name__)

_LIFETIME: Final = 60 * SECOND  # how long the server keeps the subscription of a client that is gone
_LEAST_LIFETIME: Final = 3  # keep-alive intervals (OPC 10000-4, 5.14.2)
_PER_PUBLISH: Final = 1000  # values in one message: decoding it holds up the loop
_PER_CALL: Final = 1000  # items in one request to a server that names no limit
_NAMESPACES: Final = ua.NodeId(ua.Int32(ObjectIds.Server_NamespaceArray))
_CALL_LIMIT: Final = ua.NodeId(
    ua.Int32(ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall)
)


async def subscribe(
    session: UaSession, config: OpcUaSource, keep_alive: int, arrived: Callable[[ua.PublishResult], None]
) -> tuple[int, int]:
    """Create the subscription; give its id and the interval of its keep-alives as the server decided.

    Args:
        session: an active session.
        config: how often to publish.
        keep_alive: nanoseconds; the longest silence that is asked for (asyncua's own choice would be
            75 % of the session's timeout: a dead subscription unnoticed for minutes).
        arrived: called with each publish response, keep-alives included; must not raise.
    """
    wanted = _parameters(config.publish_every, keep_alive)
    result = await session.create_subscription(wanted, arrived)
    publish_every = round(result.RevisedPublishingInterval * MILLISECOND)
    if publish_every > config.publish_every and publish_every * result.RevisedMaxKeepAliveCount > keep_alive:
        # The server publishes less often than asked: the same count of cycles would be a longer silence.
        slower = _parameters(publish_every, keep_alive)
        revised = await session.update_subscription(
            ua.ModifySubscriptionParameters(
                SubscriptionId=result.SubscriptionId,
                RequestedPublishingInterval=slower.RequestedPublishingInterval,
                RequestedLifetimeCount=slower.RequestedLifetimeCount,
                RequestedMaxKeepAliveCount=slower.RequestedMaxKeepAliveCount,
                MaxNotificationsPerPublish=_PER_PUBLISH,
            )
        )
        return result.SubscriptionId, round(
            revised.RevisedPublishingInterval * MILLISECOND * revised.RevisedMaxKeepAliveCount
        )
    return result.SubscriptionId, publish_every * result.RevisedMaxKeepAliveCount


def _parameters(publish_every: int, keep_alive: int) -> ua.CreateSubscriptionParameters:
    cycles = max(1, keep_alive // publish_every)
    return ua.CreateSubscriptionParameters(
        RequestedPublishingInterval=publish_every / MILLISECOND,
        RequestedLifetimeCount=max(_LEAST_LIFETIME * cycles, _LIFETIME // publish_every),
        RequestedMaxKeepAliveCount=cycles,
        MaxNotificationsPerPublish=_PER_PUBLISH,
    )


def resolve(node: str, namespaces: list[str]) -> ua.NodeId:
    """Find the node's namespace in the server's array, whose order may change with every restart.

    asyncua would read `nsu=...` as namespace 0.

    Raises:
        LookupError: the server has no such namespace; the message lists those it has.
    """
    namespace, identifier = split_node(node)
    if isinstance(namespace, str):
        if namespace not in namespaces:
            raise LookupError(
                f"the server has no namespace {namespace}; it has {', '.join(namespaces) or 'none'}"
            )
        namespace = namespaces.index(namespace)
    return ua.NodeId.from_string(f"ns={namespace};{identifier}")


class Items:
    """The monitored items of one subscription; an item's client handle is its place among the tags."""

    def __init__(self, session: UaSession, subscription: int, name: str, config: OpcUaSource) -> None:
        self._session = session
        self._subscription = subscription
        self._name = name
        self._config = config
        self._tags = tuple(config.tags.items())
        self._missing: dict[int, str] = {}
        self._server_ids: dict[int, int] = {}
        self._unread = set(range(len(self._tags)))
        self._overflowed: set[int] = set()

    async def create(self, received: int) -> list[Reading]:
        """Ask for all items; give a bad reading for each that is refused."""
        self._missing = await self._request(range(len(self._tags)))
        self._count()
        if self._missing:
            handle, reason = next(iter(self._missing.items()))
            _log.warning(
                "%s: %d of %d tags were refused by the server, such as %s: %s",
                self._name,
                len(self._missing),
                len(self._tags),
                self._tags[handle][0],
                reason,
            )
        return [bad(self._tags[handle][0], received, reason) for handle, reason in self._missing.items()]

    async def retry(self) -> None:
        """Ask again for those that are missing."""
        if not (wanted := list(self._missing)):
            return
        if stale := [self._server_ids.pop(handle) for handle in wanted if handle in self._server_ids]:
            await self._session.delete_monitored_items(
                ua.DeleteMonitoredItemsParameters(SubscriptionId=self._subscription, MonitoredItemIds=stale)
            )
        self._unread.update(wanted)
        refused = await self._request(wanted)
        for handle in wanted:
            if handle not in refused:
                del self._missing[handle]
                _log.info("%s: the server accepts tag %s now", self._name, self._tags[handle][0])
        self._count()

    def read(self, change: ua.DataChangeNotification, received: int) -> list[Reading]:
        """Turn a notification into readings, and note which nodes are gone."""
        return [
            self._read(item.ClientHandle, item.Value, received)
            for item in change.MonitoredItems
            if item.ClientHandle < len(self._tags)  # a server may make mistakes
        ]

    def _read(self, handle: int, data: ua.DataValue, received: int) -> Reading:
        tag, section = self._tags[handle]
        reading = to_reading(tag, data, received, baseline=handle in self._unread)
        if reading.value is not None:
            self._unread.discard(handle)
        if handle in self._missing or is_node_gone(data):
            self._note_presence(handle, gone=is_node_gone(data), reason=reading.reason)
        if has_overflowed(data) and handle not in self._overflowed:
            self._overflowed.add(handle)
            _log.warning(
                "%s: values of tag %s (%s) were lost between two publishes: raise queue_size, or lower publish_every",
                self._name,
                tag,
                section.node,
            )
        return reading

    def _note_presence(self, handle: int, *, gone: bool, reason: str) -> None:
        """A node that vanishes (a program is loaded into the PLC) may leave its item deaf: ask anew."""
        if gone and handle not in self._missing:
            self._missing[handle] = reason
            _log.warning("%s: tag %s is gone from the server: %s", self._name, self._tags[handle][0], reason)
        elif not gone:
            del self._missing[handle]
        self._count()

    def _count(self) -> None:
        ITEMS_ALIVE.labels(self._name).set(len(self._tags) - len(self._missing))

    async def _request(self, handles: Iterable[int]) -> dict[int, str]:
        """Create items; give those that were refused, with the reason."""
        namespaces, limit = await self._facts()
        refused: dict[int, str] = {}
        requests: list[ua.MonitoredItemCreateRequest] = []
        for handle in handles:
            try:
                requests.append(self._item(handle, resolve(self._tags[handle][1].node, namespaces)))
            except LookupError as error:
                refused[handle] = f"{error}: check the node id in the configuration"
        for start in range(0, len(requests), limit):
            chunk = requests[start : start + limit]
            results = await self._session.create_monitored_items(
                ua.CreateMonitoredItemsParameters(
                    SubscriptionId=self._subscription,
                    TimestampsToReturn=ua.TimestampsToReturn.Both,
                    ItemsToCreate=chunk,
                )
            )
            for request, result in zip(chunk, results, strict=True):
                handle = request.RequestedParameters.ClientHandle
                if result.StatusCode.is_good():
                    self._server_ids[handle] = result.MonitoredItemId
                else:
                    node = self._tags[handle][1].node
                    refused[handle] = f"{node} was refused, {status_reason(result.StatusCode.value)}"
        return refused

    def _item(self, handle: int, node: ua.NodeId) -> ua.MonitoredItemCreateRequest:
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=handle,
                SamplingInterval=self._config.sample_every / MILLISECOND,
                QueueSize=self._config.server_queue,
            ),
        )

    async def _facts(self) -> tuple[list[str], int]:
        """Read the server's namespaces and how many items one request may ask for."""
        namespaces, limit = await self._session.read_attributes(
            [_NAMESPACES, _CALL_LIMIT], AttributeIds.Value
        )
        return _texts(namespaces), min(_number(limit) or _PER_CALL, _PER_CALL)


def _texts(data: ua.DataValue) -> list[str]:
    content = None if data.Value is None else data.Value.Value
    return [str(text) for text in content] if isinstance(content, list) else []


def _number(data: ua.DataValue) -> int:
    """Zero, where the server does not say: no limit (OPC 10000-5, 6.3.11)."""
    content = None if data.Value is None else data.Value.Value
    return content if isinstance(content, int) else 0
