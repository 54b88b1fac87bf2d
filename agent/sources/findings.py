"""What every adapter says of what it finds: a name for the tag it could become, and whether it was expected.

Rules for whoever changes this file: pure; a name is one that an expression can hold without quotes
(agent.rules.tokens); a match is never generous: a person wires a plant by it.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from math import isclose

from agent.model import Value

_STRANGE = re.compile(r"\W+")


class Names:
    """Gives names to what is found, each once."""

    def __init__(self) -> None:
        self._given: dict[str, int] = {}

    def give(self, parts: Iterable[str]) -> str:
        """Join the parts of a path to a tag's name: letters, digits and underscores between dots.

        A name that was given before gets a number: `Pressure`, `Pressure_2`.
        """
        words = [word for part in parts if (word := _STRANGE.sub("_", part).strip("_"))]
        name = ".".join(words) or "value"
        if name[0].isdigit():
            name = f"_{name}"
        if name not in self._given:
            self._given[name] = 1
            return name
        while True:
            self._given[name] += 1
            numbered = f"{name}_{self._given[name]}"
            if numbered not in self._given:
                self._given[numbered] = 1
                return numbered


def matches(value: Value | None, expect: Value | None) -> bool:
    """Tell whether a value is what the display at the machine shows.

    Numbers match within a millionth, or if the display's decimals hide the difference: 21.4998 is
    shown as 21.5. Whole numbers and texts match exactly; true is also shown as 1, and false as 0.
    """
    if value is None or expect is None:
        return False
    if isinstance(value, bool | str) or isinstance(expect, bool | str):
        return value == expect and (isinstance(value, str) or isinstance(value, bool))
    if isinstance(value, int) and isinstance(expect, int):
        return value == expect
    exponent = Decimal(repr(expect)).as_tuple().exponent  # -1 of 21.5
    half = 0.5 * 10.0 ** min(0, int(exponent))
    return isclose(value, expect, rel_tol=1e-6) or abs(value - expect) <= half * (1 + 1e-9)
