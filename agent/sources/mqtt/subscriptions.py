"""Asking a broker for topics, and what it answered: a refusal never raises in paho, it must be read.

Rules for whoever changes this file: a topic that is refused is refused alone and asked for again,
because the remedy (the broker's access list) takes effect only then.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from paho.mqtt.client import Client
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.errors import SourceError
from agent.model import SECOND
from agent.sources.mqtt.broker import MqttBroker

_TOPICS_A_PACKET: Final = 8  # the smallest limit that is met in the field (AWS IoT Core)
_MOST_LEFT: Final = 500  # filters that are left in a session
_DEEPEST: Final = 5  # levels of a topic up to which every filter is left that may have brought it


class Subscriptions:
    """The subscriptions of one session."""

    def __init__(self, client: Client, config: MqttBroker) -> None:
        self._client = client
        self._config = config
        self._asked: dict[int, asyncio.Future[Sequence[ReasonCode]]] = {}
        self._wanted: set[str] = set()
        self._left: set[str] = set()
        client.on_subscribe = self._on_subscribe

    async def ask(self, topics: Sequence[str]) -> dict[str, ReasonCode]:
        """Subscribe and wait for the answers.

        Returns:
            What the broker said of each topic.

        Raises:
            SourceError: it said nothing in time.
        """
        self._wanted.update(topics)
        packets = [topics[at : at + _TOPICS_A_PACKET] for at in range(0, len(topics), _TOPICS_A_PACKET)]
        asked = [(packet, self._send(packet)) for packet in packets]
        try:
            async with asyncio.timeout(self._config.timeout / SECOND):
                return {
                    topic: reason
                    for packet, answer in asked
                    for topic, reason in zip(packet, await answer, strict=True)
                }
        except TimeoutError:
            raise SourceError(
                f"MQTT broker {self._config.url}: no answer to a subscription within "
                f"{self._config.timeout / SECOND:g} s: see the broker's log"
            ) from None

    def leave(self, topic: str) -> Sequence[str]:
        """Unsubscribe whatever may have brought a topic that nobody asks for.

        Only the broker knows which filter it was, and MQTT has no way to ask; so each that it may have
        been is left.

        Returns:
            What was left that was not before, the topic itself first.
        """
        filters = [one for one in filters_of(topic) if one not in self._wanted and one not in self._left]
        filters = filters[: _MOST_LEFT - len(self._left)]
        self._left.update(filters)
        for at in range(0, len(filters), _TOPICS_A_PACKET):
            self._client.unsubscribe(filters[at : at + _TOPICS_A_PACKET])
        return filters

    def _send(self, topics: Iterable[str]) -> asyncio.Future[Sequence[ReasonCode]]:
        answer: asyncio.Future[Sequence[ReasonCode]] = asyncio.get_running_loop().create_future()
        wanted: list[tuple[str, int]] = [(topic, self._config.qos) for topic in topics]
        _, mid = self._client.subscribe(wanted)
        if mid is not None:  # None: the connection is lost, which another task is about to tell
            self._asked[mid] = answer
        return answer

    def _on_subscribe(
        self, _client: Client, _userdata: object, mid: int, reasons: list[ReasonCode], _properties: Properties
    ) -> None:
        if (answer := self._asked.pop(mid, None)) and not answer.done():
            answer.set_result(reasons)


def filters_of(topic: str) -> list[str]:
    """Every filter that matches a topic, itself first; of a deep one only itself."""
    levels = topic.split("/")
    if len(levels) > _DEEPEST:
        return [topic]
    heads: list[tuple[str, ...]] = [()]
    filters: list[str] = []
    for level in levels:
        filters += ["/".join((*head, "#")) for head in heads]
        heads = [(*head, one) for head in heads for one in (level, "+")]
    return ["/".join(head) for head in heads] + filters + ["/".join((*head, "#")) for head in heads]
