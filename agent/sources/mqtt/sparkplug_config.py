"""What a plant engineer writes about Sparkplug B edge nodes behind a broker, and the metrics read as tags.

Rules for whoever changes this file: nothing of paho and nothing of Protocol Buffers is imported here
(the configuration is read by commands that connect to nothing); what cannot work is refused here,
with the remedy, rather than when the broker is met.
"""

from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
    model_validator,
)

from agent.config.fields import Duration
from agent.model import SECOND, TagSpec
from agent.mqtt.broker import LONGEST_NAME
from agent.sources.base import MeasuredTag
from agent.sources.mqtt.broker import MqttBroker
from agent.sources.mqtt.config import MqttSource

_FORMS: Final = "expected GROUP/EDGE NODE/DEVICE, or GROUP/EDGE NODE for a metric of the edge node itself"
_LEVELS: Final = (2, 3)
_LONGEST_REORDER: Final = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Device:
    """Where a metric belongs; `device` is empty for a metric of the edge node itself."""

    group: str
    node: str
    device: str = ""

    def __str__(self) -> str:
        """As it is written: `Plant1/Edge1/Press`."""
        return "/".join(filter(None, (self.group, self.node, self.device)))


def parse_device(value: object) -> Device:
    """Read `GROUP/EDGE NODE/DEVICE` or `GROUP/EDGE NODE`; the names are those of the topics, spaces included.

    Raises:
        ValueError: anything else.
    """
    if not isinstance(value, str):
        raise ValueError(_FORMS)  # noqa: TRY004 - pydantic reports ValueError alone
    levels = value.split("/")
    if levels[0] == "spBv1.0":
        raise ValueError(f"{_FORMS}; what stands between in the topic (spBv1.0, NBIRTH...) is left out")
    if len(levels) not in _LEVELS or not all(levels):
        raise ValueError(_FORMS)
    if set(value) & set("+#\0") or len(value.encode()) > LONGEST_NAME // 2:
        raise ValueError(f"{_FORMS}, without the characters + and #")
    return Device(*levels)


def _a_value(metric: str) -> str:
    if not metric or "\0" in metric:
        raise ValueError("expected the name of a metric as its birth certificate has it: Temperature/T1")
    if metric == "bdSeq":
        raise ValueError(
            "bdSeq numbers the sessions of the edge node, it is no value of the plant: name another metric"
        )
    if metric.startswith(("Node Control/", "Device Control/")):
        raise ValueError(
            f"{metric} is a command that the edge node takes, not a value that it gives: name another metric"
        )
    return metric


def _no_session_is_kept(value: object) -> object:
    if value is True:
        raise ValueError(
            "leave it out: Sparkplug begins every connection anew, so that data of now is never read with "
            "a birth certificate of before; what was missed comes with the next birth certificate"
        )
    return value


def _reorder(nanoseconds: int) -> int:
    if nanoseconds > _LONGEST_REORDER:
        raise ValueError("expected 0s to 60s")
    return nanoseconds


class SparkplugTag(MeasuredTag):
    """A metric of an edge node or of one of its devices."""

    device: Annotated[
        Device,
        PlainValidator(parse_device),
        WithJsonSchema({"type": "string", "examples": ["Plant1/Edge1/Press", "Plant1/Edge1"]}),
    ]
    """GROUP/EDGE NODE/DEVICE as they stand in the topics; GROUP/EDGE NODE for a metric of the node itself."""
    metric: Annotated[str, AfterValidator(_a_value)]
    """The metric's name, as its birth certificate has it: Temperature/T1."""

    @model_validator(mode="before")
    @classmethod
    def _names_no_topic(cls, section: object) -> object:
        if isinstance(section, dict) and "topic" in section:
            raise ValueError(
                "with payload: sparkplug_b a tag names no topic but a metric: "
                "write {device: GROUP/EDGE NODE/DEVICE, metric: NAME}"
            )
        return section


class SparkplugSource(MqttBroker):
    """An MQTT broker through which edge nodes speak Sparkplug B."""

    payload: Literal["sparkplug_b"]
    """The messages are Sparkplug B (Eclipse Sparkplug 3.0); its tags name metrics instead of topics."""
    keep_session: Annotated[bool, BeforeValidator(_no_session_is_kept)] = False
    """Nothing is kept at the broker: every connection begins with new birth certificates."""
    rebirth_request: bool = True
    """Ask an edge node for its birth certificates where one is missing or a message was lost: the only
    thing that this source ever publishes. false: tags stay bad until the edge node sends them by itself."""
    reorder_timeout: Annotated[Duration, AfterValidator(_reorder)] = 2 * SECOND
    """How long a message that came too early waits for those before it; then they count as lost."""
    tags: Annotated[dict[str, SparkplugTag], Field(min_length=1)]
    """The tags, by name."""

    def tag_specs(self, source: str) -> list[TagSpec]:
        """Every tag; fresh while the connection is up, for an edge node's end is told (its death certificate).

        None is `timed`: order and repetition are told by sequence numbers, and a device whose clock was
        set back must not lose its values.
        """
        return [
            TagSpec(
                name=name,
                source=source,
                unit=tag.unit,
                range=tag.range,
                stale_after=self.stale_after if tag.stale_after is None else tag.stale_after,
                reach=tag.valid_range,
            )
            for name, tag in self.tags.items()
        ]


def _payload(section: object) -> str:
    """Tell what is meant, so that a misspelt or forgotten word is told as such and not each of its tags."""
    if not isinstance(section, dict):
        return "sparkplug_b" if isinstance(section, SparkplugSource) else "topics"
    if "payload" in section:
        return "sparkplug_b" if str(section["payload"]).lower().startswith("sp") else "topics"
    tags = section.get("tags")
    named = [tag for tag in tags.values() if isinstance(tag, dict)] if isinstance(tags, dict) else []
    return "sparkplug_b" if any("metric" in tag and "topic" not in tag for tag in named) else "topics"


AnyMqttSource: TypeAlias = Annotated[
    Annotated[MqttSource, Tag("topics")] | Annotated[SparkplugSource, Tag("sparkplug_b")],
    Discriminator(_payload),
]
"""A source `type: mqtt`, whatever its messages hold."""
