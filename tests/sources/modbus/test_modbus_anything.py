"""Devices that misbehave in any order: whatever they do, no value that was not there, and back at once.

Each value carries its own address and a number that grows with every answer, so that a neighbour's
value, an old one and one that is told twice all show.
"""

import asyncio
import itertools
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rigs.modbus_misbehaviour import ON_RTU, ON_TCP, TIMEOUT
from rigs.modbus_serial import SerialModbusServer
from rigs.modbus_server import ModbusServer, honest
from rigs.modbus_session import LINES, Lag, Sink, sessions, source

from agent.model import Quality, Reading

OFFSETS = (0, 100, 200)  # three blocks of one size: the answer to one would fit the request for another
TAGS = {f"H{offset}": {"area": "holding", "offset": offset, "type": "uint32"} for offset in OFFSETS}


@dataclass
class Telling:
    """Two registers at an even offset hold that offset, and how many such numbers were made so far."""

    made: int = 0

    def word(self, offset):
        if offset % 2 == 0:
            return offset
        self.made += 1
        return self.made


@dataclass
class TellingServer(Telling, ModbusServer):
    """Over TCP."""


@dataclass
class TellingSerialServer(Telling, SerialModbusServer):
    """On a serial port."""


def server_on(line, folder):
    if line == "serial":
        return TellingSerialServer(name=folder / "ttyUSB0")
    return TellingServer(rtu=line == "rtu+tcp")


def steps(behaviours):
    """What happens to how many requests, one after the other."""
    return st.lists(st.tuples(st.sampled_from(behaviours), st.integers(1, 2)), min_size=2, max_size=5)


class Script:
    """Plays the steps, then behaves."""

    def __init__(self, played) -> None:
        self._left = [behave for behave, times in played for _ in range(times)]
        self.over = asyncio.Event()

    async def __call__(self, exchange):
        if self._left:
            await self._left.pop(0)(exchange)
        else:
            self.over.set()
            await honest(exchange)


def quick(server):
    """All tags, many times a second."""
    return source(server, TAGS, poll_every="20ms", timeout=f"{TIMEOUT * 1000:g}ms")


async def play(line, played, folder):
    """One plant through its script; everything that was emitted, and what came after the end of it."""
    sink = Sink()
    server = server_on(line, folder)
    async with server, sessions(quick(server), sink, name=line):
        await sink.polls(1)
        server.behave = script = Script(played)
        await asyncio.wait_for(script.over.wait(), 20)
        over = len(sink.batches)
        await sink.polls(4)
    return sink, over


@settings(
    max_examples=4,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate],
    derandomize=True,
)
@given(on_tcp=steps(ON_TCP), on_rtu=steps(ON_RTU), on_serial=steps(ON_RTU))
def test_no_sequence_of_misbehaviours_makes_a_wrong_value(tmp_path, on_tcp, on_rtu, on_serial):
    """Three plants at once, one on each kind of line, each through a sequence of its own."""

    async def plants():
        played = zip(LINES, (on_tcp, on_rtu, on_serial), strict=True)
        async with Lag() as lag:
            return await asyncio.gather(*(play(line, script, tmp_path) for line, script in played)), lag.worst

    outcomes, lag = asyncio.run(plants())
    for sink, over in outcomes:
        for tag in TAGS:
            good = [reading for reading in sink.readings(tag) if reading.quality is Quality.GOOD]
            numbers = [reading.value & 0xFFFF for reading in good]

            assert {reading.value >> 16 for reading in good} == {int(tag[1:])}
            assert all(earlier < later for earlier, later in itertools.pairwise(numbers))
        assert all(reading.reason for reading in sink.readings() if reading.quality is Quality.BAD)
        # Of the poll in which it ended some may be bad; from the next one on everything is good.
        after = [reading for batch in sink.batches[over + 1 :] for reading in batch]
        assert {one.quality for one in after if isinstance(one, Reading)} == {
            Quality.GOOD
        } or lag > TIMEOUT / 2


@pytest.mark.parametrize("line", LINES)
async def test_the_image_shows_a_wrong_value(line, tmp_path):
    """The test above can fail: an answer to another request reads as another address."""

    async def another(exchange):
        await exchange.send(exchange.frame(exchange.pdu(start=exchange.start + 2)))

    sink = Sink()
    server = server_on(line, tmp_path)
    server.behave = another
    async with server, sessions(source(server, TAGS), sink):
        await sink.polls(1)

    assert {value >> 16 for value in sink.good("H100")} == {102}
