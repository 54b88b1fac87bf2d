"""What a device has in a range, as rows for a person: values, likely floats, and what is not there.

Rules for whoever changes this file: what nobody can tell from the registers is not claimed; a row that
could become a tag has the keys that read just that value.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import groupby
from typing import Final

from agent.codec.modbus import REGISTER_BYTES, NumberField, NumberType
from agent.model import Json
from agent.sources.exploring import Found
from agent.sources.modbus.address import manual_address
from agent.sources.modbus.config import ModbusSource
from agent.sources.modbus.guess import decoded, hexadecimal, likely_float, name_of
from agent.sources.modbus.places import Meant, Span
from agent.sources.modbus.scan import Device, Stretch, stretches

_GRAIN: Final = 8
_REFUSED: Final = "exception "  # such addresses; else why nothing there was asked for
_MANY: Final = 8
"""So many zeros in a row are told at once, where nobody asked for just this range."""


async def survey(device: Device, span: Span, config: ModbusSource, *, thorough: bool) -> AsyncIterator[Found]:
    """Look at a range; `thorough`: at every single address, and each of them is a row.

    Raises:
        SourceError: the connection is lost.
    """
    rows = _Rows(device, config, thorough=thorough)
    async for stretch in stretches(device, span, config.max_registers_per_read, 1 if thorough else _GRAIN):
        for found in rows.take(stretch):
            yield found
    for found in rows.end():
        yield found


class _Rows:
    """Makes rows of stretches; what may go on in the next one is held back: zeros, a float, a gap."""

    def __init__(self, device: Device, config: ModbusSource, *, thorough: bool) -> None:
        self._own: dict[str, Json] = {} if device.unit == config.unit_id else {"unit_id": device.unit}
        self._known = {
            (point.area, offset): point.tag
            for point in config.points()
            if point.unit == device.unit
            for offset in range(point.offset, point.end)
        }
        self._thorough = thorough
        self._held: Stretch | None = None

    def take(self, stretch: Stretch) -> Iterator[Found]:
        """One more stretch, in the order of addresses."""
        held = self._held
        if held is not None and (held.content is None) is not (stretch.content is None):
            yield from self.end()
            held = None
        if held is not None:
            joined = Span(stretch.span.area, held.span.start, held.span.count + stretch.span.count)
            content = None if stretch.content is None else (held.content or b"") + stretch.content
            stretch = Stretch(joined, content, held.reason)
        if stretch.content is None:
            self._held = stretch
        else:
            yield from self._tell(stretch, stretch.content, final=False)

    def end(self) -> Iterator[Found]:
        """Nothing goes on here."""
        if (held := self._held) is None:
            return
        if held.content is not None:
            yield from self._tell(held, held.content, final=True)
        else:
            sparse = not self._thorough and held.span.count > 1 and held.reason.startswith(_REFUSED)
            tried = f"; one in {_GRAIN} was tried, name the range to try all" if sparse else ""
            yield Found("", str(held.span), "", None, f"not there ({held.reason}{tried})")
        self._held = None

    def _tell(self, stretch: Stretch, content: bytes, *, final: bool) -> Iterator[Found]:
        """Everything that no later stretch can change, or `final` all of it."""
        span = stretch.span
        if span.area.of_bits:
            self._held = None
            yield from self._bits(span, content)
            return
        words = [content[at : at + REGISTER_BYTES] for at in range(0, len(content), REGISTER_BYTES)]
        at = 0
        while at < len(words):
            zeros = next((n for n, word in enumerate(words[at:]) if any(word)), len(words) - at)
            if not final and at + zeros + 2 > len(words):
                break
            if zeros:
                last = at + zeros - 1
                zeros -= _is_low_word(span.start + last, words[last : last + 3])
            if zeros >= _MANY and not self._thorough:
                yield _zeros(Span(span.area, span.start + at, zeros))
                at += zeros
            else:
                found, used = self._register(Meant(span.area, span.start + at, ""), words[at : at + 3])
                yield found
                at += used
        left = Span(span.area, span.start + at, len(words) - at)
        self._held = Stretch(left, content[at * REGISTER_BYTES :]) if left.count else None

    def _register(self, meant: Meant, words: Sequence[bytes]) -> tuple[Found, int]:
        """Two registers as a float, if that is likely; else the first as uint16. How many it takes."""
        address = manual_address(meant.area, meant.offset)
        pair = words[:2]
        belongs = len(pair) > 1 and (any(pair[0]) or _is_low_word(meant.offset, words))
        order = likely_float(pair[0] + pair[1]) if belongs else None
        if order is None:
            tag: dict[str, Json] = {"address": address, "type": "uint16", **self._own}
            place, raw = f"{address} uint16", hexadecimal(pair[0])
            value = int.from_bytes(pair[0])
            return Found(self._name(meant), place, "uint16", value, raw, tag, read_as=self._tag(meant)), 1
        content = pair[0] + pair[1]
        number, _ = decoded(NumberField(NumberType.FLOAT32, order), content)
        tag = {"address": address, "type": "float32", "byte_order": order.value, **self._own}
        place, raw = f"{address} float32 {order}", hexadecimal(content)
        return Found(self._name(meant), place, "float32", number, raw, tag, read_as=self._tag(meant)), len(
            pair
        )

    def _bits(self, span: Span, content: bytes) -> Iterator[Found]:
        values = [bool(content[at >> 3] >> (at & 7) & 1) for at in range(span.count)]
        at = span.start
        for value, run in groupby(values):
            count = len(list(run))
            if count >= _MANY and not value and not self._thorough:
                yield _zeros(Span(span.area, at, count))
            else:
                for offset in range(at, at + count):
                    meant, address = Meant(span.area, offset, ""), manual_address(span.area, offset)
                    tag = {"address": address} | self._own
                    read_as = self._tag(meant)
                    yield Found(self._name(meant), address, "bool", value, "", tag, read_as=read_as)
            at += count

    def _tag(self, meant: Meant) -> str:
        return self._known.get((meant.area, meant.offset), "")

    def _name(self, meant: Meant) -> str:
        return f"{f'U{unit}.' if (unit := self._own.get('unit_id')) else ''}{name_of(meant)}"


def _is_low_word(offset: int, words: Sequence[bytes]) -> bool:
    """Whether a zero belongs to what follows: 21.5 is 0x0000 0x41AC where the low word comes first.

    Devices begin their floats at even offsets, nearly all of them; the next register with the one after it
    would make a number that is nearly right (21.55), which is worse than a wrong one.
    """
    if len(words) == 1 or likely_float(words[0] + words[1]) is None:
        return False
    return offset % 2 == 0 or not words[2:] or likely_float(words[1] + words[2]) is None


def _zeros(span: Span) -> Found:
    what = "are off" if span.area.of_bits else "hold 0"
    return Found("", str(span), "", None, f"{span.count} {what}")
