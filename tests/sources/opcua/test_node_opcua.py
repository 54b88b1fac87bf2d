"""Our OPC UA source against a server that shares no code with it: node-opcua.

Whoever writes a client and a server reads the specification alike in both; only a stranger finds out.
"""

import asyncio
import datetime as dt
import logging

from rigs.node_opcua import BOILER, PRESS
from rigs.opcua_server import Line
from rigs.opcua_session import configure, refused, until, watching

from agent.metrics import ITEMS_ALIVE
from agent.model import SECOND, Quality
from agent.sources.opcua.source import Timing

# What is read


async def test_every_type_is_read_or_refused_in_words(stranger):
    """Numbers of all widths to their last digit; what is no single value is bad alone."""
    good = {
        "Double": 1.5,
        "Float": 2.5,
        "SByte": -8,
        "Byte": 8,
        "Int16": -16,
        "UInt16": 16,
        "Int32": -32,
        "UInt32": 2**32 - 1,
        "Int64": -(2**53) - 1,
        "UInt64": 2**64 - 1,
        "Boolean": True,
        "String": "grün",
        "LocalizedText": "Störung",
        "DateTime": "2026-11-21T07:30:00Z",
        "Enumeration": 2,
        "Pressure": 7.25,
    }
    bad = {
        "Array": "an array",
        "Matrix": "an array",
        "Structure": "a structure (Range)",
        "UnknownStructure": "a structure (ExtensionObject)",
    }
    await asyncio.to_thread(stranger.restart)  # no test before has changed them
    async with watching(configure(stranger.url, *good, *bad)) as watch:
        await watch.until(lambda: all(watch.readings(name) for name in (*good, *bad)))

    assert {name: watch.values(name) for name in good} == {name: [value] for name, value in good.items()}
    assert {type(watch.values(name)[0]) for name in ("Double", "Float")} == {float}
    for name, kind in bad.items():
        reading = watch.readings(name)[0]
        assert (reading.value, reading.quality) == (None, Quality.BAD)
        assert reading.reason.startswith(f"the server sent {kind}, which is not supported")


async def test_browse_paths_and_elements_of_arrays(stranger):
    """A path without namespaces finds the node of ours; of an array one element is a value."""
    tags = {
        "path": {"browse_path": "Objects/Boiler/Drum/Pressure"},
        "element": {"node": f"nsu={BOILER};s=Array", "index": 1},
        "beyond": {"node": f"nsu={BOILER};s=Array", "index": 3},
        "nowhere": {"browse_path": "Objects/Boiler/Drum/Level"},
    }
    async with watching(configure(stranger.url, tags=tags)) as watch:
        await watch.until(lambda: all(watch.readings(name) for name in tags))

    assert (watch.values("path"), watch.values("element")) == ([7.25], [2.5])
    assert (watch.values("beyond")[0], watch.values("nowhere")[0]) == (None, None)
    assert "below Objects/Boiler/Drum there is no Level" in watch.readings("nowhere")[0].reason


async def test_quality_and_source_time(stranger):
    """Uncertain keeps its value, bad has none; the stamp is the device's, to the millisecond."""
    stranger.set("Float", 2.5, "Float")
    async with watching(configure(stranger.url, "Float")) as watch:
        await watch.until(lambda: watch.values("Float") == [2.5])
        for value, status in ((3.5, "UncertainLastUsableValue"), (4.5, "BadNoCommunication"), (5.5, "Good")):
            seen = len(watch.readings("Float"))
            stranger.set("Float", value, "Float", status=status, time="2026-11-21T07:30:00.125Z")
            await watch.until(lambda seen=seen: len(watch.readings("Float")) > seen)
        changes = watch.readings("Float")[1:]

    assert [(one.value, one.quality, one.reason.partition(":")[0]) for one in changes] == [
        (3.5, Quality.UNCERTAIN, "UncertainLastUsableValue"),
        (None, Quality.BAD, "BadNoCommunication"),
        (5.5, Quality.GOOD, ""),
    ]
    stamp = dt.datetime(2026, 11, 21, 7, 30, tzinfo=dt.UTC).timestamp()
    assert {one.source_time for one in changes} == {round(stamp) * SECOND + 125_000_000}


async def test_values_between_two_publishes_come_in_order_and_lost_ones_are_told(stranger, caplog):
    """The queue keeps what fits; the overflow bit tells of the rest (opcua-asyncio#1184)."""
    caplog.set_level(logging.WARNING, "agent")
    usual = configure(stranger.url, "Int32", publish_every="300ms")
    short = configure(stranger.url, "Int32", publish_every="300ms", queue_size=2)
    stranger.set("Int32", number := 0, "Int32")
    async with watching(usual, Timing()) as most, watching(short, Timing()) as few:
        await most.until(lambda: most.values("Int32") == [0] == few.values("Int32"))
        while not caplog.messages:
            stranger.set("Int32", number := number + 1, "Int32")
            await asyncio.sleep(0.06)  # the server samples every 50 ms
        await most.until(lambda: most.values("Int32")[-1] == number == few.values("Int32")[-1])

    assert most.values("Int32") == sorted(set(most.values("Int32")))
    assert few.values("Int32") == sorted(set(few.values("Int32")))
    assert len(most.values("Int32")) > len(few.values("Int32"))
    [told] = caplog.messages
    assert "values of tag Int32" in told
    assert told.endswith("were lost between two publishes: raise queue_size, or lower publish_every")


async def test_the_server_is_asked_for_nothing_but_reading(stranger):
    """A source that may not write has no service that could (design: sources)."""
    async with watching(configure(stranger.url, "Double")) as watch:
        await watch.until(lambda: watch.values("Double"))

    assert set(stranger.requests) <= {
        "GetEndpoints",
        "OpenSecureChannel",
        "CreateSession",
        "ActivateSession",
        "Read",
        "TranslateBrowsePathsToNodeIds",
        "CreateSubscription",
        "ModifySubscription",
        "CreateMonitoredItems",
        "DeleteMonitoredItems",
        "Publish",
        "CloseSession",
    }


# It comes back


async def test_a_namespace_moves_with_a_restart_and_the_name_still_finds_it(stranger):
    """The server ends while we read; under the old index there is another value now (#478 of Node-RED's)."""
    config = configure(stranger.url, "Double", f"nsu={PRESS};s=Double")
    async with watching(config) as watch:
        await watch.until(lambda: watch.values("Double"))
        await asyncio.to_thread(stranger.restart, order=[PRESS, BOILER])
        assert "the server closed the connection, or the network broke" in await watch.error()
    async with watching(config) as watch:
        await watch.until(lambda: watch.values(f"nsu={PRESS};s=Double") == [-1.0])
        await watch.until(lambda: watch.values("Double") == [1.5])
        assert all(one.baseline for one in watch.readings("Double"))


async def test_a_node_that_vanishes_and_returns(stranger):
    """A program is loaded into the PLC: bad while it is gone, a new baseline when it is back (telegraf#19186)."""
    stranger.add("Loaded", 1)
    async with watching(configure(stranger.url, "Loaded", "Double")) as watch:
        await watch.until(lambda: watch.values("Loaded") == [1.0])
        stranger.do("remove", name="Loaded")
        await watch.until(lambda: watch.values("Loaded") == [1.0, None])
        assert "BadNodeIdInvalid: check the node id" in watch.readings("Loaded")[-1].reason
        stranger.add("Loaded", 2)
        await watch.until(lambda: watch.values("Loaded")[-1] == 2.0)
        await watch.until(lambda: ITEMS_ALIVE.labels("boiler")._value.get() == 2)
        assert watch.readings("Loaded")[-1].baseline
        stranger.set("Double", 1.75)
        await watch.until(lambda: watch.values("Double")[-1] == 1.75)
    stranger.do("remove", name="Loaded")


async def test_a_dropped_subscription_ends_the_session(stranger):
    """The connection is as good as ever, and nothing comes (Azure/Industrial-IoT#1890)."""
    async with watching(configure(stranger.url, "Double")) as watch:
        await watch.until(lambda: watch.values("Double"))
        stranger.do("drop")
        assert "not even a keep-alive" in await watch.error()


async def test_a_session_outlives_the_keys_of_its_channel(stranger, trusted):
    """The server gives them two seconds; what comes after the renewal comes with the new ones."""
    async with watching(configure(stranger.url, "Double", security=trusted), Timing()) as watch:
        await watch.until(lambda: watch.values("Double"))
        before = stranger.requests["OpenSecureChannel"]
        await watch.until(lambda: stranger.requests["OpenSecureChannel"] > before)
        stranger.set("Double", 100)
        await watch.until(lambda: watch.values("Double")[-1] == 100)


# Gentle, and leaving nothing behind


async def test_no_request_exceeds_what_the_server_allows(stranger):
    """It says so, and refuses what is more (telegraf#11455: BadTooManyOperations)."""
    names = [f"Many{number}" for number in range(25)]
    for name in names:
        stranger.add(name, 1)
    before = stranger.requests.get("CreateMonitoredItems", 0)
    stranger.do("limit", maxMonitoredItemsPerCall=10, maxNodesPerRead=5)
    try:
        async with watching(configure(stranger.url, *names)) as watch:
            await watch.until(lambda: all(watch.values(name) == [1.0] for name in names))
            assert stranger.held == (1, 1, 25)
    finally:
        stranger.do("limit", maxMonitoredItemsPerCall=0, maxNodesPerRead=0)

    assert stranger.requests["CreateMonitoredItems"] - before == 3


async def test_cyclic_reads_keep_the_limit_too(stranger):
    """Where subscriptions do not work: each request reads no more nodes than the server takes (telegraf#19609)."""
    names = ["Double", "Float", "Int16", "Int32", "UInt16", "UInt32", "Boolean"]
    stranger.do("limit", maxNodesPerRead=3)
    try:
        async with watching(configure(stranger.url, *names, read="cyclic")) as watch:
            await watch.until(lambda: all(watch.values(name) for name in names))
            stranger.set("Int16", 17, "Int16")
            await watch.until(lambda: watch.values("Int16")[-1] == 17)
            assert all(one.quality is Quality.GOOD for name in names for one in watch.readings(name))
            assert stranger.held == (1, 0, 0)
    finally:
        stranger.do("limit", maxNodesPerRead=0)
        stranger.set("Int16", -16, "Int16")


async def test_a_server_without_room_says_so(stranger):
    """A session left behind somewhere is the usual cause (node-red-contrib-opcua#317)."""
    stranger.do("limit", maxSessions=1)
    try:
        async with watching(configure(stranger.url, "Double")) as watch:
            await watch.until(lambda: watch.values("Double"))
            assert "the server takes no more clients" in await refused(configure(stranger.url, "Double"))
    finally:
        stranger.do("limit")


async def test_thirty_ends_at_any_moment_leave_nothing_at_the_server(stranger):
    """Stopped while connecting, subscribing or reading: each time the server is told (node-red-contrib-opcua#317)."""
    async with Line(stranger.port) as line:
        line.delay = 0.01
        for number in range(30):
            async with watching(configure(line.url, "Double", "Float")):
                await asyncio.sleep(number * 0.004)  # every step takes 10 ms, and the first value about 100
        await until(lambda: stranger.held == (0, 0, 0) and not line.open)
