"""What an engineer asks of an MQTT broker before it is in use: what is published, and what stands in it.

Rules for whoever changes this file: nothing is published, whatever a decoder would like to request;
the running agent is not disturbed (`explore_listen`); what strangers publish is shown, shortened, and
never believed.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing
from typing import Final

from agent.clock import Clock
from agent.codec.payload import excerpt
from agent.errors import SourceError
from agent.model import SECOND, Json, bad
from agent.sources.exploring import Expected, Found, Look, Scope
from agent.sources.mqtt.config import MqttSource
from agent.sources.mqtt.decode import Message
from agent.sources.mqtt.explore_leaves import Leaf, leaves
from agent.sources.mqtt.explore_listen import Listener, listening
from agent.sources.mqtt.source import decoder
from agent.sources.naming import Names

PATIENCE: Final = 10 * SECOND
"""How long a tag's first message is waited for."""
_RAW: Final = 60  # characters of a payload that are shown
_EVERYTHING: Final = "#"
_SPARKPLUG: Final = "spBv1.0/"


async def look(
    config: MqttSource, clock: Clock, tags: Collection[str], *, patience: int = PATIENCE
) -> AsyncIterator[Look]:
    """Wait for one message of each tag; what the broker had retained comes at once."""
    understands = decoder(config)
    wanted = {
        topic: own for topic in understands.filters() if (own := set(understands.tags_of(topic)) & set(tags))
    }
    missing = {tag: topic for topic, own in wanted.items() for tag in own}
    async with listening(config, clock) as listener:
        for topic, why in (await listener.subscribe(list(wanted))).items():
            for tag in sorted(wanted[topic] & missing.keys()):
                del missing[tag]
                yield Look(bad(tag, clock.monotonic(), why), topic)
        until = _from_now(patience)
        while missing and (messages := await listener.messages(until)):
            for message in messages:
                decoded = understands.decode(message)
                for reading in decoded.readings if decoded else ():
                    if missing.pop(reading.tag, None) is not None:
                        yield Look(reading, message.topic, excerpt(message.payload)[:_RAW])
    for tag, topic in missing.items():
        why = f"nothing was published on {topic} within {patience / SECOND:g} s"
        yield Look(bad(tag, clock.monotonic(), why), topic)


async def browse(config: MqttSource, clock: Clock, scope: Scope) -> AsyncIterator[Found]:
    """Listen for `scope.listen`, and tell what each new topic holds; `$SYS` only where it is the start."""
    names, seen, count = Names(), set[tuple[str, str]](), 0
    async with (
        listening(config, clock) as listener,
        aclosing(_heard(listener, scope.start or _EVERYTHING, scope.listen)) as heard,
    ):
        async for message in heard:
            for leaf in _leaves(message, clock):
                if (message.topic, leaf.path) not in seen and count < scope.limit:
                    seen.add((message.topic, leaf.path))
                    count += 1
                    yield _found(message, leaf, names)
            if count >= scope.limit:
                return


async def probe(
    config: MqttSource, clock: Clock, place: str, expect: Expected | None, *, patience: int = PATIENCE
) -> AsyncIterator[Found]:
    """Wait for one message of a topic, and tell all that stands in it."""
    names = Names()
    async with (
        listening(config, clock) as listener,
        aclosing(_heard(listener, place, patience)) as heard,
    ):
        async for message in heard:
            for leaf in leaves(message.payload, clock.wall()):
                met = expect is not None and leaf.value is not None and expect.met_by(leaf.value)
                yield _found(message, leaf, names, matches=met)
            return
    yield Found("", place, "", note=f"nothing was published on {place} within {patience / SECOND:g} s")


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


def _leaves(message: Message, clock: Clock) -> list[Leaf]:
    """Give what could be tags: the message's time is one only if there is nothing else."""
    if message.topic.startswith(_SPARKPLUG):
        return [Leaf((), "", "Sparkplug B", note="Sparkplug B: its metrics need payload: sparkplug_b")]
    found = leaves(message.payload, clock.wall())
    return [leaf for leaf in found if not leaf.is_time] or found


def _found(message: Message, leaf: Leaf, names: Names, *, matches: bool = False) -> Found:
    parts = [*message.topic.split("/"), *(str(step) for step in leaf.steps)]
    notes = [leaf.note, "the message's time" if leaf.is_time else "", "retained" if message.retained else ""]
    tag: dict[str, Json] = {}
    if leaf.value is not None:
        tag["topic"] = message.topic
        if leaf.path:
            tag["value"] = leaf.path
        if leaf.time:
            tag["time"] = leaf.time
    return Found(
        names.give(parts) if leaf.type else "",
        f"{message.topic} {leaf.path}".rstrip(),
        leaf.type,
        leaf.value,
        "; ".join(note for note in notes if note),
        tag,
        matches,
    )
