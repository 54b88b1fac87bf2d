"""What a polling endpoint answers, and where a session stands: bytes in, values out.

The shape is Svix v1's: `{"data": [{id, eventType, payload, timestamp, headers?, bodyB?}], "iterator", "done"}`.

Rules for whoever changes this: strangers write the messages, so one that is malformed stops neither
the others nor the endpoint: it is handed over with what there is, and not as what its sender signed;
only what cannot be handed over is left out, and is told. An answer of another shape is none at all:
nothing of it is taken. Nothing here has a clock, or waits.
"""

import base64
import binascii
import json
import sys
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
_DEEPER: Final = 1_100  # levels: what orjson reads, 1,024, within an answer
_SHOWN: Final = 80  # characters of a message's name


@dataclass(frozen=True, slots=True)
class Batch:
    """One answer.

    Attributes:
        messages: in the order in which they came.
        left_out: which could not be handed over, and why, for a person.
        iterator: what the next question is asked with, once these are on disk.
        done: there is nothing more at the moment.
        newest: nanoseconds UTC of the last message, as the relay says; None: it does not.
    """

    messages: tuple[Arrived, ...]
    left_out: tuple[str, ...]
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


def read_answer(content: bytes) -> Batch | str:
    """Read an answer; text: why it is none, for a person, quoting nothing of it."""
    match _parsed(content):
        case {"data": list(data), "iterator": str(iterator), "done": bool(done)}:
            if not (0 < len(iterator) <= LONGEST_ITERATOR and iterator.isprintable()):
                return f"its iterator is not one of 1 to {LONGEST_ITERATOR:,} visible characters"
        case {"data": list(), "offset": _} | {"data": [{"offset": _}, *_]}:
            return "it is the second version of Svix's polling endpoints"
        case dict():
            return "it has no data, iterator and done"
        case None:
            return "it is not JSON"
        case _:
            return "it is no JSON object"
    read = [_message(entry) for entry in data]
    return Batch(
        messages=tuple(each for each in read if isinstance(each, Arrived)),
        left_out=tuple(each for each in read if isinstance(each, str)),
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


def _message(entry: Json) -> Arrived | str:
    """Make a message of an entry; text: which one cannot be handed over, and why."""
    if not isinstance(entry, dict):
        return "a message that is no JSON object"
    relay_id = _text(entry.get("id"))
    named = f"message {relay_id[:_SHOWN]!a}" if relay_id else "a message without an id"
    body = _decoded(entry.get("bodyB"))
    raw = body is not None
    if body is None:
        try:
            body = orjson.dumps(entry["payload"]) if "payload" in entry else b""
        except orjson.JSONEncodeError as error:
            return f"{named}: its payload cannot be written as JSON ({error})"
    if len(body) > LARGEST_BODY:
        return f"{named}: it has {len(body):,} bytes, at most {LARGEST_BODY:,} are taken"
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

    A message that the stricter parser does not read (half a surrogate pair, NaN, a payload as deep as it
    reads alone, which is too deep within an answer) must not hold up all that came with it for ever: the
    laxer one, which is slower, reads the others.
    """
    try:
        return cast("Json", orjson.loads(content))
    except orjson.JSONDecodeError:
        pass
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(usual + _DEEPER)
    try:
        return cast("Json", json.loads(content))
    except (ValueError, RecursionError):
        return None
    finally:
        sys.setrecursionlimit(usual)
