"""Addresses as manuals print them: 40011 is the eleventh holding register, offset 10 on the wire.

Both conventions are in the field, off by one from each other, and guessing between them is how a
plant reads its neighbour's value; so a number that could be either is refused with both readings.
"""

import re
from typing import Final

from agent.sources.modbus.plan import ADDRESSES, BITS_IN_REGISTER, Area

_ADDRESS: Final = re.compile(r"([0134])(\d{4,5})")
_OF_A_BIT: Final = re.compile(r"([34]\d{4,5})\.(\d{1,2})")
_LAST_BIT: Final = BITS_IN_REGISTER - 1
_AREAS: Final = {area.digit: area for area in Area}
_PRINTED: Final = {"0": "coils", "1": "discrete inputs", "3": "input registers", "4": "holding registers"}
_FORM: Final = (
    'expected 5 or 6 digits in quotes as the manual prints them, such as "40011" '
    "(0.... coils, 1.... discrete inputs, 3.... input registers, 4.... holding registers), "
    "or area: holding with offset: 10 counted from 0"
)


def parse_address(text: str) -> tuple[Area, int]:
    """Read `40011` or `400011` as its area and its offset on the wire.

    Raises:
        ValueError: not such an address.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(f"{_FORM}; got {text!r}")
    number = int(match[2])
    if number == 0:
        raise ValueError(f"{text} does not exist: the first of its area is {text[:-1]}1, which is offset: 0")
    if number > ADDRESSES:
        raise ValueError(f"{text} does not exist: the last of its area is {match[1]}{ADDRESSES}")
    return _AREAS[match[1]], number - 1


def parse_bit_address(text: str) -> tuple[Area, int, int | None]:
    """Read `40011`, or `40011.3` as its area, its offset and the number of its bit.

    Raises:
        ValueError: not such an address.
    """
    if (match := _OF_A_BIT.fullmatch(text)) is None:
        return *parse_address(text), None
    if (bit := int(match[2])) > _LAST_BIT:
        raise ValueError(f"{text}: a register has the bits 0 (the least significant) to {_LAST_BIT}")
    return *parse_address(match[1]), bit


def manual_address(area: Area, offset: int) -> str:
    """Write an address as manuals do: five digits where they suffice."""
    number = offset + 1
    return f"{area.digit}{number:04d}" if number <= 9999 else f"{area.digit}{number:05d}"  # noqa: PLR2004 - four digits


def refuse_bare_number(value: object) -> object:
    """Let pass whatever is not a plain number.

    Raises:
        ValueError: a plain number, with both of its readings.
    """
    if isinstance(value, float):  # 40011.10 and 40011.1 are the same number, and two bits
        raise ValueError(f'{_FORM}; a bit of a register needs quotes as well: "40011.3"')  # noqa: TRY004 - pydantic reports ValueError alone
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if not 0 <= value < ADDRESSES:
        raise ValueError(f'{_FORM}; write address: "{value}" if {value} is what the manual prints')
    if value == 0:
        raise ValueError("a bare 0 is counted from 0: write area: holding, offset: 0 (in a manual 40001)")
    printed = str(value) if _ADDRESS.fullmatch(str(value)) else manual_address(Area.HOLDING, value - 1)
    raise ValueError(
        f'a bare {value} can be read in two ways: address: "{printed}" (counted from 1, as manuals '
        f"print {_PRINTED[printed[0]]}) or area: holding, offset: {value} (counted from 0, as on the wire; "
        f"in a manual {manual_address(Area.HOLDING, value)})"
    )
