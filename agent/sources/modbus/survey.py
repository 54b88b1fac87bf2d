"""What a device has in a range, as rows for a person: values, likely floats, and what is not there.

Rules for whoever changes this file: what nobody can tell from the registers is not claimed; a row that
could become a tag has the keys that read just that value.
"""

from collections.abc import AsyncIterator, Iterator
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
_MANY: Final = 8
"""So many zeros in a row are told at once, where nobody asked for just this range."""


async def survey(device: Device, span: Span, config: ModbusSource, *, thorough: bool) -> AsyncIterator[Found]:
    """Look at a range; `thorough`: at every single address, and each of them is a row.

    Raises:
        SourceError: the connection is lost.
    """
    refused: Stretch | None = None
    grain = 1 if thorough else _GRAIN
    async for stretch in stretches(device, span, config.max_registers_per_read, grain):
        if stretch.content is None:
            refused = stretch if refused is None else _joined(refused, stretch)
            continue
        if refused is not None:
            yield _told(refused, thorough=thorough)
            refused = None
        read = _bits if span.area.of_bits else _registers
        for found in read(stretch.span, stretch.content, _own(device, config), many=0 if thorough else _MANY):
            yield found
    if refused is not None:
        yield _told(refused, thorough=thorough)


def _joined(before: Stretch, after: Stretch) -> Stretch:
    count = after.span.start + after.span.count - before.span.start
    return Stretch(Span(before.span.area, before.span.start, count), None, before.reason)


def _told(refused: Stretch, *, thorough: bool) -> Found:
    tried = (
        ""
        if thorough or refused.span.count == 1
        else f" (one in {_GRAIN} was tried; name the range to try all)"
    )
    return Found("", str(refused.span), "", None, f"not there{tried}: {refused.reason}")


def _own(device: Device, config: ModbusSource) -> dict[str, Json]:
    return {} if device.unit == config.unit_id else {"unit_id": device.unit}


def _registers(span: Span, content: bytes, own: dict[str, Json], *, many: int) -> Iterator[Found]:
    """Registers as uint16, and two as one float where they are likely one."""
    words = [content[at : at + REGISTER_BYTES] for at in range(0, len(content), REGISTER_BYTES)]
    at = 0
    while at < len(words):
        zeros = next((n for n, word in enumerate(words[at:]) if any(word)), len(words) - at)
        if many and zeros >= many:
            yield _zeros(Span(span.area, span.start + at, zeros))
            at += zeros
            continue
        meant = Meant(span.area, span.start + at, "")
        pair = words[at] + words[at + 1] if at + 1 < len(words) else b""
        if pair and (order := likely_float(pair)) is not None:
            value, _ = decoded(NumberField(NumberType.FLOAT32, order), pair)
            type_, keys = "float32", {"type": "float32", "byte_order": order.value}
            shown = f"{type_} {order.value}"
        else:
            pair, value = words[at], int.from_bytes(words[at])
            type_, keys = "uint16", {"type": "uint16"}
            shown = type_
        place = f"{manual_address(meant.area, meant.offset)} {shown}"
        tag = {"address": manual_address(meant.area, meant.offset)} | keys | own
        yield Found(_name(meant, own), place, type_, value, hexadecimal(pair), tag)
        at += len(pair) // REGISTER_BYTES


def _bits(span: Span, content: bytes, own: dict[str, Json], *, many: int) -> Iterator[Found]:
    values = [bool(content[at >> 3] >> (at & 7) & 1) for at in range(span.count)]
    at = 0
    for value, run in groupby(values):
        count = len(list(run))
        if many and not value and count >= many:
            yield _zeros(Span(span.area, span.start + at, count))
        else:
            for offset in range(span.start + at, span.start + at + count):
                meant = Meant(span.area, offset, "")
                address = manual_address(span.area, offset)
                yield Found(_name(meant, own), address, "bool", value, "", {"address": address} | own)
        at += count


def _zeros(span: Span) -> Found:
    what = "are off" if span.area.of_bits else "hold 0"
    return Found("", str(span), "", None, f"{span.count} {what}")


def _name(meant: Meant, own: dict[str, Json]) -> str:
    return f"{f'U{unit}.' if (unit := own.get('unit_id')) else ''}{name_of(meant)}"
