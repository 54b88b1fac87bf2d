"""What a message's bytes say: a value, and the device's own time.

Rules for whoever changes this file: pure functions of bytes; nothing in a payload may raise (it is
written by strangers), what cannot be read is `Unreadable` with a reason for a person, which quotes
nothing of the payload (reasons reach the log and the receivers, and a payload may hold a secret);
sizes are bounded before anything is parsed; nothing is guessed: a time without zone is not a time.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias, cast

import orjson

from agent.codec.json_path import JsonPath, Missing, find, kind
from agent.codec.modbus import REGISTER_BYTES, NumberField, register_decoder, width
from agent.model import Json, Value

LARGEST_PAYLOAD: Final = 1_000_000
"""Bytes. A reading is a few hundred; a megabyte is a picture or a mistake."""

_LONGEST_TEXT: Final = 4_096
_SHOWN: Final = 200  # bytes of a payload that is set aside
_MARK: Final = "\ufeff"  # some programs begin each text with it, the byte order mark
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_NOT_FINITE: Final = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_NUMERIC_STAMP: Final = re.compile(r"\d{10,19}(?:\.\d{1,9})?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LATEST: Final = 100_000_000_000 * 1_000_000_000  # nanoseconds; the year 5138
# A number is taken for the finest unit in which it lies before the year 5138.
_NANOSECONDS_PER_UNIT: Final = ((1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1_000), (1e20, 1))


@dataclass(frozen=True, slots=True)
class Unreadable:
    """There is no value in this.

    Attributes:
        why: completes the sentence "no value: ...".
        said: the payload is all right, it says itself that there is no value.
    """

    why: str
    said: bool = False


Document: TypeAlias = "Json | Unreadable"

_NO_NUMBER: Final = Unreadable("it is not a finite number")
_EMPTY: Final = Unreadable("the payload is empty (with that a retained message is deleted)")


def excerpt(payload: bytes) -> str:
    """Show the first 200 bytes of a payload as text; what is not printable is escaped."""
    text = payload[:_SHOWN].decode("utf-8", "backslashreplace")
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return text if len(payload) <= _SHOWN else f"{text}..."


def _too_large(payload: bytes) -> Unreadable | None:
    if len(payload) <= LARGEST_PAYLOAD:
        return None
    return Unreadable(f"the payload has {len(payload):,} bytes, more than {LARGEST_PAYLOAD:,}")


def parse_json(payload: bytes) -> Document:
    """Parse a payload as JSON; depth is bounded by orjson (1,024), NaN and Infinity are not JSON.

    Integers are exact within 64 bits.
    """
    if too_large := _too_large(payload):
        return too_large
    payload = payload.removeprefix(_MARK.encode())
    try:
        return cast("Json", orjson.loads(payload))
    except orjson.JSONDecodeError as error:
        if not payload:
            return _EMPTY
        hint = ""
        if payload[error.pos :].lstrip(b"-").startswith((b"NaN", b"Infinity")):
            hint = ": NaN and Infinity are no JSON, a value that is not known is null"
        return Unreadable(f"the payload is not JSON ({error.msg} at byte {error.pos}){hint}")


def json_value(document: Document, path: JsonPath) -> Value | Unreadable:
    """Find a tag's value in a parsed payload."""
    if isinstance(document, Unreadable):
        return document
    found = find(document, path)
    match found:
        case Missing():
            return Unreadable(f"{path}: {found.why}")
        case str() if len(found) > _LONGEST_TEXT:
            return Unreadable(f"{path} is text of {len(found):,} characters, more than {_LONGEST_TEXT:,}")
        case bool() | int() | float() | str():
            return found
        case None:
            return Unreadable(f"the device says null: {path} is there and has no value", said=True)
        case _:
            return Unreadable(f"{path} is {kind(found)}: expected a number, true, false or text")


def plain_value(payload: bytes) -> Value | Unreadable:
    """Read a payload that is the value itself: a number, true, false, or else text."""
    text = plain_text(payload)
    if isinstance(text, Unreadable):
        return text
    if text[0] in "{[":
        return Unreadable("the payload is JSON: say where the value stands in it, value: $.NAME")
    return _scalar(text)


def plain_text(payload: bytes) -> str | Unreadable:
    """Read a payload that is a text, without the white space around it."""
    if too_large := _too_large(payload):
        return too_large
    try:
        text = payload.decode().removeprefix(_MARK).strip()
    except UnicodeDecodeError:
        return Unreadable("the payload is not UTF-8 text (for packed bytes write payload: binary)")
    if len(text) > _LONGEST_TEXT:
        return Unreadable(f"the payload is text of {len(text):,} characters, more than {_LONGEST_TEXT:,}")
    return text or _EMPTY


def _scalar(text: str) -> Value | Unreadable:
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    read = number(text)
    return text if read is None else read


def number(text: str) -> int | float | Unreadable | None:
    """Read a number that is written as text; None: it is no number."""
    if _INTEGER.fullmatch(text) and -(1 << 63) <= int(text) < 1 << 64:
        return int(text)
    if not _NUMBER.fullmatch(text) and not _NOT_FINITE.fullmatch(text):
        return None
    read = float(text)
    return read if math.isfinite(read) else _NO_NUMBER


def binary_reader(field: NumberField, at: int) -> Callable[[bytes], Value | Unreadable]:
    """Make the reader of a number that stands in a payload of packed bytes.

    Args:
        field: which number, and how its bytes stand.
        at: its first byte, from 0.
    """
    registers = width(field)
    end = at + registers * REGISTER_BYTES
    decode = register_decoder([(0, field)], registers)

    def read(payload: bytes) -> Value | Unreadable:
        if too_large := _too_large(payload):
            return too_large
        if len(payload) < end:
            return Unreadable(
                f"the payload has {len(payload)} bytes, and {field.type} at {at} ends with byte {end}"
            )
        ((value, _),) = decode(payload[at:end])
        return _NO_NUMBER if value is None else value

    return read


def json_time(document: Document, path: JsonPath) -> int | Unreadable:
    """Find the device's stamp in a parsed payload: nanoseconds UTC.

    Taken are seconds, milliseconds, microseconds or nanoseconds since 1970 (told apart by their
    size; digits in quotes too), and ISO 8601 with its zone.
    """
    if isinstance(document, Unreadable):
        return document
    found = find(document, path)
    if isinstance(found, Missing):
        return Unreadable(f"time {path}: {found.why}")
    if isinstance(found, str):
        stamp = _from_number(number(found)) if _NUMERIC_STAMP.fullmatch(found) else _from_iso(found)
    else:
        stamp = _from_number(found)
    return stamp if isinstance(stamp, int) else Unreadable(f"time {path}: {stamp.why}")


def _from_number(found: object) -> int | Unreadable:
    if isinstance(found, bool) or not isinstance(found, int | float) or found < 0:
        return Unreadable(
            "it is no time: expected seconds or milliseconds since 1970, or ISO 8601 with its zone"
        )
    for below, unit in _NANOSECONDS_PER_UNIT:
        if found < below:
            # A float holds today's microseconds exactly, not its nanoseconds.
            return found * unit if isinstance(found, int) else round(found * (unit / 1_000)) * 1_000
    return Unreadable("it is no time: too large even for nanoseconds since 1970")


def _from_iso(text: str) -> int | Unreadable:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return Unreadable(
            "the text is no time: expected 2026-11-21T06:00:00Z, or a number of seconds or milliseconds "
            "since 1970"
        )
    if moment.tzinfo is None:
        return Unreadable(
            "it has no zone, and none is guessed: let the publisher add Z or +01:00, or leave out time:"
        )
    stamp = (moment - _EPOCH) // _MICROSECOND * 1_000
    if not 0 <= stamp < _LATEST:
        return Unreadable("it is no time of this age: the device's clock was never set")
    return stamp
