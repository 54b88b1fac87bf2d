"""The cells of a history: stamps, values and qualities, in the spellings that historians write.

Rules for whoever changes it: a cell that cannot be read is refused with its spelling and the remedy,
never guessed at; the same text always gives the same value. What is called for each cell is a dictionary,
because a history has millions of cells and few different ones.
"""

import re
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Final
from zoneinfo import ZoneInfo

from agent.model import MILLISECOND, SECOND, Kind, Quality, Value

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_S: Final = 86_400
_NUMBER: Final = re.compile(r"-?\d+(?:\.(\d*))?")
_GERMAN: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(.*)")
# A count since 1970 is in the unit that puts it into the years 1973 to 5138.
_UNITS: Final = ((10**11, SECOND), (10**14, MILLISECOND), (10**17, 1_000), (10**30, 1))
_BAD: Final = frozenset(
    (
        *("bad", "#n/a", "n/a", "na", "nan", "null", "none", "error", "#value!", "#num!", "?", "inf", "-inf"),
        # What PI and its kin write where there is no value.
        *("no data", "bad input", "i/o timeout", "pt created", "shutdown", "scan off", "comm fail"),
        *("not connect", "no value", "calc failed", "bad data", "arc off-line", "intf shut", "out of serv"),
    )
)
_SWITCH: Final = {"true": True, "false": False, "on": True, "off": False}
_MOST_KNOWN: Final = 10_000  # different spellings remembered; noise has no end of them
_CLASSIC: Final = {0: Quality.BAD, 1: Quality.UNCERTAIN, 2: Quality.BAD, 3: Quality.GOOD}
_UA: Final = {0: Quality.GOOD, 1: Quality.UNCERTAIN, 2: Quality.BAD, 3: Quality.BAD}


class Stamps:
    """Reads stamps as nanoseconds UTC; `naive`: at least one had no zone of its own."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self.naive = False

    def read(self, text: str, after: int = 0) -> int:
        """Read ISO 8601, `21.11.2026 08:00:00`, or a count since 1970 (s, ms, us, ns).

        Args:
            text: the cell.
            after: the stamp before it: decides about the hour that a naive clock shows twice in autumn.

        Raises:
            ValueError: it is none of them.
        """
        if _NUMBER.fullmatch(text):
            return _count(text)
        if german := _GERMAN.fullmatch(text):
            day, month, year, rest = german.groups()
            text = f"{year}-{month:>02}-{day:>02}{rest}"
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            self.naive = True
            moment = moment.replace(tzinfo=self._zone)
            again = moment.replace(fold=1)
            if _since_1970(moment) < after <= _since_1970(again):
                moment = again
        return _since_1970(moment)


def _count(text: str) -> int:
    whole, _, part = text.partition(".")
    unit = next(unit for most, unit in _UNITS if abs(int(whole)) < most)
    digits = len(str(unit)) - 1
    return int(whole) * unit + int(part[:digits].ljust(digits, "0") or 0)


def _since_1970(moment: datetime) -> int:
    # In UTC first: between two moments of one zone Python leaves the change of summer time out.
    since: timedelta = moment.astimezone(UTC) - _EPOCH
    return (since.days * _DAY_S + since.seconds) * SECOND + since.microseconds * 1_000


class Values(dict[str, Value | None]):
    """Values by their spelling, of tags of one kind; None is a bad value.

    Args:
        kind: what the tag's source says it is.
        decimal_comma: `3,5` is a number.
    """

    def __init__(self, kind: Kind, *, decimal_comma: bool) -> None:
        super().__init__()
        self.kind = kind
        self._decimal_comma = decimal_comma

    def __missing__(self, cell: str) -> Value | None:
        if len(self) >= _MOST_KNOWN:
            self.clear()
        value = self[cell] = self._read(cell.strip())
        return value

    def _read(self, cell: str) -> Value | None:
        if self.kind is Kind.TEXT:
            return cell if cell and cell.lower() not in ("nan", "#n/a") else None
        word = cell.lower()
        if not word or word in _BAD:
            return None
        if word in _SWITCH:
            return _SWITCH[word]
        number = _number(cell.replace(",", ".") if self._decimal_comma else cell)
        return cell if number is None else _fitting(number, self.kind)


def _fitting(number: float, kind: Kind) -> bool | int | float:
    match kind:
        case Kind.SWITCH if number in (0, 1):
            return bool(number)
        case Kind.NUMBER:
            return float(number)
        case Kind.WHOLE if number == int(number):
            return int(number)
        case _:
            return number


def _number(cell: str) -> int | float | None:
    try:
        return int(cell)
    except ValueError:
        pass
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if isfinite(number) else None


class Qualities(dict[str, Quality]):
    """Qualities by their spelling: words, OPC's 192 and 0, OPC UA's status codes; empty is good.

    Raises:
        ValueError: a word that says nothing of quality.
    """

    def __missing__(self, cell: str) -> Quality:
        quality = self[cell] = _quality(cell.strip().lower())
        return quality


def _quality(word: str) -> Quality:
    if not word or word.startswith(("good", "ok", "true")):
        return Quality.GOOD
    if word.startswith(("bad", "false", "error")):
        return Quality.BAD
    if word.startswith("uncertain"):
        return Quality.UNCERTAIN
    try:
        code = int(word, 16 if word.startswith("0x") else 10)
    except ValueError:
        raise ValueError(f"quality {word!r}: expected good, uncertain, bad, or OPC's 192, 64, 0") from None
    # Small numbers are OPC's (two bits above six of detail), great ones OPC UA's (the two highest of 32).
    return _UA[code >> 30 & 3] if code >= 1 << 16 else _CLASSIC[code >> 6 & 3]
