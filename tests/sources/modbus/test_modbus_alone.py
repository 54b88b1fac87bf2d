"""What fails, fails alone: units that are dead, addresses that are refused, for as little as can be."""

import asyncio
import itertools

from rigs.modbus_server import ModbusServer, honest
from rigs.modbus_session import Lag, Sink, holding, one_session, sessions, source

from agent.model import MILLISECOND, Quality


def units(*numbers: int):
    """Tags U1, U2, ... : one of each unit, whose value is the unit's number."""
    return {f"U{n}": {"area": "holding", "offset": n, "type": "uint16", "unit_id": n} for n in numbers}


async def test_units_behind_a_dead_one_are_read_at_once():
    """The source polls once an hour: what was not asked before the first poll does not wait for the next."""
    sink = Sink()
    async with (
        ModbusServer(dead={2, 4}) as server,
        sessions(source(server, units(1, 2, 3, 4, 5), timeout="100ms", poll_every="1h"), sink),
    ):
        await sink.until(lambda: all(sink.good(tag) for tag in ("U1", "U3", "U5")))

    assert not sink.ends
    assert next(reading.baseline for reading in sink.readings("U5") if reading.value is not None)


async def test_a_unit_that_is_back_does_not_wait_for_the_next_poll(monkeypatch):
    """It is asked between two polls that lie far apart, and read the moment it answers."""
    monkeypatch.setattr("agent.sources.modbus.unit.Unit._PROBE", (50 * MILLISECOND, 50 * MILLISECOND))
    sink = Sink()
    async with (
        ModbusServer(dead={2}) as server,
        sessions(source(server, units(1, 2), timeout="50ms", poll_every="1h"), sink),
    ):
        await sink.until(lambda: sink.readings("U2"))
        asked = len(server.requests)
        server.dead.clear()
        await sink.until(lambda: sink.good("U2"))

    assert len(server.requests) - asked <= 3
    assert len(sink.readings("U1")) == 1


async def test_a_device_that_is_left_between_polls_is_not_called_for_a_dead_unit(monkeypatch):
    """With `close_after_poll` the line belongs to somebody else until the next poll."""
    monkeypatch.setattr("agent.sources.modbus.unit.Unit._PROBE", (MILLISECOND, MILLISECOND))
    sink = Sink()
    async with ModbusServer(dead={2}) as server:
        config = source(server, units(1, 2), timeout="30ms", poll_every="300ms", close_after_poll=True)
        async with sessions(config, sink):
            await sink.until(lambda: len(sink.good("U1")) == 4)

    assert server.accepted <= 4


async def test_a_dead_unit_gives_others_their_time_but_its_own_source_does_not_wait(monkeypatch):
    """Two sources on a line, one of which has a dead unit: its living one misses a timeout, not two."""
    monkeypatch.setattr("agent.sources.modbus.unit.Unit._PROBE", (200 * MILLISECOND, 200 * MILLISECOND))
    sink, other = Sink(), Sink()
    async with ModbusServer(dead={2}) as server, Lag() as lag:
        mixed = source(server, units(1, 2), timeout="400ms", poll_every="100ms", retries=0)
        beside = source(server, holding(0), unit_id=5)
        async with sessions(beside, other, name="other"), sessions(mixed, sink, name="mixed"):
            await sink.until(lambda: sum(request.unit == 2 for request in server.requests) >= 3)
            await sink.polls(2)
    received = [reading.received for reading in sink.readings("U1")]
    longest = max(later - earlier for earlier, later in itertools.pairwise(received))

    assert longest < 750 * MILLISECOND or lag.worst > 0.05
    assert not [*sink.ends, *other.ends]


async def test_dead_units_of_others_keep_no_living_one_from_being_asked():
    """Somebody always waits for a dead unit; the units of a source that starts are asked all the same, at once."""
    sink, dead = Sink(), Sink()
    async with ModbusServer(dead={7, 8}) as server:
        configs = [source(server, holding(0), unit_id=number, timeout="400ms") for number in (7, 8)]
        beside = source(server, holding(0), unit_id=5)
        async with (
            sessions(beside, Sink(), name="beside"),
            sessions(configs[0], dead, name="dead"),
            sessions(configs[1], dead, name="dead as well"),
        ):
            await dead.until(lambda: len(dead.ends) >= 2)
            async with sessions(source(server, units(1, 2, 3), poll_every="1h"), sink, name="starting"):
                await sink.polls(1)

    assert [sink.good(tag) for tag in ("U1", "U2", "U3")] == [[1], [2], [3]]


async def test_a_test_of_what_is_refused_keeps_no_poll_waiting(monkeypatch):
    """Sixty tags with a hole behind each: the search takes 119 requests, once; afterwards a poll takes one more."""
    monkeypatch.setattr("agent.sources.modbus.reads.Reads.RETEST", (1, 1))
    sink = Sink()
    tags = holding(*range(0, 120, 2))
    async with ModbusServer(illegal={(1, offset) for offset in range(1, 120, 2)}) as server:
        in_poll = []

        async def emit(batch):
            in_poll.append(len(server.requests))
            await Sink.emit(sink, batch)

        sink.emit = emit
        async with sessions(source(server, tags), sink):
            await sink.polls(6)

    assert in_poll[0] >= 119
    assert {later - earlier for earlier, later in itertools.pairwise(in_poll)} <= {60, 61}
    assert sink.good("H118") == [118] * 6


async def test_each_refused_address_is_tested(monkeypatch):
    """Two of three holes are gone, the block is refused as before: the two are found, and soon."""
    monkeypatch.setattr("agent.sources.modbus.reads.Reads.RETEST", (1, 1))
    sink = Sink()
    async with (
        ModbusServer(illegal={(1, 3), (1, 7), (1, 12)}) as server,
        sessions(source(server, holding(*range(16)), poll_every="20ms"), sink),
    ):
        await sink.polls(2)
        server.illegal -= {(1, 3), (1, 12)}
        await sink.until(lambda: sink.good("H3") and sink.good("H12"))
        batch = await sink.poll()

    bad = {tag for tag, reading in batch.items() if reading.quality is Quality.BAD}
    assert bad == {"H7"}
    assert len(batch) == 16


async def test_a_search_that_a_lost_line_ends_tells_no_tag_twice():
    """The device vanishes while its holes are searched; when it is back it has none: every tag once, all good."""
    sink = Sink()

    async def vanish(exchange):
        await honest(exchange)
        if (exchange.start, exchange.count) == (2, 1):
            exchange.server.illegal.clear()
            exchange.server.drop_connections()

    async with ModbusServer(illegal={(1, 2), (1, 6)}, behave=vanish) as server:
        config = source(server, holding(*range(8)))
        await one_session(config, sink, name="vanishing")
        assert not sink.batches
        server.behave = honest
        async with asyncio.timeout(30), sessions(config, sink, name="vanishing"):
            batch = await sink.poll()

    assert {reading.quality for reading in batch.values()} == {Quality.GOOD}
    assert all(len(sink.readings(tag)) == len(sink.batches) for tag in batch)
