"""What a tag could be called that is found by browsing: from where it was found.

Rules for whoever changes this file: pure; a name is one that an expression can hold without quotes
(agent.rules.tokens), and the same walk gives the same names.
"""

import re
from collections.abc import Iterable
from typing import Final

_LONGEST: Final = 180  # characters, with room for a number: the end of a path tells more than its begin
_STRANGE: Final = re.compile(r"\W+")


class Names:
    """Gives names to what is found, each once."""

    def __init__(self) -> None:
        self._given: dict[str, int] = {}

    def give(self, parts: Iterable[str]) -> str:
        """Join the parts of a path to a tag's name: letters, digits and underscores between dots.

        A name that was given before gets a number: `Pressure`, `Pressure_2`.
        """
        words = [word for part in parts if (word := _STRANGE.sub("_", part).strip("_"))]
        wanted = name = ".".join(words)[-_LONGEST:].strip("._") or "value"
        if name[0].isdigit():
            wanted = name = f"_{name}"
        while name in self._given:
            self._given[wanted] += 1
            name = f"{wanted}_{self._given[wanted]}"
        self._given[name] = 1
        return name
