"""The decoder of JSON and plain payloads: which tags a topic carries, and what its messages say of each.

Rules for whoever changes this file: no I/O, no clock; a payload is parsed once, however many tags
it carries; nothing that a stranger publishes may raise (telegraf#13476). What cannot be read makes
its tags bad, alone, with a reason.
"""

from collections.abc import Collection, Mapping, Sequence

from agent.codec.payload import Document, Unreadable, json_time, json_value, parse_json, plain_value
from agent.model import Quality, Reading, bad
from agent.sources.mqtt.config import MqttTag
from agent.sources.mqtt.decode import Decoded, Message, Request


class Topics:
    """The tags of one session by topic; remembers which of them have not shown a value yet."""

    def __init__(self, tags: Mapping[str, MqttTag]) -> None:
        self._tags: dict[str, list[tuple[str, MqttTag]]] = {}
        for name, tag in tags.items():
            self._tags.setdefault(tag.topic, []).append((name, tag))
        self._silent = set(tags)

    def filters(self) -> Sequence[str]:
        """Every topic, once."""
        return list(self._tags)

    def tags_of(self, topic_filter: str) -> Collection[str]:
        """Names of the tags that a topic carries."""
        return [name for name, _ in self._tags.get(topic_filter, ())]

    def requests(self, now: int) -> Sequence[Request]:  # noqa: ARG002 - as every decoder
        """Nothing: what these messages mean stands in themselves."""
        return ()

    def decode(self, message: Message) -> Decoded | None:
        """Read one message: one reading for each tag of the topic."""
        tags = self._tags.get(message.topic)
        if tags is None:
            return None
        document: Document = (
            parse_json(message.payload) if any(tag.value or tag.time for _, tag in tags) else None
        )
        readings = [_reading(name, tag, message.payload, document, message.received) for name, tag in tags]
        why = next((reading.reason for reading in readings if reading.value is None), "")
        return Decoded([self._as_start(reading, retained=message.retained) for reading in readings], why)

    def _as_start(self, reading: Reading, *, retained: bool) -> Reading:
        """Mark a retained value, and the first of a session: a start, not a change."""
        if reading.value is None or not (retained or reading.tag in self._silent):
            return reading
        self._silent.discard(reading.tag)
        return reading._replace(baseline=True)


def _reading(name: str, tag: MqttTag, payload: bytes, document: Document, received: int) -> Reading:
    value = plain_value(payload) if tag.value is None else json_value(document, tag.value)
    if isinstance(value, Unreadable):
        return bad(name, received, f"{name}: no value on {tag.topic}: {value.why}")
    source_time = None if tag.time is None else json_time(document, tag.time)
    if isinstance(source_time, Unreadable):
        return bad(name, received, f"{name}: no usable time on {tag.topic}: {source_time.why}")
    return Reading(name, value, Quality.GOOD, received, "", source_time)
