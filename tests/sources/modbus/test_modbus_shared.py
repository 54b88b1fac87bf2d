"""Sources that name the same gateway or port share one line: a template makes one source for each device."""

import asyncio
import contextlib
import itertools
import statistics
import time

import pytest
from rigs.modbus_server import ModbusServer, honest
from rigs.modbus_session import LINES, Sink, holding, one_session, server_on, sessions, source

from agent.clock import SystemClock
from agent.model import Quality
from agent.sources.modbus.connection import connected
from agent.sources.modbus.line import _LINES
from agent.sources.modbus.sharing import contradictions

OFFSETS = (0, 100, 200)
TAGS = holding(*OFFSETS)


def unit(server, number, **keys: object):
    """The source of one device of several; register n of unit u holds n + u."""
    return source(server, TAGS, unit_id=number, **{"timeout": "500ms", **keys})


async def by_unit(exchange):
    """Each unit has values of its own, so that an answer of another one would show."""
    exchange.server.added = exchange.unit
    await honest(exchange)


@contextlib.asynccontextmanager
async def plants(*configs: object):
    """All sources at work; gives the sink of each."""
    async with contextlib.AsyncExitStack() as stack:
        sinks = [Sink() for _ in configs]
        for number, (config, sink) in enumerate(zip(configs, sinks, strict=True)):
            await stack.enter_async_context(sessions(config, sink, name=f"plc{number}"))
        yield sinks
    assert not _LINES


def timeouts_in_a_poll(requests):
    """How many requests to dead units lie between the beginnings of each two polls of unit 1."""
    others = 0
    for request in requests:
        if (request.unit, request.start) == (1, OFFSETS[0]):
            yield others
            others = 0
        others += request.unit != 1


def values(sink):
    return {tag: set(sink.good(tag)) for tag in TAGS}


def expected(number):
    return {f"H{offset}": {offset + number} for offset in OFFSETS}


@pytest.mark.parametrize("line", LINES)
async def test_all_sources_of_a_gateway_share_one_connection(line, tmp_path):
    """Five sources, five units, one socket at the server, one request in flight.

    Complaints: thingsboard-gateway#1670, OpenPLC_v3#195, openhab1#3819 (devices with 1 to 4 connections),
    NModbus4#152 (the new client kicks out the old).
    """
    at_once = most = 0

    async def counted(exchange):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once, len(server.connections))
        await asyncio.sleep(0.001)
        at_once -= 1
        await by_unit(exchange)

    server = server_on(line, tmp_path, behave=counted)
    # A slow answer is not the matter here.
    patient = (unit(server, number, timeout="4s") for number in range(1, 6))
    async with server, plants(*patient) as sinks:
        for sink in sinks:
            await sink.polls(3)
        # Before they end: one that is ended in mid-question leaves an answer behind, and on RTU a new socket.
        assert (server.accepted, most) == (1, 1)

    assert [values(sink) for sink in sinks] == [expected(number) for number in range(1, 6)]
    assert not any(sink.ends for sink in sinks)


async def test_the_last_source_closes_the_line():
    """A source that is paused takes the line from nobody; with the last one the socket is gone."""
    async with ModbusServer(behave=by_unit) as server:
        async with sessions(unit(server, 1), staying := Sink(), name="staying"):
            async with sessions(unit(server, 2), Sink(), name="paused"):
                await staying.polls(2)
            await staying.polls(2)

            assert (server.accepted, len(server.connections)) == (1, 1)
        async with asyncio.timeout(30):
            while server.connections:
                await asyncio.sleep(0.01)

    assert not staying.ends


@pytest.mark.parametrize("line", LINES)
async def test_a_source_that_is_stopped_in_its_request_leaves_the_line_in_step(line, tmp_path):
    """Its answer comes when another source has asked: that one does not take it for its own."""

    async def slow_2(exchange):
        if exchange.unit == 2:
            asked.set()
            await asyncio.sleep(0.03)
        await by_unit(exchange)

    asked = asyncio.Event()
    server = server_on(line, tmp_path, behave=slow_2)
    # Both ask the same unit as well: nothing but being in step tells their answers apart.
    quick = {"timeout": "300ms"}
    async with server, plants(unit(server, 2, **quick), unit(server, 1, **quick)) as (first, second):
        await second.polls(1)
        for _ in range(4):
            asked.clear()
            third = asyncio.create_task(one_session(unit(server, 2, **quick), Sink(), name="third"))
            await asked.wait()
            third.cancel()
            await asyncio.gather(third, return_exceptions=True)
            await second.polls(1)
        await first.polls(1)

    assert (values(first), values(second)) == (expected(2), expected(1))
    assert not [*first.ends, *second.ends]
    assert line != "tcp" or server.accepted == 1


async def test_a_source_that_is_stopped_in_its_request_leaves_the_device_its_pause():
    """The device is at work on it: the other source asks no sooner than after `pause_between_requests`."""
    asked, moments = asyncio.Event(), []

    async def noted(exchange):
        moments.append(time.monotonic())
        if exchange.unit == 2:
            asked.set()
            await asyncio.sleep(0.05)
        await by_unit(exchange)

    slow = {"pause_between_requests": "250ms"}
    async with ModbusServer(behave=noted) as server, plants(unit(server, 1, **slow)) as (staying,):
        await staying.polls(1)
        stopped = asyncio.create_task(one_session(unit(server, 2, **slow), Sink(), name="stopped"))
        await asked.wait()
        stopped.cancel()
        await asyncio.gather(stopped, return_exceptions=True)
        began, before = time.monotonic(), len(moments)
        await staying.until(lambda: len(moments) > before)

    assert moments[before] - began > 0.24


@pytest.mark.parametrize("line", LINES)
async def test_a_lost_line_ends_all_its_sessions_at_once(line, tmp_path):
    """Each with the reason; then they come back, over one new connection."""
    server = server_on(line, tmp_path, behave=by_unit)
    async with server:
        configs = [unit(server, number, poll_every="1h") for number in (1, 2, 3)]
        async with plants(*configs) as sinks:
            for sink in sinks:
                await sink.until(lambda sink=sink: sink.batches)
            began = time.monotonic()
            server.drop_connections()
            for sink in sinks:
                await sink.until(lambda sink=sink: sink.ends)
            took = time.monotonic() - began
            for sink in sinks:
                await sink.until(lambda sink=sink: len(sink.batches) > 1)

    assert took < 1
    (reason,) = {reason for sink in sinks for reason in sink.ends}
    assert "was the adapter pulled out?" in reason if line == "serial" else "closed the connection" in reason
    assert server.accepted == 2


@pytest.mark.parametrize("line", LINES[:2])
async def test_a_dead_unit_of_one_source_costs_the_others_a_timeout_at_most(line, tmp_path):
    """Its source tries again and again; between the polls of the others lies one timeout at the most.

    Complaints: telegraf#11782 (one silent unit dropped the data of all), core#72495 and core#122607 (one
    dead slave hangs the hub), node-red-contrib-modbus#409 (its timeout resets the queue for all).
    """
    server = server_on(line, tmp_path, behave=by_unit)
    async with server, plants(unit(server, 1), unit(server, 2, timeout="200ms")) as (living, dying):
        await dying.polls(2)
        server.dead.add(2)
        asked = len(server.requests)
        await dying.until(lambda: len(dying.ends) >= 3)
        begun = len(dying.batches)
        requests = server.requests[asked:]
        server.dead.clear()
        await dying.until(lambda: len(dying.batches) > begun)

    assert values(living) == expected(1)
    assert not living.ends
    assert max(timeouts_in_a_poll(requests)) == 1


async def test_many_dead_units_do_not_queue_up_before_the_living():
    """Four of five sources have lost their device: the fifth is read between any two of their timeouts."""
    async with ModbusServer(behave=by_unit, dead=set(range(2, 6))) as server:
        configs = [unit(server, number, timeout="200ms") for number in range(1, 6)]
        async with plants(*configs) as (living, *dead):
            for sink in dead:
                await sink.until(lambda sink=sink: sink.ends)  # now each is known to be silent
            asked = len(server.requests)
            await living.until(lambda: sum(len(sink.ends) for sink in dead) >= 7)
            requests = server.requests[asked:]

    assert max(timeouts_in_a_poll(requests)) == 1
    assert not living.ends


async def test_sources_take_turns():
    """One asks for forty blocks, the other for one: it waits for one of them, not for forty."""
    order = []

    async def noted(exchange):
        order.append(exchange.unit)
        await asyncio.sleep(0.002)
        await honest(exchange)

    many = holding(*range(0, 40 * 50, 50))
    async with (
        ModbusServer(behave=noted) as server,
        plants(
            source(server, many, unit_id=1, poll_every="10ms"),
            source(server, holding(0), unit_id=2, poll_every="10ms"),
        ) as (_, few),
    ):
        await few.polls(20)

    # The first is from before the other had begun.
    turns = [len(list(group)) for unit_id, group in itertools.groupby(order) if unit_id == 1][1:]
    # 10 ms of the other's 2 ms; the median, for a machine that stands still for a moment is no lack of turns.
    assert statistics.median(turns) < 15, turns


async def test_what_a_source_says_of_a_line_that_runs_otherwise_is_refused():
    """The loader refuses it; should it come as far as this, the message says what to do."""
    async with ModbusServer(behave=by_unit) as server, connected(unit(server, 1), SystemClock()):
        text = await one_session(unit(server, 2, close_after_poll=True), Sink())

    assert text == (
        f"127.0.0.1:{server.port}: another source uses this connection, and has another `close_after_poll`: "
        "write the same in both"
    )


async def test_a_line_that_cannot_be_had_is_tried_once_for_all(free_port):
    """All who wait for it are told the same."""
    server = ModbusServer()
    server.port = free_port()
    async with asyncio.TaskGroup() as group:
        ended = [
            group.create_task(one_session(unit(server, number), Sink(), name=f"s{number}"))
            for number in (1, 2, 3)
        ]

    assert len({task.result() for task in ended}) == 1
    assert not _LINES


def test_sources_that_share_a_line_must_agree_on_it():
    """What contradicts is named with the other source; ports and hosts of their own are nobody's business."""
    server = ModbusServer()
    server.port = 502
    same = unit(server, 2)
    sources = {
        "a": unit(server, 1),
        "b": same,
        "c": unit(server, 3, url="rtu+tcp://127.0.0.1:502"),
        "d": unit(server, 4, close_after_poll=True),
        "e": unit(server, 5, pause_after_connect="1s"),
        "f": unit(server, 6, url="tcp://127.0.0.1:503", close_after_poll=True),
        "g": unit(server, 7, url="rtu:///dev/ttyS0?baudrate=9600"),
        "h": unit(server, 8, url="rtu:///dev/ttyS0?baudrate=19200"),
        "i": "of another kind",
    }

    assert [(each.source, each.key) for each in contradictions(sources)] == [
        ("c", "url"),
        ("d", "close_after_poll"),
        ("e", "pause_after_connect"),
        ("h", "url"),
    ]
    assert next(iter(contradictions(sources))).text == (
        "source a reads 127.0.0.1:502 too, over the same connection, and says url: tcp://127.0.0.1:502: "
        "write the same in both"
    )


async def test_a_bad_unit_is_bad_alone():
    """Two units of one source and one of another, one of the three dead: the other two are good."""
    tags = {**holding(0), "DEAD": {"area": "holding", "offset": 5, "type": "uint16", "unit_id": 9}}
    async with ModbusServer(dead={9}) as server:
        config = source(server, tags, timeout="100ms")
        async with plants(config, unit(server, 3)) as (mixed, other):
            await mixed.polls(3)
            await other.polls(3)

    assert mixed.latest("H0").quality is Quality.GOOD
    assert mixed.latest("DEAD").quality is Quality.BAD
    assert not [*mixed.ends, *other.ends]


async def test_a_late_answer_of_one_unit_is_not_taken_for_that_of_another(tmp_path):
    """It comes while the other unit is asked, and is passed over: not one reading of that one suffers."""
    waiting = set()

    async def late_2(exchange):
        if exchange.unit == 2:
            waiting.add(asyncio.create_task(answer_late(exchange)))
        else:
            await asyncio.sleep(0.03)
            await by_unit(exchange)

    async def answer_late(exchange):
        await asyncio.sleep(0.45)
        await by_unit(exchange)

    tags = {**holding(0), "LATE": {"area": "holding", "offset": 0, "type": "uint16", "unit_id": 2}}
    server = server_on("serial", tmp_path, behave=late_2)
    async with server, sessions(source(server, tags, timeout="300ms", retries=0), sink := Sink()):
        await sink.until(lambda: sum(task.done() for task in waiting) >= 1)
        await sink.polls(3)
    await asyncio.gather(*waiting)

    assert {reading.value for reading in sink.readings("H0")} == {1}
    assert sink.good("LATE") == []
    assert not sink.ends


async def test_what_a_session_before_had_asked_is_not_taken_for_an_answer(tmp_path):
    """The line is opened anew, and the device still answers the question of the session that was stopped."""
    asked = asyncio.Event()

    async def slow_once(exchange):
        if exchange.start == 100 and not asked.is_set():
            asked.set()
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.03)
        await honest(exchange)

    server = server_on("serial", tmp_path, behave=slow_once)
    async with server:
        config = source(server, TAGS, timeout="300ms")
        first = asyncio.create_task(one_session(config, Sink()))
        await asked.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        async with sessions(config, sink := Sink()):
            await sink.polls(2)

    assert values(sink) == {f"H{offset}": {offset} for offset in OFFSETS}
