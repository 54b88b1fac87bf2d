"""Devices and gateways that misbehave: never a wrong value, never stuck, back at once.

Each test is named after what it shows; several of these went unnoticed through pymodbus 3.16.1's own client.
"""

import asyncio
import time

import pytest
from rigs.modbus_misbehaviour import (
    ON_RTU,
    ON_TCP,
    TIMEOUT,
    busy,
    glued,
    half_an_answer,
    reset_midway,
    silent,
    trickle,
    wrong_unit,
)
from rigs.modbus_server import ModbusServer, honest
from rigs.modbus_session import LINES, Lag, Sink, holding, one_session, server_on, sessions, source

from agent.model import Quality

CHANGE = 1000
TAGS = holding(0, 100, 200)


def quick(server, **keys: object):
    """The three tags with a timeout that does not keep a test waiting."""
    return source(server, TAGS, timeout="100ms", **keys)


async def outcome_of(behave, line, folder):
    """What became of a plant that misbehaves for a while.

    The good values of each tag, the bad ones without a reason, and how many polls it took to be well again.
    """
    sink = Sink()
    folder /= behave.__name__
    folder.mkdir()
    async with server_on(line, folder) as server, sessions(quick(server), sink, name=behave.__name__):
        await sink.polls(2)
        server.behave = behave
        asked = len(server.requests)
        await sink.until(lambda: len(server.requests) > asked + 2 or sink.ends)
        server.added = CHANGE
        server.behave = honest
        over = len(sink.batches)
        await sink.until(lambda: all(sink.good(tag)[-1] >= CHANGE for tag in TAGS))
        polls = len(sink.batches) - over

    nameless = [one for one in sink.readings() if one.quality is Quality.BAD and not one.reason]
    return {tag: set(sink.good(tag)) for tag in TAGS}, nameless, polls


@pytest.mark.parametrize(("line", "behaviours"), [*zip(LINES, [ON_TCP, ON_RTU, ON_RTU], strict=True)])
async def test_never_a_wrong_value_and_back_when_it_is_over(line, behaviours, tmp_path):
    """While it lasts every tag is bad or rightly good; afterwards the new values come by themselves.

    Every behaviour has a plant of its own, all at once.
    Complaints: core#51103 (busy recorded as 0), core#55076, pymodbus#538, pymodbus#1509 and pymodbus PR#2636
    (the previous answer taken for the current one), thingsboard-gateway#2132, #1592, #829 and #1339,
    node-red-contrib-modbus#6, #69 and #273 (reading is dead until a restart).
    """
    async with Lag() as lag:
        outcomes = await asyncio.gather(*(outcome_of(behave, line, tmp_path) for behave in behaviours))
    named = dict(zip((behave.__name__ for behave in behaviours), outcomes, strict=True))
    right = {tag: {int(tag[1:]), int(tag[1:]) + CHANGE} for tag in TAGS}

    assert {name: values for name, (values, _, _) in named.items() if values != right} == {}
    assert {name: nameless for name, (_, nameless, _) in named.items() if nameless} == {}
    # At most what is under way ends, then one poll.
    slow = {name: polls for name, (_, _, polls) in named.items() if polls > 2}
    assert slow == {} or lag.worst > TIMEOUT / 2


@pytest.mark.parametrize("line", LINES)
async def test_one_byte_at_a_time(line, tmp_path):
    """An answer that trickles in is an answer."""
    sink = Sink()
    server = server_on(line, tmp_path, behave=trickle)
    async with server, sessions(source(server, TAGS), sink):
        batch = await sink.poll()

    assert {tag: reading.value for tag, reading in batch.items()} == {"H0": 0, "H100": 100, "H200": 200}
    assert not sink.ends


async def test_a_late_answer_glued_to_the_right_one_costs_nothing():
    """125 registers twice in one packet, the first of them late: pymodbus threw both away."""
    tags = holding(*range(125))
    sink = Sink()
    async with ModbusServer(behave=glued) as server:
        config = source(server, tags, max_registers_per_read=125)
        async with sessions(config, sink):
            batch = await sink.poll()

    assert {reading.value for reading in batch.values()} == set(range(125))
    assert not sink.ends


async def test_a_device_slower_than_the_timeout_is_read_on_the_repetition():
    """The repetition has the same transaction id: the late answer to the first attempt is as good."""

    async def slow_once(exchange):
        exchange.server.behave = honest
        await asyncio.sleep(0.25)
        await exchange.send(exchange.frame(exchange.pdu()))

    sink = Sink()
    async with ModbusServer() as server, sessions(source(server, TAGS), sink):
        await sink.polls(1)
        server.behave = slow_once
        server.added = CHANGE
        await sink.until(lambda: CHANGE in sink.good("H0"))
        await sink.polls(2)

    assert not sink.ends
    assert {tag: set(sink.good(tag)) for tag in TAGS} == {
        tag: {int(tag[1:]), int(tag[1:]) + CHANGE} for tag in TAGS
    }


@pytest.mark.parametrize("transparent", [False, True])
async def test_a_late_rtu_answer_is_never_taken_for_the_next_request(transparent):
    """RTU frames have no transaction id: after one timeout pymodbus gave 100 for 200, 200 for 300, for ever.

    A transparent serial server even hands the late answer to the connection that was opened since.
    """

    async def every_seventh_late(exchange):
        if len(exchange.server.requests) % 7 == 0:
            await asyncio.sleep(1.5 * TIMEOUT)  # while the line is busy nothing else is answered
        await exchange.send(exchange.frame(exchange.pdu()))

    sink = Sink()
    server = ModbusServer(rtu=True, behave=every_seventh_late, transparent=transparent)
    async with server, sessions(quick(server), sink):
        await sink.until(lambda: len(server.requests) > 40 and server.accepted > 4)

    for tag in TAGS:
        assert set(sink.good(tag)) == {int(tag[1:])}


async def test_an_rtu_answer_that_nobody_asked_for_is_not_kept_for_the_next_request():
    """A second answer that comes between two polls: the line is opened anew, the values stay right."""

    async def twice(exchange):
        await exchange.send(exchange.frame(exchange.pdu()))
        if exchange.start == 200:
            await asyncio.sleep(0.02)
            await exchange.send(exchange.frame(exchange.pdu(start=7)))

    sink = Sink()
    async with (
        ModbusServer(rtu=True, behave=twice) as server,
        sessions(source(server, TAGS, poll_every="200ms"), sink),
    ):
        await sink.until(lambda: server.accepted > 2)

    assert {tag: set(sink.good(tag)) for tag in TAGS} == {"H0": {0}, "H100": {100}, "H200": {200}}


async def test_noise_around_an_rtu_answer_is_harmless():
    """A line driver that switches adds a byte or two; the frame in between is sound."""

    async def noisy(exchange):
        await exchange.send(b"\x00" + exchange.frame(exchange.pdu()) + b"\x00")

    sink = Sink()
    async with ModbusServer(rtu=True, behave=noisy) as server, sessions(source(server, TAGS), sink):
        batch = await sink.poll()

    assert {reading.value for reading in batch.values()} == {0, 100, 200}
    assert server.accepted == 1


async def test_a_connection_lost_in_a_request_is_noticed_at_once():
    """Pymodbus waited for timeout x (retries + 1), holding the lock: here 40 s."""
    sink = Sink()
    async with ModbusServer(behave=reset_midway) as server:
        began = time.monotonic()
        text = await one_session(source(server, TAGS, timeout="20s"), sink)

    assert time.monotonic() - began < 5
    assert text.startswith(f"127.0.0.1:{server.port} closed the connection")


async def test_a_connection_lost_between_two_polls_is_noticed_at_once():
    """Nobody waits for the next poll to learn it."""
    sink = Sink()
    async with ModbusServer() as server, asyncio.TaskGroup() as group:
        session = group.create_task(one_session(source(server, TAGS, poll_every="1h"), sink))
        await sink.until(lambda: sink.batches)
        server.drop_connections()
        began = time.monotonic()
        await session

    assert time.monotonic() - began < 5
    assert server.accepted == 1  # the session does not reconnect


async def test_a_connection_is_lost_while_there_is_nothing_to_ask():
    """Every address is refused and left alone: the session ends all the same."""
    sink = Sink()
    async with ModbusServer(illegal={(1, 0)}) as server, asyncio.TaskGroup() as group:
        session = group.create_task(one_session(source(server, holding(0)), sink))
        await sink.polls(2)
        server.drop_connections()
        text = await session

    assert text.startswith(f"127.0.0.1:{server.port} closed the connection")


async def test_a_silent_device_is_noticed_within_timeout_and_retries():
    """Pymodbus took 32 timeouts. The error names the device and what to look at."""
    sink = Sink()
    async with ModbusServer() as server, asyncio.TaskGroup() as group:
        session = group.create_task(one_session(source(server, TAGS, retries=1), sink))
        await sink.until(lambda: sink.batches)
        server.behave = silent
        began = time.monotonic()
        text = await session

    assert 0.39 < time.monotonic() - began < 2
    assert text == (
        f"127.0.0.1:{server.port}: unit 1: no answer within 0.2 s when asked for holding 40001: "
        "check its power, its wiring, and unit_id"
    )


async def test_a_device_that_was_never_there_ends_the_session():
    """Nothing is emitted: a link is up only after an answer."""
    sink = Sink()
    async with ModbusServer(behave=silent) as server:
        await one_session(source(server, TAGS), sink)

    assert sink.seen == []


async def test_the_answer_of_another_unit_says_what_to_write():
    """The device answers under the number that is set at it."""
    sink = Sink()
    async with ModbusServer(behave=wrong_unit) as server:
        text = await one_session(source(server, TAGS), sink)

    assert text == (
        f"127.0.0.1:{server.port}: unit 1 was asked and unit 2 answered: "
        "write unit_id: 2 if that is the device you mean"
    )


async def test_unit_0_is_whoever_is_there():
    """On Modbus TCP unit 0 addresses the device itself, which may answer under its own number."""
    sink = Sink()

    async def named(exchange):
        await exchange.send(exchange.frame(exchange.pdu(), unit=17))

    async with (
        ModbusServer(behave=named) as server,
        sessions(source(server, TAGS, unit_id=0), sink),
    ):
        batch = await sink.poll()

    assert {reading.value for reading in batch.values()} == {0, 100, 200}


@pytest.mark.parametrize(("rtu", "hint"), [(False, "rtu+tcp://"), (True, "tcp://")])
async def test_the_wrong_framing_is_named(rtu, hint):
    """A gateway that passes RTU frames, read as Modbus TCP, or the other way round."""

    async def other_framing(exchange):
        exchange.server.rtu = not rtu
        answer = exchange.frame(exchange.pdu())
        exchange.server.rtu = rtu
        await exchange.send(answer)

    sink = Sink()
    async with ModbusServer(rtu=rtu, behave=other_framing) as server:
        text = await one_session(source(server, TAGS), sink)

    assert f"does it speak {hint}, or is the line disturbed?" in text


async def test_a_busy_device_is_asked_once_more():
    """Exception 6 is not an answer that lasts: the repetition brings the value."""

    async def busy_at_first(exchange):
        if len(exchange.server.requests) % 2:
            await busy(exchange)
        else:
            await honest(exchange)

    sink = Sink()
    async with (
        ModbusServer(behave=busy_at_first) as server,
        sessions(source(server, holding(0), retries=1), sink),
    ):
        await sink.polls(3)

    assert not [reading for reading in sink.readings() if reading.quality is Quality.BAD]


async def test_a_device_that_stays_busy_is_bad_with_the_remedy():
    """The connection stays up: it did answer."""
    sink = Sink()
    async with ModbusServer(behave=busy) as server, sessions(source(server, holding(0)), sink):
        batch = await sink.poll()

    assert batch["H0"].reason == ("unit 1 is busy: raise poll_every or pause_between_requests (exception 6)")
    assert not sink.ends


async def test_one_illegal_address_does_not_hurt_its_block():
    """Of 40 tags in one block two are refused: the others are good in the very same poll.

    From then on they are read in a few blocks, and the refused ones are left alone.
    Complaints: telegraf#14671 and telegraf#13630 (one illegal address fails the block).
    """
    sink = Sink()
    tags = holding(*range(40))
    async with (
        ModbusServer(illegal={(1, 13), (1, 30)}) as server,
        sessions(source(server, tags), sink),
    ):
        await sink.polls(1)
        first = {reading.tag: reading for reading in sink.readings()}
        await sink.polls(2)
        at_rest = len(server.requests)
        await sink.polls(4)
        a_poll = (len(server.requests) - at_rest) / 4

    bad = {tag for tag, reading in first.items() if reading.quality is Quality.BAD}
    assert len(first) == 40
    assert bad == {"H13", "H30"}
    assert all(reading.value == int(tag[1:]) for tag, reading in first.items() if tag not in bad)
    assert first["H13"].reason == (
        "unit 1 has no holding 40014 (offset 13): check the address, and whether the manual counts from 0 "
        "(exception 2)"
    )
    assert sink.latest("H13").quality is Quality.BAD
    assert a_poll < 12


async def test_an_illegal_address_in_a_gap_hurts_nobody():
    """What was read along between two tags is not there: the two are read apart."""
    sink = Sink()
    async with ModbusServer(illegal={(1, 3)}) as server, sessions(source(server, holding(0, 6)), sink):
        batch = await sink.poll()

    assert {tag: reading.value for tag, reading in batch.items()} == {"H0": 0, "H6": 6}


async def test_a_device_that_takes_only_short_reads_is_read_in_short_ones():
    """A limit below the protocol's is found, not asked for."""
    sink = Sink()
    async with ModbusServer(most=16) as server, sessions(source(server, holding(*range(100))), sink):
        batch = await sink.poll()

    assert {reading.value for reading in batch.values()} == set(range(100))


async def test_a_refused_address_is_taken_back_when_it_is_there(monkeypatch):
    """The program was loaded into the PLC meanwhile: tried again, and then read in one block as before."""
    monkeypatch.setattr("agent.sources.modbus.reads.Reads.RETEST", (200_000_000, 400_000_000))
    sink = Sink()
    tags = holding(*range(20))
    async with ModbusServer(illegal={(1, 13)}) as server, sessions(source(server, tags), sink):
        await sink.polls(2)
        server.illegal.clear()
        await sink.until(lambda: 13 in sink.good("H13"))
        await sink.polls(1)
        asked = len(server.requests)
        await sink.polls(3)

    assert len(server.requests) - asked <= 4


@pytest.mark.parametrize("rtu", [False, True])
async def test_a_dead_unit_does_not_stop_the_others(rtu):
    """Three units of a line, one switched off: the others go on being read, it is bad with its reason.

    Complaints: telegraf#11782, core#72495, core#122607, node-red-contrib-modbus#409.
    """
    sink = Sink()
    tags = {
        f"U{unit}": {"area": "holding", "offset": unit, "type": "uint16", "unit_id": unit}
        for unit in (1, 2, 3)
    }
    async with ModbusServer(rtu=rtu, dead={2}) as server, sessions(source(server, tags), sink):
        await sink.until(lambda: len(sink.good("U3")) >= 10)
        probes = sum(request.unit == 2 for request in server.requests)
        assert sink.latest("U2").reason == (
            "unit 2: no answer within 0.2 s when asked for holding 40003: "
            "check its power, its wiring, and unit_id"
        )
        server.dead.clear()
        await sink.until(lambda: sink.good("U2"))
        await sink.until(lambda: len(server.connections) == 1)  # the sockets that were replaced are closed

    assert probes <= 2
    assert len(sink.good("U1")) >= 10
    assert next(reading.baseline for reading in sink.readings("U2") if reading.value is not None)
    assert not sink.ends


@pytest.mark.parametrize("rtu", [False, True])
async def test_half_an_answer_of_one_unit_does_not_cost_the_others(rtu):
    """What is left of it in the line's memory would be the beginning of the next answer."""

    async def half_of_unit_2(exchange):
        await (half_an_answer if exchange.unit == 2 else honest)(exchange)

    sink = Sink()
    tags = {
        f"U{unit}": {"area": "holding", "offset": unit, "type": "uint16", "unit_id": unit} for unit in (1, 2)
    }
    async with (
        ModbusServer(rtu=rtu, behave=half_of_unit_2) as server,
        sessions(source(server, tags), sink),
    ):
        await sink.until(lambda: len(sink.good("U1")) > 5)

    assert set(sink.good("U1")) == {1}
    assert not sink.ends
    assert not sink.good("U2")


async def test_a_unit_that_dies_costs_the_others_two_timeouts_once():
    """Afterwards it is asked now and then, after the others have been read and emitted."""
    sink = Sink()
    tags = {
        f"U{unit}": {"area": "holding", "offset": unit, "type": "uint16", "unit_id": unit} for unit in (1, 2)
    }
    async with ModbusServer() as server, sessions(source(server, tags), sink):
        await sink.polls(3)
        server.dead.add(1)
        await sink.until(lambda: sink.latest("U1").quality is Quality.BAD)
        before = len(sink.good("U2"))
        began = time.monotonic()
        await sink.until(lambda: len(sink.good("U2")) >= before + 10)
        took = time.monotonic() - began
        server.dead.clear()
        before = len(sink.good("U1"))
        await sink.until(lambda: len(sink.good("U1")) > before)

    assert took < 1.5
    assert set(sink.good("U2")) == {2}
    assert [reading for reading in sink.readings("U1") if reading.value is not None][before].baseline


async def test_units_that_die_together_are_asked_once_after_the_first():
    """The first gets its repetition; where it was silent the others get none in this poll."""
    sink = Sink()
    tags = {
        f"U{unit}": {"area": "holding", "offset": unit, "type": "uint16", "unit_id": unit}
        for unit in (1, 2, 3)
    }
    async with ModbusServer() as server, sessions(source(server, tags), sink):
        await sink.polls(2)
        server.dead |= {1, 2}
        asked = len(server.requests)
        await sink.until(lambda: sink.latest("U2").quality is Quality.BAD)
        units = [request.unit for request in server.requests[asked:]]

    assert (units.count(1), units.count(2)) == (2, 1)
    assert not sink.ends


async def test_a_gateway_that_speaks_for_a_dead_unit():
    """Exception 11: the unit is bad with the gateway's word, and asked no more for a while."""

    async def gateway(exchange):
        pdu = exchange.exception(11) if exchange.unit == 2 else exchange.pdu()
        await exchange.send(exchange.frame(pdu))

    sink = Sink()
    tags = {
        f"U{unit}": {"area": "holding", "offset": unit, "type": "uint16", "unit_id": unit} for unit in (1, 2)
    }
    async with ModbusServer(behave=gateway) as server, sessions(source(server, tags), sink):
        await sink.polls(10)

    assert sum(request.unit == 2 for request in server.requests) <= 2
    assert sink.latest("U2").reason == (
        "unit 2 does not answer the gateway: check its power, its wiring, and unit_id (exception 11)"
    )


async def test_a_device_that_floods_us_is_left():
    """Bytes without end and without a frame: the session ends, the memory does not."""

    async def flood(exchange):
        while not exchange.writer.is_closing():
            await exchange.send(b"\xff" * 4000)

    sink = Sink()
    async with ModbusServer() as server, asyncio.TaskGroup() as group:
        session = group.create_task(one_session(source(server, TAGS, timeout="30s"), sink))
        await sink.until(lambda: sink.batches)
        server.behave = flood
        text = await session

    assert text.endswith("sends without end what nobody asked for: is it a Modbus device?")
