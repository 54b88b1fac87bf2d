"""Sessions with devices that behave: a real pymodbus server, and our rig for what it cannot show."""

import asyncio
import contextlib
import itertools
import socket
import struct
from pathlib import Path

import pytest
import uvloop
from prometheus_client import REGISTRY
from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from rigs.modbus_server import ModbusServer
from rigs.modbus_session import Sink, holding, one_session, sessions, source

from agent.clock import SystemClock
from agent.errors import StoreUnavailable
from agent.model import Link, Quality, Reading
from agent.sources.modbus.config import ModbusSource
from agent.sources.modbus.connection import connected


def registers(text):
    """Hexadecimal register values."""
    return [int(word, 16) for word in text.split()]


HOLDING = registers("ff85 0000 0001 e979 42f6 8000 0009 4241 4344 0000 7fc0 0000")
TAGS = {
    "TEMPERATURE": {"address": "40001", "type": "int16", "scale": 0.1, "valid_range": [-50, 400]},
    "COUNT": {"address": "40002", "type": "DINT"},
    "PRESSURE": {"address": "40004", "type": "REAL", "byte_order": "CDAB"},
    "LEVEL": {"address": "40006", "type": "int16", "invalid": [0x8000]},
    "OPEN": {"address": "40007", "type": "bit", "bit": 3},
    "BATCH": {"address": "40008", "type": "string", "length": 6, "byte_order": "BADC"},
    "FLOW": {"address": "40011", "type": "float32"},
    "SPEED": {"address": "30001", "type": "uint16", "raw_range": [0, 27648], "range": [0, 100]},
    "VALVE": {"address": "00002"},
    "PUMP": {"address": "10009"},
}
VALUES = {
    "TEMPERATURE": -12.3,
    "COUNT": 1,
    "PRESSURE": struct.unpack(">f", bytes.fromhex("42f6e979"))[0],
    "LEVEL": None,
    "OPEN": True,
    "BATCH": "ABDC",
    "FLOW": None,
    "SPEED": 50.0,
    "VALVE": True,
    "PUMP": True,
}


@contextlib.asynccontextmanager
async def pymodbus_server(port, framer=FramerType.SOCKET):
    coils = SimData(0, values=[False, True] + [False] * 14, datatype=DataType.BITS)
    inputs = SimData(0, values=[False] * 8 + [True] + [False] * 7, datatype=DataType.BITS)
    words = SimData(0, values=HOLDING, datatype=DataType.REGISTERS)
    speeds = SimData(0, values=[13824], datatype=DataType.REGISTERS)
    device = SimDevice(1, simdata=([coils], [inputs], [words], [speeds]))
    server = ModbusTcpServer(device, framer=framer, address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        yield
    finally:
        await server.shutdown()


def config_at(port, scheme="tcp", tags=TAGS, **keys: object):
    return ModbusSource.model_validate(
        {
            "type": "modbus",
            "url": f"{scheme}://127.0.0.1:{port}",
            "poll_every": "50ms",
            "timeout": "500ms",
            "tags": tags,
            **keys,
        }
    )


@pytest.mark.parametrize(("scheme", "framer"), [("tcp", FramerType.SOCKET), ("rtu+tcp", FramerType.RTU)])
async def test_every_area_and_type_from_a_real_server(free_port, scheme, framer):
    """An independent implementation of the protocol and we mean the same by every address and type.

    LEVEL and FLOW hold codes for "no value" in the middle of a block: they are bad, never 0 and never a number.
    Complaints: core#139628, core#69656 (a NaN sentinel inside a block recorded as 0).
    """
    sink, port = Sink(), free_port()
    async with pymodbus_server(port, framer), sessions(config_at(port, scheme), sink):
        await sink.until(lambda: sink.batches)

    assert {reading.tag: reading.value for reading in sink.readings()} == VALUES
    assert {reading.tag for reading in sink.readings() if reading.quality is Quality.BAD} == {"LEVEL", "FLOW"}


def test_the_same_on_uvloop(free_port):
    """The loop that the agent runs on has transports of its own kind."""

    async def main():
        sink, port = Sink(), free_port()
        async with pymodbus_server(port), sessions(config_at(port), sink):
            await sink.until(lambda: sink.batches)
        return {reading.tag: reading.value for reading in sink.readings()}

    assert uvloop.run(main()) == VALUES


async def test_the_link_comes_first_and_the_first_values_are_a_baseline():
    """Link up, then one batch with every tag once: a start, not a change; later ones are not."""
    sink = Sink()
    async with ModbusServer() as server, sessions(source(server, holding(0, 1, 50)), sink):
        await sink.polls(3)

    first, second = sink.batches[:2]
    assert (first[0].source, first[0].up) == ("plc", True)
    assert [(reading.tag, reading.baseline) for reading in first[1:]] == [
        ("H0", True),
        ("H1", True),
        ("H50", True),
    ]
    assert [(reading.tag, reading.baseline) for reading in second] == [
        ("H0", False),
        ("H1", False),
        ("H50", False),
    ]
    assert len(sink.links()) == 1


async def test_neighbours_are_read_in_one_request():
    """Sixty tags, two areas, two units: four requests a poll, all over one connection.

    Complaints: core#48497, thingsboard-gateway#1589 (register by register is too slow).
    """
    tags = {}
    for unit in (1, 2):
        for number in range(30):
            tags[f"H{unit}.{number}"] = {
                "area": "holding",
                "offset": 2 * number,
                "type": "int16",
                "unit_id": unit,
            }
            tags[f"D{unit}.{number}"] = {"area": "discrete", "offset": 5 * number, "unit_id": unit}
    sink = Sink()
    async with ModbusServer() as server, sessions(source(server, tags), sink):
        await sink.polls(2)
        await sink.polls(1)
        asked = [
            (request.unit, request.function, request.start, request.count) for request in server.requests
        ]

    assert asked[2:6] == [(1, 2, 0, 146), (1, 3, 0, 59), (2, 2, 0, 146), (2, 3, 0, 59)]
    assert server.accepted == 1
    assert {request.function for request in server.requests} <= {1, 2, 3, 4}


async def test_zero_is_a_value():
    """A register of 0, a coil that is off and an empty text are good, at every poll.

    Complaint: thingsboard-gateway#238 (0 was never sent).
    """
    tags = {
        **holding(0),
        "COIL": {"area": "coil", "offset": 1},
        "TEXT": {"area": "holding", "offset": 0, "type": "string", "length": 2},
    }
    sink = Sink()
    async with ModbusServer() as server, sessions(source(server, tags), sink):
        await sink.polls(3)

    assert [sink.good(tag)[:3] for tag in tags] == [[0] * 3, [False] * 3, [""] * 3]


async def test_the_receipt_is_the_moment_of_the_answer():
    """A second block that comes late is stamped late; the first keeps its own moment."""

    async def behave(exchange):
        await asyncio.sleep(0.1 if exchange.start else 0)
        await exchange.send(exchange.frame(exchange.pdu()))

    sink = Sink()
    async with ModbusServer(behave=behave) as server, sessions(source(server, holding(0, 500)), sink):
        batch = await sink.poll()

    assert 0.09e9 < batch["H500"].received - batch["H0"].received < 2e9


async def test_a_full_disk_does_not_stop_reading():
    """The store takes nothing for a while: polls go on, and then the newest values come, link and baseline first."""
    sink = Sink()
    sink.failure = StoreUnavailable("the disk is full")
    async with ModbusServer() as server, sessions(source(server, holding(0)), sink):
        before = len(server.requests)
        await sink.until(lambda: len(server.requests) >= before + 4)
        server.added = 7
        sink.failure = None
        await sink.until(lambda: sink.good("H0") and sink.good("H0")[-1] == 7)

    assert not sink.ends
    assert isinstance(sink.seen[0], Link)
    assert sink.readings("H0")[0].baseline


async def test_a_slow_consumer_makes_polls_missed_not_late():
    """Each emit takes three periods: polls are skipped and counted, and no burst follows."""
    sink = Sink()

    async def slow(batch):
        await asyncio.sleep(0.16)
        await Sink.emit(sink, batch)

    sink.emit = slow
    async with ModbusServer() as server, sessions(source(server, holding(0)), sink, name="missed"):
        await sink.polls(4)
        received = [reading.received for reading in sink.readings("H0")]

    assert all(later - earlier > 0.15e9 for earlier, later in itertools.pairwise(received))
    skipped = REGISTRY.get_sample_value("edge_relay_polls_skipped_total", {"source": "missed"})
    polls = REGISTRY.get_sample_value("edge_relay_polls_total", {"source": "missed"})
    assert skipped >= 2 * (polls - 1)


async def test_no_burst_follows_a_stall():
    """The store held one batch for ten periods: the polls of that time are left out, not caught up."""
    sink = Sink()

    async def stall_once(batch):
        await Sink.emit(sink, batch)
        if len(sink.batches) == 3:
            await asyncio.sleep(0.5)

    sink.emit = stall_once
    async with ModbusServer() as server, sessions(source(server, holding(0)), sink):
        await sink.polls(12)
        received = [reading.received for reading in sink.readings("H0")]

    gaps = [later - earlier for earlier, later in itertools.pairwise(received)]
    assert gaps[2] > 0.49e9
    assert sum(gap < 0.01e9 for gap in gaps[3:]) <= 2


async def test_a_tag_that_is_bad_at_first_has_its_baseline_later():
    """Its first good value is a start, not a change, however long it took."""

    async def behave(exchange):
        pdu = exchange.exception(4) if exchange.start and len(server.requests) < 12 else exchange.pdu()
        await exchange.send(exchange.frame(pdu))

    sink = Sink()
    async with ModbusServer(behave=behave) as server, sessions(source(server, holding(0, 100)), sink):
        await sink.until(lambda: len(sink.good("H100")) >= 2)

    good = [reading.baseline for reading in sink.readings("H100") if reading.value is not None]
    assert sink.readings("H100")[0].quality is Quality.BAD
    assert good[:2] == [True, False]


async def test_a_pause_is_kept_between_requests():
    """A slow device is left alone after each answer."""
    moments = []

    async def behave(exchange):
        moments.append(asyncio.get_running_loop().time())
        await exchange.send(exchange.frame(exchange.pdu()))

    sink = Sink()
    config_tags = holding(0, 100, 200, 300)
    async with ModbusServer(behave=behave) as server:
        config = source(server, config_tags, pause_between_requests="30ms")
        async with sessions(config, sink):
            await sink.polls(2)

    assert min(later - earlier for earlier, later in itertools.pairwise(moments)) > 0.029


async def test_nothing_listens_there(free_port):
    """The error names host and port and what to look at; nothing reconnects by itself."""
    config = config_at(free_port())

    assert await one_session(config, Sink()) == (
        f"{config.endpoint}: cannot connect (Connection refused): is Modbus enabled in the device, "
        "the port right, and no other client on its only connection?"
    )


async def test_a_name_that_does_not_exist():
    """An unknown name is said to be one (RFC 6761: .invalid never resolves)."""
    config = ModbusSource.model_validate(
        {"type": "modbus", "url": "tcp://plc.invalid", "timeout": "5s", "tags": TAGS}
    )

    text = await one_session(config, Sink())

    assert text.startswith("plc.invalid")
    assert "no connection within" in text or "the name cannot be resolved" in text


async def test_a_name_is_looked_up(free_port):
    """`localhost` is found, whichever of its addresses the device listens on."""
    sink, port = Sink(), free_port()
    config = config_at(port)
    config = config.model_copy(update={"url": f"tcp://localhost:{port}"})
    async with pymodbus_server(port), sessions(config, sink):
        await sink.until(lambda: sink.batches)

    assert sink.good("COUNT") == [1]


async def test_two_hundred_losses_leave_nothing_behind():
    """Connect, read, be cut off, 200 times: the same sockets and tasks as before."""
    sink = Sink()

    def count():
        return len(list(Path("/proc/self/fd").iterdir())), len(asyncio.all_tasks())

    async with ModbusServer() as server:
        config = source(server, holding(0), poll_every="10ms")
        for round_ in range(201):
            session = asyncio.create_task(one_session(config, sink))
            batches = len(sink.batches)
            await sink.until(lambda batches=batches: len(sink.batches) > batches)
            server.drop_connections()
            await session
            if round_ == 0:
                await asyncio.sleep(0)
                before = count()
        async with asyncio.timeout(30):
            while count() != before:
                await asyncio.sleep(0.01)

    assert len(sink.links()) == 201


async def test_cancelling_closes_the_socket():
    """A stop in the middle of a request leaves no connection open at the device."""
    asked, hung_up = asyncio.Event(), asyncio.Event()

    async def behave(exchange):
        asked.set()
        await exchange.hung_up()
        hung_up.set()

    async with ModbusServer(behave=behave) as server, asyncio.timeout(30):
        session = asyncio.create_task(one_session(source(server, holding(0), timeout="30s"), Sink()))
        await asked.wait()
        session.cancel()
        with pytest.raises(asyncio.CancelledError):
            await session
        await hung_up.wait()


async def test_a_half_open_connection_is_noticed_by_the_kernel():
    """A source that polls once an hour learns within 15 s that the cable was pulled."""
    async with ModbusServer() as server:
        config = source(server, holding(0), poll_every="1h")
        async with connected(config, SystemClock()) as connection:
            options = connection._line._wire._transport.get_extra_info("socket")
            idle, interval, count = (
                options.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )

            assert options.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert idle + interval * count <= 15
            assert options.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 15_000


async def test_readings_are_counted_once():
    """The metrics say how many tags there are, and how many of them the device accepts."""
    sink = Sink()
    async with ModbusServer(illegal={(1, 100)}) as server:
        async with sessions(source(server, holding(0, 100)), sink, name="counted"):
            await sink.polls(2)

            def sample(name):
                return REGISTRY.get_sample_value(f"edge_relay_source_items_{name}", {"source": "counted"})

            assert (sample("wanted"), sample("alive")) == (2, 1)
        assert sample("alive") == 0
    assert all(isinstance(seen, Link | Reading) for seen in sink.seen)
