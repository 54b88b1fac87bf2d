"""What a plant engineer writes about the tags in the messages of an MQTT broker: JSON, plain values, packed bytes.

Rules for whoever changes this file: nothing of paho is imported here (the configuration is read by
commands that connect to nothing); what cannot work is refused here, with the remedy, rather than
when the broker is met; a key without a meaning for the payload is refused, not ignored.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    FiniteFloat,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from agent.codec.iec_types import IEC_TYPES, canonical_type
from agent.codec.json_path import JsonPath, parse_path
from agent.codec.meaning import Meaning
from agent.codec.modbus import ByteOrder, Linear, NumberField, NumberType
from agent.codec.payload import LARGEST_PAYLOAD, Unreadable, binary_reader
from agent.config.fields import PLACE
from agent.model import Kind, TagSpec, Value
from agent.mqtt.broker import LONGEST_NAME
from agent.sources.base import Range, TagSection
from agent.sources.mqtt.broker import MqttBroker
from agent.sources.mqtt.patterns import Pattern, filter_problem, has_wildcards, name_problem, owner

Payload = Literal["json", "plain", "binary"]
_Type = Literal[
    "number",
    "bool",
    "text",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
]
_PACKED: Final = tuple(NumberType)
_IEC_NAMES: Final = [theirs for theirs, ours in IEC_TYPES.items() if ours in _PACKED]
_KINDS: Final = {"number": Kind.NUMBER, "bool": Kind.SWITCH, "text": Kind.TEXT}
_OF_NUMBERS: Final = ("scale", "add", "invalid", "valid_range")
_OF_JSON: Final = ("value", "time")
_OF_BINARY: Final = ("at", "byte_order")
_LARGEST_FACTOR: Final = 1e100


def _topic(topic: str) -> str:
    if not topic or "\0" in topic or len(topic.encode()) > LONGEST_NAME:
        raise ValueError("expected a topic such as plant/compressor/1/telemetry")
    if topic.startswith("$share/"):
        raise ValueError(
            f"{topic}: a shared subscription spreads a tag's values over several clients: name the topic itself"
        )
    if problem := filter_problem(topic):
        raise ValueError(problem)
    return topic


def _a_payload(value: object) -> object:
    if isinstance(value, str) and value not in get_args(Payload):
        words = ", ".join((*get_args(Payload), "sparkplug_b"))  # the last is another kind of source
        raise ValueError(f"unknown word: expected one of {words}")
    return value


def _factor(factor: float) -> float:
    if abs(factor) > _LARGEST_FACTOR:
        raise ValueError("the scaling is beyond any measurement: look at its powers of ten")
    return factor


_Path = Annotated[
    JsonPath,
    PlainValidator(parse_path),
    WithJsonSchema({"type": "string", "examples": ["$.current_a", "data.temp", "/data/temp"]}),
]
_Factor = Annotated[FiniteFloat, AfterValidator(_factor)]


class MqttTag(TagSection):
    """A tag that arrives as messages on a topic."""

    topic: Annotated[str, AfterValidator(_topic)]
    """The topic that carries it; several tags may share one. With wildcards it makes a tag of each topic:
    in the tag's name {1} stands for what the first `+` matched, and for a `#`, which counts as the
    last, for the rest of the topic with its / as a point."""
    payload: Payload | None = None
    """What the messages hold: json (the default with `value` or `time`), plain (the value itself, as text;
    else the default) or binary (packed bytes)."""
    value: _Path | None = None
    """Where the value stands in a JSON payload; without it the payload is the value itself."""
    time: _Path | None = None
    """Where the device's own time stands: seconds or milliseconds since 1970, or ISO 8601 with zone.
    A reading that is not newer than the last is dropped, so that a message sent twice counts once."""
    type: (
        Annotated[
            _Type,
            BeforeValidator(canonical_type),
            WithJsonSchema({"type": "string", "enum": [*get_args(_Type), *_IEC_NAMES]}),
        ]
        | None
    ) = None
    """What the value has to be: number, bool (true, false, ON, OFF, 1, 0) or text; without it, what it is.
    For binary, how it is packed: float32, int16, ...; IEC 61131 names (REAL, DINT, WORD) mean the same."""
    at: Annotated[int, Field(ge=0, lt=LARGEST_PAYLOAD)] = 0
    """For binary: the first byte of the number, counted from 0."""
    byte_order: Annotated[ByteOrder, Field(strict=False)] = ByteOrder.ABCD
    """For binary: how its bytes stand: ABCD (the most significant first), CDAB, BADC or DCBA."""
    scale: _Factor = 1.0
    """Of a number: the raw value times this ..."""
    add: _Factor = 0.0
    """... plus this is the value."""
    invalid: list[FiniteFloat] = Field(default_factory=list)
    """Of a number: raw values by which the device says that it has none: [-9999]."""
    valid_range: Range | None = None
    """Of a number: values outside of [low, high] are bad: a broken wire is no temperature."""

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        holds = self.holds
        if holds != "json":
            self._refuse(_OF_JSON, f"a payload that is {holds} has no names in it")
        if holds == "binary" and self.type not in _PACKED:
            raise ValueError(
                f"`type` says how a binary payload is packed: expected one of {', '.join(_PACKED)}"
            )
        if holds != "binary":
            self._refuse(_OF_BINARY, f"a payload that is {holds} has no bytes to be counted")
            if self.type in _PACKED:
                raise ValueError(
                    f"`type: {self.type}` is for packed bytes: write `payload: binary`, or `type: number`"
                )
        if self.type in {"bool", "text"}:
            self._refuse(_OF_NUMBERS, f"`type: {self.type}` is no number")
        if self.scale == 0:
            raise ValueError("`scale: 0` would make every value the same")
        return self

    def _refuse(self, keys: tuple[str, ...], because: str) -> None:
        if wrong := [key for key in keys if key in self.model_fields_set]:
            raise ValueError(f"{because}: `{wrong[0]}` has no meaning there, delete it")

    @property
    def holds(self) -> Payload:
        """What the messages hold."""
        return self.payload or ("json" if self.value or self.time else "plain")

    @property
    def kind(self) -> Kind:
        """What the value has to be."""
        if self.type in _PACKED or any(key in self.model_fields_set for key in _OF_NUMBERS):
            return Kind.NUMBER
        return _KINDS.get(self.type or "", Kind.ANY)

    def meaning(self) -> Meaning:
        """What its raw values mean."""
        linear = None if (self.scale, self.add) == (1, 0) else Linear.scaled(self.scale, self.add)
        return Meaning(self.kind, linear, frozenset(self.invalid), self.valid_range)

    def unpack(self) -> Callable[[bytes], Value | Unreadable]:
        """Make the reader of a binary payload."""
        return binary_reader(NumberField(NumberType(self.type or ""), self.byte_order), self.at)


class MqttSource(MqttBroker):
    """An MQTT broker whose messages hold JSON, plain values or packed bytes."""

    payload: Annotated[Payload | None, BeforeValidator(_a_payload)] = None
    """What the messages of all tags hold that do not say it themselves."""
    retained: Literal["baseline", "ignore", "use"] = "baseline"
    """What a message counts for that the broker had kept, and is of unknown age: baseline (where things
    stand, no change), ignore, or use (a value like any other). With `time:` its age is known."""
    tags: Annotated[dict[str, MqttTag], Field(min_length=1)]
    """The tags, by name."""

    @model_validator(mode="before")
    @classmethod
    def _tell_the_tags(cls, data: object) -> object:
        if not isinstance(data, dict) or not isinstance(tags := data.get("tags"), dict):
            return data
        if data.get("payload") not in get_args(Payload):
            return data
        told = {"payload": data["payload"]}
        return data | {
            "tags": {name: told | tag if isinstance(tag, dict) else tag for name, tag in tags.items()}
        }

    @cached_property
    def patterns(self) -> Mapping[str, Pattern]:
        """The tags with wildcards, by their names as they are written."""
        return {name: Pattern(name, tag.topic) for name, tag in self.tags.items() if has_wildcards(tag.topic)}

    def tag_specs(self, source: str) -> list[TagSpec]:
        """Every tag; a value stays fresh while the connection is up unless `stale_after` is written."""
        return [self._spec(source, name, tag) for name, tag in self.tags.items() if name not in self.patterns]

    def tag_named(self, source: str, name: str) -> TagSpec | None:
        """Give the tag that a topic makes which its wildcards match."""
        made_by = owner(name, self.patterns.values())
        return None if made_by is None else self._spec(source, name, self.tags[made_by.name])

    def wrong_names(self) -> Iterator[tuple[str, str]]:
        """Give the names that do not go with their topics, and those that two tags could have."""
        forms: dict[str, str] = {}
        for name, tag in self.tags.items():
            if problem := name_problem(name, tag.topic):
                yield name, problem
            elif name in self.patterns:
                if (first := forms.setdefault(PLACE.sub("{}", name), name)) != name:
                    yield name, f"it makes the same names as {first}: give it another"
            elif (other := owner(name, self.patterns.values())) is not None:
                yield name, f"{other.name} makes a tag of this name as well: give one of them another"

    def _spec(self, source: str, name: str, tag: MqttTag) -> TagSpec:
        return TagSpec(
            name=name,
            source=source,
            unit=tag.unit,
            range=tag.range,
            stale_after=self.stale_after if tag.stale_after is None else tag.stale_after,
            timed=tag.time is not None,
            kind=tag.kind,
        )
