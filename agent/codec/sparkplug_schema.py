"""The messages of Sparkplug B as Protocol Buffers, made from a table when this module is imported.

The numbers are those of the published schema (Eclipse Sparkplug 3.0, section 6.3 "Google Protocol
Buffer Schema"); only what is read or written here stands in the table, everything else on the wire
is skipped. Three fields have another type here than there, with the same bytes on the wire:

- the metrics of a payload are bytes, parsed one by one: a payload of millions of empty metrics costs
  what it weighs instead of a hundred times as much;
- text is bytes: Protocol Buffers hands out text that is not UTF-8 as it likes, here it is decoded;
- data sets, templates and extensions are bytes: that they are there is all that is asked.

Rules for whoever changes it: numbers and types come from the published schema and nowhere else; the
messages live in a pool of their own, so that another library's Sparkplug does not clash with ours.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, Self, TypeAlias, cast

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_Fields: TypeAlias = Mapping[str, Mapping[str, tuple[int, int | str]]]

_PACKAGE: Final = "edge_relay.sparkplug_b"
_BYTES: Final = FieldDescriptorProto.TYPE_BYTES
_UINT32: Final = FieldDescriptorProto.TYPE_UINT32
_UINT64: Final = FieldDescriptorProto.TYPE_UINT64
_BOOL: Final = FieldDescriptorProto.TYPE_BOOL
_FLOAT: Final = FieldDescriptorProto.TYPE_FLOAT
_DOUBLE: Final = FieldDescriptorProto.TYPE_DOUBLE

_OPTIONAL: Final[_Fields] = {
    "Payload": {"timestamp": (1, _UINT64), "seq": (3, _UINT64), "uuid": (4, _BYTES)},
    "Metric": {
        "name": (1, _BYTES),
        "alias": (2, _UINT64),
        "timestamp": (3, _UINT64),
        "datatype": (4, _UINT32),
        "is_historical": (5, _BOOL),
        "is_null": (7, _BOOL),
        "properties": (9, "PropertySet"),
    },
    "PropertySet": {},
    "PropertyValue": {"is_null": (2, _BOOL)},
}
_REPEATED: Final[_Fields] = {
    "Payload": {"metrics": (2, _BYTES)},
    "PropertySet": {"keys": (1, _BYTES), "values": (2, "PropertyValue")},
}
_VALUE: Final[_Fields] = {
    "Metric": {
        "int_value": (10, _UINT32),
        "long_value": (11, _UINT64),
        "float_value": (12, _FLOAT),
        "double_value": (13, _DOUBLE),
        "boolean_value": (14, _BOOL),
        "string_value": (15, _BYTES),
        "bytes_value": (16, _BYTES),
        "dataset_value": (17, _BYTES),
        "template_value": (18, _BYTES),
        "extension_value": (19, _BYTES),
    },
    "PropertyValue": {"int_value": (3, _UINT32), "long_value": (4, _UINT64)},
}


def _field(message: DescriptorProto, name: str, number: int, kind: int | str) -> FieldDescriptorProto:
    field = message.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
    if isinstance(kind, str):
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"
    else:
        field.type = FieldDescriptorProto.Type.ValueType(kind)
    return field


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="sparkplug_b.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _OPTIONAL.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _field(message, field, number, kind)
        for field, (number, kind) in _REPEATED.get(name, {}).items():
            _field(message, field, number, kind).label = FieldDescriptorProto.LABEL_REPEATED
        if name in _VALUE:
            message.oneof_decl.add(name="value")
        for field, (number, kind) in _VALUE.get(name, {}).items():
            _field(message, field, number, kind).oneof_index = 0
    return file


class Message(Protocol):
    """What is used of a message of Protocol Buffers; `value` is the only group of fields that exclude each other."""

    def __init__(self, **fields: object) -> None:
        """Make one with these fields set."""

    @classmethod
    def FromString(cls, data: bytes) -> Self:  # noqa: N802 - the library's own name
        """Parse; raises `google.protobuf.message.DecodeError`."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - the library's own name
        """Give the bytes."""

    def HasField(self, name: str) -> bool:  # noqa: N802 - the library's own name
        """Tell whether an optional field is set."""

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802 - the library's own name
        """Name the field of a group that is set."""


class PayloadMessage(Message, Protocol):
    """A message as it is published; each metric is the bytes of a `MetricMessage`."""

    timestamp: int
    seq: int
    uuid: bytes
    metrics: Sequence[bytes]


class PropertyMessage(Message, Protocol):
    """The value of a property of a metric, as far as it is a whole number."""

    is_null: bool
    int_value: int
    long_value: int


class PropertiesMessage(Message, Protocol):
    """The properties of a metric: two lists side by side."""

    keys: Sequence[bytes]
    values: Sequence[PropertyMessage]


class MetricMessage(Message, Protocol):
    """One metric; its value stands in the one of its `..._value` fields that is set."""

    name: bytes
    alias: int
    timestamp: int
    datatype: int
    is_historical: bool
    is_null: bool
    properties: PropertiesMessage


_POOL: Final = DescriptorPool()
_POOL.AddSerializedFile(_file().SerializeToString())
PAYLOAD: Final = cast(
    "type[PayloadMessage]", GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.Payload"))
)
METRIC: Final = cast(
    "type[MetricMessage]", GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.Metric"))
)
