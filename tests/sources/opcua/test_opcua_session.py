"""A session with a real server: what it reads, and which tags it cannot read."""

import asyncio
import datetime as dt
import logging
import socket
import threading
from unittest.mock import patch

from asyncua import ua
from rigs.opcua_server import NAMESPACE
from rigs.opcua_session import configure, watching

from agent.metrics import ITEMS_ALIVE, ITEMS_WANTED
from agent.model import SECOND, Link, Quality, Reading
from agent.sources.opcua.config import OpcUaTag
from agent.sources.opcua.source import Timing


def alive() -> float:
    return ITEMS_ALIVE.labels("boiler")._value.get()


# What is read


async def test_values_with_their_source_time(plant):
    """The first value is a baseline, the next are changes; the device's stamp travels along."""
    plant.add("steam", 1.5)
    stamp = dt.datetime(2026, 11, 21, 7, 30, tzinfo=dt.UTC)
    async with watching(configure(plant.url, "steam")) as watch:
        await watch.until(lambda: watch.values("steam") == [1.5])
        plant.set("steam", 2.5, stamp=stamp)
        await watch.until(lambda: watch.values("steam") == [1.5, 2.5])
        baseline, change = watch.readings("steam")

    assert baseline.baseline
    assert Reading("steam", 2.5, Quality.GOOD, change.received, "", 1795246200 * SECOND) == change
    assert isinstance(watch.seen[0], Link)
    assert watch.seen[0].up


async def test_a_name_is_tried_at_each_of_its_addresses(plant):
    """At the first one nobody listens; the name server is asked in a thread of its own."""
    plant.add("named", 1)

    def addresses(host, port, **_):
        assert threading.current_thread().name == f"look up {host}"
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in ("127.0.0.2", "127.0.0.1")
        ]

    with patch.object(socket, "getaddrinfo", addresses):
        async with watching(configure(plant.url.replace("127.0.0.1", "boiler.plant"), "named")) as watch:
            await watch.until(lambda: watch.values("named") == [1])


async def test_quality_comes_with_the_value(plant):
    """Uncertain keeps its value, bad has none but a reason, and good comes back."""
    plant.add("valve", True)
    async with watching(configure(plant.url, "valve")) as watch:
        await watch.until(lambda: watch.values("valve") == [True])
        plant.set("valve", False, status=ua.StatusCodes.UncertainLastUsableValue)
        await watch.until(lambda: len(watch.readings("valve")) == 2)
        plant.set("valve", False, status=ua.StatusCodes.BadNoCommunication)
        await watch.until(lambda: len(watch.readings("valve")) == 3)
        plant.set("valve", False)
        await watch.until(lambda: len(watch.readings("valve")) == 4)
        seen = watch.readings("valve")

    assert [(one.value, one.quality) for one in seen] == [
        (True, Quality.GOOD),
        (False, Quality.UNCERTAIN),
        (None, Quality.BAD),
        (False, Quality.GOOD),
    ]
    assert seen[2].reason.startswith("BadNoCommunication: ")


async def test_a_code_for_no_value_and_what_cannot_be_are_bad(plant):
    """A server hands on what the device behind it says: -9999, and the value of a broken wire."""
    plant.add("wire", 20.5)
    config = configure(plant.url, "wire")
    tag = OpcUaTag(node=config.tags["wire"].node, invalid=[-9999], valid_range=(-50, 300))
    async with watching(config.model_copy(update={"tags": {"wire": tag}})) as watch:
        await watch.until(lambda: watch.values("wire") == [20.5])
        for count, value in enumerate((-9999.0, 850.0, -50.0), start=2):
            plant.set("wire", value)
            await watch.until(lambda count=count: len(watch.readings("wire")) == count)
        seen = watch.readings("wire")[1:]

    assert [reading.value for reading in seen] == [None, None, -50.0]
    assert [reading.reason for reading in seen] == [
        "the device says that it has no value (its code -9999)",
        "the value is outside of its valid_range [-50, 300]",
        "",
    ]


async def test_the_first_value_is_the_baseline_though_a_bad_one_came_before(plant):
    """A server that has not read the device yet says so first; what follows is a start, no change."""
    plant.add("late", 1)
    plant.set("late", 1, status=ua.StatusCodes.BadWaitingForInitialData)
    async with watching(configure(plant.url, "late")) as watch:
        await watch.until(lambda: len(watch.readings("late")) == 1)
        plant.set("late", 1)
        await watch.until(lambda: len(watch.readings("late")) == 2)
        plant.set("late", 2)
        await watch.until(lambda: len(watch.readings("late")) == 3)

    assert [one.baseline for one in watch.readings("late")] == [True, True, False]


async def test_a_constant_value_stays_fresh_by_keep_alives(plant):
    """Proof of life comes about once a second, and no value is made up for it."""
    plant.add("constant", 5)
    async with watching(configure(plant.url, "constant")) as watch:
        await watch.until(lambda: len(watch.proofs) == 2)
        gaps = [later.at - sooner.at for sooner, later in zip(watch.proofs, watch.proofs[1:], strict=False)]

    assert watch.values("constant") == [5]
    assert all(gap >= SECOND for gap in gaps)


async def test_keep_alives_come_in_time_though_the_server_publishes_less_often(plant):
    """A server that makes 50ms into 300ms would stretch 20 quiet cycles from one second to six."""
    plant.add("rare", 5)
    with plant.publishing_every(300):
        async with watching(configure(plant.url, "rare"), Timing(keep_alive=SECOND)) as watch:
            await watch.until(lambda: watch.values("rare") == [5])
            await watch.until(lambda: len(watch.proofs) == 1, within=4)

    assert watch.values("rare") == [5]


async def test_pulses_between_two_publishes_are_all_seen_in_order(plant):
    """With a queue of one, the default of the protocol, only the last would be.

    (opcua-asyncio#1184, node-red-contrib-opcua#348, #637, plc4x#2715.)
    """
    plant.add("pulse", 0)
    config = configure(plant.url, "pulse", publish_every="1s", sample_every="50ms")
    async with watching(config, Timing(keep_alive=SECOND, silence=5 * SECOND)) as watch:
        await watch.until(lambda: watch.values("pulse") == [0])
        for value in range(1, 31):
            plant.set("pulse", value)
        await watch.until(lambda: 30 in watch.values("pulse"))

    assert watch.values("pulse") == list(range(31))


async def test_a_burst_is_neither_dropped_nor_reordered(plant):
    """Asyncua's own queue keeps 1,000 and drops the oldest unsaid; its async handlers overtake each other."""
    names = [f"burst{number}" for number in range(400)]
    for name in names:
        plant.add(name, 0)
    async with watching(configure(plant.url, *names)) as watch:
        await watch.until(lambda: len(watch.seen) > 400)

        async def flood():
            for value in range(1, 6):
                for name in names:
                    data = ua.DataValue(ua.Variant(value))
                    await plant.server.write_attribute_value(ua.NodeId(name, plant.index), data)

        await asyncio.to_thread(plant.call, flood())
        await watch.until(lambda: all(watch.values(name)[-1:] == [5] for name in names))

    assert all(watch.values(name) == [0, 1, 2, 3, 4, 5] for name in names)


async def test_values_that_the_server_dropped_are_noticed(plant, caplog):
    """The overflow bit counts as good, so nobody else would say it; once is enough."""
    plant.add("fast", 0)
    with caplog.at_level(logging.WARNING, "agent"):
        async with watching(configure(plant.url, "fast")) as watch:
            await watch.until(lambda: watch.values("fast") == [0])
            for value in (1, 2):
                plant.set("fast", value, status=0x480)
            await watch.until(lambda: 2 in watch.values("fast"))

    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == [
        "raise queue_size, or lower publish_every"
    ]


# Items that the server refuses


async def test_a_refused_node_is_bad_alone(plant):
    """One wrong node id suppresses no other (telegraf#8871, #18717), and says what to check."""
    plant.add("right", 1)
    async with watching(configure(plant.url, "right", "wrong", "nsu=urn:not:there;s=x")) as watch:
        await watch.until(lambda: watch.values("right") == [1])
        assert (alive(), ITEMS_WANTED.labels("boiler")._value.get()) == (1, 3)
        wrong, foreign = watch.readings("wrong")[0], watch.readings("nsu=urn:not:there;s=x")[0]

    assert (wrong.value, wrong.quality) == (None, Quality.BAD)
    assert wrong.reason.startswith(
        f"nsu={NAMESPACE};s=wrong was refused, BadNodeIdUnknown: check the node id"
    )
    assert foreign.reason.startswith(
        "the server has no namespace urn:not:there; it has http://opcfoundation.org/UA/"
    )
    assert NAMESPACE in foreign.reason


async def test_a_node_that_appears_later_comes_alive(plant):
    """A PLC answers before its program runs; asyncua drops such an item for ever (telegraf#19186: it ended the source)."""
    async with watching(configure(plant.url, "program")) as watch:
        await watch.until(lambda: watch.up)
        assert alive() == 0
        plant.add("program", 9)
        await watch.until(lambda: watch.values("program") == [None, 9])
        assert alive() == 1
        assert watch.readings("program")[1].baseline


async def test_a_node_that_vanishes_and_returns_is_found_again(plant):
    """Its item may stay deaf after the program was loaded anew (Azure/Industrial-IoT#1890): ask for a new one."""
    plant.add("reloaded", 1)
    async with watching(configure(plant.url, "reloaded")) as watch:
        await watch.until(lambda: watch.values("reloaded") == [1])
        items = next(iter(plant.server.iserver.subscription_service.subscriptions.values()))
        before = set(items.monitored_item_srv._monitored_items)
        plant.set("reloaded", 1, status=ua.StatusCodes.BadNodeIdUnknown)
        await watch.until(lambda: alive() == 0)
        await watch.until(lambda: before.isdisjoint(items.monitored_item_srv._monitored_items))
        plant.set("reloaded", 2)
        await watch.until(lambda: watch.values("reloaded")[-1] == 2)
        assert watch.readings("reloaded")[-1].baseline  # nobody was looking in between
        await watch.until(lambda: alive() == 1)
        assert len(items.monitored_item_srv._monitored_items) == 1


async def test_no_request_exceeds_the_operation_limits(plant):
    """MaxMonitoredItemsPerCall is read and kept (telegraf#11455: BadTooManyOperations)."""
    names = [f"limited{number}" for number in range(25)]
    for name in names:
        plant.add(name, 1)
    with plant.limiting_calls(10):
        async with watching(configure(plant.url, *names)) as watch:
            await watch.until(lambda: all(watch.values(name) == [1] for name in names))

    assert plant.requested == [10, 10, 5]
