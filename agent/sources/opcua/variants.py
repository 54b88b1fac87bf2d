"""What a variable takes: whether it may be written, its built-in type, and a value in just that type. Pure.

A server refuses a value of any other type than the variable's own (Bad_TypeMismatch), so the type is
learned from the server, never guessed from the value.

Rules for whoever changes this file: a value that the type cannot hold is refused, never clamped, cut or
rounded to a whole number, for then something else would move than what was signed. A floating-point
number is the nearest that its type has within the bounds.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds

from agent.codec.single import single
from agent.model import Value
from agent.sources.opcua.values import status_reason
from agent.sources.writing import WriteRefused, WriteSection

DESCRIBED_BY: Final = (
    AttributeIds.DataType,
    AttributeIds.ValueRank,
    AttributeIds.AccessLevel,
    AttributeIds.UserAccessLevel,
    AttributeIds.Value,
)
"""What must be known of a variable, in the order in which `type_of` takes it."""

_CURRENT_WRITE: Final = 1 << ua.AccessLevel.CurrentWrite
_LAST_BUILT_IN: Final = 15  # of the data types that are everyone's and concrete (OPC 10000-6, 5.1.2)
_WHOLE: Final[Mapping[object, tuple[int, int]]] = {
    ua.VariantType.SByte: (-(2**7), 2**7 - 1),
    ua.VariantType.Byte: (0, 2**8 - 1),
    ua.VariantType.Int16: (-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: (0, 2**16 - 1),
    ua.VariantType.Int32: (-(2**31), 2**31 - 1),
    ua.VariantType.UInt32: (0, 2**32 - 1),
    ua.VariantType.Int64: (-(2**63), 2**63 - 1),
    ua.VariantType.UInt64: (0, 2**64 - 1),
}
_FLOATING: Final[Mapping[object, float]] = {
    ua.VariantType.Float: (2 - 2**-23) * 2.0**127,
    ua.VariantType.Double: (2 - 2**-52) * 2.0**1023,
}


def type_of(answers: Sequence[ua.DataValue]) -> ua.VariantType:
    """Give the built-in type of a variable that may be written, from the answers to `DESCRIBED_BY`.

    Raises:
        WriteRefused: it may not, or is none that can be.
    """
    data_type, rank, access, user_access = (_content(data) for data in answers[:-1])
    present = answers[-1].Value
    if _forbids(access):
        raise WriteRefused("the server lets nobody write this variable: make it writable at the server")
    if _forbids(user_access):
        raise WriteRefused(
            "the server does not let the user of this source write this variable: grant that at the server"
        )
    kind = _built_in(data_type)
    if kind is None and present is not None and present.VariantType != ua.VariantType.Null:
        kind = present.VariantType  # of an enumeration, an abstract type, one of the server's own
    if kind is None:
        code = _status(answers[0]) or _status(answers[-1])
        raise WriteRefused(
            "the server does not tell the type of this variable"
            + (f", {status_reason(code)}" if code else ": name a variable that has a value")
        )
    if (isinstance(rank, int) and rank >= 0) or (present is not None and present.is_array):
        raise WriteRefused("the variable is an array: name a variable with a single value")
    if kind not in _WHOLE and kind not in _FLOATING and kind != ua.VariantType.Boolean:
        raise WriteRefused(
            f"the variable is of type {kind.name}: only numbers, and true and false, can be written: name another one"
        )
    return kind


def to_variant(value: Value, kind: ua.VariantType, grant: WriteSection) -> ua.Variant:
    """Give a value in a variable's type, within the bounds of `grant` as it is there.

    Raises:
        WriteRefused: the type cannot hold it.
    """
    if kind == ua.VariantType.Boolean:
        if not isinstance(value, bool):
            raise WriteRefused(
                "the variable is a Boolean: send true or false, and write `write` without min and max"
            )
        return ua.Variant(value, kind)
    if isinstance(value, bool | str):
        raise WriteRefused(
            f"the variable is a number, {kind.name}: send a number, and write `write` with min and max"
        )
    if isinstance(value, float) and not isfinite(value):
        raise WriteRefused(f"{value} is no number: see what the sender calculates")
    if kind in _FLOATING:
        if abs(value) > _FLOATING[kind]:
            raise WriteRefused(
                f"the value is beyond what the variable, {kind.name}, can hold: write a lower max"
            )
        return ua.Variant(_floating(value, kind, grant), kind)
    low, high = _WHOLE[kind]
    if not low <= value <= high:
        raise WriteRefused(
            f"the value is outside of what the variable, {kind.name}, can hold, {low} to {high}: write a min and "
            "max within"
        )
    if value != int(value):
        raise WriteRefused(
            f"{value} is no whole number, and the variable is {kind.name}: send a whole number"
        )
    return ua.Variant(int(value), kind)


def _floating(value: float, kind: ua.VariantType, grant: WriteSection) -> float:
    if kind != ua.VariantType.Float or grant.min is None or grant.max is None:
        return float(value)
    try:
        return single(value, grant.min, grant.max)
    except ValueError as error:
        raise WriteRefused(f"{error}, and the variable is a Float: write a wider min and max") from None


def _built_in(data_type: object) -> ua.VariantType | None:
    """Give the built-in type that the server names, if it is concrete."""
    if not isinstance(data_type, ua.NodeId) or data_type.NamespaceIndex != 0:
        return None
    number = data_type.Identifier
    return ua.VariantType(number) if isinstance(number, int) and 0 < number <= _LAST_BUILT_IN else None


def _forbids(level: object) -> bool:
    """Tell whether an access level says no; a server that does not tell it will say so when it is asked."""
    return isinstance(level, int) and not level & _CURRENT_WRITE


def _status(data: ua.DataValue) -> int:
    return 0 if data.StatusCode is None or data.StatusCode.is_good() else int(data.StatusCode.value)


def _content(data: ua.DataValue) -> object:
    return None if data.Value is None else data.Value.Value
