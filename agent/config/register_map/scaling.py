"""What a vendor's list says of scaling: 0.1, 1/10, /10, 10^-1, `10 = 1 Hz`, and 10, which could be either way.

`Factor 10` multiplies in one manual and divides in the next; a wrong guess is wrong by a hundred.

Rules for whoever changes this: which way a plain number goes is said by a form or a heading that can mean
nothing else, by a number below 1 in the same column, or by the engineer.
"""

import re
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple, TypeAlias

from agent.config.register_map.numbers import NUMBER, as_written, number

Direction: TypeAlias = Literal["multiply", "divide"]
"""Whether the raw value times the number of the list is the value, or divided by it."""

_TITLES: Final[dict[str, Direction]] = {
    **dict.fromkeys(("resolution", "auflösung", "lsb", "step"), "multiply"),
    **dict.fromkeys(("divisor", "divider", "teiler"), "divide"),
}
_POWERS: Final = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_EQUATION: Final = re.compile(
    rf"({NUMBER})\s*(?:lsb|bit|digit)?\s*(?:=|≙|->|→)\s*({NUMBER})\s*(\D.*)?", re.IGNORECASE
)
_FRACTION: Final = re.compile(rf"({NUMBER})?\s*[/÷:]\s*({NUMBER})")
_POWER: Final = re.compile(r"[x\u00d7*]?\s*10\s*(?:\^|\*\*)?\s*([-+]\d{1,2})|10\s*(?:\^|\*\*)\s*(\d{1,2})")
_TIMES: Final = re.compile(rf"[x\u00d7*·]\s*({NUMBER})|({NUMBER})\s*[x\u00d7*·]", re.IGNORECASE)
_WITH_UNIT: Final = re.compile(rf"({NUMBER})\s*([^\s\d.,'=][^=]*)")
_NO_UNIT: Final = ("o", "O")  # a letter typed for a zero: 1O is ten
_EXPONENT: Final = re.compile(r"-[1-9]")


class Factor(NamedTuple):
    """What the cell of a scaling says.

    Attributes:
        number: multiplied with, or divided by.
        certain: it is multiplied with, whatever the other cells say.
        unit: the unit that stands beside it, if any.
    """

    number: float
    certain: bool = False
    unit: str = ""


def read_factor(text: str, *, comma: bool) -> Factor | None:
    """Read the cell of a scaling; None: it is none.

    Raises:
        ValueError: it could be two things, or no value has such a scaling.
    """
    factor = _form(text.strip(), comma=comma)
    if factor is not None and factor.number == 0:
        raise ValueError("a scaling of 0 would make every value the same")
    return factor


def _form(text: str, *, comma: bool) -> Factor | None:
    if _EXPONENT.fullmatch(text):
        power = f"{10 ** int(text):g}"
        raise ValueError(f"`{text}` could be the power of ten of {power}: write {power}")
    if match := _EQUATION.fullmatch(text):
        return _quotient(match[2], match[1], comma=comma, unit=(match[3] or "").strip())
    if match := _FRACTION.fullmatch(text):
        return _quotient(match[1] or "1", match[2], comma=comma)
    if match := _POWER.fullmatch(text.translate(_POWERS)):
        return Factor(as_written(10.0 ** int(match[1] or match[2])))
    unit = ""
    if (plain := number(text, comma=comma)) is not None:
        return Factor(as_written(plain))
    if match := _TIMES.fullmatch(text):
        text = match[1] or match[2]
    elif match := _WITH_UNIT.fullmatch(text):
        text, unit = match.groups()
    value = number(text, comma=comma)
    if unit in _NO_UNIT:
        return None
    return None if value is None else Factor(as_written(value), unit=unit)


def _quotient(above: str, below: str, *, comma: bool, unit: str = "") -> Factor | None:
    one, other = number(above, comma=comma), number(below, comma=comma)
    return None if one is None or not other else Factor(as_written(one / other), certain=True, unit=unit)


def direction(title: str, factors: Iterable[Factor]) -> Direction | None:
    """Which way the plain numbers of a column go; None: nothing tells.

    Args:
        title: the heading of the column, normalised.
        factors: every cell below it.
    """
    plain = [abs(factor.number) for factor in factors if not factor.certain]
    if title in _TITLES:
        return _TITLES[title]
    return "multiply" if any(value < 1 for value in plain) or all(value == 1 for value in plain) else None


def scale(factor: Factor, way: Direction | None) -> float | None:
    """What the raw value is multiplied with; None: nobody knows."""
    if factor.certain or way == "multiply" or abs(factor.number) == 1:
        return as_written(factor.number)
    return as_written(1 / factor.number) if way == "divide" else None
