"""Messages: text with `{name}` in braces, parsed once at load, filled when the event is made.

Braces only interpolate: no format specifications, no attribute access, nothing is evaluated.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Final

from agent.model import Json

PLACEHOLDERS: Final = frozenset(
    {
        "rule",
        "instance",
        "tag",
        "value",
        "unit",
        "level",
        "condition",
        "limit",
        "priority",
        "quality",
        "duration",
        "reason",
    }
)


@dataclass(frozen=True, slots=True)
class Message:
    """A parsed message: pairs of literal text and the placeholder after it (empty at the end)."""

    parts: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str, more: Collection[str] = ()) -> "Message":
        """Parse `text`, which may name what every event says, and `more` that its rule adds.

        Raises:
            ValueError: unbalanced braces, an unknown name in braces, or anything but a name in them.
        """
        try:
            fields = list(Formatter().parse(text))
        except ValueError as error:
            raise ValueError(f"{error} (a brace that is meant as text is written twice)") from None
        known = {*PLACEHOLDERS, *more}
        parts: list[tuple[str, str]] = []
        for literal, name, specification, conversion in fields:
            if name is not None and (name not in known or specification or conversion):
                shown = (
                    name
                    + (f"!{conversion}" if conversion else "")
                    + (f":{specification}" if specification else "")
                )
                raise ValueError(f"unknown {{{shown}}}; known are {', '.join(sorted(known))}")
            parts.append((literal, name or ""))
        return cls(tuple(parts))

    def fill(self, facts: Mapping[str, Json]) -> str:
        """Fill the placeholders; what is unknown for this event reads `unknown`."""
        return "".join(literal + (show(facts.get(name)) if name else "") for literal, name in self.parts)


def show(value: Json) -> str:
    """Write a value as a person reads it: no trailing zeros, yes and no as true and false."""
    match value:
        case None:
            return "unknown"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.10g}"
        case _:
            return str(value)


def show_duration(nanoseconds: int) -> str:
    """Write a duration as a person reads it, to the second: `2 h 5 min`, `8 s`."""
    seconds = round(nanoseconds / 1_000_000_000)
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    words = [f"{count} {unit}" for count, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if count]
    return " ".join(words[:2]) or "0 s"
