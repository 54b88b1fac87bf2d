"""Whether a message is its sender's: the other side of `agent.delivery.signing`.

Rules for whoever changes this: strangers write these headers and bodies, so nothing here raises,
whatever they are, and the work is bounded; a refusal says which part is wrong, for the sender's
developer, and repeats no more of what was sent than a line can hold. The signature is looked at
before the time: what is said to be late was the sender's once.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent.delivery.keys import Verifies
from agent.delivery.signing import sign_hex, signed_content

ALLOWED: Final = 300
"""Seconds that a stamp may be off; Standard Webhooks leaves it open, its libraries all take five minutes."""

# Svix's own service writes `svix-id` and so on; all its libraries take either.
_FAMILIES: Final = ("webhook", "svix")
# A dot in the id would let `a.1` + `2` + `b` pass for `a` + `1` + `2.b`; the specification forbids it.
_ID: Final = re.compile(r"[\x21-\x2d\x2f-\x7e]{1,256}")
_SECONDS: Final = re.compile(r"0|[1-9][0-9]{0,11}")
_SIGNATURE: Final = re.compile(r"(v[0-9]+[a-z]*),(\S+)")
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")
_MOST_SIGNATURES: Final = 64  # each costs work for each key; a sender that rotates has two or three
_LONGEST_QUOTE: Final = 40


class Fault(StrEnum):
    """Which part of a message is wrong."""

    HEADER_MISSING = "header missing"
    ID_MALFORMED = "id malformed"
    TIMESTAMP_MALFORMED = "timestamp malformed"
    SIGNATURE_MALFORMED = "signature malformed"
    VERSION_UNKNOWN = "version unknown"
    MISMATCH = "mismatch"
    TOO_OLD = "too old"
    TOO_NEW = "too new"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many seconds a stamp may be off; None is without bound (`age` is then somebody else's to judge)."""

    past: int | None = ALLOWED
    future: int | None = ALLOWED


FIVE_MINUTES: Final = Tolerance()


@dataclass(frozen=True, slots=True)
class Stamped:
    """What the three headers say.

    Attributes:
        identity: the message's id.
        timestamp: when this attempt was made, seconds since 1970 UTC.
        signatures: version and signature of each, in their order; what is none is left out.
    """

    identity: str
    timestamp: int
    signatures: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Genuine:
    """It is the sender's.

    Attributes:
        key: which of the keys says so; 0 is the current one.
        stamped: what was signed beside the body; None where the body alone is.
    """

    key: int
    stamped: Stamped | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not, or cannot be known to be.

    Attributes:
        fault: which part is wrong.
        why: the same for a person.
    """

    fault: Fault
    why: str


def read_stamp(headers: Mapping[str, str]) -> Stamped | Refused:
    """Read the headers of Standard Webhooks; names in any case, `svix-` is taken for `webhook-`."""
    lower = {name.lower(): text.strip() for name, text in headers.items()}
    family = next((family for family in _FAMILIES if f"{family}-signature" in lower), _FAMILIES[0])
    for name in ("id", "timestamp", "signature"):
        if not lower.get(f"{family}-{name}"):
            return Refused(Fault.HEADER_MISSING, f"the header {family}-{name} is missing")
    identity, stamp = lower[f"{family}-id"], lower[f"{family}-timestamp"]
    if not _ID.fullmatch(identity):
        why = f"{family}-id is {_quoted(identity)}: expected up to 256 letters without a dot or a blank"
        return Refused(Fault.ID_MALFORMED, why)
    if not _SECONDS.fullmatch(stamp):
        why = f"{family}-timestamp is {_quoted(stamp)}: expected whole seconds since 1970"
        return Refused(Fault.TIMESTAMP_MALFORMED, why)
    parts = lower[f"{family}-signature"].split()
    signatures = tuple(found.groups() for part in parts if (found := _SIGNATURE.fullmatch(part)))
    if not signatures or len(parts) > _MOST_SIGNATURES:
        return Refused(Fault.SIGNATURE_MALFORMED, _malformed(family, len(parts)))
    return Stamped(identity, int(stamp), tuple((version, text) for version, text in signatures))


def _malformed(family: str, count: int) -> str:
    if count > _MOST_SIGNATURES:
        return f"{family}-signature has {count} parts: expected {_MOST_SIGNATURES} at most"
    return f"{family}-signature has no signature in it: expected v1,BASE64, several with a blank between"


def verify_standard(
    keys: Sequence[Verifies],
    headers: Mapping[str, str],
    body: bytes,
    now: int,
    tolerance: Tolerance = FIVE_MINUTES,
) -> Genuine | Refused:
    """Verify a message by Standard Webhooks 1.0.0; `now` in seconds since 1970 UTC.

    One signature of one of the keys is enough: that is how keys are changed.
    """
    stamped = read_stamp(headers)
    if isinstance(stamped, Refused):
        return stamped
    found = matches(keys, stamped, body)
    if not found:
        return no_match(keys, stamped)
    return check_age(stamped, now, tolerance) or Genuine(min(found.values()), stamped)


def matches(keys: Sequence[Verifies], stamped: Stamped, body: bytes) -> dict[int, int]:
    """Which signatures of a message are good: their places in the list, and the places of their keys."""
    content = signed_content(stamped.identity, stamped.timestamp, body)
    return {
        place: number
        for place, (version, signature) in enumerate(stamped.signatures)
        for number, key in reversed(list(enumerate(keys)))
        if key.version == version and key.made(signature, content)
    }


def no_match(keys: Sequence[Verifies], stamped: Stamped) -> Refused:
    """What is to be said when no signature is good: none is of a version that the keys make, or none fits."""
    given = dict.fromkeys(version for version, _ in stamped.signatures)
    wanted = dict.fromkeys(key.version for key in keys)
    if wanted.keys() & given.keys():
        return Refused(
            Fault.MISMATCH, "no signature fits: another key, or the body, the id or the timestamp was changed"
        )
    told = ", ".join(_quoted(version) for version in list(given)[:3])
    return Refused(
        Fault.VERSION_UNKNOWN, f"the signatures are of version {told}: expected {' or '.join(wanted)}"
    )


def check_age(stamped: Stamped, now: int, tolerance: Tolerance) -> Refused | None:
    """Whether the stamp is too far from `now`; None if it is near enough."""
    age = now - stamped.timestamp
    if tolerance.past is not None and age > tolerance.past:
        why = f"the timestamp is {age} s in the past, {tolerance.past} s are allowed: look at both clocks"
        return Refused(Fault.TOO_OLD, why)
    if tolerance.future is not None and -age > tolerance.future:
        why = (
            f"the timestamp is {-age} s in the future, {tolerance.future} s are allowed: look at both clocks"
        )
        return Refused(Fault.TOO_NEW, why)
    return None


def verify_hex(
    keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, *, header: str, prefix: str
) -> Genuine | Refused:
    """Verify a hexadecimal HMAC-SHA256 over the body; the keys are the literal UTF-8 of the secrets."""
    lower = {name.lower(): text.strip() for name, text in headers.items()}
    if not (text := lower.get(header.lower(), "")):
        return Refused(Fault.HEADER_MISSING, f"the header {header} is missing")
    digits = text.removeprefix(prefix)
    if not text.startswith(prefix) or not _HEX.fullmatch(digits):
        expected = f"{prefix} and 64 hexadecimal digits" if prefix else "64 hexadecimal digits"
        return Refused(Fault.SIGNATURE_MALFORMED, f"{header} is {_quoted(text)}: expected {expected}")
    for number, key in enumerate(keys):
        if hmac.compare_digest(sign_hex(key, body), digits.lower()):
            return Genuine(number)
    return Refused(Fault.MISMATCH, f"{header} does not fit: another secret, or the body was changed")


def _quoted(text: str) -> str:
    """In ASCII and cut, for a log or a terminal."""
    return ascii(text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "...")
