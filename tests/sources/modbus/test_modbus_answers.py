"""What comes back for a request: only what was asked for is an answer, whatever else arrives."""

import asyncio
import random
import time

import pytest
from rigs.modbus_server import crc16

from agent.clock import SystemClock
from agent.codec.modbus import NumberField, NumberType
from agent.sources.modbus.answer import Data, Frame, Refused, Silent, Wrong, explain, judge
from agent.sources.modbus.endpoint import Network
from agent.sources.modbus.plan import Area, Limits, Point, plan
from agent.sources.modbus.wire import Wire


def block(unit=1, area=Area.HOLDING, offset=10, kind=NumberType.UINT32):
    field = None if area.of_bits else NumberField(kind)
    (only,) = plan([Point("T", unit, area, offset, field)], Limits(120, 8))
    return only


@pytest.mark.parametrize(
    ("asked", "unit", "pdu", "outcome"),
    [
        (block(), 1, "03 04 00 01 00 02", Data(bytes.fromhex("00010002"), 5)),
        (block(area=Area.COIL), 1, "01 01 01", Data(b"\1", 5)),
        (block(unit=0), 9, "03 04 00 01 00 02", Data(bytes.fromhex("00010002"), 5)),
        (block(), 1, "83 02", Refused(2)),
        (block(), 1, "83 06", Refused(6)),
    ],
)
def test_what_is_an_answer(asked, unit, pdu, outcome):
    """Unit, function and length are those that were asked for, or it is an exception to them."""
    assert judge(asked, Frame(unit, bytes.fromhex(pdu), 5)) == outcome


@pytest.mark.parametrize(
    ("unit", "pdu", "word"),
    [
        (2, "03 04 00 01 00 02", "write unit_id: 2"),
        (1, "04 04 00 01 00 02", "function 3 was asked and function 4 answered"),
        (1, "84 02", "function 3 was asked and function 132 answered"),
        (1, "03 02 00 01", "4 bytes were asked for, the answer says 2 and has 2"),
        (1, "03 04 00 01", "4 bytes were asked for, the answer says 4 and has 2"),
        (1, "03 02 00 01 00 02", "4 bytes were asked for, the answer says 2 and has 4"),
        (1, "03 06 00 01 00 02 00 03", "4 bytes were asked for, the answer says 6 and has 6"),
        (1, "03", "the answer is cut off"),
        (1, "83", "the answer is cut off"),
    ],
)
def test_what_is_no_answer(unit, pdu, word):
    """A short answer and a foreign function passed pymodbus 3.16.1 without an error."""
    outcome = judge(block(), Frame(unit, bytes.fromhex(pdu), 5))

    assert isinstance(outcome, Wrong)
    assert word in outcome.reason


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (1, "unit 1 cannot read the area `holding` at all: is the area right? (exception 1)"),
        (
            2,
            (
                "unit 1 has no holding 40011 (offset 10): check the address, and whether the manual counts from 0 "
                "(exception 2)"
            ),
        ),
        (
            3,
            "unit 1 refuses to read 2 from holding 40011 (offset 10): check address and type (exception 3)",
        ),
        (
            4,
            "unit 1 reports a failure of its own on holding 40011 (offset 10): look at the device (exception 4)",
        ),
        (5, "unit 1 is busy: raise poll_every or pause_between_requests (exception 5)"),
        (6, "unit 1 is busy: raise poll_every or pause_between_requests (exception 6)"),
        (
            8,
            "unit 1 found its memory damaged at holding 40011 (offset 10): look at the device (exception 8)",
        ),
        (
            10,
            "the gateway knows no way to unit 1: check unit_id and the gateway's routing (exception 10)",
        ),
        (
            11,
            "unit 1 does not answer the gateway: check its power, its wiring, and unit_id (exception 11)",
        ),
        (
            99,
            "unit 1 refuses to read holding 40011 (offset 10): look the code up in its manual (exception 99)",
        ),
    ],
)
def test_an_exception_says_what_to_look_at(code, text):
    """Every code of the standard, and those that it does not know."""
    assert explain(block(), code) == text


class NoSocket(asyncio.Transport):
    """Takes requests, and lets the test answer them."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def write(self, data):
        pass

    def abort(self):
        self.aborted = True


def sound(rtu, transaction, pdu):
    if rtu:
        body = b"\1" + pdu
        return body + crc16(body)
    return transaction.to_bytes(2) + b"\0\0" + (len(pdu) + 1).to_bytes(2) + b"\1" + pdu


def spoil(dice, frame):
    """One of the things that a line, a gateway or an enemy does to bytes."""
    at = dice.randrange(len(frame))
    return dice.choice(
        [
            frame[:at],
            frame[at:],
            frame[:at] + dice.randbytes(dice.randrange(1, 9)) + frame[at:],
            frame[:at] + bytes([frame[at] ^ 1 << dice.randrange(8)]) + frame[at + 1 :],
            dice.randbytes(dice.randrange(1, 300)),
            frame + frame,
            dice.randbytes(6000),
        ]
    )


@pytest.mark.parametrize("rtu", [False, True])
async def test_no_bytes_raise_or_block_or_pass_for_an_answer(rtu):
    """Two thousand spoilt answers, whole and in pieces: nothing but the right one is taken."""
    dice = random.Random(2026)
    right = bytes.fromhex("03 04 00 01 00 02")
    slowest = 0.0
    for _ in range(2000):
        wire = Wire(Network("plc", 502, rtu=rtu), SystemClock())
        wire.connection_made(NoSocket())
        asked = asyncio.create_task(wire.ask(block(), 7, 1_000_000))
        await asyncio.sleep(0)
        data = spoil(dice, sound(rtu, 7, right))
        cut = dice.randrange(len(data) + 1)
        began = time.perf_counter()
        for piece in (data[:cut], data[cut:]):
            wire.data_received(piece)
        slowest = max(slowest, time.perf_counter() - began)
        if wire.lost.done():
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            continue
        outcome = await asked
        # MBAP has no checksum: TCP's guards the values themselves.
        assert isinstance(outcome, Silent | Wrong | Refused) or len(outcome.content) == 4
        if rtu and isinstance(outcome, Data):
            assert outcome.content == bytes.fromhex("00010002")

    assert slowest < 0.05


async def test_pymodbus_does_not_fill_the_log(caplog):
    """A device in another framing would be a line of pymodbus at every poll."""
    wire = Wire(Network("plc", 502), SystemClock())
    wire.connection_made(NoSocket())

    wire.data_received(b"\0\1\xff\xff\0\3\1\3\0")

    assert caplog.records == []
