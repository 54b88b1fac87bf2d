"""What a value of a payload means: its kind, the scaling, and the codes that are no values.

Rules for whoever changes this file: pure functions; nothing is guessed (what could be read in two
ways is refused with the reason), and a reason quotes no value (it reaches the log, and a reason
that changes with every message fills it); integers stay exact integers where nothing is divided.
"""

import math
import re
from dataclasses import dataclass
from typing import Final

from agent.codec.json_path import kind
from agent.codec.modbus import Linear
from agent.codec.payload import Unreadable, number
from agent.model import Kind, Value

_NUMBER_AND_MORE: Final = re.compile(r"[+-]?\d[\d.]*\s*[^\d\s,.]")
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+")
_SWITCH_WORDS: Final = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the configuration says of a value.

    Attributes:
        kind: what it is; ANY: whatever the payload holds.
        linear: of a number: raw to engineering value; None: the raw value is the value.
        invalid: of a number: raw values by which the device says that it has none.
        valid_range: of a number: engineering values outside of it are not to be believed.
    """

    kind: Kind = Kind.ANY
    linear: Linear | None = None
    invalid: frozenset[float] = frozenset()
    valid_range: tuple[float, float] | None = None

    def of(self, raw: Value) -> Value | Unreadable:
        """The value that is meant by what the payload holds.

        A number may be written as text (`"21.5"`), and true or false as ON, OFF, 1 or 0.
        """
        match self.kind:
            case Kind.NUMBER:
                plain = _as_number(raw)
                return plain if isinstance(plain, Unreadable) else self._scaled(plain)
            case Kind.SWITCH:
                return _as_switch(raw)
            case Kind.TEXT if not isinstance(raw, str):
                return Unreadable(f"it is {kind(raw)}, and `type: text` is written")
            case _:
                return raw

    def _scaled(self, raw: float) -> float | Unreadable:
        if raw in self.invalid:
            return Unreadable(f"the device says that it has no value (its code {raw:g})", said=True)
        value = raw if self.linear is None else self.linear(raw)
        if not math.isfinite(value):
            return Unreadable("scaled, it is not a finite number")
        if self.valid_range and not self.valid_range[0] <= value <= self.valid_range[1]:
            low, high = self.valid_range
            return Unreadable(f"the value is outside of its valid_range [{low:g}, {high:g}]", said=True)
        return value


def _as_number(raw: Value) -> int | float | Unreadable:
    if isinstance(raw, bool):
        return Unreadable("it is true or false, and a number is expected")
    if not isinstance(raw, str):
        return raw
    text = raw.strip()
    if (read := number(text)) is not None:
        return read
    if _DECIMAL_COMMA.fullmatch(text):
        return Unreadable("it is a number with a comma: a decimal number has a point")
    if _NUMBER_AND_MORE.match(text):
        return Unreadable("it is text with more than a number in it (its unit?): publish the number alone")
    return Unreadable("it is text, and a number is expected")


def _as_switch(raw: Value) -> bool | Unreadable:
    if isinstance(raw, bool):
        return raw
    word = raw.strip().lower() if isinstance(raw, str) else f"{raw:g}"
    if (switch := _SWITCH_WORDS.get(word)) is None:
        return Unreadable(f"it is {kind(raw)} that is none of true, false, ON, OFF, 1 and 0")
    return switch
