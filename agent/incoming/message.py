"""A message as it came in, and what a route makes of it.

Rules for whoever changes this: strangers write messages, so nothing here raises, whatever they hold;
a value is taken out by a path, and nothing is evaluated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import orjson

from agent.codec.json_path import JsonPath, Missing, find, kind
from agent.model import Action, Json, Value

LONGEST_TEXT: Final = 200
"""Characters of what a message names (a rule, a person) that are believed to be a name."""

Term: TypeAlias = JsonPath | str
"""Where in a message something stands; or, as text, what it is whatever the message says."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message as a relay gave it.

    Attributes:
        body: the sender's raw bytes; where not `raw`, what the relay made of them.
        headers: the sender's, found by their lower-case names.
        raw: the body is byte for byte what the sender has signed.
        relay_id: what the relay calls it, not to be believed; empty: nothing.
        type: what the relay calls its type, not to be believed; empty: nothing.
        unusable: why nothing can be made of it (it is too large, it is no message), for people; empty: it can.
        lost: it stands for messages that the relay has lost; `unusable` says which.
    """

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bool = True
    relay_id: str = ""
    type: str = ""
    unusable: str = ""
    lost: bool = False


# --- what a route does -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """`forward` or `publish`: the message goes to a destination of its own, as events do.

    Attributes:
        word: which of the two.
        destination: its name; no destination of the configuration can be called so.
        payload: where in the message that stands which goes there; None: all of it goes.
    """

    word: str
    destination: str
    payload: JsonPath | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """A value is written to a tag."""

    tag: Term
    value: JsonPath


@dataclass(frozen=True, slots=True)
class Handle:
    """The operator's hand on an alarm.

    Attributes:
        action: ACKNOWLEDGE, SHELVE, UNSHELVE or RESET.
        rule, by, reason: which one, who, and why.
        until: when a shelf ends: RFC 3339, or a duration from now.
    """

    action: Action
    rule: Term
    by: Term
    reason: Term
    until: Term | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """What was delivered since (`since`, RFC 3339, or a duration back from now) is sent again to `destination`."""

    destination: Term
    since: Term


Deed: TypeAlias = Send | Write | Handle | Replay


def word(deed: Deed) -> str:
    """What the configuration calls it: forward, publish, write, acknowledge, ..., replay."""
    match deed:
        case Send(word=said):
            return said
        case Handle(action=action):
            return action.value
        case _:
            return type(deed).__name__.lower()


def believed(deed: Deed) -> bool:
    """Whether it moves something by a stranger's word: a signature over id and time, and a clock, are needed."""
    return not isinstance(deed, Send)


@dataclass(frozen=True, slots=True)
class Route:
    """What is done with which messages.

    Attributes:
        name: unique within its relay.
        types: patterns of types, `*` for any part; none: all.
        fields: what must stand where.
        max_age: nanoseconds after which a message is refused; None: it is never too old.
        deed: what is done.
    """

    name: str
    deed: Deed
    types: tuple[str, ...] = ()
    fields: tuple[tuple[JsonPath, Value], ...] = ()
    max_age: int | None = None


# --- what stands in a message ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wrong:
    """What should stand somewhere does not; `why` is for the sender's developer."""

    why: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a message, in the place of all of it."""

    body: bytes
    content_type: str


def part(document: Json, path: JsonPath) -> Part | Wrong:
    """What stands somewhere, for others to read: a text as it is, anything else as JSON."""
    found = find(document, path)
    match found:
        case Missing(why):
            return Wrong(f"{path}: {why}")
        case str():
            return Part(found.encode(errors="replace"), "text/plain; charset=utf-8")
        case _:
            return Part(orjson.dumps(found), "application/json")


def text_of(term: Term, document: Json) -> str | Wrong:
    """The text that a term means in a message: a name, a reason, an instant."""
    if isinstance(term, str):
        return term
    found = find(document, term)
    match found:
        case Missing(why):
            return Wrong(f"{term}: {why}")
        case str() if found.strip() and len(found) <= LONGEST_TEXT and found.isprintable():
            return found.strip()
        case str():
            return Wrong(f"{term}: expected a text of 1 to {LONGEST_TEXT} letters on one line")
        case _:
            return Wrong(f"{term}: expected a text, there is {kind(found)}")
