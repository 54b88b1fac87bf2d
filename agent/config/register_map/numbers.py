"""Numbers as people write them in tables: 0.1 and 0,1; 1 000 and 1.000; 0x8000 and 8000h.

Rules for whoever changes this: `1,000` is one or a thousand; which of them, only the other numbers of
the list tell, else nobody does and it is refused.
"""

import re
from collections.abc import Iterable
from typing import Final

_PLAIN: Final = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_COMMA_FOR_CERTAIN: Final = re.compile(r"[-+]?(?:0*,\d+|\d+,(?:\d{1,2}|\d{4,})|\d{1,3}(?:\.\d{3})+,\d+)")
_THOUSANDS_OR_NOT: Final = re.compile(r"[-+]?[1-9]\d{0,2}[.,]\d{3}")
_HEX: Final = re.compile(r"(?:0x|16#|\$)([0-9a-f]+)|([0-9a-f]+)h", re.IGNORECASE)
_MINUS: Final = str.maketrans(
    "\N{MINUS SIGN}\N{EN DASH}", "--", " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}'"
)
_LONGEST: Final = 40
NUMBER: Final = r"[-+\N{MINUS SIGN}\N{EN DASH}]?\d[\d.,']*(?:[eE][-+]?\d+)?"
"""What may be a number, for a pattern; `number` decides."""


def comma_is_decimal(texts: Iterable[str]) -> bool:
    """Tell whether the numbers of a list have a decimal comma: one of them that can mean nothing else is enough."""
    return any(_COMMA_FOR_CERTAIN.fullmatch(text.translate(_MINUS)) for text in texts)


def number(text: str, *, comma: bool) -> float | None:
    """Read a number.

    Args:
        text: as it is written.
        comma: the list has decimal commas.

    Returns:
        None: not a number.

    Raises:
        ValueError: it could be two numbers.
    """
    text = text.translate(_MINUS)
    if len(text) > _LONGEST:
        return None
    if "," in text and "." in text:
        thousands, decimal = (".", ",") if text.rfind(",") > text.rfind(".") else (",", ".")
        text = text.replace(thousands, "").replace(decimal, ".")
    elif _THOUSANDS_OR_NOT.fullmatch(text) and comma != ("," in text):
        whole = text.replace(",", "").replace(".", "")
        raise ValueError(f"`{text}` is {whole} or {whole[:-3]}: write it without a thousands separator")
    else:
        text = text.replace(",", ".")
    return float(text) if _PLAIN.fullmatch(text) else None


def whole_number(text: str) -> int | None:
    """Read a whole number, decimal or hexadecimal; None: it is none."""
    if match := _HEX.fullmatch(text):
        return int(match[1] or match[2], 16) if len(text) <= _LONGEST else None
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST else None


def as_written(value: float) -> int | float:
    """A number without the rests of its arithmetic: 0.1 for 1 / 10, 10 for 10.0."""
    value = float(f"{value:.12g}")
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
