"""Addresses as people type them at a command line: in how many ways one can be meant, and ranges.

Pure. Unlike the configuration, which refuses what could be read in two ways, whoever looks for a value
does not know yet how the manual counts: so both ways are given, the likelier first.
"""

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from agent.sources.exploring import MistypedError
from agent.sources.modbus.address import manual_address, parse_address
from agent.sources.modbus.plan import ADDRESSES, Area

_AREA: Final = re.compile(r"(?:(holding|input|coil|discrete)s?(?:[ :]+|$))?(.*)", re.IGNORECASE)
_PRINTED: Final = re.compile(r"[0134]\d{4,5}")
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]+|\d+")
_FROM_0, _FROM_1 = "counted from 0, as on the wire", "counted from 1, as in manuals"
_USUAL_COUNT: Final = 1000
_FEW: Final = 100


class Meant(NamedTuple):
    """One thing that an address can mean."""

    area: Area
    offset: int
    counted: str


@dataclass(frozen=True, slots=True)
class Span:
    """`count` addresses of an area, from an offset on the wire."""

    area: Area
    start: int
    count: int

    def __str__(self) -> str:
        first = f"{self.area.value} {manual_address(self.area, self.start)}"
        last = manual_address(self.area, self.start + self.count - 1)
        return first if self.count == 1 else f"{first}-{last}"


def meanings(text: str) -> list[Meant]:
    """Every place that `40011`, `400011`, `10`, `0x0A` or `holding:10` can mean, the likelier first.

    Raises:
        MistypedError: it is no address.
    """
    area, rest = _split(text)
    if area is None and _PRINTED.fullmatch(rest):
        area, offset = _printed(rest)
        both = [(offset, _FROM_1), (offset + 1, _FROM_0)]
    elif _NUMBER.fullmatch(rest):
        offset = int(rest, 16 if rest[:2].lower() == "0x" else 10)
        both = [(offset, _FROM_0), (offset - 1, _FROM_1)]
    else:
        raise MistypedError(
            f"{text!r} is no Modbus address: write 40011 as in a manual, or 10, 0x0A, holding:10 as on the wire"
        )
    areas = [area] if area is not None else [Area.HOLDING, Area.INPUT, Area.COIL, Area.DISCRETE]
    found = [
        Meant(each, offset, counted) for offset, counted in both for each in areas if 0 <= offset < ADDRESSES
    ]
    if not found:
        raise MistypedError(f"{text}: expected an address from 0 to {ADDRESSES - 1}, more an area has not")
    return found


def spans(text: str) -> list[Span]:
    """The ranges that `40001-40100`, `holding`, `input:0-99`, `30001` or nothing at all mean.

    Raises:
        MistypedError: it is no range.
    """
    if not text:
        return [Span(area, 0, _USUAL_COUNT) for area in (Area.HOLDING, Area.INPUT)]
    area, rest = _split(text)
    if area is not None and not rest:
        return [Span(area, 0, _USUAL_COUNT)]
    first, dash, last = (part.strip() for part in rest.partition("-"))
    start_area, start = _place(first, area, text)
    end_area, end = _place(last, area, text) if dash else (start_area, min(start + _FEW, ADDRESSES) - 1)
    if start_area is not end_area or end < start:
        raise MistypedError(
            f"{text}: expected the first and the last address of one area, such as 40001-40100"
        )
    areas = [Area.HOLDING, Area.INPUT] if start_area is None else [start_area]
    return [Span(each, start, end - start + 1) for each in areas]


def _split(text: str) -> tuple[Area | None, str]:
    match = _AREA.fullmatch(text.strip())
    if match is None:
        raise MistypedError(f"{text!r} is no Modbus address")
    return Area(match[1].lower()) if match[1] else None, match[2].strip()


def _place(text: str, area: Area | None, whole: str) -> tuple[Area | None, int]:
    if area is None and _PRINTED.fullmatch(text):
        return _printed(text)
    if not _NUMBER.fullmatch(text):
        raise MistypedError(
            f"{whole!r} is no range: write 40001-40100 as in a manual, or holding:0-99 as on the wire"
        )
    offset = int(text, 16 if text[:2].lower() == "0x" else 10)
    if offset >= ADDRESSES:
        raise MistypedError(
            f"{whole}: expected {ADDRESSES - 1} at most, the last address of an area, counted from 0"
        )
    return area, offset


def _printed(text: str) -> tuple[Area, int]:
    try:
        return parse_address(text)
    except ValueError as error:
        raise MistypedError(str(error)) from None
