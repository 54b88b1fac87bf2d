"""Ways in which servers of other makes are unlike asyncua's, played on the real server while a block lasts."""

import asyncio
import contextlib
from unittest.mock import patch

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import UserRole
from asyncua.server.address_space import AttributeService, ViewService
from asyncua.server.monitored_item_service import MonitoredItemService
from asyncua.server.subscription_service import SubscriptionService

_LIMITS = "Server_ServerCapabilities_OperationLimits_"


def refusing_subscriptions(status: int):
    """Every CreateSubscription is refused."""

    async def refuse(service, *_, **__):
        raise ServiceError(status)

    return patch.object(SubscriptionService, "create_subscription", refuse)


def refusing_items(status: int, *names: str, filtered: bool = False):
    """Monitored items of these nodes are refused; `filtered`: those with a filter alone."""
    original = MonitoredItemService._create_data_change_monitored_item

    async def refuse(service, request):
        wanted = request.ItemToMonitor.NodeId.Identifier in names
        if wanted and (not filtered or request.RequestedParameters.Filter):
            return ua.MonitoredItemCreateResult(StatusCode=ua.StatusCode(status))
        return await original(service, request)

    return patch.object(MonitoredItemService, "_create_data_change_monitored_item", refuse)


def revising_items(sampling: float, queue: int):
    """Items are accepted with another sampling interval (milliseconds) and queue."""
    original = MonitoredItemService._create_data_change_monitored_item

    async def revise(service, request):
        result = await original(service, request)
        result.RevisedSamplingInterval, result.RevisedQueueSize = sampling, queue
        return result

    return patch.object(MonitoredItemService, "_create_data_change_monitored_item", revise)


def refusing_item_calls(status: int):
    """Every CreateMonitoredItems is refused as a whole."""

    async def refuse(service, params):
        raise ServiceError(status)

    return patch.object(MonitoredItemService, "create_monitored_items", refuse)


def forgetting_first_values(*names: str):
    """Items of these nodes are accepted, and their first value never comes."""
    original = MonitoredItemService.trigger_datachange

    async def forget(service, handle, node, attribute):
        if node.Identifier not in names:
            await original(service, handle, node, attribute)

    return patch.object(MonitoredItemService, "trigger_datachange", forget)


def delaying_first_values(seconds: float):
    """Items are accepted at once, and their first values take a while."""
    original = MonitoredItemService.trigger_datachange

    async def delay(service, handle, node, attribute):
        async def later():
            await asyncio.sleep(seconds)
            if handle in service._monitored_datachange:
                await original(service, handle, node, attribute)

        delayed.append(asyncio.create_task(later()))

    delayed = []
    return patch.object(MonitoredItemService, "trigger_datachange", delay)


@contextlib.contextmanager
def hearing_writes(*, after: float = 0.0, answer: int | None = None, fault: int | None = None):
    """What clients write is noted; the answer comes late, or is another status, or a fault of the whole request.

    Yields the values that came, as `ua.WriteValue`.
    """
    heard = []
    original = AttributeService.write

    async def write(service, params, user):
        if user.role is UserRole.Admin:  # the server itself
            return await original(service, params, user)
        heard.extend(params.NodesToWrite)
        results = await original(service, params, user)
        await asyncio.sleep(after)
        if fault is not None:
            raise ServiceError(fault)
        return results if answer is None else [ua.StatusCode(answer)]

    with patch.object(AttributeService, "write", write):
        yield heard


@contextlib.contextmanager
def cutting_arrays(*, but: str = ""):
    """Index ranges are obeyed, which asyncua's server passes over, but for one node; yields those that were asked for."""
    asked = []
    read, changed = AttributeService.read, MonitoredItemService.datachange_callback

    def cut(value, index_range):
        if index_range is None:
            return value
        asked.append(index_range)
        index = int(index_range)
        content = value.Value.Value
        if not isinstance(content, list) or index >= len(content):
            return ua.DataValue(None, ua.StatusCode(ua.StatusCodes.BadIndexRangeNoData))
        return ua.DataValue(ua.Variant([content[index]], value.Value.VariantType, is_array=True))

    def reading(service, parameters):
        return [cut(*pair) for pair in zip(read(service, parameters), _ranges(parameters, but), strict=True)]

    async def changing(service, handle, value, error=None):
        item = service._monitored_items[service._monitored_datachange[handle]]
        wanted = item.read_value_id
        obeyed = None if wanted.NodeId.Identifier == but else wanted.IndexRange
        await changed(service, handle, cut(value, obeyed), error)

    with (
        patch.object(AttributeService, "read", reading),
        patch.object(MonitoredItemService, "datachange_callback", changing),
    ):
        yield asked


def _ranges(parameters, but):
    return [None if each.NodeId.Identifier == but else each.IndexRange for each in parameters.NodesToRead]


@contextlib.contextmanager
def limiting(plant, *, reads: int = 0, paths: int = 0, told: bool = True):
    """So many nodes in a call and no more; `told` in the operation limits. Yields the sizes of what was asked."""
    sizes = {"read": [], "translate": []}
    read, translate = AttributeService.read, ViewService.translate_browsepaths_to_nodeids

    def check(service, size, limit):
        if limit and size > limit:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        sizes[service].append(size)

    def limited_read(service, parameters):
        check("read", len(parameters.NodesToRead), reads)
        return read(service, parameters)

    def limited_translate(service, wanted):
        check("translate", len(wanted), paths)
        return translate(service, wanted)

    nodes = {"MaxNodesPerRead": reads, "MaxNodesPerTranslateBrowsePathsToNodeIds": paths}
    if told:
        for name, limit in nodes.items():
            plant.write_node(getattr(ua.ObjectIds, _LIMITS + name), limit, ua.VariantType.UInt32)
    try:
        with (
            patch.object(AttributeService, "read", limited_read),
            patch.object(ViewService, "translate_browsepaths_to_nodeids", limited_translate),
        ):
            yield sizes
    finally:
        for name in nodes:
            plant.write_node(getattr(ua.ObjectIds, _LIMITS + name), 0, ua.VariantType.UInt32)
