"""The decoder of JSON, plain and binary payloads: which tags a topic carries, and what its messages say of each.

Rules for whoever changes this file: no I/O, no clock; a payload is parsed once, however many tags
it carries; nothing that a stranger publishes may raise (telegraf#13476), nor grow without a bound,
whatever topics he invents. What cannot be read makes its tags bad, alone, with a reason.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from agent.codec.json_path import parse_path
from agent.codec.meaning import Meaning
from agent.codec.payload import (
    Document,
    Unreadable,
    json_time,
    json_value,
    parse_json,
    plain_text,
    plain_value,
)
from agent.model import SECOND, Quality, Reading, Value, bad
from agent.sources.mqtt.config import MqttTag
from agent.sources.mqtt.decode import Decoded, Message, Request
from agent.sources.mqtt.patterns import Pattern, has_wildcards, owner

_MOST_NAMES: Final = 1_000  # tags that one pattern may make
_MOST_ROUTES: Final = 10_000  # topics that are remembered; for others the patterns are tried each time
_MOST_TOLD: Final = 20  # warnings in a session
_COPY_WITHIN: Final = SECOND
_STANDS_STILL: Final = 30 * SECOND  # so long a device may give one time to several values
_WHOLE: Final = parse_path("$")

Retained = Literal["baseline", "ignore", "use"]


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag as it is written, with what is prepared once."""

    written: MqttTag
    meaning: Meaning
    unpack: Callable[[bytes], Value | Unreadable] | None

    def value(self, payload: bytes, document: Document) -> Value | Unreadable:
        if self.unpack is not None:
            raw = self.unpack(payload)
        elif self.written.holds == "json":
            raw = json_value(document, self.written.value or _WHOLE)
        else:
            raw = plain_text(payload) if self.written.type == "text" else plain_value(payload)
        return raw if isinstance(raw, Unreadable) else self.meaning.of(raw)


class _Stamp(NamedTuple):
    """The last time of a tag, the value it came with first, and when that was."""

    stamp: int
    value: Value | None
    since: int


@dataclass(slots=True)
class _Route:
    """What a topic carries.

    Attributes:
        tags: by name.
        problems: why not every tag is among them that would be made of the topic.
        copies: how many subscriptions it comes through; some brokers send a message once for each
            (MQTT 3.1.1, section 3.3.5, leaves it to them).
        last: the last payload, if it may come again.
        left: how many more copies of it may come, and until when.
    """

    tags: dict[str, _Tag]
    problems: Sequence[str]
    copies: int
    last: bytes = b""
    left: int = 0
    until: int = 0

    def is_copy(self, message: Message) -> bool:
        """Whether this is what the last message was, through another subscription."""
        if self.left > 0 and message.payload == self.last and message.received < self.until:
            self.left -= 1
            return True
        self.last, self.left, self.until = message.payload, self.copies - 1, message.received + _COPY_WITHIN
        return False


class Topics:
    """The tags of one session by topic; remembers which of them have shown a value."""

    def __init__(self, tags: Mapping[str, MqttTag], retained: Retained = "baseline") -> None:
        self._retained = retained
        self._tags = {
            name: _Tag(tag, tag.meaning(), tag.unpack() if tag.holds == "binary" else None)
            for name, tag in tags.items()
        }
        self._names: dict[str, list[str]] = {}
        for name, tag in tags.items():
            self._names.setdefault(tag.topic, []).append(name)
        self._patterns = [Pattern(name, tag.topic) for name, tag in tags.items() if has_wildcards(tag.topic)]
        self._made: dict[str, dict[str, str]] = {pattern.name: {} for pattern in self._patterns}
        self._routes: dict[str, _Route] = {}
        self._shown: set[str] = set()
        self._stamps: dict[str, _Stamp] = {}
        self._told: set[str] = set()

    def filters(self) -> Sequence[str]:
        """Every topic, once."""
        return list(self._names)

    def tags_of(self, topic_filter: str) -> Collection[str]:
        """Names of the tags that a topic carries, as they are written."""
        return self._names.get(topic_filter, ())

    def overdue(self, now: int) -> Sequence[Reading]:  # noqa: ARG002 - as every decoder
        """Nothing: freshness is told by `stale_after`."""
        return ()

    def dropped(self) -> None:
        """The start of a tag may be among them: what comes next is one."""
        self._shown.clear()

    def requests(self, now: int) -> Sequence[Request]:  # noqa: ARG002 - as every decoder
        """Nothing: what these messages mean stands in themselves."""
        return ()

    def decode(self, message: Message) -> Decoded | None:
        """Read one message: one reading for each tag of the topic."""
        route = self._routes.get(message.topic) or self._find(message.topic)
        if route is None:
            return None
        if (route.copies > 1 and route.is_copy(message)) or (message.retained and self._retained == "ignore"):
            return Decoded()
        parsed = any(tag.written.holds == "json" for tag in route.tags.values())
        document: Document = parse_json(message.payload) if parsed else None
        news = self._news(route.problems)
        readings, unreadable = [], news
        for name, tag in route.tags.items():
            reading, odd = self._moving(*_reading(name, tag, message, document))
            readings.append(self._as_start(reading, retained=message.retained))
            unreadable = unreadable or odd
        return Decoded(readings, unreadable, news)

    def _moving(self, reading: Reading, odd: str) -> tuple[Reading, str]:
        """Make a tag bad whose time stands still while its value changes; odd is passed on, or why it is now."""
        if reading.source_time is None:
            return reading, odd
        last = self._stamps.get(reading.tag)
        if last is None or last.stamp != reading.source_time:
            self._stamps[reading.tag] = _Stamp(reading.source_time, reading.value, reading.received)
        elif reading.value != last.value and reading.received - last.since >= _STANDS_STILL:
            why = (
                f"{reading.tag}: its value changes and its time does not, so nothing tells a new value from an "
                f"old one: look at the device's clock, or leave out time:"
            )
            return bad(reading.tag, reading.received, why), why
        return reading, odd

    def _as_start(self, reading: Reading, *, retained: bool) -> Reading:
        """Mark the first value of a session, and a retained one: a start, not a change."""
        if reading.value is None:
            return reading
        unknown_age = retained and self._retained == "baseline" and reading.source_time is None
        if reading.tag in self._shown and not unknown_age:
            return reading
        self._shown.add(reading.tag)
        return reading._replace(baseline=True)

    def _find(self, topic: str) -> _Route | None:
        """Try the patterns on a topic that is not remembered."""
        names = [] if has_wildcards(topic) else self._names.get(topic, [])
        tags = {name: self._tags[name] for name in names}
        filters, problems = {topic} if tags else set[str](), list[str]()
        for pattern in self._patterns:
            if not pattern.matches(topic):
                continue
            filters.add(pattern.topic)
            try:
                tags[self._claim(pattern, topic)] = self._tags[pattern.name]
            except ValueError as error:
                problems.append(f"{pattern.name}: {error}")
        if not filters:
            return None
        route = _Route(tags, problems, len(filters))
        if len(self._routes) < _MOST_ROUTES:
            self._routes[topic] = route
        return route

    def _claim(self, pattern: Pattern, topic: str) -> str:
        """Take the name that a topic makes.

        Raises:
            ValueError: it cannot be one, belongs to another topic, or there are too many.
        """
        made = self._made[pattern.name]
        name = pattern.made(topic)
        belongs = None if name in self._tags else owner(name, self._patterns)
        if belongs is not pattern:
            whose = belongs.name if belongs else "a tag of its own"
            raise ValueError(f"{topic} would make {name}, which is {whose}: it is passed over")
        if made.get(name, topic) != topic:
            raise ValueError(
                f"{topic} would make {name}, which {made[name]} makes already: it is passed over"
            )
        if name not in made and len(made) >= _MOST_NAMES:
            raise ValueError(
                f"more than {_MOST_NAMES:,} topics match {pattern.topic}: the others are passed over; name fewer"
            )
        made[name] = topic
        return name

    def _news(self, problems: Sequence[str]) -> str:
        """Give what was not told yet; what repeats itself would push out what else is set aside."""
        news = [one for one in problems if one not in self._told][: _MOST_TOLD - len(self._told)]
        self._told.update(news)
        return "; ".join(news)


def _reading(name: str, tag: _Tag, message: Message, document: Document) -> tuple[Reading, str]:
    """Read one tag; with it, why the payload is odd (empty where it says itself that it has no value)."""
    value = tag.value(message.payload, document)
    if isinstance(value, Unreadable):
        why = f"{name}: no value on {message.topic}: {value.why}"
        return bad(name, message.received, why), "" if value.said else why
    time = tag.written.time
    stamp = None if time is None else json_time(document, time)
    if isinstance(stamp, Unreadable):
        why = f"{name}: no usable time on {message.topic}: {stamp.why}"
        return bad(name, message.received, why), why
    return Reading(name, value, Quality.GOOD, message.received, "", stamp), ""
