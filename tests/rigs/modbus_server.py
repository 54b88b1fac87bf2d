"""A Modbus server that can misbehave in every way that devices and gateways do, on plain asyncio.

Register n of every area holds n plus `server.added`, so that an answer to another request shows at
once as a wrong value; coil n is set where n is a multiple of 3; until something else is written there. Behaviours are coroutines that get
the `Exchange`; `server.behave` is the one in force.
"""

import asyncio
import contextlib
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

BITS, REGISTERS = (1, 2), (3, 4)
COIL, REGISTER, COILS, SEVERAL = WRITES = (5, 6, 15, 16)


def crc16(data):
    """The checksum of RTU frames (Modbus over Serial Line 1.02, section 6.2.2), low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return struct.pack("<H", crc)


@dataclass
class Exchange:
    """One request, and the means to answer it."""

    server: "ModbusServer"
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    transaction: int
    unit: int
    function: int
    start: int
    count: int  # or the value, of what writes one coil or register
    data: bytes = b""
    raw: bytes = b""

    def frame(self, pdu, *, unit=None, transaction=None):
        unit = self.unit if unit is None else unit
        if self.server.rtu:
            body = bytes([unit]) + pdu
            return body + crc16(body)
        transaction = self.transaction if transaction is None else transaction
        return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu

    def pdu(self, *, start=None, count=None, function=None):
        """The right answer, or that to another request."""
        start = self.start if start is None else start
        count = self.count if count is None else count
        function = self.function if function is None else function
        if self.writes and function not in WRITES:
            count = 1
        single = function in {COIL, REGISTER}
        wanted = range(start, start + (1 if single else count))
        if any((self.unit, offset) in self.server.illegal for offset in wanted):
            return self.exception(2)
        if len(wanted) > self.server.most:
            return self.exception(3)
        if function in WRITES:
            self.take()
            return struct.pack(">BHH", function, start, count)
        held = self.server.written
        if function in BITS:
            bits = [held.get((self.unit, function, offset), offset % 3 == 0) for offset in wanted]
            data = bytes(
                sum(bit << index for index, bit in enumerate(bits[at : at + 8])) for at in range(0, count, 8)
            )
        else:
            words = [held.get((self.unit, function, offset), self.server.word(offset)) for offset in wanted]
            data = b"".join(struct.pack(">H", word & 0xFFFF) for word in words)
        return bytes([function, len(data)]) + data

    @property
    def writes(self):
        """Whether it asks for something to be written."""
        return self.function in WRITES

    def take(self):
        """Do what the request says, whatever is answered then."""
        match self.function:
            case 5:
                self.server.written[self.unit, 1, self.start] = self.count == 0xFF00
            case 6:
                self.server.written[self.unit, 3, self.start] = self.count
            case 15:
                for index in range(self.count):
                    state = bool(self.data[index >> 3] >> (index & 7) & 1)
                    self.server.written[self.unit, 1, self.start + index] = state
            case 16:
                for index, word in enumerate(struct.unpack(f">{self.count}H", self.data)):
                    self.server.written[self.unit, 3, self.start + index] = word

    def exception(self, code):
        return bytes([self.function | 0x80, code])

    async def send(self, data):
        writer = self.server.newest if self.server.transparent else self.writer
        with contextlib.suppress(ConnectionError):
            writer.write(data)
            await writer.drain()

    async def hung_up(self):
        """Wait until the client closes the connection."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read()

    def reset(self):
        self.writer.transport.abort()


async def honest(exchange):
    """Answer as the standard says."""
    await exchange.send(exchange.frame(exchange.pdu()))


@dataclass
class ModbusServer:
    """`async with ModbusServer() as server:`; listens on a port of loopback.

    Attributes:
        rtu: RTU frames instead of Modbus TCP.
        behave: what is done with a request.
        illegal: (unit, offset) pairs that are refused with exception 2.
        most: registers or bits in one read, more is refused with exception 3.
        dead: units that never answer.
        transparent: a serial server that sends what comes from the line to whoever is connected last.
        context: with it, Modbus/TCP Security is spoken (TLS).
        written: what was written, by unit, the function that reads it, and offset.
        requests: every request so far.
        accepted: how many connections were opened so far.
    """

    rtu: bool = False
    behave: Callable[[Exchange], Awaitable[None]] = honest
    illegal: set = field(default_factory=set)
    most: int = 2000
    dead: set = field(default_factory=set)
    added: int = 0
    transparent: bool = False
    context: ssl.SSLContext | None = None
    written: dict = field(default_factory=dict)
    requests: list = field(default_factory=list)
    accepted: int = 0
    connections: set = field(default_factory=set)
    newest: asyncio.StreamWriter | None = None
    port: int = 0
    _server: asyncio.Server | None = None
    _tasks: set = field(default_factory=set)

    @property
    def url(self):
        scheme = "rtu+tcp" if self.rtu else "tls" if self.context else "tcp"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def writes(self):
        """Every request so far that writes."""
        return [exchange for exchange in self.requests if exchange.writes]

    def word(self, offset):
        """What register `offset` holds now."""
        return offset + self.added

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def start(self):
        """Listen, on the same port after a stop."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self):
        """Close everything, whatever the behaviour is waiting for."""
        self._server.close()
        self.drop_connections()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop_connections(self):
        for writer in list(self.connections):
            writer.transport.abort()

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        self.accepted += 1
        self.newest = writer
        self.connections.add(writer)
        try:
            while True:
                before = b"" if self.rtu else await reader.readexactly(6)
                head, data = await reader.readexactly(6), b""
                if head[1] in {COILS, SEVERAL}:
                    data = await reader.readexactly(1)
                    data += await reader.readexactly(data[0])
                after = await reader.readexactly(2) if self.rtu else b""
                transaction = int.from_bytes(before[:2])
                values = struct.unpack(">BBHH", head)
                raw = before + head + data + after
                exchange = Exchange(self, reader, writer, transaction, *values, data[1:], raw)
                self.requests.append(exchange)
                if exchange.unit not in self.dead:
                    await self.behave(exchange)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self.connections.discard(writer)
            writer.close()
