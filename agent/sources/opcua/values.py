"""What a server sends, as readings: pure.

Rules for whoever changes this file: the status decides first (asyncua's `read_values` drops it: an
uncertain value came back as a good one); a value that cannot be used is None with the reason, never
a guess; nothing here raises, whatever a server sends.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Final
from uuid import UUID

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes, get_name_and_doc

from agent.model import Quality, Reading, Value

_GOOD: Final = 0
_UNCERTAIN: Final = 1
_OVERFLOW: Final = 0x480  # information type DataValue, and its bit Overflow (OPC 10000-4, 7.39)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

NAME_BITS: Final = 0xFFFF0000
"""Of a status: the lower half carries flags, not the meaning (OPC 10000-4, 7.39)."""

_NODE_GONE: Final = (StatusCodes.BadNodeIdUnknown, StatusCodes.BadNodeIdInvalid)
_REMEDIES: Final = {
    StatusCodes.BadNodeIdUnknown: "check the node id in the configuration against the server's tree",
    StatusCodes.BadNodeIdInvalid: "check the node id in the configuration against the server's tree",
    StatusCodes.BadAttributeIdInvalid: "the node is an object or a folder: name one of its variables",
    StatusCodes.BadIndexRangeNoData: "the array has no such element: they count from 0",
    StatusCodes.BadIndexRangeInvalid: "the node has no elements to choose from: remove `index`",
    StatusCodes.BadNotReadable: "allow reading this variable at the server",
    StatusCodes.BadUserAccessDenied: "allow the user of this source to read this variable at the server",
    StatusCodes.BadNotConnected: "check the server's own connection to the device",
    StatusCodes.BadNoCommunication: "check the server's own connection to the device",
    StatusCodes.BadWaitingForInitialData: "the server has not read it from the device yet",
    StatusCodes.BadDecodingError: "this agent cannot decode what the server sends: name a node with a single value",
    StatusCodes.BadOutOfService: "the variable is out of service at the server",
    StatusCodes.BadDeviceFailure: "look at the device behind the server",
    StatusCodes.BadSensorFailure: "look at the sensor",
    StatusCodes.BadConfigurationError: "check the variable's configuration at the server",
    StatusCodes.BadTooManyMonitoredItems: "the server takes no more variables: name fewer tags",
    StatusCodes.UncertainLastUsableValue: "the server repeats the last value it had",
    StatusCodes.UncertainNoCommunicationLastUsableValue: "check the server's own connection to the device",
    StatusCodes.UncertainSensorNotAccurate: "look at the sensor",
    StatusCodes.UncertainEngineeringUnitsExceeded: "the value is outside the range that the server knows",
}


def status_reason(code: int, remedies: Mapping[int, str] = _REMEDIES) -> str:
    """Name a status as OPC UA tools do, with what it means and what to look at: `remedies`, those of reading usually."""
    name, meaning = get_name_and_doc(code & NAME_BITS)
    if meaning.startswith("Unknown StatusCode"):
        return f"status 0x{code:08X}: the server's manual says what it means"
    return f"{name}: {remedies.get(code & NAME_BITS, meaning)}"


def _status_of(data: ua.DataValue) -> int:
    """Give the status code; a server may leave out a good one."""
    return _GOOD if data.StatusCode is None else int(data.StatusCode.value)


def has_overflowed(data: ua.DataValue) -> bool:
    """Tell whether the server dropped values between this one and the one before it."""
    return _status_of(data) & _OVERFLOW == _OVERFLOW


def is_node_gone(data: ua.DataValue) -> bool:
    """Tell whether the node is not there: only subscribing to it again may find it back."""
    return _status_of(data) & NAME_BITS in _NODE_GONE


def is_undecodable(data: ua.DataValue) -> bool:
    """Tell whether the value arrived, and nobody could decode it."""
    return _status_of(data) & NAME_BITS == StatusCodes.BadDecodingError


def to_reading(
    tag: str,
    data: ua.DataValue,
    received: int,
    *,
    baseline: bool,
    index: int | None = None,
    cut: bool = False,
) -> Reading:
    """Turn one notification into a reading; `received` is monotonic nanoseconds.

    Args:
        tag: its name.
        data: what the server sent.
        received: when.
        baseline: it is the first value.
        index: of an array: the element that is wanted.
        cut: the server was asked for that element alone.
    """
    status = _status_of(data)
    source_time = _nanoseconds(data.SourceTimestamp)
    severity = status >> 30
    if severity not in (_GOOD, _UNCERTAIN):  # 3 is reserved, and bad (OPC 10000-4, 7.39)
        return Reading(tag, None, Quality.BAD, received, status_reason(status), source_time, baseline)
    raw = None if data.Value is None else data.Value.Value
    if index is not None:
        if (reason := _out_of_reach(raw, index, cut=cut)) or not isinstance(raw, list):
            return Reading(tag, None, Quality.BAD, received, reason, source_time, baseline)
        raw = raw[0] if _is_cut(raw, cut=cut) else raw[index]
    value = _plain(raw)
    if value is None:
        return Reading(tag, None, Quality.BAD, received, _unusable(raw), source_time, baseline)
    if severity == _UNCERTAIN:
        reason = status_reason(status)
        return Reading(tag, value, Quality.UNCERTAIN, received, reason, source_time, baseline)
    return Reading(tag, value, Quality.GOOD, received, "", source_time, baseline)


def _is_cut(raw: Sequence[object], *, cut: bool) -> bool:
    return cut and len(raw) == 1


def _out_of_reach(raw: object, index: int, *, cut: bool) -> str:
    """Say why there is no such element; empty where there is."""
    if not isinstance(raw, list):
        return f"the server sent {_kind(raw)}, which is no array: remove `index`"
    if index < len(raw) or _is_cut(raw, cut=cut):
        return ""
    return f"the array has {len(raw)} elements, and index {index} is beyond its end: they count from 0"


def _plain(raw: object) -> Value | None:  # noqa: PLR0911 - a table of types
    """Give the value as one of ours; None where it is none of them."""
    match raw:
        case float():
            return raw if isfinite(raw) else None
        case int() if not isinstance(raw, bool):
            return int(raw)  # an enumeration is its number
        case bool():
            return raw
        case str():
            return _text(raw)
        case UUID():
            return str(raw)
        case datetime():
            return raw.isoformat().replace("+00:00", "Z")
        case ua.LocalizedText():
            return _text(raw.Text or "")
        case _:
            return None


def _text(raw: str) -> str | None:
    """Give a text; None where the server sent no UTF-8: asyncua makes surrogates of it, which nothing can store."""
    try:
        raw.encode()
    except UnicodeEncodeError:
        return None
    return raw


def _unusable(raw: object) -> str:
    if raw is None:
        return "the server sent no value (null): see whether the device behind it delivers"
    if isinstance(raw, float):
        return f"the server sent {raw}, which is no number: look at the calculation at the server"
    if isinstance(raw, str | ua.LocalizedText):
        return "the server sent a text that is not UTF-8: see how the program at the server or PLC writes it"
    remedy = (
        "name one of its elements by `index`" if isinstance(raw, list) else "name a node with a single value"
    )
    return f"the server sent {_kind(raw)}, which is not supported: {remedy}"


def _kind(raw: object) -> str:
    match raw:
        case None:
            return "no value (null)"
        case bool() | int() | float() | str() | ua.LocalizedText() | UUID() | datetime():
            return "a single value"
        case list():
            return "an array"
        case bytes():
            return "a byte string"
        case _:
            return f"a structure ({type(raw).__name__})"


def _nanoseconds(stamp: datetime | None) -> int | None:
    """UTC nanoseconds; None where there is no stamp, which some servers write as the year 1601."""
    if stamp is None or stamp.tzinfo is None or stamp < _EPOCH:
        return None
    return (stamp - _EPOCH) // _MICROSECOND * 1000
