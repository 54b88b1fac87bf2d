"""What a polling endpoint answers, and where a session stands: bytes in, values out.

The shape is Svix v1's: `{"data": [{id, eventType, payload, timestamp, headers?, bodyB?}], "iterator", "done"}`.

Rules for whoever changes this: strangers write the messages, so one that is malformed stops neither
the others nor the endpoint: it is handed over with what there is, and not as what its sender signed;
of what cannot be taken it is handed over why. An answer of another shape is none at all: nothing of it
is taken. Nor is one that would fill the memory: how much is known before it is parsed. Nothing here has
a clock, or waits.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, cast

import orjson

from agent.http.urls import path_of, place_of
from agent.inbound.base import LARGEST_BODY
from agent.incoming.message import Arrived
from agent.model import SECOND, Json

LONGEST_ITERATOR: Final = 4_096
"""Characters; it travels in an address, of which servers take 8 kB."""
_MOST: Final = 2_000  # messages: eight times what it is asked for
_ROOM: Final = 250_000_000
"""Bytes of memory that an answer may take when parsed: more than one with the largest message takes, whatever is in it."""
_TEXTS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_SHORT: Final = 3  # bytes of a text with its quotes; as many as a message can hold of those do not matter
_LONGEST_INTEGER: Final = 300  # digits; beyond, it is a float for any other parser too
_SHOWN: Final = 80  # characters of a message's name


@dataclass(frozen=True, slots=True)
class Batch:
    """One answer.

    Attributes:
        messages: in the order in which they came, also those of which nothing can be taken.
        iterator: what the next question is asked with, once these are on disk.
        done: there is nothing more at the moment.
        newest: nanoseconds UTC of the last message, as the relay says; None: it does not.
    """

    messages: tuple[Arrived, ...]
    iterator: str
    done: bool
    newest: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session stands.

    Attributes:
        iterator: what the next question is asked with; empty: the relay begins where it likes.
        after: RFC 3339; what is older was taken. For a relay that does not know the iterator any more.
    """

    iterator: str = ""
    after: str = ""


def read_place(cursor: bytes | None, url: str) -> Place:
    """Read where the last session stood; of another relay's, or what cannot be read, nothing is kept."""
    match _parsed(cursor or b"null"):
        case {"iterator": str(iterator), "after": str(after), "of": of} if of == _of(url):
            return Place(iterator, after)
        case _:
            return Place()


def write_place(place: Place, url: str) -> bytes:
    """Write it down; `read_place` reads it."""
    return orjson.dumps({"iterator": place.iterator, "after": place.after, "of": _of(url)})


def _of(url: str) -> str:
    """Tell relays apart: by place and path, for a query may hold a key; neither is to be read from it."""
    return sha256(f"{place_of(url)}{path_of(url)}".encode()).hexdigest()[:16]


def is_too_large(content: bytes) -> bool:
    """Whether it would take too much memory: two bytes of an answer can become a hundred.

    What stands in texts is not counted, or one that is full of commas would count as large.
    """
    weight = _weight(content)
    if weight > _ROOM:  # else the texts, which may be millions, need no look
        weight -= sum(
            _weight(text[0]) for text in _TEXTS.finditer(content) if text.end() - text.start() > _SHORT
        )
    return weight > _ROOM


def _weight(content: bytes) -> int:
    """Bytes that JSON takes when parsed, as measured: of lists, of objects and of what stands in them."""
    members = content.count(b":") * 120
    return content.count(b"{") * 64 + content.count(b"[") * 60 + content.count(b",") * 40 + members


def read_answer(content: bytes) -> Batch | str:
    """Read an answer; text: why it is none, for a person, quoting nothing of it."""
    match _parsed(content):
        case {"data": list(data), "iterator": str(iterator), "done": bool(done)}:
            return _batch(data, iterator, done=done)
        case {"data": list(), "offset": _} | {"data": [{"offset": _}, *_]}:
            return "it is the second version of Svix's polling endpoints"
        case dict():
            return "it has no data, iterator and done"
        case None:
            return "it is not JSON, or nested too deeply"
        case _:
            return "it is no JSON object"


def _batch(data: list[Json], iterator: str, *, done: bool) -> Batch | str:
    if not (0 < len(iterator) <= LONGEST_ITERATOR and iterator.isprintable()):
        return f"its iterator is not one of 1 to {LONGEST_ITERATOR:,} visible characters"
    if len(data) > _MOST:
        return f"it hands over more than {_MOST:,} messages, whatever `limit` says"
    return Batch(
        messages=tuple(map(_message, data)),
        iterator=iterator,
        done=done,
        newest=next(filter(None, map(_time, reversed(data))), None),
    )


def is_invalid_iterator(content: bytes | None) -> bool:
    """Whether the relay says that it does not know the iterator (any more)."""
    match _parsed(content or b"null"):
        case {"code": "invalid_iterator"}:
            return True
        case _:
            return False


def _message(entry: Json) -> Arrived:
    """Make a message of an entry."""
    if not isinstance(entry, dict):
        return Arrived(b"", raw=False, unusable="a message that is no JSON object")
    relay_id = _text(entry.get("id"))
    named = f"message {relay_id[:_SHOWN]!a}" if relay_id else "a message without an id"
    body = _decoded(entry.get("bodyB"))
    raw = body is not None
    if body is None:
        try:
            body = orjson.dumps(entry["payload"]) if "payload" in entry else b""
        except orjson.JSONEncodeError as error:
            why = f"{named}: its payload cannot be written as JSON ({error})"
            return Arrived(b"", raw=False, relay_id=relay_id, unusable=why)
    if len(body) > LARGEST_BODY:
        why = f"{named}: it has {len(body):,} bytes, at most {LARGEST_BODY:,} are taken"
        return Arrived(b"", raw=raw, relay_id=relay_id, unusable=why)
    return Arrived(body, _headers(entry.get("headers")), raw, relay_id, _text(entry.get("eventType")))


def _decoded(encoded: Json) -> bytes | None:
    """Decode `bodyB`; None: it is not there, or no base64."""
    try:
        return base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else None
    except (binascii.Error, ValueError):
        return None


def _headers(given: Json) -> Mapping[str, str]:
    """The sender's headers by lower-case names; what is neither text nor a list of texts is no header."""
    found: dict[str, str] = {}
    for name, value in given.items() if isinstance(given, dict) else ():
        values = value if isinstance(value, list) else [value]
        if texts := [_text(each) for each in values if isinstance(each, str)]:
            found[_text(name).lower()] = ", ".join(texts)
    return found


def _text(value: Json) -> str:
    """Give a text that can be written down: half a surrogate pair, which the laxer parser lets through, cannot."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def _time(entry: Json) -> int | None:
    """When the relay says that it took a message, nanoseconds UTC."""
    try:
        moment = datetime.fromisoformat(_text(entry.get("timestamp")) if isinstance(entry, dict) else "")
        return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * SECOND
    except (ValueError, OverflowError):
        return None


def _parsed(content: bytes) -> Json:
    """Parse JSON; None where it is none, for null is no answer either.

    A message that the stricter parser does not read (half a surrogate pair, NaN) must not hold up all that
    came with it for ever: the laxer one, which is slower, reads the others.
    """
    try:
        return cast("Json", orjson.loads(content))
    except orjson.JSONDecodeError:
        pass
    try:
        return cast("Json", json.loads(content, parse_int=_integer))
    except (ValueError, RecursionError):
        return None


def _integer(digits: str) -> int | float:
    """Read it; Python refuses thousands of digits, and with them the answer."""
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)
