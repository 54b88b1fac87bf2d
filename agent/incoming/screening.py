"""Whether a message is taken, and by which route: verify, then age, then what it asks for.

    screen(arrived, terms, now) -> Taken | Rejected

Rules for whoever changes this: strangers write messages, so nothing here raises, whatever they hold, and
the work is bounded; nothing of a message is looked at before its signature is, and nothing that is not
signed decides about a machine; a rejection says what is wrong in words that its sender can act on.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

import orjson

from agent.codec.json_path import Missing, find
from agent.delivery.subscription import matches
from agent.delivery.verifying import Genuine, Refused
from agent.incoming.message import LONGEST_TEXT, Arrived, Part, Route, Send, Wrong, believed, part
from agent.model import SECOND, Json, Value
from agent.stamps import Standing

Verify: TypeAlias = Callable[[Mapping[str, str], bytes, int], Genuine | Refused]

REMEMBERED_S: Final = 30 * 86_400
"""Seconds for which a message is remembered; whatever is older may have been seen, and is refused."""
FUTURE_S: Final = 300
"""Seconds that a message may come from the future: clocks differ."""
_LONGEST_HEADERS: Final = 32_000  # characters
_KEY: Final = 16


class Code(StrEnum):
    """Why a message is refused: for counting, and for refusals that share a row."""

    UNUSABLE = "unusable"
    LOST = "lost at the relay"
    SIGNATURE = "signature"
    NOT_RAW = "not raw"
    NO_ROUTE = "no route"
    TOO_OLD = "too old"
    TOO_NEW = "too new"
    NO_TIME = "no time"
    CLOCK = "clock"
    SEEN = "seen before"
    ASKED = "asked for what cannot be"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the configuration says of one relay.

    Attributes:
        relay: its name.
        routes: in their order; the first that fits takes a message.
        verify: says whether a message is its sender's, at an instant in seconds UTC; None: nobody can.
        senders: what people are told of each key, in the order in which `verify` counts them.
    """

    relay: str
    routes: tuple[Route, ...]
    verify: Verify | None = None
    senders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Now:
    """What is known of the time.

    Attributes:
        utc: seconds since 1970.
        standing: how far that is believed.
        horizon: the newest stamp among the messages that were acted on and are forgotten, seconds UTC.
    """

    utc: int
    standing: Standing
    horizon: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of a message before a route is.

    Attributes:
        key: by which it is known again; empty: it is nobody's, and not remembered.
        identity: what its sender calls it, as he has signed; where nothing is, what its relay calls it.
        sender: which key signed it; empty: nobody's.
        stamp: when its sender made it, as he has signed, seconds UTC; None: he has not said.
        type: what it says that it is.
    """

    key: bytes = b""
    identity: str = ""
    sender: str = ""
    stamp: int | None = None
    type: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A route takes it; `document` is its body if that is JSON, `part` what of it is handed on; None: all of it."""

    origin: Origin
    route: Route
    document: Json
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """It is refused for good; `route` is the one that would have taken it."""

    origin: Origin
    code: Code
    why: str
    route: Route | None = None


def screen(arrived: Arrived, terms: Terms, now: Now) -> Taken | Rejected:
    """Decide about one message."""
    if why := arrived.unusable or _too_many_headers(arrived.headers):
        return Rejected(Origin(), Code.LOST if arrived.lost else Code.UNUSABLE, why)
    verified = _verified(arrived, terms, now)
    if isinstance(verified, Rejected):
        return verified
    document = document_of(arrived.body)
    origin = _origin(arrived, terms, verified, document)
    route = next((each for each in terms.routes if fits(each, origin.type, document)), None)
    if route is None:
        what = f"of type {origin.type!r}" if origin.type else "without a type"
        what = "whose body is no JSON" if document is None and not origin.type else what
        return Rejected(origin, Code.NO_ROUTE, f"no route of {terms.relay} takes a message {what}")
    return too_far(route, origin, now) or _taken(origin, route, document)


def _too_many_headers(headers: Mapping[str, str]) -> str:
    """They are not signed, and a service that they are handed on to would refuse them for ever."""
    size = sum(map(len, headers.keys())) + sum(map(len, headers.values()))
    if size <= _LONGEST_HEADERS:
        return ""
    return f"its headers have {size:,} characters, at most {_LONGEST_HEADERS:,} are taken"


def _taken(origin: Origin, route: Route, document: Json) -> Taken | Rejected:
    """What is to be handed on must be there: no later attempt would find it."""
    if not isinstance(route.deed, Send) or route.deed.payload is None:
        return Taken(origin, route, document)
    found = part(document, route.deed.payload)
    if isinstance(found, Wrong):
        return Rejected(origin, Code.ASKED, found.why, route)
    return Taken(origin, route, document, found)


def _verified(arrived: Arrived, terms: Terms, now: Now) -> Genuine | Rejected | None:
    """The signature; None: there is none to be looked at."""
    if terms.verify is None:
        return None
    origin = Origin()  # what the relay calls it might be the name of another
    if not arrived.raw:
        why = "the relay handed over no raw bytes, so the signature cannot be verified: edge-relay relay, gosmee and nats do"
        return Rejected(origin, Code.NOT_RAW, why)
    found = terms.verify(arrived.headers, arrived.body, now.utc)
    if isinstance(found, Refused):
        return Rejected(origin, Code.SIGNATURE, f"{found.fault}: {found.why}")
    return found


def document_of(body: bytes) -> Json:
    """What a body holds, if it is JSON; else None."""
    try:
        document: Json = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return document


def _origin(arrived: Arrived, terms: Terms, genuine: Genuine | None, document: Json) -> Origin:
    stamped = None if genuine is None else genuine.stamped
    told = document if isinstance(document, dict) else {}
    kind = told.get("type")
    if not isinstance(kind, str):
        kind = arrived.type if genuine is None else ""
    made = instant_of(told.get("timestamp"))
    if made is None and stamped is not None:
        made = stamped.timestamp
    relay_id = _shown(arrived.relay_id)
    return Origin(
        key=_key(arrived, terms, genuine),
        identity=relay_id if stamped is None else stamped.identity,
        sender="" if genuine is None else terms.senders[genuine.key],
        stamp=made,
        type=_shown(kind),
    )


def _key(arrived: Arrived, terms: Terms, genuine: Genuine | None) -> bytes:
    """By what is signed: the id, whichever relay it came by; else the body.

    Where nothing is signed, the relay's word for it is all there is.
    """
    if genuine is not None and genuine.stamped is not None:
        return _digest("id", genuine.stamped.identity.encode())
    if genuine is None and arrived.relay_id:
        return _digest(f"relay {terms.relay}", arrived.relay_id.encode(errors="replace"))
    return _digest(f"body {terms.relay}", arrived.body)


def _digest(kind: str, what: bytes) -> bytes:
    return hashlib.sha256(kind.encode() + b"\0" + what).digest()[:_KEY]


def _shown(text: str) -> str:
    """Cut, and in one line: it will stand in logs and rows."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:LONGEST_TEXT])


def instant_of(text: Json) -> int | None:
    """Read RFC 3339 with its zone, as seconds UTC; anything else is no time."""
    if not isinstance(text, str) or not text.isascii():
        return None
    try:
        made = datetime.fromisoformat(text.upper())  # RFC 3339 allows t and z
        return int(made.timestamp()) if made.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def fits(route: Route, kind: str, document: Json) -> bool:
    """Whether a route takes a message of this type with this content."""
    if route.types and not (kind and matches(route.types, kind)):
        return False
    return all(_same(find(document, path), value) for path, value in route.fields)


def _same(found: "Json | Missing", wanted: Value) -> bool:
    """Equal and of one kind: true is not 1."""
    return isinstance(found, bool) == isinstance(wanted, bool) and found == wanted


def too_far(route: Route, origin: Origin, now: Now) -> Rejected | None:
    """Whether a message is too old for its route, or too new for any; also asked anew when it is acted on."""
    found = _timeless(route, origin, now) or _out_of_time(route, origin.stamp, now)
    return None if found is None else Rejected(origin, *found, route)


def _timeless(route: Route, origin: Origin, now: Now) -> tuple[Code, str] | None:
    """Whether nobody can tell how old it is, where that matters."""
    if believed(route.deed) and now.standing is not Standing.TRUSTED:
        return Code.CLOCK, (
            "the agent's clock is not proved right, so nobody knows how old this is: "
            "let a time server set it, or write `agent: {clock: trusted}`"
        )
    if origin.stamp is None and route.max_age is not None:
        return Code.NO_TIME, (
            "it does not say when it was made: a `timestamp` in its body, or a signature over its time"
        )
    return None


def _out_of_time(route: Route, stamp: int | None, now: Now) -> tuple[Code, str] | None:
    if stamp is None or now.standing is Standing.WRONG:
        return None
    age = now.utc - stamp
    # A clock that was not set yet goes on where the last run ended: then all that is sent seems to be from
    # the future, and what is only sent on would be lost for it.
    if -age > FUTURE_S and now.standing is Standing.TRUSTED:
        return Code.TOO_NEW, f"it is from {-age} s in the future: look at both clocks"
    limit = REMEMBERED_S if route.max_age is None else min(route.max_age // SECOND, REMEMBERED_S)
    if age > limit:
        return Code.TOO_OLD, f"it is {age} s old, {limit} s are allowed"
    if believed(route.deed) and stamp <= now.horizon:
        return (
            Code.TOO_OLD,
            "it is older than what this agent remembers, so it may have been seen: send it anew",
        )
    return None
