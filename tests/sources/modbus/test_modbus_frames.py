"""RTU frames have no length and no id: what looks like one, and what is one all the same."""

import struct

import pytest
from rigs.modbus_server import crc16, honest
from rigs.modbus_session import LINES, Sink, holding, one_session, server_on, sessions, source

RTU = LINES[1:]
COILS = {f"C{offset}": {"area": "coil", "offset": offset} for offset in (800, 819)}


async def hand_back(exchange):
    """What an RS485 adapter does that hears itself: the request comes back."""
    request = struct.pack(">BBHH", exchange.unit, exchange.function, exchange.start, exchange.count)
    await exchange.send(request + crc16(request))


async def hand_back_and_answer(exchange):
    await hand_back(exchange)
    await honest(exchange)


async def noise_and_answer(exchange):
    await exchange.send(b"\x00" + exchange.frame(exchange.pdu()))


@pytest.mark.parametrize("behave", [honest, noise_and_answer, hand_back_and_answer])
@pytest.mark.parametrize("line", RTU)
async def test_a_value_may_look_like_the_beginning_of_an_answer(line, behave, tmp_path):
    """387 is 0x0183, which is how unit 1 begins to refuse; 259 is 0x0103, which is how it begins to answer."""
    sink = Sink()
    tags = {**holding(387, 388, 259), "PAIR": {"area": "holding", "offset": 0x0301, "type": "uint32"}}
    async with server_on(line, tmp_path, behave=behave) as server, sessions(source(server, tags), sink):
        batch = await sink.poll()

    values = {tag: reading.value for tag, reading in batch.items()}
    assert values == {"H387": 387, "H388": 388, "H259": 259, "PAIR": 0x0301_0302}
    assert not sink.ends


@pytest.mark.parametrize("line", RTU)
async def test_an_adapter_that_hears_itself_does_not_answer(line, tmp_path):
    """A request for 20 coils from offset 800 is a sound answer to itself: three bytes, and a right checksum."""
    sink = Sink()
    tags = {**COILS, **holding(800)}
    async with (
        server_on(line, tmp_path, behave=hand_back_and_answer) as server,
        sessions(source(server, tags), sink),
    ):
        batch = await sink.poll()

    assert {tag: reading.value for tag, reading in batch.items()} == {
        "C800": False,
        "C819": True,
        "H800": 800,
    }


@pytest.mark.parametrize("line", RTU)
async def test_what_comes_back_behind_a_late_answer_is_no_answer(line, tmp_path):
    """Another unit's late answer stands before the request that was handed back, in one piece with it."""
    late = []

    async def late_2(exchange):
        if exchange.unit == 2:
            late.append(exchange.frame(exchange.pdu()))
            return
        request = struct.pack(">BBHH", exchange.unit, exchange.function, exchange.start, exchange.count)
        await exchange.send(b"".join(late) + request + crc16(request) + exchange.frame(exchange.pdu()))
        late.clear()

    sink = Sink()
    tags = {**COILS, "LATE": {"area": "holding", "offset": 0, "type": "uint16", "unit_id": 2}}
    async with (
        server_on(line, tmp_path, behave=late_2) as server,
        sessions(source(server, tags, timeout="300ms", retries=0), sink),
    ):
        await sink.until(lambda: len(sink.good("C819")) > 3)

    assert {reading.value for tag in COILS for reading in sink.readings(tag)} == {False, True}
    assert set(sink.good("C819")) == {True}
    assert sink.good("LATE") == []


@pytest.mark.parametrize("line", RTU)
async def test_a_silent_device_behind_an_adapter_that_hears_itself_is_silent(line, tmp_path):
    """Nothing that came back was the device's: no value, and no word of a wrong baud rate."""
    sink = Sink()
    async with server_on(line, tmp_path, behave=hand_back) as server:
        text = await one_session(source(server, COILS, timeout="50ms"), sink)

    assert not sink.seen
    assert "when asked for coil 00801: check its power" in text
