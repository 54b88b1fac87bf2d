"""Subjects and topics that an event fills: `plant.{site}.{agent}.{type}`.

Brokers route by the words of an address, so a name out of the plant must not become two words, a
wildcard, or none. The point in an event's type alone parts words: whoever wants all alarms asks for
`plant.*.*.alarm.>` or `plant/+/+/alarm/#`.

Rules for whoever changes this: pure; whatever the event holds, a filled template has as many words as
its template, and two for the type.
"""

import re
from collections.abc import Sequence
from string import Formatter
from typing import Final

from agent.delivery.body import Identity
from agent.model import Event

_NAMES: Final = ("site", "agent", "type", "rule", "tag", "priority")
_EMPTY: Final = "-"
_LONGEST_WORD: Final = 200  # characters; a server's line has 4096 bytes in all


class Template:
    """An address with placeholders; `separator` parts its words, `delicate` may stand in none of them."""

    def __init__(self, text: str, separator: str, delicate: str) -> None:
        """Take a template apart.

        Raises:
            ValueError: it can be no address; with what was expected.
        """
        self.text = text
        self._separator = separator
        self._delicate = re.compile(rf"[\s\x00-\x1f\x7f{re.escape(delicate + separator)}]")
        self._parts = _parts(text)
        self._check(text, separator)

    def fill(self, events: Sequence[Event], identity: Identity) -> str:
        """The address of a message; what it has no word for is `-`."""
        event = events[0] if events else None
        words = {"site": identity.site, "agent": identity.agent}
        if event is not None:
            words |= {"rule": event.rule, "tag": event.tag, "priority": event.priority.word}
        known = {name: self._word(words.get(name, "")) for name in _NAMES}
        if event is not None:
            known["type"] = self._separator.join(map(self._word, event.type.value.split(".")))
        return "".join(literal + (known[name] if name else "") for literal, name in self._parts)

    def _word(self, text: str) -> str:
        cleaned = self._delicate.sub("_", text.encode(errors="replace").decode())
        return cleaned[:_LONGEST_WORD] or _EMPTY

    def _check(self, text: str, separator: str) -> None:
        words = "".join(literal + ("x" if name else "") for literal, name in self._parts).split(separator)
        if not all(words):
            raise ValueError(f"a word is empty: two `{separator}` in a row, or one at an end")
        if wrong := next((word for word in words if self._delicate.search(word)), ""):
            raise ValueError(
                f"`{wrong}`: no blank and no wildcard may stand in what is published to: leave it out"
            )
        if text.startswith("$"):
            raise ValueError("what begins with `$` is the broker's own: begin with something else")


def _parts(text: str) -> list[tuple[str, str]]:
    """Literals, each with the name of the placeholder behind it."""
    known = ", ".join(f"{{{name}}}" for name in _NAMES)
    if "{{" in text:
        raise ValueError(f"one brace is enough here: expected {known}")
    try:
        found = list(Formatter().parse(text))
    except ValueError:
        raise ValueError(f"a brace without its other half: expected {known}") from None
    for _, name, form, conversion in found:
        if name is not None and (name not in _NAMES or form or conversion):
            raise ValueError(f"unknown placeholder {{{name}}}: expected {known}")
    return [(literal, name or "") for literal, name, _, _ in found]
