"""What an engineer asks of an MQTT broker before it is in use: what is published, and what stands in it.

Rules for whoever changes this file: nothing is published, whatever a decoder would like to request;
the running agent is not disturbed (`explore_listen`); what strangers publish is shown, shortened, and
never believed.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Final, TypeAlias

from agent.clock import Clock
from agent.codec.payload import excerpt
from agent.errors import SourceError
from agent.model import SECOND, Json, bad
from agent.sources.exploring import Expected, Found, Look, MistypedError, Scope
from agent.sources.mqtt.config import MqttSource
from agent.sources.mqtt.decode import Decoder, Message
from agent.sources.mqtt.explore_bytes import packed
from agent.sources.mqtt.explore_leaves import Leaf, leaves
from agent.sources.mqtt.explore_listen import Listener, listening
from agent.sources.mqtt.patterns import filter_problem, owner
from agent.sources.mqtt.source import decoder
from agent.sources.mqtt.sparkplug_config import SparkplugSource, parse_device
from agent.sources.naming import Names

AnyMqtt: TypeAlias = MqttSource | SparkplugSource
Drafts: TypeAlias = Iterable[tuple[tuple[str, ...], Found]]
"""What is found, yet without a name, with the parts of one."""

PATIENCE: Final = 10 * SECOND
"""How long a tag's first message is waited for."""
_RAW: Final = 60  # characters of a payload that are shown
_EVERYTHING: Final = "#"
_MAYBE_PACKED: Final = (["binary"], ["text"])  # what a message holds; bytes may look like letters by chance
_NO_TAG: Final = ("", "binary", "unreadable")
_SPARKPLUG: Final = "spBv1.0/"


async def look(
    config: AnyMqtt, clock: Clock, tags: Collection[str], *, patience: int = PATIENCE
) -> AsyncIterator[Look]:
    """Wait for one message of each tag; what the broker had retained comes at once.

    Raises:
        SourceError: no connection, or it was lost.
    """
    understands = decoder(config, clock)
    wanted = _wanted(config, understands, tags)
    missing = {tag: topic for topic, own in wanted.items() for tag in own}
    ignored: set[str] = set()  # what they were given, and their source does not take
    ignores = isinstance(config, MqttSource) and config.retained == "ignore"
    takes_all = decoder(config.model_copy(update={"retained": "baseline"}), clock) if ignores else None
    async with listening(config, clock) as listener:
        for topic, why in (await listener.subscribe(list(wanted))).items():
            for tag in sorted(wanted[topic] & missing.keys()):
                del missing[tag]
                yield Look(bad(tag, clock.monotonic(), why), topic)
        until = _from_now(patience)
        while missing and (messages := await listener.messages(until)):
            for message in messages:
                decoded = understands.decode(message)
                if message.retained and takes_all is not None and (held := takes_all.decode(message)):
                    ignored |= {reading.tag for reading in held.readings}
                for reading in decoded.readings if decoded else ():
                    if missing.pop(reading.tag, None) is not None:
                        yield Look(reading, message.topic, excerpt(message.payload)[:_RAW])
    for tag, topic in missing.items():
        why = _ignored(topic, patience) if tag in ignored else _silence(config, topic, patience)
        yield Look(bad(tag, clock.monotonic(), why), topic)


async def browse(config: AnyMqtt, clock: Clock, scope: Scope) -> AsyncIterator[Found]:
    """Listen for `scope.listen`, and tell what each new topic holds; `$SYS` only where it is the start.

    Raises:
        MistypedError: the start is no filter.
        SourceError: no connection, it was lost, or the broker refuses the start.
    """
    _check_filter(scope.start)
    drafts = _reader(config, clock)
    everything = f"{_SPARKPLUG}#" if isinstance(config, SparkplugSource) else _EVERYTHING
    names, seen, known = Names(), set[str](), _known(config)
    async with (
        listening(config, clock) as listener,
        aclosing(_heard(listener, scope.start or everything, scope.listen)) as heard,
    ):
        async for message in heard:
            for parts, found in drafts(message):
                if found.place not in seen:
                    seen.add(found.place)
                    read_as = known.get((found.tag.get("topic"), found.tag.get("value")), "")
                    yield replace(_named(found, parts, names), read_as=read_as)
                    if len(seen) >= scope.limit:
                        return


async def probe(
    config: AnyMqtt, clock: Clock, place: str, expect: Expected | None, *, patience: int = PATIENCE
) -> AsyncIterator[Found]:
    """Wait for one message of a topic (or of a Sparkplug device), and tell all that stands in it.

    Raises:
        MistypedError: it is neither.
        SourceError: no connection, it was lost, or the broker refuses the topic.
    """
    if not place:
        raise MistypedError(
            "a topic is missing: `edge-relay browse` lists those on which something is published"
        )
    topic = _topic(config, place)
    _check_filter(topic)
    drafts = _reader(config, clock, whole=True)
    names = Names()
    async with (
        listening(config, clock) as listener,
        aclosing(_heard(listener, topic, patience)) as heard,
    ):
        async for message in heard:
            found = [_named(found, parts, names) for parts, found in drafts(message)]
            for one in found:
                met = expect is not None and one.value is not None and expect.met_by(one.value)
                yield replace(one, matches=met)
            if [one.type for one in found] in _MAYBE_PACKED:
                for one in packed(message, expect):
                    doubtful = one.doubtful or (found[0].type == "text" and not one.matches)
                    yield _named(replace(one, doubtful=doubtful), message.topic.split("/"), names)
            if found:
                return
    yield Found("", place, "", note=_silence(config, place, patience))


def _known(config: AnyMqtt) -> dict[tuple[Json, Json], str]:
    """Give the tags of the configuration by topic and path; those that wildcards make are not among them."""
    if not isinstance(config, MqttSource):
        return {}
    return {
        (tag.topic, None if tag.value is None else str(tag.value)): name for name, tag in config.tags.items()
    }


def _check_filter(topic: str) -> None:
    if problem := filter_problem(topic):
        raise MistypedError(problem)


def _wanted(config: AnyMqtt, understands: Decoder, tags: Collection[str]) -> dict[str, set[str]]:
    """Give the filters that bring these tags; a wildcard brings those whose names it makes."""
    written = {tag: tag for tag in tags}
    if isinstance(config, MqttSource):
        made_by = {tag: owner(tag, config.patterns.values()) for tag in tags if tag not in config.tags}
        written |= {tag: pattern.name for tag, pattern in made_by.items() if pattern is not None}
    wanted: dict[str, set[str]] = {}
    for topic in understands.filters():
        brings = set(understands.tags_of(topic))
        if own := {tag for tag, name in written.items() if name in brings}:
            wanted[topic] = own
    return wanted


def _silence(config: AnyMqtt, topic: str, patience: int) -> str:
    within = f"within {patience / SECOND:g} s"
    if isinstance(config, SparkplugSource):
        return (
            f"no birth certificate came on {topic} {within}: an edge node sends one when it connects, or when "
            "the running agent asks for it; here nothing is published"
        )
    return f"nothing was published on {topic} {within}"


def _ignored(topic: str, patience: int) -> str:
    return (
        f"only what the broker had retained came on {topic} within {patience / SECOND:g} s, and this source has "
        "`retained: ignore`: the tag gets its value with the next message"
    )


def _topic(config: AnyMqtt, place: str) -> str:
    """Give the topics of a device of Sparkplug; else the place is a topic."""
    if not isinstance(config, SparkplugSource) or place.startswith(_SPARKPLUG):
        return place
    try:
        device = parse_device(place)
    except ValueError as error:
        raise MistypedError(f"{place}: {error}") from None
    levels = (device.group, "+", device.node, device.device)
    return _SPARKPLUG + "/".join(filter(None, levels))


async def _heard(listener: Listener, topic: str, patience: int) -> AsyncGenerator[Message, None]:
    """Give each message of a topic filter.

    Raises:
        SourceError: the broker refuses the filter.
    """
    for why in (await listener.subscribe([topic])).values():
        remedy = "; name a narrower start, such as plant/#" if topic == _EVERYTHING else ""
        raise SourceError(f"{why}{remedy}")
    until = _from_now(patience)
    while messages := await listener.messages(until):
        for message in messages:
            yield message


def _from_now(patience: int) -> float:
    return asyncio.get_running_loop().time() + patience / SECOND


def _reader(config: AnyMqtt, clock: Clock, *, whole: bool = False) -> Callable[[Message], Drafts]:
    """Give what reads messages; `whole`: the message's own time too."""
    from agent.sources.mqtt.explore_metrics import Metrics  # noqa: PLC0415 - with it, Protocol Buffers

    metrics = Metrics()
    remark = "" if isinstance(config, SparkplugSource) else "for a source with payload: sparkplug_b"

    def read(message: Message) -> Drafts:
        if message.topic.startswith(_SPARKPLUG):
            for parts, found in metrics.found(message):
                yield parts, replace(found, note=_joined(found.note, remark, _age(message)))
            return
        every = leaves(message.payload, clock.wall())
        told = every if whole else [leaf for leaf in every if not leaf.is_time] or every
        for leaf in told:
            parts = (*message.topic.split("/"), *(str(step) for step in leaf.steps))
            yield parts, _found(config, message, leaf)

    return read


def _found(config: AnyMqtt, message: Message, leaf: Leaf) -> Found:
    time = "the message's time" if leaf.is_time else ""
    tag: dict[str, Json] = {}
    if leaf.value is not None:
        tag["topic"] = message.topic
        if isinstance(config, MqttSource) and config.payload not in {None, "json" if leaf.path else "plain"}:
            tag["payload"] = "json" if leaf.path else "plain"
        if leaf.path:
            tag["value"] = leaf.path
        if leaf.time:
            tag["time"] = leaf.time
    place = f"{message.topic} {leaf.path}".rstrip()
    return Found("", place, leaf.type, leaf.value, _joined(leaf.note, time, _age(message)), tag)


def _age(message: Message) -> str:
    return "retained" if message.retained else ""


def _named(found: Found, parts: Iterable[str], names: Names) -> Found:
    return found if found.type in _NO_TAG else replace(found, name=names.give(parts))


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
