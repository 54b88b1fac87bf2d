"""What the commands of the commissioning day ask of a Modbus device (see `agent.sources.exploring`).

Rules for whoever changes this file: a connection of its own, closed whatever ends it; no more requests
than needed, one at a time; what one register refuses is told of that one alone.
"""

from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from typing import Final, assert_never

from agent.clock import Clock
from agent.codec.modbus import REGISTER_BYTES, BitField, ByteOrder, NumberField, TextField
from agent.errors import SourceError
from agent.model import Quality, Reading, bad
from agent.sources.exploring import Expected, Found, Look, Scope
from agent.sources.modbus.address import manual_address
from agent.sources.modbus.answer import NOT_THERE, Data, Outcome, Refused, Silent, Wrong, explain
from agent.sources.modbus.config import ModbusSource
from agent.sources.modbus.connection import connected
from agent.sources.modbus.endpoint import Network
from agent.sources.modbus.guess import Guess, Question, guess_bits, guesses, hexadecimal
from agent.sources.modbus.places import Meant, Span, meanings, spans
from agent.sources.modbus.plan import ADDRESSES, Area, Block, Point, plan
from agent.sources.modbus.scan import Device
from agent.sources.modbus.survey import survey

_WIDTHS: Final = (16, 4, 2, 1)
"""Registers read from a place: a text, the longest number, and less where the device has no more."""


async def look(config: ModbusSource, clock: Clock, tags: Collection[str]) -> AsyncIterator[Look]:
    """See `Explorer.look`: the blocks of the running agent, read once.

    Raises:
        SourceError: no connection, or it was lost.
    """
    waiting = deque(plan([point for point in config.points() if point.tag in tags], config.limits))
    silent: dict[int, str] = {}
    async with connected(config, clock) as connection:
        while waiting:
            block = waiting.popleft()
            asked = clock.monotonic()
            outcome: Outcome = Silent(silent.get(block.unit, ""))
            if block.unit not in silent:
                outcome = await connection.read(block, 1 + config.retries)
            if isinstance(outcome, Refused) and outcome.code in NOT_THERE and len(block.points) > 1:
                waiting.extendleft(reversed(block.halves()))
                continue
            if isinstance(outcome, Silent) and block.unit not in silent:
                text = f"unit {block.unit}: {outcome.reason}: check its power, its wiring, and unit_id"
                silent[block.unit] = text
                outcome = Silent(text)
            for each in _looks(block, outcome, asked, clock.monotonic(), config):
                yield each


def _looks(block: Block, outcome: Outcome, asked: int, now: int, config: ModbusSource) -> Iterator[Look]:
    if isinstance(outcome, Data):
        latency = outcome.received - asked
        for point, (value, reason) in zip(block.points, block.decode(outcome.content), strict=True):
            quality = Quality.BAD if reason else Quality.GOOD
            reading = Reading(point.tag, value, quality, outcome.received, reason)
            yield Look(reading, _place(point, config), _raw(point, block, outcome.content), latency)
        return
    if isinstance(outcome, Refused):
        reason, latency_of_refusal = explain(block, outcome.code), now - asked
    else:
        reason, latency_of_refusal = outcome.reason, None
    for point in block.points:
        yield Look(bad(point.tag, now, reason), _place(point, config), latency=latency_of_refusal)


def _place(point: Point, config: ModbusSource) -> str:
    words = [manual_address(point.area, point.offset)]
    match point.field:
        case NumberField(kind, order):
            words += [kind.value, order.value] if order is not ByteOrder.ABCD else [kind.value]
        case BitField(number):
            words.append(f"bit {number}")
        case TextField(length):
            words.append(f"string {length}")
        case None:
            words.append(point.area.value)
    return " ".join(words if point.unit == config.unit_id else [*words, f"unit {point.unit}"])


def _raw(point: Point, block: Block, content: bytes) -> str:
    if block.area.of_bits:
        position = point.offset - block.start
        return str(content[position >> 3] >> (position & 7) & 1)
    begin = (point.offset - block.start) * REGISTER_BYTES
    return hexadecimal(content[begin : begin + (point.end - point.offset) * REGISTER_BYTES])


async def probe(
    name: str, config: ModbusSource, clock: Clock, place: str, expect: Expected | None
) -> AsyncIterator[Found]:
    """See `Explorer.probe`: all types, byte orders, and both ways in which manuals count.

    Raises:
        MistypedError: it is no address.
        SourceError: no connection, or the unit does not answer.
    """
    guessed: list[Guess] = []
    wanted = meanings(place)
    async with connected(config, clock) as connection:
        device = Device(connection, config.unit_id, 1 + config.retries)
        places = [Span(meant.area, meant.offset, 1) for meant in wanted if meant.area is wanted[0].area]
        if silence := await device.silence(places):
            raise SourceError(_silent(name, config, device, silence))
        for meant in wanted:
            widths = [each for each in _WIDTHS if each <= config.max_registers_per_read]
            patient = meant.area is wanted[0].area
            content, refusal = await _content(device, meant, widths, patient=patient)
            where = f"{meant.area.value} {manual_address(meant.area, meant.offset)}"
            shown = refusal or (str(content[0]) if meant.area.of_bits else hexadecimal(content[:8]))
            yield Found("", where, "", None, f"offset {meant.offset} ({place} {meant.counted}): {shown}")
            if content:
                read = guess_bits if meant.area.of_bits else guesses
                guessed += read(meant, content, _question(config, meant, expect))
    for guess in sorted(guessed, key=lambda guess: guess.rank):
        yield guess.found


def _question(config: ModbusSource, meant: Meant, expect: Expected | None) -> Question:
    at_place = (
        config.tags[point.tag].range
        for point in config.points()
        if (point.area, point.offset) == (meant.area, meant.offset)
    )
    return Question(expect, sorted({each for each in at_place if each is not None}), config.byte_order)


async def _content(
    device: Device, meant: Meant, widths: Sequence[int], *, patient: bool
) -> tuple[bytes, str]:
    """What can be read from a place on, or why nothing can.

    Some devices refuse half of a number as well as a read beyond their last register, so a shorter read
    is tried only where the longer was refused; or was not answered at all, if there is `patient` time.

    Raises:
        SourceError: the connection is lost.
    """
    why = ""
    for count in widths if not meant.area.of_bits else (1,):
        span = Span(meant.area, meant.offset, count)
        if meant.offset + count > ADDRESSES:
            continue
        outcome = await device.read(span)
        match outcome:
            case Data(content):
                return content, ""
            case Refused(code):
                why = device.why(span, code)
            case Silent(reason) | Wrong(reason):
                why = reason
            case _:
                assert_never(outcome)
        if not (outcome.code in NOT_THERE if isinstance(outcome, Refused) else patient):
            break
    return b"", why


def _silent(source: str, config: ModbusSource, device: Device, reason: str) -> str:
    endpoint, framing = config.endpoint, ""
    if isinstance(endpoint, Network):
        other = "tcp://" if endpoint.rtu else "rtu+tcp://"
        framing = f"; behind a serial gateway try {other} as well, for each takes one of the two framings"
    return (
        f"unit {device.unit}: {reason}: check its power, its wiring, and the unit id; "
        f"`edge-relay browse {source} --unit-ids 1-10` finds who answers{framing}"
    )


async def browse(name: str, config: ModbusSource, clock: Clock, scope: Scope) -> AsyncIterator[Found]:
    """See `Explorer.browse`: which units answer, and what they have in the ranges that are asked for.

    Raises:
        MistypedError: it is no range.
        SourceError: no connection, or the only unit that is asked does not answer.
    """
    units = scope.unit_ids or (config.unit_id,)
    wanted = spans(scope.start) if scope.start or len(units) == 1 else []
    first = [Span(span.area, span.start, 1) for span in wanted[:1]] or [Span(Area.HOLDING, 0, 1)]
    thorough = any(map(str.isdigit, scope.start))  # an area alone is no range
    left = scope.limit
    async with connected(config, clock) as connection:
        for unit in units:
            device = Device(connection, unit, 1 + config.retries if len(units) == 1 else 1)
            silence = await device.silence(first)
            if silence and len(units) == 1:
                raise SourceError(_silent(name, config, device, silence))
            if len(units) > 1:
                more = "" if wanted else f": `edge-relay browse {name} --unit-ids {unit}` shows what it has"
                yield Found("", f"unit {unit}", "", None, silence or f"answers{more}")
            for span in wanted if not silence else ():
                async for found in survey(device, span, config, thorough=thorough):
                    yield found
                    left -= bool(found.name)
                    if not left:
                        return
