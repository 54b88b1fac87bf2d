"""Servers that will not send what changes: they are read on a timer."""

import asyncio
import dataclasses
import logging
from unittest.mock import patch

import pytest
from asyncua import ua
from asyncua.client.ua_session import UaSession
from rigs.opcua_quirks import limiting, refusing_item_calls, refusing_items, refusing_subscriptions
from rigs.opcua_server import Line
from rigs.opcua_session import FAST, configure, watching

from agent.errors import StoreUnavailable
from agent.metrics import ITEMS_ALIVE, POLLS_SKIPPED
from agent.model import MILLISECOND, SECOND, Link, Quality
from agent.sources.opcua.source import Timing

FULL = ua.StatusCodes.BadTooManyMonitoredItems


def alive() -> float:
    return ITEMS_ALIVE.labels("boiler")._value.get()


async def follows(watch, plant, name):
    """The tag shows what the server has, now and later; its first value is the baseline, and only that."""
    await watch.until(lambda: 1 in watch.values(name))
    plant.set(name, 2)
    await watch.until(lambda: watch.values(name)[-1] == 2)
    plant.set(name, 2, status=ua.StatusCodes.BadNoCommunication)
    await watch.until(lambda: watch.readings(name)[-1].quality is Quality.BAD)
    assert [one.baseline for one in watch.readings(name)].count(True) == 1
    assert watch.readings(name)[0].baseline


async def test_cyclic_is_what_is_written(plant):
    """`read: cyclic`: no subscription is made, and the reads are what proves the connection."""
    plant.add("cyclic", 1)
    async with watching(configure(plant.url, "cyclic", read="cyclic")) as watch:
        await follows(watch, plant, "cyclic")
        assert plant.subscriptions == 0
        await watch.until(lambda: watch.proofs)
        assert alive() == 1

    assert isinstance(watch.seen[0], Link)


@pytest.mark.parametrize(
    "quirk",
    [
        refusing_subscriptions(ua.StatusCodes.BadServiceUnsupported),
        refusing_subscriptions(ua.StatusCodes.BadTooManySubscriptions),
        refusing_item_calls(ua.StatusCodes.BadServiceUnsupported),
        refusing_item_calls(FULL),
    ],
)
async def test_a_server_that_refuses_subscriptions_is_read(plant, caplog, quirk):
    """Said once, with the status; nothing is lost for it but a few readings."""
    plant.add(name := f"unsubscribed{id(quirk)}", 1)
    with caplog.at_level(logging.WARNING, "agent"), quirk:
        async with watching(configure(plant.url, name)) as watch:
            await follows(watch, plant, name)
            assert alive() == 1

    (said,) = [record.getMessage() for record in caplog.records]
    assert "every 50ms instead" in said


async def test_one_item_too_many_is_read_beside_the_others(plant, caplog):
    """A PLC with room for a hundred items, and one tag more."""
    plant.add("watched", 1)
    plant.add("toomany", 1)
    with refusing_items(FULL, "toomany"), caplog.at_level(logging.WARNING, "agent"):
        async with watching(configure(plant.url, "watched", "toomany")) as watch:
            await follows(watch, plant, "toomany")
            assert watch.values("watched") == [1]
            assert alive() == 2

    assert "the server will not watch 1 of 2 tags, BadTooManyMonitoredItems" in caplog.records[0].getMessage()


async def test_a_node_that_is_not_there_is_bad_alone_and_comes_back(plant):
    """As with a subscription (telegraf#8871, #9550): it is looked up anew on the timer of refused tags."""
    plant.add("there", 1)
    async with watching(configure(plant.url, "there", "later", read="cyclic")) as watch:
        await watch.until(lambda: watch.readings("later"))
        await watch.until(lambda: watch.values("there")[:1] == [1])
        assert (watch.readings("later")[0].quality, alive()) == (Quality.BAD, 1)
        assert "BadNodeIdUnknown: check the node id" in watch.readings("later")[0].reason
        plant.add("later", 9)
        await watch.until(lambda: watch.values("later")[-1] == 9)
        await watch.until(lambda: alive() == 2)


@pytest.mark.parametrize("told", [True, False])
async def test_reads_keep_the_operation_limits(plant, told):
    """MaxNodesPerRead, told or found out: more in one call is refused as a whole (telegraf#19609, opcua-asyncio#1551)."""
    names = [f"chunk{told}{number}" for number in range(25)]
    for name in names:
        plant.add(name, 1)
    with limiting(plant, reads=10, told=told) as sizes:
        async with watching(configure(plant.url, *names, read="cyclic")) as watch:
            await watch.until(lambda: all(1 in watch.values(name) for name in names))

    assert max(sizes["read"]) <= 10


async def test_one_call_is_in_flight_at_a_time(plant):
    """An S7-1500 counts the items of all calls together (EPICS opcua#201); only Publish is open beside it."""
    names = [f"flight{number}" for number in range(6)]
    for name in names[:4]:
        plant.add(name, 1)
    now, most = [0], [0]
    send = UaSession._send_request

    async def counted(session, request, *rest, **more):
        asked = not isinstance(request, ua.PublishRequest)
        now[0] += asked
        most[0] = max(most[0], now[0])
        try:
            return await send(session, request, *rest, **more)
        finally:
            now[0] -= asked

    with patch.object(UaSession, "_send_request", counted), refusing_items(FULL, *names[:2]):
        async with Line(plant.port) as line:
            line.delay = 0.02
            config = configure(line.url, *names, sample_every="20ms")
            async with watching(config, dataclasses.replace(FAST, retry=20 * MILLISECOND)) as watch:
                await watch.until(lambda: len(watch.values(names[0])) > 5 and watch.values(names[2]))

    assert most == [1]


async def test_a_slow_server_is_not_asked_twice_at_once(plant):
    """A read that takes longer than the period: what was missed is skipped and counted, never made up for."""
    plant.add("sluggish", 1)
    skipped = POLLS_SKIPPED.labels("boiler")._value.get
    async with Line(plant.port) as line:
        config = configure(line.url, "sluggish", read="cyclic", sample_every="20ms")
        async with watching(config) as watch:
            await watch.until(lambda: watch.values("sluggish"))
            before, line.delay = skipped(), 0.2
            await watch.until(lambda: skipped() >= before + 30)
            line.delay, recovered = 0.0, len(watch.readings("sluggish"))
            await watch.until(lambda: len(watch.readings("sluggish")) >= recovered + 12)
    first, *_, last = watch.readings("sluggish")[recovered + 1 : recovered + 12]

    assert last.received - first.received >= 8 * 20 * MILLISECOND  # ten periods, the first one perhaps late


async def test_a_server_that_falls_silent_is_noticed(plant):
    """No answer to a read within `timeout`: the connection is lost, and no old value is repeated."""
    plant.add("mute", 1)
    async with (
        Line(plant.port) as line,
        watching(configure(line.url, "mute", read="cyclic", timeout="300ms")) as watch,
    ):
        await watch.until(lambda: watch.values("mute"))
        line.dead = True
        assert "no answer within 300ms" in await watch.error()
    await asyncio.to_thread(plant.stop)
    plant.restart()


async def test_a_line_that_dies_between_two_reads_is_noticed(plant):
    """However rarely the tags are read: the session is kept by asking, or the server would drop it meanwhile."""
    plant.add("hourly", 1)
    async with (
        Line(plant.port) as line,
        watching(configure(line.url, "hourly", read="cyclic", sample_every="1h", timeout="1s")) as watch,
    ):
        await watch.until(lambda: watch.values("hourly"))
        line.dead = True
        assert "no answer within 1s" in await watch.error()
    await asyncio.to_thread(plant.stop)
    plant.restart()


async def test_a_store_that_is_slow_makes_no_queue_of_old_readings(plant):
    """While nothing can be stored, the newest is kept; reading goes on."""
    plant.add("stored", 1)
    async with watching(configure(plant.url, "stored", read="cyclic")) as watch:
        await watch.until(lambda: watch.values("stored"))
        watch.batches.clear()
        watch.refusals[:] = [StoreUnavailable("disk full")] * 10
        plant.set("stored", 2)
        await watch.until(lambda: not watch.refusals and watch.batches)
        plant.set("stored", 3)
        await watch.until(lambda: watch.values("stored")[-1] == 3)

    assert all(len(batch) <= 3 for batch in watch.batches[:1])


async def test_a_long_period_is_no_silence(plant):
    """Read every minute, the connection is not given up after fifteen seconds."""
    plant.add("rarely", 1)
    timing = dataclasses.replace(FAST, silence=200 * MILLISECOND)
    async with watching(configure(plant.url, "rarely", read="cyclic", sample_every="700ms"), timing) as watch:
        await watch.until(lambda: len(watch.values("rarely")) == 3)

    assert Timing().silence < 60 * SECOND
