"""Which destinations an event is addressed to.

Rules: patterns know `*` (anything) and `?` (one character) and nothing else: tags are called
`press[3].temperature`, where a shell's brackets would match something else. OR within a key, AND
between keys, a key that is not given asks for everything.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from agent.model import Event, EventType, Priority

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
        """Whether the event is to go there. Whoever was told of an alarm is told of what follows.

        A digest of a flood goes to whoever wants one of the events that are nowhere but in it. A message that
        came in is addressed by its route (`send_to`), and to be had by nobody else.
        """
        if event.type is EventType.INBOUND_MESSAGE:
            return False
        heard = (
            not self.priorities
            or event.priority in self.priorities
            or not self.priorities.isdisjoint(event.audience)
        )
        return heard and any(
            matches(self.events, kind) and matches(self.rules, rule) and matches(self.tags, tag)
            for kind, rule, tag in ((event.type.value, event.rule, event.tag), *_told_in(event))
        )

    def hears_heartbeats(self, *, by_name: bool) -> bool:
        """Whether it is sent `agent.heartbeat`; `by_name`: a wildcard does not mean it (a room of people).

        A heartbeat has no rule, tag or loudness: whoever names the type gets it, whatever else is asked for;
        whoever names no types gets it with everything.
        """
        if by_name:
            return EventType.AGENT_HEARTBEAT.value in self.events
        if self.events:
            return matches(self.events, EventType.AGENT_HEARTBEAT.value)
        return not (self.rules or self.tags or self.priorities)


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


def _told_in(event: Event) -> Iterator[tuple[str, str, str]]:
    """Type, rule and tag of each event that a digest tells (`agent.flood` with `alarms`)."""
    alarms = event.data.get("alarms") if event.type is EventType.AGENT_FLOOD else None
    for alarm in alarms.values() if isinstance(alarms, dict) else ():
        body = alarm.get("data") if isinstance(alarm, dict) else None
        if isinstance(alarm, dict) and isinstance(body, dict):
            yield str(alarm["type"]), str(body.get("rule", "")), str(body.get("tag", ""))


def matches(patterns: Sequence[str], text: str) -> bool:
    """Whether one of the patterns matches the whole text; no pattern at all matches everything."""
    return not patterns or any(_compiled(pattern).fullmatch(text) for pattern in patterns)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    escaped = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.DOTALL)
