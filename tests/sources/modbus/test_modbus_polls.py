"""When what is asked: periods of tags, pauses, devices with one connection, and what was learned of refusals."""

import asyncio
import itertools
import time
from collections import Counter

import pytest
from prometheus_client import REGISTRY
from rigs.modbus_server import ModbusServer, honest
from rigs.modbus_session import LINES, Sink, holding, one_session, server_on, sessions, source

from agent.model import MILLISECOND, SECOND, Quality
from agent.sources.modbus.reads import Retry

FAST, SLOW = 40, 200  # milliseconds
TAGS = {
    **holding(0, 1),
    **holding(100, poll_every=f"{SLOW}ms"),
}


def periods(server, **keys: object):
    """Two tags read often and one read seldom."""
    return source(server, TAGS, poll_every=f"{FAST}ms", **keys)


async def test_tags_have_periods_of_their_own():
    """Each is read as often as it says, over one connection, without drift."""
    sink = Sink()
    async with ModbusServer() as server, sessions(periods(server), sink):
        await sink.until(lambda: len(sink.readings("H100")) == 5)
        often = [reading.received for reading in sink.readings("H0")]
        seldom = [reading.received for reading in sink.readings("H100")]

    # The first two lie anywhere on the grid; from then on they stand a period apart.
    assert (seldom[-1] - seldom[1]) / MILLISECOND == pytest.approx(3 * SLOW, abs=FAST)
    assert len(often) == pytest.approx(4 * SLOW / FAST, rel=0.4)
    assert [len(batch) for batch in sink.batches[:2]] == [3, 1]  # link and two tags, then the third
    assert server.accepted == 1
    assert Counter(request.start for request in server.requests)[100] <= 7


async def test_missed_polls_of_every_period_are_counted():
    """A stall of three slow periods: both leave out what they missed, and neither catches up."""
    sink = Sink()

    async def stall_once(batch):
        await Sink.emit(sink, batch)
        if len(sink.batches) == 8:
            await asyncio.sleep(3 * SLOW / 1000)

    sink.emit = stall_once
    async with ModbusServer() as server, sessions(periods(server), sink, name="periods"):
        await sink.until(lambda: len(sink.batches) > 8 and len(sink.readings("H100")) >= 4)
        seldom = [reading.received for reading in sink.readings("H100")]
    skipped = REGISTRY.get_sample_value("edge_relay_polls_skipped_total", {"source": "periods"})

    assert skipped >= 3 * SLOW / FAST - 2 + 2
    assert sum(later - earlier < 20 * MILLISECOND for earlier, later in itertools.pairwise(seldom)) <= 1


def test_freshness_follows_the_period_of_the_tag():
    """Three of its own polls, unless somebody says otherwise; and a rule knows how often it is read."""
    server = ModbusServer()
    server.port = 502
    tags = {
        **holding(0),
        **holding(1, poll_every="10s"),
        **holding(2, poll_every="10s", stale_after="1m"),
    }
    specs = {spec.name: spec for spec in source(server, tags, poll_every="1s").tag_specs("plc")}

    assert [(spec.every, spec.stale_after) for spec in specs.values()] == [
        (1 * SECOND, 3 * SECOND),
        (10 * SECOND, 30 * SECOND),
        (10 * SECOND, 60 * SECOND),
    ]


async def test_a_silent_unit_is_bad_in_every_period():
    """Each poll tells the tags that are due; none of them keeps an old value as good."""
    tags = {**TAGS, **{f"D{tag}": {**of, "unit_id": 2} for tag, of in TAGS.items()}}
    sink = Sink()
    async with (
        ModbusServer(dead={2}) as server,
        sessions(source(server, tags, poll_every=f"{FAST}ms", timeout="50ms"), sink),
    ):
        await sink.until(lambda: len(sink.readings("DH100")) >= 2 and len(sink.readings("DH0")) >= 4)

    assert {reading.quality for tag in ("DH0", "DH100") for reading in sink.readings(tag)} == {Quality.BAD}
    assert set(sink.good("H100")) == {100}


@pytest.mark.parametrize("line", LINES[:2])
async def test_a_device_with_one_connection_is_left_between_polls(line, tmp_path):
    """Nobody is connected then, the source counts as up, and the laptop gets its turn.

    Complaints: thingsboard-gateway#1670, OpenPLC_v3#195, openhab1#3819, NModbus4#152.
    """
    sink = Sink()
    between = []

    async def emit(batch):
        await Sink.emit(sink, batch)
        asyncio.get_running_loop().call_later(0.04, lambda: between.append(len(server.connections)))

    sink.emit = emit
    server = server_on(line, tmp_path)
    async with server, sessions(source(server, holding(0), close_after_poll=True, poll_every="100ms"), sink):
        await sink.polls(6)

    assert set(between[1:5]) == {0}
    assert server.accepted >= 6
    assert len(sink.links()) == 1
    assert not sink.ends
    assert set(sink.good("H0")) == {0}


async def test_sources_on_a_line_that_is_left_share_a_poll():
    """Two sources that poll together are connected once; the last one of them hangs up."""
    most = 0

    async def counted(exchange):
        nonlocal most
        most = max(most, len(server.connections))
        await asyncio.sleep(0.005)
        await honest(exchange)

    first, second = Sink(), Sink()
    async with ModbusServer(behave=counted) as server:
        configs = [
            source(server, holding(0, 100), unit_id=number, close_after_poll=True) for number in (1, 2)
        ]
        async with sessions(configs[0], first, name="a"), sessions(configs[1], second, name="b"):
            await first.polls(8)
            await second.polls(8)
        async with asyncio.timeout(30):
            while server.connections:
                await asyncio.sleep(0.01)

    assert most == 1
    assert not [*first.ends, *second.ends]


async def test_a_device_that_is_left_and_gone_is_noticed_by_the_next_poll():
    """The source goes down, and comes back by itself."""
    sink = Sink()
    async with (
        ModbusServer() as server,
        sessions(source(server, holding(0), close_after_poll=True), sink),
    ):
        await sink.polls(2)
        await server.stop()
        await sink.until(lambda: sink.ends)
        await server.start()
        await sink.polls(2)

    assert "cannot connect (Connection refused)" in sink.ends[0]


async def test_a_pause_is_kept_after_connecting():
    """Some devices take a connection before they can answer on it."""
    moments = []

    async def noted(exchange):
        moments.append(time.monotonic())
        await honest(exchange)

    sink = Sink()
    async with ModbusServer(behave=noted) as server:
        began = time.monotonic()
        async with sessions(source(server, holding(0, 100), pause_after_connect="150ms"), sink):
            await sink.polls(1)

    assert moments[0] - began > 0.149
    assert moments[1] - moments[0] < 0.1


async def test_one_request_for_each_tag():
    """For devices that answer only what their manual lists: neighbours are asked one by one."""
    sink = Sink()
    tags = {**holding(0, 1, 2), "LONG": {"area": "holding", "offset": 3, "type": "float32"}}
    async with ModbusServer() as server:
        async with sessions(source(server, tags, one_request_per_tag=True), sink):
            await sink.polls(1)
        asked = {(request.start, request.count) for request in server.requests}

    assert asked == {(0, 1), (1, 1), (2, 1), (3, 2)}


async def test_what_is_refused_is_not_searched_for_again_after_a_reconnect():
    """Forty registers, two of which do not exist: the second session knows, and asks no more than a poll takes.

    Complaints: telegraf#14671 and telegraf#13630 (one illegal address fails the block).
    """
    sink = Sink()
    async with ModbusServer(illegal={(1, 13), (1, 30)}) as server:
        config = source(server, holding(*range(40)), retries=0)
        ended = asyncio.create_task(one_session(config, sink, name="holes"))
        await sink.polls(3)
        searched = len(server.requests)
        server.drop_connections()
        await ended
        asked, batches = len(server.requests), len(sink.batches)
        async with sessions(config, sink, name="holes"):
            await sink.until(lambda: len(sink.batches) > batches)
            again = len(server.requests) - asked

        other = source(server, holding(*range(40)))
        asked, batches = len(server.requests), len(sink.batches)
        async with sessions(other, sink, name="holes"):
            await sink.until(lambda: len(sink.batches) > batches)
            anew = len(server.requests) - asked

    assert searched > 20
    assert again < 12
    assert anew > 12  # another configuration: nothing is known of it
    assert sink.latest("H13").quality is Quality.BAD
    assert sink.latest("H14").value == 14


def test_a_reconnect_hastens_what_was_put_off_and_nothing_else():
    """After a long wait the next attempt comes as after a first failure; one that was due is not put off."""
    late, early, well = Retry(60, 600), Retry(60, 600), Retry(60, 600)
    for now in (0, 60, 180, 420):
        late.failed(now)
    early.failed(0)
    for each in (late, early, well):
        each.hasten(50)

    assert (late.due, early.due, well.due) == (110, 60, 0)
