"""The one connection to a HOST:PORT or a serial port, shared by all units and all sources that name it.

The first source opens it, the last one closes it; one request is in flight, whoever asks, and they
take turns. When it is lost, every session on it ends at once, with its reason; the next session
makes a new one.

RTU frames carry no transaction id, so an answer that comes late would be taken for that to the next
request (pymodbus#2636). After a within, or a request that was cancelled in flight, the line is drained
(a socket is opened anew), and the unit is left alone for as long again: whatever comes from it
meanwhile is thrown away, and the others go on. What an answer proves to be out of step costs a quiet
time for all. An answer that is later than twice the timeout cannot be told from the right one, by
nobody: such a device needs a longer timeout.

Rules for whoever changes this file: one socket at a time, closed whatever ends the last session;
nothing here reconnects after a loss (the supervisors of the sources own coming back).
"""

import asyncio
from typing import Final

from agent.clock import Clock
from agent.errors import SourceError
from agent.model import MILLISECOND, SECOND
from agent.sources.modbus.answer import LATER, Outcome, Question, Refused, Silent
from agent.sources.modbus.config import ModbusSource
from agent.sources.modbus.dial import dial
from agent.sources.modbus.endpoint import SerialPort
from agent.sources.modbus.sharing import LineKey, disagreement, line_key
from agent.sources.modbus.wire import Wire

_BUSY_PAUSE: Final = 50 * MILLISECOND
_CLOSE_WITHIN: Final = 1.0  # seconds; asyncio closes an aborted socket in its next round
_TRANSACTIONS: Final = 0xFFFF
_FRAME_BYTES: Final = 3  # of an RTU frame around its pdu


class Line:
    """One shared line; made by `join`.

    Attributes:
        lost: done with the reason once it is gone for all.
        polls: how many polls are under way on it.
    """

    def __init__(self, config: ModbusSource, clock: Clock) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.polls = 0
        self.users = 0
        self.config = config
        self._endpoint = config.endpoint
        self._silence = config.endpoint.silence
        self._clock = clock
        self._turn = asyncio.Lock()
        self._doubtful_turn = asyncio.Lock()
        self._doubt_again = 0
        self._wire: Wire | None = None
        self._closing: Wire | None = None
        self._transaction = 0
        self._rest_until = 0
        self._quiet_until = 0
        self._unknown = True  # what was asked before this line was ours
        self._echoes = False
        self._leave_alone: dict[int, int] = {}
        self._silent: set[int] = set()

    def doubts(self, unit: int) -> bool:
        """Whether a unit was silent, and another one that was is being asked, or has cost a timeout just now."""
        busy = self._doubtful_turn.locked() or self._clock.monotonic() < self._doubt_again
        return unit in self._silent and busy

    def next_transaction(self) -> int:
        """A transaction id that no request in sight has."""
        self._transaction = self._transaction % _TRANSACTIONS + 1
        return self._transaction

    async def open(self, within: int) -> None:
        """Be connected.

        Raises:
            SourceError: it cannot be had; all that waited for it are told the same.
        """
        async with self._turn:
            await self._ready(within)

    async def wait(self, duration: int) -> None:
        """Let nanoseconds pass, with an eye on the line.

        Raises:
            SourceError: it was lost meanwhile.
        """
        await asyncio.wait({self.lost}, timeout=max(duration, 0) / SECOND)
        if self.lost.done():
            raise SourceError(self.lost.result())

    async def ask(self, question: Question, transaction: int, within: int, pause: int) -> Outcome:
        """Ask one question, once, in our turn.

        A unit that was silent takes two turns, with all that are like it: so however many are dead,
        at most one of them stands between the others and their answers, and the next one gives them time.

        Raises:
            SourceError: the line is lost.
        """
        if question.unit not in self._silent or self.users == 1:
            return await self._ask(question, transaction, within, pause)
        async with self._doubtful_turn:
            await self.wait(self._doubt_again - self._clock.monotonic())
            outcome = await self._ask(question, transaction, within, pause)
            if isinstance(outcome, Silent):
                self._doubt_again = self._clock.monotonic() + within
            return outcome

    async def _ask(self, question: Question, transaction: int, within: int, pause: int) -> Outcome:
        while True:
            async with self._turn:
                alone = self._leave_alone.get(question.unit, 0) - self._clock.monotonic()
                if alone <= 0:
                    self._leave_alone.pop(question.unit, None)
                    return await self._exchange(question, transaction, within, pause)
            await self.wait(alone)
            await asyncio.sleep(0)

    async def _exchange(self, question: Question, transaction: int, within: int, pause: int) -> Outcome:
        unit = question.unit
        wire = await self._ready(within)
        limit = within
        if self._silence:
            limit += self._endpoint.on_air(len(question.pdu) + question.answer_size + 2 * _FRAME_BYTES)
        try:
            outcome = await wire.ask(question, transaction, limit)
            if self._silence:  # a frame ends with a silence; what comes in it makes both worthless
                await self.wait(self._silence)
                outcome = wire.settled(outcome)
        except asyncio.CancelledError:
            self._rest_until = self._clock.monotonic() + max(pause, self._silence)
            if wire.astray:
                self._set_right(wire, unit, within)
            raise
        self._echoes = wire.echoes
        now = self._clock.monotonic()
        self._rest_until = now + pause
        silent = isinstance(outcome, Silent)
        if silent:
            self._silent.add(unit)
        else:
            self._silent.discard(unit)
        if isinstance(outcome, Refused) and outcome.code in LATER:
            self._leave_alone[unit] = now + _BUSY_PAUSE
        elif silent and self.users > 1:
            self._leave_alone[unit] = now + within
        if wire.astray:
            self._set_right(wire, unit if silent else None, within)
        return outcome

    async def _ready(self, within: int) -> Wire:
        """Give the wire, opened if need be, when it may be used."""
        while True:
            if self.lost.done():
                raise SourceError(self.lost.result())
            if not self.users:  # a writer that waited for its turn outlives the session by a moment
                raise SourceError(f"{self._endpoint}: its session has ended")
            if self._wire is not None and self._wire.astray:  # something came that nobody had asked for
                self._set_right(self._wire, None, within)
            if self._wire is None:
                await self._closed()
                self._wire = await self._opened(within)
            now = self._clock.monotonic()
            rest, quiet = self._rest_until - now, self._quiet_until - now
            if rest <= 0 and quiet <= 0:
                return self._wire
            wire = self._wire
            await self.wait(max(rest, quiet))
            await asyncio.sleep(0)  # for what came in the very moment
            if quiet > 0:
                wire.discard()  # what came in the quiet time is what the time was for

    async def _opened(self, within: int) -> Wire:
        try:
            wire = await dial(self._endpoint, self.config.tls, within, self._clock, self._leave_alone)
        except SourceError as error:
            self._lose(str(error))
            raise
        if self._unknown and self._endpoint.rtu:
            # A session before us may have left a question; a transparent serial server hands the answer to
            # whoever is connected by then.
            self._quiet_until = self._clock.monotonic() + within
        self._unknown = False
        wire.echoes = self._echoes
        wire.lost.add_done_callback(lambda lost: self._lose(lost.result()) if self._wire is wire else None)
        if self.config.pause_after_connect:
            self._rest_until = max(
                self._rest_until, self._clock.monotonic() + self.config.pause_after_connect
            )
        return wire

    def _set_right(self, wire: Wire, unit: int | None, quiet: int) -> None:
        """Requests and answers may be out of step: drain, and leave the unit alone for a while, or all of them."""
        if self._endpoint.rtu:
            until = self._clock.monotonic() + quiet
            if unit is None:
                self._quiet_until = until
            else:
                self._leave_alone[unit] = until
        if isinstance(self._endpoint, SerialPort):
            wire.discard()
        else:
            self._drop()

    def _drop(self) -> None:
        """Close the wire at once; it is closed when `_closed` returns."""
        if self._wire is not None:
            self._closing, self._wire = self._wire, None
            self._closing.close()

    async def _closed(self) -> None:
        if self._closing is not None:
            await asyncio.wait({self._closing.lost}, timeout=_CLOSE_WITHIN)
            self._closing = None

    async def hang_up(self) -> None:
        """Close the wire, unless somebody began to use it meanwhile; whoever asks next opens it again."""
        if self.polls:
            return
        async with self._turn:
            if not self.polls:
                self._drop()
                await self._closed()

    def _lose(self, reason: str) -> None:
        """End every session on this line."""
        if not self.lost.done():
            self.lost.set_result(reason)
        _forget(self)

    async def leave(self) -> None:
        """Take a session off it; the last one closes it."""
        self.users -= 1
        if not self.users:
            self._drop()  # first of all: whatever else happens, the socket is closed
            try:
                await self._closed()
            finally:
                if not self.users:  # else somebody came meanwhile, and opens it again
                    _forget(self)


_LINES: Final[dict[tuple[asyncio.AbstractEventLoop, LineKey], Line]] = {}
"""Those in use. Empty when no session runs."""


def join(config: ModbusSource, clock: Clock) -> Line:
    """Take part in the line that a source names.

    Raises:
        SourceError: a running source says otherwise what the line is like.
    """
    key = asyncio.get_running_loop(), line_key(config)
    line = _LINES.get(key)
    if line is None:
        line = _LINES[key] = Line(config, clock)
    elif (wrong := disagreement(config, line.config)) is not None:
        raise SourceError(
            f"{config.endpoint}: another source uses this connection, and has another `{wrong}`: "
            "write the same in both"
        )
    line.users += 1
    return line


def _forget(line: Line) -> None:
    key = asyncio.get_running_loop(), line_key(line.config)
    if _LINES.get(key) is line:
        del _LINES[key]
