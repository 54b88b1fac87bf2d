"""Sparkplug B payloads: what a message's bytes say of metrics, and the one message that asks for a rebirth.

Rules for whoever changes this file: pure functions of bytes; nothing in a payload may raise (it is
written by strangers), what cannot be read is `Unreadable` with a reason for a person; sizes are
bounded before anything is parsed; a value is what its type makes of it, never a guess. Rules and
numbers are those of Eclipse Sparkplug 3.0, section 6.4.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from math import isfinite
from typing import Final, NamedTuple, TypeAlias

from google.protobuf.message import DecodeError

from agent.codec.payload import Unreadable, excerpt
from agent.codec.sparkplug_schema import METRIC, PAYLOAD, MetricMessage, PropertiesMessage
from agent.model import Quality, Value

LARGEST_PAYLOAD: Final = 16_000_000
"""Bytes. The birth certificate of an edge node of 50,000 metrics has ten million."""
MOST_METRICS: Final = 100_000
_LONGEST_TEXT: Final = 4_096
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_STAMP: Final = 253_402_300_800_000  # milliseconds; the year 10000, the first that has no date
_COMPRESSED: Final = b"SPBV1.0_COMPRESSED"  # a habit of Eclipse Tahu, beside the specification
_QUALITY: Final = b"Quality"
_BAD_CODE, _UNCERTAIN_CODE, _UNUSED_CODE, _GOOD_CODE, _OPC_CODES, _STALE_CODE = 0, 64, 128, 192, 256, 500
REBIRTH: Final = "Node Control/Rebirth"

Raw: TypeAlias = int | float | bool | bytes


class DataType(IntEnum):
    """What a metric holds, by the number in the payload; spelled as the specification does."""

    Int8 = 1
    Int16 = 2
    Int32 = 3
    Int64 = 4
    UInt8 = 5
    UInt16 = 6
    UInt32 = 7
    UInt64 = 8
    Float = 9
    Double = 10
    Boolean = 11
    String = 12
    DateTime = 13
    Text = 14
    UUID = 15


_KNOWN_TYPES: Final = frozenset(DataType)
_BITS: Final = {
    DataType.Int8: (8, True),
    DataType.Int16: (16, True),
    DataType.Int32: (32, True),
    DataType.Int64: (64, True),
    DataType.UInt8: (8, False),
    DataType.UInt16: (16, False),
    DataType.UInt32: (32, False),
    DataType.UInt64: (64, False),
}
_FIELD_BITS: Final = {"int_value": 32, "long_value": 64}
_OTHER_TYPES: Final = {
    16: "a data set",
    17: "a byte string",
    18: "a file",
    19: "a template",
    **dict.fromkeys(range(22, 35), "an array"),
}


class Metric(NamedTuple):
    """One metric as it stands in a message; None is what the message does not say.

    Attributes:
        name: its name; None where an alias stands for it.
        alias: the number that stands for the name.
        datatype: what it holds; a birth certificate says it, data mostly does not.
        stamp: when the value was captured, milliseconds UTC, by the edge node's clock.
        historical: it is no present value.
        null: it has no value, and the message says so.
        quality: the code of its property `Quality`.
        field: the field of the schema in which its value stands; empty: none.
        raw: what stands there.
    """

    name: str | None
    alias: int | None
    datatype: int | None
    stamp: int | None
    historical: bool
    null: bool
    quality: int | None
    field: str
    raw: Raw


class Payload(NamedTuple):
    """A message of an edge node.

    Attributes:
        seq: its place in the edge node's sequence, 0 to 255; None: it has none.
        stamp: when it was sent, milliseconds by the edge node's clock; 0: it does not say.
        metrics: what it holds.
    """

    seq: int | None
    stamp: int
    metrics: Sequence[Metric]


def decode(payload: bytes) -> Payload | Unreadable:
    """Read the bytes of a message."""
    if len(payload) > LARGEST_PAYLOAD:
        return Unreadable(f"the payload has {len(payload):,} bytes, more than {LARGEST_PAYLOAD:,}")
    try:
        message = PAYLOAD.FromString(payload)
        if message.uuid == _COMPRESSED:
            return Unreadable(
                "the payload is compressed, which is not supported: have the edge node not do it"
            )
        if len(message.metrics) > MOST_METRICS:
            return Unreadable(f"the payload has {len(message.metrics):,} metrics, more than {MOST_METRICS:,}")
        metrics = [_metric(METRIC.FromString(metric)) for metric in message.metrics]
    except (DecodeError, UnicodeDecodeError):
        return Unreadable(f"the payload is not Sparkplug B: {excerpt(payload)}")
    return Payload(message.seq if message.HasField("seq") else None, message.timestamp, metrics)


def _metric(metric: MetricMessage) -> Metric:
    field = metric.WhichOneof("value") or ""
    return Metric(
        name=metric.name.decode() or None,  # where an alias stands for it, some libraries write an empty one
        alias=metric.alias if metric.HasField("alias") else None,
        datatype=metric.datatype if metric.HasField("datatype") else None,
        stamp=metric.timestamp if 0 < metric.timestamp < _LATEST_STAMP else None,
        historical=metric.is_historical,
        null=metric.is_null,
        quality=_quality_code(metric.properties) if metric.HasField("properties") else None,
        field=field,
        raw=getattr(metric, field) if field else b"",
    )


def _quality_code(properties: PropertiesMessage) -> int | None:
    for key, value in zip(properties.keys, properties.values, strict=False):
        field = value.WhichOneof("value")
        if key == _QUALITY and not value.is_null:
            return value.int_value if field == "int_value" else value.long_value if field else _BAD_CODE
    return None


def quality_of(code: int | None) -> tuple[Quality, str]:
    """Tell how far a metric may be believed by its property `Quality`, and why not.

    Sparkplug knows 0, 192 and 500 and means good where there is none; other codes are read by the
    two bits of OPC Data Access that these come from, and what is none of those is not believed.
    """
    if code is None or code == _GOOD_CODE or _GOOD_CODE < code < _OPC_CODES:
        return Quality.GOOD, ""
    if code == _STALE_CODE:
        return Quality.BAD, "the edge node calls its value stale (quality 500): look at the device behind it"
    if _UNCERTAIN_CODE <= code < _UNUSED_CODE:
        return Quality.UNCERTAIN, f"the edge node calls its value uncertain (quality {code})"
    return Quality.BAD, f"the edge node calls its value bad (quality {code}): look at the device behind it"


def value_of(metric: Metric, datatype: int | None) -> Value | Unreadable:
    """Give a metric's value.

    Args:
        metric: as it came.
        datatype: what it holds, by its birth certificate or by itself.

    Returns:
        Numbers, true or false, and text; a point in time is text, 2026-11-21T06:00:00.000Z.
    """
    if metric.null or not metric.field:
        return Unreadable("the edge node says that it has no value (null): look at the device behind it")
    if not datatype:
        return Unreadable("nothing says what type it has: look at the configuration of the edge node")
    if datatype not in _KNOWN_TYPES:
        kind = _OTHER_TYPES.get(datatype, f"of the type {datatype}")
        return Unreadable(f"it is {kind}, which is not supported: name a metric with a single value")
    value = _value(DataType(datatype), metric.field, metric.raw)
    if value is None:
        return Unreadable(
            f"its value stands in the field {metric.field}, which does not fit its type "
            f"{DataType(datatype).name}: look at the configuration of the edge node"
        )
    return value


def _value(kind: DataType, field: str, raw: Raw) -> Value | Unreadable | None:
    """Give the value; None if the field does not fit the type."""
    match kind, field, raw:
        case DataType.Boolean, "boolean_value", bool():
            return raw
        case ((DataType.Float | DataType.Double), ("float_value" | "double_value"), float()):
            return raw if isfinite(raw) else Unreadable(f"{raw} is not a finite number")
        case ((DataType.String | DataType.Text | DataType.UUID), "string_value", bytes()):
            return _text(raw)
        case DataType.DateTime, "long_value", int():
            return _moment(raw)
        case _, ("int_value" | "long_value"), int() if kind in _BITS:
            return _whole(kind, raw, _FIELD_BITS[field])
        case _:
            return None


def _whole(kind: DataType, raw: int, field_bits: int) -> int | Unreadable:
    """Read a whole number; a negative one stands there as two's complement.

    Of how many bits it is the complement, the specification does not say of the short types: some
    libraries write -1 of an Int8 as 255, others as 4294967295. What is neither is not guessed at.
    """
    bits, signed = _BITS[kind]
    half = 1 << (bits - 1)
    if not signed:
        fits, value = raw < 2 * half, raw
    elif field_bits < bits:  # an Int64 in the field of 32 bits: were it negative, nobody could tell
        fits, value = raw < 1 << (field_bits - 1), raw
    else:
        of = next(
            (width for width in (bits, 32, field_bits) if bits <= width and raw < 1 << width), field_bits
        )
        value = raw if raw < half else raw - (1 << of)
        fits = -half <= value
    return value if fits else Unreadable(f"{raw} is outside what {kind.name} holds")


def _text(raw: bytes) -> str | Unreadable:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return Unreadable(f"its text is not UTF-8: {excerpt(raw)}")
    if len(text) > _LONGEST_TEXT:
        return Unreadable(f"its text has {len(text):,} characters, more than {_LONGEST_TEXT:,}")
    return text


def _moment(stamp: int) -> str | Unreadable:
    if stamp >= _LATEST_STAMP:
        return Unreadable(f"{stamp} is no point in time: expected milliseconds since 1970")
    moment = _EPOCH + timedelta(milliseconds=stamp)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rebirth_request(stamp: int) -> bytes:
    """Make the command that asks an edge node for its birth certificates; `stamp` is milliseconds UTC."""
    metric = METRIC(
        name=REBIRTH.encode(), timestamp=stamp, datatype=int(DataType.Boolean), boolean_value=True
    )
    return PAYLOAD(timestamp=stamp, metrics=[metric.SerializeToString()]).SerializeToString()
