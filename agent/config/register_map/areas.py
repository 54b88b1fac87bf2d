"""Where a register stands, as vendors write it: the table, and an address in one of three countings.

40011 is the eleventh holding register on one page and offset 40011 on another; 10 is the tenth register
or the eleventh. Both are in the field, in lists that look the same.

Rules for whoever changes this: a counting is decided by a notation that can mean nothing else, by the
heading, or by the engineer; never by what is more usual.
"""

import re
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple, TypeAlias

from agent.config.register_map.numbers import whole_number
from agent.sources.modbus.address import parse_address
from agent.sources.modbus.plan import ADDRESSES, Area

Counting: TypeAlias = Literal["manual", "number", "offset"]
"""manual: 5 or 6 digits with the area in front; number: from 1 within an area; offset: from 0, as on the wire."""

_WORDS: Final = {
    Area.HOLDING: "holding|holding register|holding registers|hr|hold|holdingregister|halteregister|output register|"
    "analog output|4x|4xxxx|4xxxxx|ausgangsregister",
    Area.INPUT: "input|input register|input registers|ir|inputregister|eingangsregister|analog input|3x|3xxxx|3xxxxx",
    Area.COIL: "coil|coils|digital output|discrete output|0x|0xxxx|0xxxxx|spule|output coil",
    Area.DISCRETE: "discrete|discrete input|discrete inputs|digital input|di|input status|input contact|contact|"
    "diskreter eingang|1x|1xxxx|1xxxxx|discreteinput",
}
_AREAS: Final = {word: area for area, words in _WORDS.items() for word in words.split("|")}
_FUNCTIONS: Final = {1: Area.COIL, 2: Area.DISCRETE, 3: Area.HOLDING, 4: Area.INPUT}
_WRITING: Final = {5, 6, 15, 16, 22}  # 1.1b3, section 6
_FUNCTION: Final = re.compile(r"(?:fc|f|function|funktion|code|0x)?\s*0*(\d{1,2})")
_LISTED: Final = re.compile(r"[/,;+&\s]+(?:and|und)?\s*")
_MODICON: Final = re.compile(r"([0134])[x:](\d{1,5})", re.IGNORECASE)
_CERTAINLY_MODICON: Final = re.compile(r"[134]x\d{1,5}(?!\w)", re.IGNORECASE)
_BIT: Final = re.compile(r"(\w+)[.](\d{1,2})")
_SPAN: Final = re.compile(r"(\w+)\s*(?:-|\u2013|\u2014|\.\.+|…|/|~|\bto\b|\bbis\b)\s*(\w+)", re.IGNORECASE)
_HEXADECIMAL: Final = re.compile(
    r"0x[0-9a-f]{1,4}|16#[0-9a-f]{1,4}|\$[0-9a-f]{1,4}|[0-9a-f]{1,4}h", re.IGNORECASE
)
_BARE_HEXADECIMAL: Final = re.compile(r"[0-9a-f]{1,4}", re.IGNORECASE)
_PRINTED: Final = re.compile(r"[0134]\d{4,5}")
_LARGEST: Final = 465_536  # six digits as a manual prints them
WRITE_ONLY: Final = "write-only"


Notation: TypeAlias = Literal["decimal", "hexadecimal", "modicon"]
"""How addresses are written; modicon: 4x0011, and then 0x0011 is a coil, which elsewhere is hexadecimal."""


class Place(NamedTuple):
    """An address as it is written.

    Attributes:
        text: the digits.
        number: what they are.
        area: the table, where the notation tells it (4x0011); the number is then the offset on the wire.
        offset: it is an offset for certain: hexadecimal, as on the wire.
        registers: how many, if a first and a last one are written; else 0.
        bit: of `40011.3`.
    """

    text: str
    number: int
    area: Area | None = None
    offset: bool = False
    registers: int = 0
    bit: int | None = None

    @property
    def decided(self) -> bool:
        """Its notation alone says where it is on the wire."""
        return self.offset or self.area is not None


def read_place(text: str, notation: Notation) -> Place | None:
    """Read the cell of an address; None: it is none."""
    compact = text.replace(" ", "")
    if match := _BIT.fullmatch(compact):
        place = _one(match[1], notation)
        return None if place is None else place._replace(bit=int(match[2]))
    if (match := _SPAN.fullmatch(text)) is None:
        return _one(compact, notation)
    first, last = _one(match[1], notation), _one(match[2], notation)
    if first is None or last is None:
        return None
    if last.number < first.number and len(match[2]) < len(match[1]):  # 40011-12
        last = _one(match[1][: -len(match[2])] + match[2], notation) or last
    registers = last.number - first.number + 1
    return first._replace(registers=registers) if registers > 0 else None


def notation_of(texts: Iterable[str]) -> Notation:
    """How the addresses of a list are written, as far as one of them tells for all."""
    return "modicon" if any(map(_CERTAINLY_MODICON.match, texts)) else "decimal"


def _one(text: str, notation: Notation) -> Place | None:
    if (match := _MODICON.fullmatch(text)) and (notation == "modicon" or match[1] != "0"):
        number = int(match[2])
        area = next(area for area in Area if area.digit == match[1])
        return Place(text, number - 1, area) if 1 <= number <= ADDRESSES else None
    if _HEXADECIMAL.fullmatch(text) or (notation == "hexadecimal" and _BARE_HEXADECIMAL.fullmatch(text)):
        return Place(
            text, int(text.lower().removeprefix("0x").removeprefix("16#").strip("$h"), 16), offset=True
        )
    whole = whole_number(text)
    return None if whole is None or notation == "hexadecimal" or whole > _LARGEST else Place(text, whole)


def read_area(text: str, *, function: bool) -> Area | Literal["write-only"] | None:
    """Read the cell of a table or of function codes; None: it is neither.

    Args:
        text: as it is written.
        function: the heading says that a plain digit is a function code (else 4 could be 4x, holding).
    """
    bare = " ".join(text.lower().replace("-", " ").replace("_", " ").split())
    if bare in _AREAS:
        return _AREAS[bare]
    codes = [_FUNCTION.fullmatch(part) for part in _LISTED.split(_without_words(bare)) if part]
    numbers = [int(code[1]) for code in codes if code]
    if not numbers or len(numbers) != len(codes) or (not function and bare.isdecimal()):
        return None
    reading = [_FUNCTIONS[each] for each in numbers if each in _FUNCTIONS]
    if not reading:
        return WRITE_ONLY if all(each in _WRITING for each in numbers) else None
    return reading[0] if len(set(reading)) == 1 else None


def _without_words(bare: str) -> str:
    """`r: 3 w: 6` as `3 6`."""
    return re.sub(r"\b(?:r|w|read|write|lesen|schreiben|fc|function code)\b\s*:?", " ", bare).strip()


def printed(place: Place, area: Area | None) -> bool:
    """Whether it could be 5 or 6 digits as a manual prints them, of this table."""
    if not _PRINTED.fullmatch(place.text):
        return False
    try:
        known, _ = parse_address(place.text)
    except ValueError:
        return False
    return area in {None, known}


def counting(said: Counting | None, places: Iterable[tuple[Place, Area | None]]) -> Counting | None:
    """How the addresses of a list are counted; None: nothing tells for certain.

    A number above 65536 is no offset, and 0 is none that is counted from 1. What could all be printed in a
    manual may be just that, whatever the heading says of 0 and 1.

    Args:
        said: by the heading.
        places: the addresses, each with the area that its row names.
    """
    undecided = [(place, area) for place, area in places if not place.decided]
    likely = [printed(place, area) for place, area in undecided]
    if all(likely) and any(place.number > ADDRESSES for place, _ in undecided):
        return "manual"
    if said is not None:
        return None if likely and all(likely) and said != "manual" else said
    return "offset" if not any(likely) and any(place.number == 0 for place, _ in undecided) else None
