"""The Modbus devices of a measurement, and the receiver of its events: cheap, exact, on one clock.

CLOCK_MONOTONIC is one for the whole machine, so the devices know to the microsecond how late a poll of
the agent comes (its grid follows from the source's name), and how long after the answer with a crossing
the POST arrives that announces it.
"""

import asyncio
import contextlib
import struct
import time
from dataclasses import dataclass, field

import orjson
from rigs.modbus_server import ModbusServer

from agent.model import SECOND
from agent.sources.modbus.grid import Grid

REGISTERS = 100
LIMIT = 1000  # what the rules compare with
_EARLY = SECOND // 100  # a poll this little before its instant is on time: timers have a grain of 1 ms
_NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass
class Device:
    """One device of 100 registers, read in one block; the first `flipping` cross the limit at each poll.

    Attributes:
        registers: how many it has; more than 120 are read in several blocks.
        polls: when each request arrived, monotonic nanoseconds.
        crossings: when each answer with crossed registers was sent, monotonic nanoseconds.
        held: nothing crosses any more.
        most: crossings after which it holds by itself; None: never.
    """

    name: str
    flipping: int = 0
    registers: int = REGISTERS
    most: int | None = None
    held: bool = False
    polls: list = field(default_factory=list)
    crossings: list = field(default_factory=list)
    _high: bool = False

    async def answer(self, exchange):
        self.polls.append(time.monotonic_ns())
        done = self.held or (self.most is not None and len(self.crossings) >= self.most)
        crosses = bool(self.flipping) and not done and len(self.polls) > 1
        self._high ^= crosses
        moving = len(self.polls) % 100  # every value differs from the one before
        values = [LIMIT + 1 + moving] * self.flipping if self._high else [moving] * self.flipping
        values += [moving] * (self.registers - self.flipping)
        data = struct.pack(f">{exchange.count}h", *values[: exchange.count])
        if crosses:
            self.crossings.append(time.monotonic_ns())
        await exchange.send(exchange.frame(bytes([exchange.function, len(data)]) + data))

    def server(self):
        return ModbusServer(behave=self.answer)

    def lateness(self, period, since, until):
        """Seconds from each point of the agent's grid to its poll; a point without one counts as a period."""
        grid = Grid.of(self.name, period)
        met = {}
        for poll in self.polls:
            point = grid.after(poll + _EARLY) - period
            met.setdefault(point, max(0, poll - point))
        first = grid.after(since)
        return [met.get(point, period) / SECOND for point in range(first, until - period, period)]

    def source(self, port, poll_every):
        """Its section of `sources:` as YAML in flow style, which is JSON."""
        tags = {
            f"{self.name}.T{n}": {"area": "holding", "offset": n, "type": "int16"}
            for n in range(self.registers)
        }
        url = f"tcp://127.0.0.1:{port}"
        return {"type": "modbus", "url": url, "poll_every": poll_every, "tags": tags}


class Receiver(asyncio.Protocol):
    """Takes every POST and answers 204; HTTP/1.1 as far as our own client speaks it.

    A bare protocol, because a web framework costs as much as the client that is measured.
    """

    def __init__(self, ledger):
        self._ledger = ledger
        self._buffer = b""

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.index(b"content-length:") + 15
            length = int(head[at:].split(b"\r\n", 1)[0])
            if len(self._buffer) < end + 4 + length:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
            self._ledger.add(time.monotonic_ns(), body)
            self._transport.write(_NO_CONTENT)


@dataclass
class Ledger:
    """What arrived, each event once.

    Attributes:
        by_rule: rule -> arrivals of its events in order, monotonic nanoseconds.
        others: arrivals of what comes from no rule.
        duplicates: how many came again.
    """

    by_rule: dict = field(default_factory=dict)
    others: list = field(default_factory=list)
    duplicates: int = 0
    _seen: set = field(default_factory=set)

    def add(self, at, body):
        data = orjson.loads(body)["data"]
        if data["id"] in self._seen:
            self.duplicates += 1
            return
        self._seen.add(data["id"])
        (self.by_rule.setdefault(data["rule"], []) if "rule" in data else self.others).append(at)

    def arrivals(self, source=""):
        """When the events of the rules of one source arrived."""
        return [at for rule, all_of_it in self.by_rule.items() if rule.startswith(source) for at in all_of_it]


@contextlib.asynccontextmanager
async def receiving():
    """Listen on a free port of loopback; yields the port and the ledger."""
    ledger = Ledger()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Receiver(ledger), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], ledger
    finally:
        server.close()
