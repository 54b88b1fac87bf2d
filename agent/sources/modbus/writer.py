"""What writes to Modbus devices: the requests that do, and who sends them; nothing else of the house makes one.

Rules for whoever changes this file: it is imported for a source with a tag that says `write`, and for no
other (tests/contract/test_read_only.py); a request goes out once, whatever comes of it; what is not a
plain yes or a plain no of the device is uncertain.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import ClassVar, Final

from agent.clock import Clock
from agent.codec.modbus import REGISTER_BYTES, NumberField
from agent.codec.modbus_encode import encode
from agent.errors import SourceError
from agent.model import SECOND, Reading, Value, bad
from agent.sources.modbus.address import manual_address
from agent.sources.modbus.answer import Data, Refusal, Refused
from agent.sources.modbus.config import ModbusSource
from agent.sources.modbus.connection import Connection
from agent.sources.modbus.plan import Area, Point, plan
from agent.sources.modbus.unit import readings
from agent.sources.writing import Door, LastWord, WriteRefused, WriteSection, WriteUncertain, unopposed

# Function codes (1.1b3, sections 6.5, 6.6, 6.11, 6.12).
_ONE_COIL: Final = 5
_ONE_REGISTER: Final = 6
_COILS: Final = 15
_REGISTERS: Final = 16
_ON, _OFF = 0xFF00, 0
_COUNT_OF_ONE: Final = b"\0\1"

MAYBE_TAKEN: Final = frozenset(
    {Refusal.DEVICE_FAILURE, Refusal.ACKNOWLEDGE, Refusal.PARITY, Refusal.NO_TARGET}
)
"""Codes that leave open what was done: it failed on the way, is still at work, or did not tell the gateway."""


class WriteRequest:
    """One value on its way to a device (see `Question`).

    Attributes:
        sent: it has left, and cannot be called back.
    """

    wish: ClassVar = "told to write"

    def __init__(self, point: Point, pdu: bytes, leaving: Callable[[], None]) -> None:
        """Make the request; it is sent by a `Connection`.

        Args:
            point: where to.
            pdu: function code and data.
            leaving: called in the moment in which it leaves; what it raises keeps it back.
        """
        self.unit, self.area, self.start = point.unit, point.area, point.offset
        self.sent = False
        self._leaving = leaving
        self.pdu = pdu
        self.function = pdu[0]
        self.repeats = self.function in {_ONE_COIL, _ONE_REGISTER}
        self._confirmation = pdu[:5]  # function, address, and the value or how many
        self.answer_size = len(self._confirmation)

    @property
    def place(self) -> str:
        """Where to, as the manual says it."""
        return f"{self.area.value} {manual_address(self.area, self.start)} (offset {self.start})"

    def fault(self, pdu: bytes) -> str:
        """See `Question.fault`."""
        if pdu == self._confirmation:
            return ""
        return f"{self._confirmation.hex(' ')} would confirm it, and {pdu.hex(' ')} came"

    def leave(self) -> None:
        """See `Question.leave`."""
        self._leaving()
        self.sent = True


class ModbusWriter:
    """Reads and writes single tags over the connection of a session (see `Writer`)."""

    PATIENCE: ClassVar = 15 * SECOND
    """How long a write or a read waits for its turn on the line."""

    def __init__(self, config: ModbusSource, connection: Connection, clock: Clock, door: Door) -> None:
        """Prepare; it writes for as long as it lies behind `door`."""
        self._config = config
        self._connection = connection
        self._clock = clock
        self._door = door
        self._points = {point.tag: point for point in config.points()}
        self._grants = config.writes()
        self._patience = (self.PATIENCE + config.pause_after_connect) / SECOND

    async def read(self, tag: str) -> Reading:
        """See `Writer.read`: its registers alone, after those that wait already."""
        if (point := self._points.get(tag)) is None:
            return bad(tag, self._clock.monotonic(), "the source has no such tag")
        (block,) = plan([point], self._config.limits)
        attempts = 1 + self._config.retries
        try:
            async with asyncio.timeout(self._patience + attempts * self._config.timeout / SECOND):
                async with self._connection.poll():
                    outcome = await self._connection.read(block, attempts)
        except TimeoutError:
            return bad(tag, self._clock.monotonic(), self._no_turn())
        except SourceError as error:
            return bad(tag, self._clock.monotonic(), str(error))
        return readings(block, outcome, self._clock.monotonic())[0]

    async def write(self, tag: str, value: Value, last_word: LastWord = unopposed) -> None:
        """See `Writer.write`."""
        grant = self._grants.get(tag)
        if grant is None:
            raise WriteRefused(f"{tag} is not to be written: it has no `write`")
        point = self._points[tag]
        pdu = _pdu(point, value, grant, multiple=self._config.write_with == "multiple")
        try:
            async with asyncio.timeout(self._patience) as waiting:

                def leaving() -> None:
                    if self._door.writer is not self:
                        raise WriteRefused("nothing was sent: the session has ended meanwhile, send it anew")
                    last_word()
                    waiting.reschedule(None)

                await self._send(WriteRequest(point, pdu, leaving))
        except TimeoutError:
            raise WriteRefused(f"nothing was sent: {self._no_turn()}") from None

    async def _send(self, request: WriteRequest) -> None:
        try:
            async with self._connection.poll():
                outcome = await self._connection.write(request)
        except SourceError as error:
            if request.sent:
                raise WriteUncertain(
                    f"{request.place} was written to, and then: {error}; read the tag to see what is there"
                ) from None
            raise WriteRefused(f"nothing was sent: {error}") from None
        match outcome:
            case Data():
                return
            case Refused(code) if code not in MAYBE_TAKEN:
                raise WriteRefused(why_refused(request, code))
            case Refused(code):
                raise WriteUncertain(why_uncertain(request, code))
            case _:
                raise WriteUncertain(
                    f"unit {request.unit}, {request.place}: {outcome.reason}; read the tag to see what is there"
                )

    def _no_turn(self) -> str:
        return (
            f"{self._config.endpoint} had no time for it within {self._patience:g} s: what is read over it takes "
            "too long, raise poll_every, or lower the timeout"
        )


def _pdu(point: Point, value: Value, grant: WriteSection, *, multiple: bool) -> bytes:
    """What is to be sent; `multiple`: also one coil or register is written with the function for several.

    Raises:
        WriteRefused: the value cannot be had there.
    """
    of_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(point.field, NumberField) and grant.min is not None and grant.max is not None:
        if not isinstance(value, int | float) or not of_number:
            raise WriteRefused(f"{point.tag} takes a number, not {_shown(value)}: send one")
        try:
            data = encode(point.field, value, (grant.min, grant.max))
        except ValueError as error:
            raise WriteRefused(f"the value cannot be written to {point.tag}: {error}") from None
        return _registers(point.offset, data, multiple=multiple)
    if point.area is not Area.COIL or not isinstance(value, bool):
        raise WriteRefused(f"{point.tag} takes true or false, not {_shown(value)}: send one of these")
    if multiple:
        return struct.pack(">BHHBB", _COILS, point.offset, 1, 1, value)
    return struct.pack(">BHH", _ONE_COIL, point.offset, _ON if value else _OFF)


def _registers(offset: int, data: bytes, *, multiple: bool) -> bytes:
    count = len(data) // REGISTER_BYTES
    if count == 1 and not multiple:
        return struct.pack(">BH", _ONE_REGISTER, offset) + data
    return struct.pack(">BHHB", _REGISTERS, offset, count, len(data)) + data


def _shown(value: Value) -> str:
    return "a text" if isinstance(value, str) else str(value).lower()


def why_refused(request: WriteRequest, code: int) -> str:
    """What an exception code means for a write that was not done, and what to look at."""
    what, unit = request.place, f"unit {request.unit}"
    match code:
        case Refusal.ILLEGAL_FUNCTION:
            text = f"{unit} does not know function {request.function}: {_other_function(request)}"
        case Refusal.ILLEGAL_ADDRESS:
            text = f"{unit} has no {what} that could be written: check the address, and whether it is only for reading"
        case Refusal.ILLEGAL_VALUE:
            text = f"{unit} does not take this value for {what}: its manual says which it takes, and when"
        case Refusal.BUSY:
            text = f"{unit} is busy and has not written {what}: raise poll_every or pause_between_requests"
        case Refusal.NO_PATH:
            text = f"the gateway knows no way to {unit}: check unit_id and the gateway's routing"
        case _:
            text = f"{unit} refuses to write {what}: look the code up in its manual"
    return f"{text} (exception {code})"


def why_uncertain(request: WriteRequest, code: int) -> str:
    """The same for a write of which nobody knows whether it was done."""
    what, unit = request.place, f"unit {request.unit}"
    match code:
        case Refusal.ACKNOWLEDGE:
            text = f"{unit} has taken the order to write {what}, and is still at work on it"
        case Refusal.NO_TARGET:
            text = f"{unit} did not answer the gateway, which may have passed it on: check its power and its wiring"
        case _:
            text = f"{unit} failed while it wrote {what}: look at the device"
    return f"{text} (exception {code})"


def _other_function(request: WriteRequest) -> str:
    if request.repeats:
        return "write `write_with: multiple` at the source"
    if request.pdu[3:5] == _COUNT_OF_ONE:
        return "write `write_with: single` at the source"
    return "it cannot be written to, or not several registers at once"
