"""What the events of gosmee and of smee.io mean, and where a session stands: values in, values out.

Both write a webhook as one JSON object, the sender's headers beside `timestamp` and the body: gosmee the
raw one in base64 (`bodyB`), smee.io what it has parsed (`body`, beside `query`). What else they write is
no message: that the channel is ready, that it is still there, that history is lost. Ids that resume are
those of a Redis stream, 1690000000000-0, which gosmee has; smee.io counts what it has written on one
connection, and would know nothing by that.

Rules for whoever changes this: strangers write the messages, so nothing here raises, whatever they hold;
of what cannot be taken, and of what is lost, it is handed over why; it holds up nothing.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, cast

import orjson

from agent.http.urls import path_of, place_of
from agent.inbound.base import LARGEST_BODY
from agent.inbound.sse.frames import Event, TooLarge
from agent.incoming.message import Arrived
from agent.model import Json

EVERYTHING: Final = "0-0"
"""What a relay that keeps messages is asked for by an agent that has none of them yet."""
_RESUMES: Final = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")
_NO_HEADERS: Final = frozenset({"body", "bodyB", "query", "timestamp"})
_WORDS: Final[tuple[Json, ...]] = ({}, {"message": "connected"}, {"message": "ready"})


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A message for which the agent has no key."""


def read_event(event: Event | TooLarge) -> Arrived | Encrypted | None:
    """Make of an event what it means; None: nothing but that the relay is there."""
    if isinstance(event, TooLarge):
        return _unusable(event, f"is too large, at most {LARGEST_BODY:,} bytes are taken")
    if event.name == "gosmee-gap":
        return _gap(event)
    if event.name not in {"", "message"} or event.data == b"ready":  # as an older gosmee says it
        return None
    document = _parsed(event.data)
    return None if document in _WORDS else _message(event, document)


def resumes(event_id: str) -> bool:
    """Whether a relay goes on from there: smee.io's ids count the events of one connection."""
    return _RESUMES.fullmatch(event_id) is not None


def read_cursor(cursor: bytes | None, url: str) -> str:
    """Read the id where the last session stood; of another relay's, or what cannot be read, nothing is kept."""
    match _parsed(cursor or b"null"):
        case {"id": str(last), "of": of} if of == _of(url) and resumes(last):
            return last
        case _:
            return EVERYTHING


def write_cursor(last: str, url: str) -> bytes:
    """Write it down; `read_cursor` reads it."""
    return orjson.dumps({"id": last, "of": _of(url)})


def _of(url: str) -> str:
    """Tell channels apart: by place and path, for a query may hold a key; neither is to be read from it."""
    return sha256(f"{place_of(url)}{path_of(url)}".encode()).hexdigest()[:16]


def _message(event: Event, document: Json) -> Arrived | Encrypted:
    if not isinstance(document, dict):
        return _unusable(event, "is no JSON object: it is not of gosmee or smee.io")
    if document.get("encrypted") is True:
        return Encrypted()
    relay_id = event.id if resumes(event.id) else ""
    raw = "bodyB" in document
    body = _decoded(document["bodyB"]) if raw else _written(document)
    if isinstance(body, str):
        return _unusable(event, body)
    if len(body) > LARGEST_BODY:
        return _unusable(event, f"has {len(body):,} bytes, at most {LARGEST_BODY:,} are taken")
    return Arrived(body, _headers(document), raw, relay_id)


def _decoded(encoded: Json) -> bytes | str:
    """Decode `bodyB`; text: why it cannot be."""
    try:
        return base64.b64decode(encoded if isinstance(encoded, str) else "-", validate=True)
    except (binascii.Error, ValueError):
        return "has a bodyB that is no base64"


def _written(document: dict[str, Json]) -> bytes | str:
    """Write `body` as JSON again; text: why it cannot be."""
    if "body" not in document:
        return "has neither bodyB nor body: it is not of gosmee or smee.io"
    try:
        return orjson.dumps(document["body"])
    except orjson.JSONEncodeError as error:
        return f"has a body that cannot be written as JSON ({error})"


def _headers(document: dict[str, Json]) -> Mapping[str, str]:
    return {
        name.lower(): text
        for name, text in document.items()
        if isinstance(text, str) and name not in _NO_HEADERS
    }


def _gap(event: Event) -> Arrived | None:
    """Read what gosmee says of lost history; of what was never asked for by its id, nothing is lost."""
    requested = oldest = "(not said)"
    match _parsed(event.data):
        case {"requested_id": str(asked), "oldest_id": str(kept)} if resumes(asked) and resumes(kept):
            requested, oldest = asked, kept
    if requested == EVERYTHING:
        return None
    why = (
        f"it does not keep everything any more since {requested}, where this agent stood; the oldest that it "
        f"has is {oldest}: what came in between may be lost, have it sent again, and let the relay keep more "
        "(gosmee: --redis-stream-maxlen)"
    )
    return Arrived(b"", raw=False, unusable=why, lost=True)


def _unusable(event: Event | TooLarge, why: str) -> Arrived:
    relay_id = event.id if resumes(event.id) else ""
    named = f"message {relay_id}" if relay_id else "a message without an id"
    return Arrived(b"", raw=False, relay_id=relay_id, unusable=f"{named} {why}")


def _parsed(content: bytes) -> Json:
    try:
        return cast("Json", orjson.loads(content))
    except orjson.JSONDecodeError:
        return None
