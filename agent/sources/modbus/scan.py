"""Finding out what a device has, gently: large reads first, and bisection where it refuses.

Rules for whoever changes this file: one request in flight, never more than the device's limit, which
is learned where it is lower than the configuration says; a place that is refused is told, with what
was and was not tried.
"""

from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Final, NamedTuple, assert_never

from agent.codec.modbus import Decoded
from agent.sources.modbus.answer import NOT_THERE, UNREACHABLE, Data, Outcome, Refused, Silent, Wrong, explain
from agent.sources.modbus.connection import Connection
from agent.sources.modbus.places import Span
from agent.sources.modbus.plan import BITS_IN_REGISTER, Block

_MOST_BITS: Final = 2000  # in one read (1.1b3, section 6.1)
_PATIENCE: Final = 3
"""So many silences one after another, and the device is not asked for the rest."""


class Stretch(NamedTuple):
    """Neighbouring addresses that were answered alike; `content` is None where they were refused, for `reason`."""

    span: Span
    content: bytes | None
    reason: str = ""


class Device:
    """One unit behind a connection, read in raw stretches."""

    def __init__(self, connection: Connection, unit: int, attempts: int) -> None:
        self.unit = unit
        self._connection = connection
        self._attempts = attempts

    async def read(self, span: Span) -> Outcome:
        """Ask for a span in one request.

        Raises:
            SourceError: the connection is lost.
        """
        return await self._connection.read(self._block(span), self._attempts)

    async def silence(self, places: Iterable[Span]) -> str:
        """Why it is not there; empty if it answers anything at one of the places, be it a refusal.

        Some devices say nothing at all where they have nothing, so the places are those that are wanted.

        Raises:
            SourceError: the connection is lost.
        """
        why = ""
        for span in places:
            match await self.read(span):
                case Refused(code) if code in UNREACHABLE:
                    return explain(self._block(span), code)
                case Silent(reason) | Wrong(reason):
                    why = why or reason
                case _:
                    return ""
        return why

    def why(self, span: Span, code: int) -> str:
        """What an exception code means for a span."""
        return explain(self._block(span), code)

    def _block(self, span: Span) -> Block:
        return Block(self.unit, span.area, span.start, span.count, (), _no_values)


def _no_values(_: bytes) -> list[Decoded]:
    return []


async def stretches(device: Device, span: Span, most: int, grain: int) -> AsyncIterator[Stretch]:
    """Read a span, in the order of its addresses.

    Args:
        device: who is asked.
        span: what is looked at.
        most: registers in one read; for bits it is the same number of bytes.
        grain: of so many that are refused together, the first is tried alone, and if that is refused
            too the others are not; 1: every address is tried.

    Raises:
        SourceError: the connection is lost.
    """
    scan = _Scan(span, min(most * BITS_IN_REGISTER, _MOST_BITS) if span.area.of_bits else most, grain)
    silences = 0
    while (asked := scan.next()) is not None:
        outcome = await device.read(asked)
        silences = silences + 1 if isinstance(outcome, Silent) else 0
        match outcome:
            case Data(content):
                scan.answered(asked)
                yield Stretch(asked, content)
            case Refused(code) if code in NOT_THERE and asked.count > 1:
                scan.refused(asked)
            case Refused(code) if code in NOT_THERE:
                yield Stretch(scan.missing(asked), None, f"exception {code}")
            case Refused(code):  # not a matter of addresses: the area is not there, the gateway fails
                yield Stretch(scan.rest(asked), None, device.why(asked, code))
            case Silent(reason) if silences >= _PATIENCE:
                yield Stretch(scan.rest(asked), None, f"unit {device.unit} fell silent: {reason}")
            case Silent(reason) | Wrong(reason):
                yield Stretch(asked, None, reason)
            case _:
                assert_never(outcome)


class _Scan:
    """What is still to be asked, and what was learned on the way."""

    def __init__(self, span: Span, most: int, grain: int) -> None:
        self._area, self._end = span.area, span.start + span.count
        self._most, self._grain = most, grain
        self._waiting = deque([(span.start, span.count)])
        self._tried: dict[int, int] = {}  # first addresses that stand for so many
        self._dense = span.start  # before it, something is there, and every address is tried
        self._doubted: range | None = None  # refused as a whole; are all of its parts there?
        self._largest = 0

    def next(self) -> Span | None:
        """What to ask next; None: all is known."""
        if not self._waiting:
            return None
        start, count = self._waiting.popleft()
        if count > self._most:
            self._waiting.appendleft((start + self._most, count - self._most))
            count = self._most
        return Span(self._area, start, count)

    def answered(self, span: Span) -> None:
        """It is there; the rest of what it stood for is looked at too."""
        if (count := self._tried.pop(span.start, 1)) > span.count:
            self._dense = span.start + count
            self._split(span.start + span.count, count - span.count)
        if self._doubted is not None:
            self._largest = max(self._largest, span.count)
            if span.start + span.count >= self._doubted.stop:  # all of it is there: it was only too long
                self._most, self._doubted = self._largest, None

    def refused(self, span: Span) -> None:
        """Several were refused together: one is missing, or they are too many."""
        if self._doubted is None:
            self._doubted, self._largest = range(span.start, span.start + span.count), 0
        if span.count <= self._grain and span.start >= self._dense:
            self._tried[span.start] = span.count
            self._waiting.appendleft((span.start, 1))
        else:
            self._split(span.start, span.count)

    def missing(self, span: Span) -> Span:
        """One was refused; it and those for which it stood."""
        self._doubted = None
        return Span(self._area, span.start, self._tried.pop(span.start, 1))

    def rest(self, span: Span) -> Span:
        """Nothing more is asked; what is left, beginning with `span`."""
        self._waiting.clear()
        return Span(self._area, span.start, self._end - span.start)

    def _split(self, start: int, count: int) -> None:
        half = (count + 1) // 2
        if count > half:
            self._waiting.appendleft((start + half, count - half))
        self._waiting.appendleft((start, half))
