"""Writing one value to a Modbus device: once, whatever the device, the gateway or the line does with it.

What all writers have in common stands in tests/contract/test_writers.py.
"""

import asyncio
import contextlib
import re
import struct

import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from rigs.modbus_misbehaviour import (
    ON_WRITES,
    TIMEOUT,
    glued,
    heard,
    heard_alone,
    heard_in_pieces,
    late,
    only_writes,
    silent,
    transaction_0,
    trickle,
    two_answers,
    wrong_transaction,
)
from rigs.modbus_server import ModbusServer, honest
from rigs.modbus_session import LINES, PATIENCE, Sink, server_on, sessions, source

from agent.codec.modbus import ByteOrder, NumberType
from agent.model import MILLISECOND, Quality
from agent.sources.modbus.line import _LINES
from agent.sources.modbus.writer import ModbusWriter
from agent.sources.writing import WriteRefused, WriteUncertain

TAGS = {
    "SP": {"area": "holding", "offset": 10, "type": "int16", "scale": 0.1, "write": {"min": 0, "max": 100}},
    "LONG": {"area": "holding", "offset": 20, "type": "uint32", "write": {"min": 0, "max": 1_000_000}},
    "PUMP": {"area": "coil", "offset": 1, "write": {}},
    "LEVEL": {"area": "holding", "offset": 40, "type": "uint16"},
}


def plc(server, **keys: object):
    return source(server, TAGS, **{"timeout": "1s", "retries": 3, **keys})


@contextlib.asynccontextmanager
async def writing(config, name="plc"):
    """Sessions of a source, and its sink once something can be written."""
    sink = Sink()
    async with sessions(config, sink, name):
        await opened(sink)
        yield sink


async def opened(sink):
    """The writer of a session that is connected."""
    await until(lambda: sink.door.writer is not None)
    return sink.door.writer


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.002)


# --- what goes over the wire -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "tag", "value", "pdu"),
    [
        ("single", "SP", 21.5, "06 000a 00d7"),
        ("single", "LONG", 65537, "10 0014 0002 04 0001 0001"),
        ("single", "PUMP", True, "05 0001 ff00"),
        ("single", "PUMP", False, "05 0001 0000"),
        ("multiple", "SP", 21.5, "10 000a 0001 02 00d7"),
        ("multiple", "LONG", 65537, "10 0014 0002 04 0001 0001"),
        ("multiple", "PUMP", True, "0f 0001 0001 01 01"),
        ("multiple", "PUMP", False, "0f 0001 0001 01 00"),
    ],
)
async def test_the_function_that_the_device_knows(how, tag, value, pdu):
    """Functions 5, 6 and 16 as the standard prints them, or 15 and 16 alone: many meters know no others."""
    async with ModbusServer() as server, writing(plc(server, write_with=how)) as sink:
        await sink.door.writer.write(tag, value)
        read = await sink.door.writer.read(tag)

    assert server.writes[0].raw[7:].hex() == pdu.replace(" ", "")
    assert len(server.writes) == 1
    assert read.value == value


@contextlib.asynccontextmanager
async def pymodbus_server(port, framer):
    words = SimData(0, values=[0] * 200, datatype=DataType.REGISTERS)
    bits = SimData(0, values=[False] * 16, datatype=DataType.BITS)
    device = SimDevice(1, simdata=([bits], [bits], [words], [words]))
    server = ModbusTcpServer(device, framer=framer, address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        yield
    finally:
        await server.shutdown()


NUMBERS = {
    NumberType.INT16: ("h", -12345),
    NumberType.UINT16: ("H", 54321),
    NumberType.INT32: ("i", -123456789),
    NumberType.UINT32: ("I", 3_123_456_789),
    NumberType.INT64: ("q", -1_234_567_890_123_456),
    NumberType.UINT64: ("Q", 2**53 - 2),
    NumberType.FLOAT32: ("f", 0.15625),
    NumberType.FLOAT64: ("d", -1.1e-20),
}


def registers(big_endian, order):
    """The registers as the order's letters say, worked out by words, not as the codec does it."""
    words = [big_endian[at : at + 2] for at in range(0, len(big_endian), 2)]
    if order in {"CDAB", "DCBA"}:
        words.reverse()
    if order in {"BADC", "DCBA"}:
        words = [word[::-1] for word in words]
    return [int.from_bytes(word) for word in words]


@pytest.mark.parametrize(("scheme", "framer"), [("tcp", FramerType.SOCKET), ("rtu+tcp", FramerType.RTU)])
@pytest.mark.parametrize("how", ["single", "multiple"])
async def test_a_real_server_holds_what_was_meant(free_port, scheme, framer, how):
    """Every type in every byte order, and a coil: an independent server takes it, an independent client reads it."""
    port = free_port()
    cases = [(kind, order) for kind in NUMBERS for order in ByteOrder]
    bounds = {"min": -1e18, "max": 1e18}
    tags = {
        f"{kind}-{order}": {
            "area": "holding",
            "offset": 4 * index,
            "type": kind.value,
            "byte_order": order.value,
        }
        for index, (kind, order) in enumerate(cases)
    }
    limits = {"int16": 2**15 - 1, "uint16": 2**16 - 1, "int32": 2**31 - 1, "uint32": 2**32 - 1}
    for tag in tags.values():
        high = limits.get(tag["type"], 1e18)
        tag["write"] = bounds | {"min": 0 if tag["type"].startswith("u") else -high, "max": high}
    tags["PUMP"] = {"area": "coil", "offset": 3, "write": {}}
    config = source(
        type("At", (), {"url": f"{scheme}://127.0.0.1:{port}"}), tags, timeout="2s", write_with=how
    )
    async with pymodbus_server(port, framer), writing(config) as sink:
        for kind, order in cases:
            await sink.door.writer.write(f"{kind}-{order}", NUMBERS[kind][1])
        await sink.door.writer.write("PUMP", True)
        values = [(await sink.door.writer.read(f"{kind}-{order}")).value for kind, order in cases]
        async with AsyncModbusTcpClient("127.0.0.1", port=port, framer=framer) as client:
            held = [
                word
                for at in (0, 64)
                for word in (await client.read_holding_registers(at, count=64)).registers
            ]
            coils = (await client.read_coils(0, count=8)).bits

    assert values == [NUMBERS[kind][1] for kind, _ in cases]
    for index, (kind, order) in enumerate(cases):
        code, number = NUMBERS[kind]
        expected = registers(struct.pack(f">{code}", number), order)
        assert held[4 * index : 4 * index + len(expected)] == expected
    assert coils == [False, False, False, True, False, False, False, False]


# --- what devices and gateways do to it --------------------------------------------------------------------


async def outcome_of(behave, line, folder, how):
    """What became of a write on a plant that misbehaves, how often it was sent, and whether the next one was well."""
    folder = folder / f"{behave.__name__}-{how}"
    folder.mkdir()
    async with server_on(line, folder) as server:
        config = plc(server, timeout=f"{TIMEOUT * 1000:.0f}ms", write_with=how)
        async with writing(config, f"{behave.__name__}-{how}") as sink:
            server.behave = only_writes(behave)
            try:
                await (await opened(sink)).write("SP", 21.5)
                ended = "written"
            except (WriteRefused, WriteUncertain) as error:
                ended = f"{type(error).__name__}: {error}"
            sent = len(server.writes)
            server.behave = honest
            after = await mended(sink)
            await sink.until(lambda: 50 in sink.good("SP"))
    return ended, sent, after


async def mended(sink):
    """Write and read again as soon as that works; what it reads."""
    async with asyncio.timeout(PATIENCE):
        while True:
            writer = await opened(sink)
            with contextlib.suppress(WriteRefused):  # the session of before, which is lost
                await writer.write("SP", 50)
                read = await writer.read("SP")
                if read.value is not None:
                    return read.value
            await asyncio.sleep(0.01)


OF_LINE = {
    "tcp": [*ON_WRITES, wrong_transaction, transaction_0],
    "rtu+tcp": [*ON_WRITES, two_answers],
    "serial": [*ON_WRITES, two_answers],
}


@pytest.mark.parametrize("line", LINES)
async def test_what_is_no_plain_answer_is_uncertain_and_never_sent_again(line, tmp_path):
    """Three repetitions are configured, for what is read; the next value is written and read as itself."""
    asked = [(behave, how) for behave in OF_LINE[line] for how in ("single", "multiple")]
    outcomes = await asyncio.gather(*(outcome_of(behave, line, tmp_path, how) for behave, how in asked))
    named = {(behave.__name__, how): outcome for (behave, how), outcome in zip(asked, outcomes, strict=True)}

    assert {
        case: ended for case, (ended, _, _) in named.items() if not ended.startswith("WriteUncertain: ")
    } == {}
    assert {case: sent for case, (_, sent, _) in named.items() if sent != 1} == {}
    assert {case: after for case, (_, _, after) in named.items() if after != 50} == {}
    assert not _LINES


@pytest.mark.parametrize("how", ["single", "multiple"])
@pytest.mark.parametrize(
    ("line", "behave"),
    [
        ("tcp", glued),
        *((line, trickle) for line in LINES),
        *((line, behave) for line in LINES[1:] for behave in (heard, heard_in_pieces)),
    ],
)
async def test_an_answer_in_odd_pieces_is_an_answer(line, behave, how, tmp_path):
    """Also behind a late one, and behind the echo of an adapter that hears itself, which is the same bytes."""
    async with (
        server_on(line, tmp_path, behave=behave) as server,
        writing(plc(server, write_with=how)) as sink,
    ):
        await sink.door.writer.write("SP", 21.5)
        await sink.door.writer.write("PUMP", True)
        back = [(await sink.door.writer.read(tag)).value for tag in ("SP", "PUMP")]

        assert back == [21.5, True]
        assert len(server.writes) == 2
        assert not sink.ends


@pytest.mark.parametrize("how", ["single", "multiple"])
@pytest.mark.parametrize("close_after_poll", [False, True])
async def test_our_own_echo_confirms_nothing(how, close_after_poll, tmp_path):
    """What functions 5 and 6 send is what confirms them; a line that echoes was seen to do so when it was read."""
    async with server_on("rtu+tcp", tmp_path, behave=heard_alone) as server:
        config = plc(server, timeout="300ms", write_with=how, close_after_poll=close_after_poll)
        async with writing(config) as sink:
            with pytest.raises(WriteUncertain, match="no answer within"):
                await sink.door.writer.write("SP", 21.5)

            assert len(server.writes) == 1


REFUSED, UNCERTAIN = WriteRefused, WriteUncertain


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        (
            1,
            REFUSED,
            r"unit 1 does not know function 6: write `write_with: multiple` at the source \(exception 1\)",
        ),
        (
            2,
            REFUSED,
            r"unit 1 has no holding 40011 \(offset 10\) that could be written: check the address, .*",
        ),
        (3, REFUSED, r"unit 1 does not take this value for holding 40011 \(offset 10\): its manual says .*"),
        (4, UNCERTAIN, r"unit 1 failed while it wrote holding 40011 \(offset 10\): look at the device .*"),
        (
            5,
            UNCERTAIN,
            r"unit 1 has taken the order to write holding 40011 .*, and is still at work on it .*",
        ),
        (6, REFUSED, r"unit 1 is busy and has not written holding 40011 .*"),
        (8, UNCERTAIN, r"unit 1 failed while it wrote .*"),
        (10, REFUSED, r"the gateway knows no way to unit 1: check unit_id and the gateway's routing .*"),
        (11, UNCERTAIN, r"unit 1 did not answer the gateway, which may have passed it on: .*"),
        (99, REFUSED, r"unit 1 refuses to write .*: look the code up in its manual \(exception 99\)"),
    ],
)
async def test_what_an_exception_means(code, kind, text):
    """A no is a no; what failed on the way, is still at work or was lost behind a gateway is uncertain."""

    async def refuse(exchange):
        await exchange.send(exchange.frame(exchange.exception(code)))

    async with ModbusServer() as server, writing(plc(server)) as sink:
        server.behave = only_writes(refuse)
        with pytest.raises(kind) as refused:
            await sink.door.writer.write("SP", 21.5)
        server.behave = honest
        read = await sink.door.writer.read("SP")

    assert re.fullmatch(text, str(refused.value)), str(refused.value)
    assert len(server.writes) == 1
    assert read.value == 1.0  # what register 10 held before


@pytest.mark.parametrize(
    ("how", "tag", "text"),
    [
        ("multiple", "SP", "unit 1 does not know function 16: write `write_with: single` at the source"),
        ("multiple", "PUMP", "unit 1 does not know function 15: write `write_with: single` at the source"),
        ("single", "PUMP", "unit 1 does not know function 5: write `write_with: multiple` at the source"),
        (
            "single",
            "LONG",
            "unit 1 does not know function 16: it cannot be written to, or not several registers at once",
        ),
    ],
)
async def test_which_function_to_try_instead(how, tag, text):
    """A device that refuses the function is told how to be asked."""

    async def refuse(exchange):
        await exchange.send(exchange.frame(exchange.exception(1)))

    async with ModbusServer() as server, writing(plc(server, write_with=how)) as sink:
        server.behave = only_writes(refuse)
        with pytest.raises(WriteRefused, match=re.escape(text)):
            await sink.door.writer.write(tag, True if tag == "PUMP" else 5)


@pytest.mark.parametrize("line", LINES)
async def test_a_late_confirmation_is_not_that_of_the_next_write(line, tmp_path):
    """The same value to the same register twice: bytes that are the same, and the second was never taken."""
    quick = {"timeout": f"{TIMEOUT * 1000:.0f}ms", "poll_every": "1h"}
    async with server_on(line, tmp_path) as server, writing(plc(server, **quick)) as sink:
        server.behave = only_writes(late)
        with pytest.raises(WriteUncertain):
            await sink.door.writer.write("SP", 21.5)
        server.behave = only_writes(silent)
        with pytest.raises(WriteUncertain):
            await (await opened(sink)).write("SP", 21.5)

        assert len(server.writes) == 2


# --- in turn with others -----------------------------------------------------------------------------------


@pytest.mark.parametrize("line", LINES)
async def test_polls_and_writes_take_turns_on_one_line(line, tmp_path):
    """Two sources that share it poll all the while; every write is done once, and nothing is read wrong."""
    async with server_on(line, tmp_path) as server:
        first, second = (plc(server, unit_id=unit, poll_every="10ms") for unit in (1, 2))
        async with writing(first, "plc1") as one, writing(second, "plc2") as two:
            async with asyncio.TaskGroup() as group:
                for sink in (one, two):
                    for number in range(20):
                        group.create_task(sink.door.writer.write("SP", float(number)))
                        group.create_task(sink.door.writer.write("PUMP", number % 2 == 0))
            await one.polls(2)
            await two.polls(2)

            assert not one.ends + two.ends
        assert len(server.writes) == 80
        assert line == "serial" or server.accepted == 1
        for sink in (one, two):
            assert set(sink.good("LEVEL")) == {40}
            assert set(sink.good("SP")) <= {1.0, *map(float, range(20))}


async def test_a_device_that_is_called_for_each_poll_is_called_for_a_write(tmp_path):
    """With `close_after_poll` somebody else has its only connection in between, and has it again afterwards."""
    called = {"poll_every": "1h", "close_after_poll": True}
    async with ModbusServer() as server, writing(plc(server, **called)) as sink:
        await until(lambda: not server.connections)
        await sink.door.writer.write("SP", 21.5)
        read = await sink.door.writer.read("SP")
        await until(lambda: not server.connections)

        assert read.value == 21.5
        assert (len(server.writes), server.accepted) == (1, 3)
        assert not sink.ends


@pytest.fixture
def impatient(monkeypatch):
    """A write that waits for its turn for a fifth of a second."""
    monkeypatch.setattr(ModbusWriter, "PATIENCE", 200 * MILLISECOND)


async def test_a_write_does_not_wait_for_its_turn_for_ever(impatient):
    """What could not be sent in time is not sent later either: by then the machine may stand otherwise."""
    async with ModbusServer(dead={2}) as server:
        other = source(
            server, {"X": {"area": "holding", "offset": 1, "type": "int16"}}, unit_id=2, timeout="2s"
        )
        async with writing(plc(server, poll_every="1h")) as sink, sessions(other, Sink(), "other"):
            await until(lambda: any(exchange.unit == 2 for exchange in server.requests))
            with pytest.raises(WriteRefused, match=r"nothing was sent: .* had no time for it within 0.2 s"):
                await sink.door.writer.write("SP", 21.5)
            read = await sink.door.writer.read("LEVEL")
            await until(lambda: sink.door.writer is not None)

            assert server.writes == []
            assert read.value == 40


async def test_patience_is_for_the_turn_and_not_for_the_answer(impatient):
    """What was sent is waited for as long as an answer may take: it is not called unsent."""

    async def slow(exchange):
        await asyncio.sleep(0.4)
        await honest(exchange)

    async with ModbusServer() as server, writing(plc(server, timeout="20s")) as sink:
        server.behave = only_writes(slow)
        await sink.door.writer.write("SP", 21.5)
        server.behave = honest
        read = await sink.door.writer.read("SP")

    assert (read.value, len(server.writes)) == (21.5, 1)


async def test_nothing_is_lent_before_the_device_has_answered():
    """A connection is none yet: what accepts it may be a gateway with nobody behind it."""
    lent = []

    async def watched(exchange):
        lent.append(sink.door.writer)
        await honest(exchange)

    sink = Sink()
    async with ModbusServer(behave=watched) as server, sessions(plc(server), sink):
        await opened(sink)

    assert lent[:5] == [None] * 5  # the proof, and the first poll: a block of coils, three of registers


async def test_what_waits_when_its_session_ends_is_not_sent():
    """The line goes on for another source; the order of the one that is gone does not."""

    async def slow_unit(exchange):
        if exchange.unit == 2:
            await asyncio.sleep(0.3)
        await honest(exchange)

    tags = {"X": {"area": "holding", "offset": 1, "type": "int16"}}
    async with ModbusServer(behave=slow_unit) as server:
        other, rest = source(server, tags, unit_id=2, timeout="20s"), Sink()
        async with sessions(other, rest, "other"):
            await rest.polls(1)
            async with writing(plc(server, timeout="20s", poll_every="1h")) as sink:
                asked = len(server.requests)
                await until(lambda: len(server.requests) > asked)  # the other's: it has the line now
                order = asyncio.create_task(sink.door.writer.write("SP", 21.5), name="order")
                await asyncio.sleep(0)
            with pytest.raises(WriteRefused, match="nothing was sent"):
                await order
            await rest.polls(2)

        assert server.writes == []
        assert server.accepted == 1
        assert not rest.ends


async def test_a_writer_that_outlives_its_line_opens_nothing():
    """The last session of a line is gone while an order waits: no connection is made for it."""
    async with ModbusServer() as server:
        async with writing(plc(server, poll_every="1h", pause_between_requests="300ms")) as sink:
            order = asyncio.create_task(sink.door.writer.write("SP", 21.5), name="order")
            read = asyncio.create_task(sink.door.writer.read("SP"), name="read")
            await asyncio.sleep(0)
        with pytest.raises(WriteRefused, match="nothing was sent"):
            await order

        assert (await read).quality is Quality.BAD
        assert (len(server.writes), server.accepted) == (0, 1)
        assert not _LINES


async def test_what_is_asked_for_one_tag_is_read_alone():
    """A read on demand costs one request, of that tag's registers."""
    async with ModbusServer() as server, writing(plc(server, poll_every="1h")) as sink:
        asked = len(server.requests)
        read = await sink.door.writer.read("LONG")
        nobody = await sink.door.writer.read("NOBODY")

    assert [(one.function, one.start, one.count) for one in server.requests[asked:]] == [(3, 20, 2)]
    assert read.value == (20 << 16) + 21
    assert (nobody.quality, nobody.reason) == (Quality.BAD, "the source has no such tag")
