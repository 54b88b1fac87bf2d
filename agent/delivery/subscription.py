"""Which destinations an event is addressed to.

Rules: patterns know `*` (anything) and `?` (one character) and nothing else: tags are called
`press[3].temperature`, where a shell's brackets would match something else. OR within a key, AND
between keys, a key that is not given asks for everything.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from agent.model import Event, Priority

DESTINATION_SUBJECT = "destination:"
"""An event about a destination has this and its name as subject."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one destination asked for; an empty key asks for everything."""

    events: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    priorities: frozenset[Priority] = frozenset()

    def wants(self, event: Event) -> bool:
        """Whether the event is to go there. Whoever was told of an alarm is told of what follows."""
        return (
            matches(self.events, event.type)
            and matches(self.rules, event.rule)
            and matches(self.tags, event.tag)
            and (
                not self.priorities
                or event.priority in self.priorities
                or not self.priorities.isdisjoint(event.audience)
            )
        )


def subscribers(event: Event, subscriptions: Mapping[str, Subscription]) -> tuple[str, ...]:
    """The names of the destinations that the event goes to; never the one that it is about.

    A rule's `send_to` replaces what the destinations subscribe to (design: delivery).
    """
    if event.send_to:
        return tuple(name for name in subscriptions if name in event.send_to)
    return tuple(
        name
        for name, subscription in subscriptions.items()
        if event.subject != DESTINATION_SUBJECT + name and subscription.wants(event)
    )


def matches(patterns: Sequence[str], text: str) -> bool:
    """Whether one of the patterns matches the whole text; no pattern at all matches everything."""
    return not patterns or any(_compiled(pattern).fullmatch(text) for pattern in patterns)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    escaped = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.DOTALL)
