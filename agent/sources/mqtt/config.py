"""What a plant engineer writes about the tags that arrive as JSON or plain values through an MQTT broker.

Rules for whoever changes this file: nothing of paho is imported here (the configuration is read by
commands that connect to nothing); what cannot work is refused here, with the remedy, rather than
when the broker is met.
"""

from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from agent.codec.json_path import JsonPath, parse_path
from agent.model import TagSpec
from agent.sources.base import TagSection
from agent.sources.mqtt.broker import LONGEST_NAME, MqttBroker


def _one_topic(topic: str) -> str:
    if not topic or "\0" in topic or len(topic.encode()) > LONGEST_NAME:
        raise ValueError("expected a topic such as plant/compressor/1/telemetry")
    if "+" in topic or "#" in topic:
        raise ValueError(
            f"{topic}: a tag has one topic, without the wildcards + and #: write one tag for each topic"
        )
    if topic.startswith("$share/"):
        raise ValueError(
            f"{topic}: a shared subscription spreads a tag's values over several clients: name the topic itself"
        )
    return topic


_Path = Annotated[
    JsonPath,
    PlainValidator(parse_path),
    WithJsonSchema({"type": "string", "examples": ["$.current_a", "data.temp", "/data/temp"]}),
]


class MqttTag(TagSection):
    """A tag that arrives as messages on a topic."""

    topic: Annotated[str, AfterValidator(_one_topic)]
    """The topic that carries it; several tags may share one."""
    value: _Path | None = None
    """Where the value stands in a JSON payload; without it the payload is the value itself."""
    time: _Path | None = None
    """Where the device's own time stands: seconds or milliseconds since 1970, or ISO 8601 with zone.
    A reading that is not newer than the last is dropped, so that a message sent twice counts once."""


class MqttSource(MqttBroker):
    """An MQTT broker whose messages hold JSON or plain values."""

    tags: Annotated[dict[str, MqttTag], Field(min_length=1)]
    """The tags, by name."""

    def tag_specs(self, source: str) -> list[TagSpec]:
        """Every tag; a value stays fresh while the connection is up unless `stale_after` is written."""
        return [
            TagSpec(
                name=name,
                source=source,
                unit=tag.unit,
                range=tag.range,
                stale_after=self.stale_after if tag.stale_after is None else tag.stale_after,
                timed=tag.time is not None,
            )
            for name, tag in self.tags.items()
        ]
