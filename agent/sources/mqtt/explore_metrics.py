"""What a Sparkplug B message could give tags: its metrics, by the names that a birth certificate has for them.

Rules for whoever changes this file: pure; nothing is asked of an edge node, so what was not born while
somebody listened stays without a name, and is told so; whatever is published, nothing raises.
"""

from collections.abc import Iterator
from typing import Final

from agent.codec.payload import Unreadable
from agent.codec.sparkplug import DataType, Metric, decode, quality_of, value_of
from agent.model import Json, Quality, Value
from agent.sources.exploring import Found
from agent.sources.mqtt.decode import Message
from agent.sources.mqtt.sparkplug_sequence import Verb

NAMESPACE: Final = "spBv1.0/"
_LEVELS: Final = (4, 5)  # of a topic: spBv1.0/GROUP/VERB/EDGE NODE, and the device
_WITH_VALUES: Final = (Verb.NBIRTH, Verb.DBIRTH, Verb.NDATA, Verb.DDATA)
_OF_ITS_OWN: Final = ("bdSeq", "Node Control/", "Device Control/")  # counts sessions; takes commands
_MOST_BORN: Final = 100_000
_UNBORN: Final = (
    "numbers without names: these come with the birth certificate, when the edge node connects anew or the "
    "running agent asks for it"
)


class Metrics:
    """Reads the messages of edge nodes; remembers the births that it heard."""

    def __init__(self) -> None:
        self._born: dict[tuple[str, str | int], tuple[str, int | None]] = {}

    def found(self, message: Message) -> Iterator[tuple[tuple[str, ...], Found]]:
        """Give each metric of a message, yet without a tag's name, and the parts of one."""
        _, *levels = message.topic.split("/")
        if 1 + len(levels) not in _LEVELS or levels[1] not in _WITH_VALUES:
            return
        group, _, *node = levels
        of = "/".join((group, *node))
        payload = decode(message.payload)
        if isinstance(payload, Unreadable):
            yield (), Found("", message.topic, "", note=payload.why)
            return
        for metric in payload.metrics:
            name, datatype = self._meant(of, metric)
            if name is None:
                yield (), Found("", message.topic, "", note=_UNBORN)
            elif not name.startswith(_OF_ITS_OWN):
                yield (group, *node, *name.split("/")), _found(of, name, metric, datatype)

    def _meant(self, of: str, metric: Metric) -> tuple[str | None, int | None]:
        """Give a metric's name and type, by itself or by its birth certificate."""
        key = metric.alias if metric.name is None else metric.name
        name, datatype = (None, None) if key is None else self._born.get((of, key), (metric.name, None))
        datatype = metric.datatype or datatype
        if metric.name is not None and len(self._born) < _MOST_BORN:
            for each in (metric.name, metric.alias):
                if each is not None:
                    self._born[of, each] = (metric.name, datatype)
        return name if metric.name is None else metric.name, datatype


def _found(of: str, name: str, metric: Metric, datatype: int | None) -> Found:
    value: Value | None = None
    quality, note = quality_of(metric.quality)
    if metric.historical:
        note = "a value of the past"
    elif quality is not Quality.BAD:
        read = value_of(metric, datatype)
        value, note = (None, read.why) if isinstance(read, Unreadable) else (read, note)
    types = {each.value: each.name for each in DataType}
    tag: dict[str, Json] = {"device": of, "metric": name}
    return Found("", f"{of} {name}", types.get(datatype or 0, f"type {datatype}"), value, note, tag)
