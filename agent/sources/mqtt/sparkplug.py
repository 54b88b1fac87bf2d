"""The decoder of Sparkplug B: whose message it is, which tags are bad meanwhile, when a rebirth is asked for.

What a host application does beyond that is not done here: no STATE message is published, for this
agent is no primary host that edge nodes would wait for; STATE messages of others are not read.

Rules for whoever changes this file: those of every decoder (`decode.py`); the rebirth request is the
one thing that is ever published; an edge node is asked at most every `_FIRST_PAUSE`, and ever more
rarely while that helps nothing.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Final

from agent.codec.payload import Unreadable
from agent.codec.sparkplug import Payload, decode, rebirth_request
from agent.model import MILLISECOND, SECOND, Reading
from agent.sources.mqtt.decode import Decoded, Message, Request
from agent.sources.mqtt.sparkplug_config import SparkplugSource, SparkplugTag
from agent.sources.mqtt.sparkplug_node import EdgeNode
from agent.sources.mqtt.sparkplug_sequence import Sent, Verb

_log = logging.getLogger(__name__)

_NAMESPACE: Final = "spBv1.0"
_LEVELS: Final = (4, 5)  # of a topic: spBv1.0/GROUP/VERB/EDGE NODE, and the device
_FIRST_ASK: Final = 2 * SECOND  # after the connection: an edge node may be sending its birth by itself
_STAGGER: Final = SECOND // 10  # between two edge nodes, so that not all answer at once
_LOOK_EVERY: Final = SECOND // 4  # there may be many edge nodes, and thousands of messages a second
_FIRST_PAUSE: Final = 10 * SECOND
_LONGEST_PAUSE: Final = 300 * SECOND
_FORGIVEN: Final = 600 * SECOND  # without a request: the next one counts as the first
_VERBS: Final = {verb.value: verb for verb in Verb}
_DEVICE_VERBS: Final = frozenset({Verb.DBIRTH, Verb.DDATA, Verb.DDEATH})
_NOT_ASKED: Final = "none is asked for (rebirth_request: false): it comes when the edge node connects anew"
_DROPPED: Final = "messages were dropped while the store took nothing"
_RETAINED: Final = (
    "a retained message, which Sparkplug does not know: it is of unknown age and not believed; "
    "delete it at the broker"
)


class Sparkplug:
    """The edge nodes of one session."""

    def __init__(self, config: SparkplugSource, wall: Callable[[], int]) -> None:
        """Begin with nothing known.

        Args:
            config: the source.
            wall: gives nanoseconds UTC; a request carries its time.
        """
        self._config = config
        self._wall = wall
        tags: dict[tuple[str, str], dict[str, SparkplugTag]] = {}
        for name, tag in config.tags.items():
            tags.setdefault((tag.device.group, tag.device.node), {})[name] = tag
        self._sections = config.tags
        self._tags = {_filter(group, node): list(of) for (group, node), of in tags.items()}
        self._nodes = {
            (group, node): EdgeNode(f"{group}/{node}", of, config.reorder_timeout)
            for (group, node), of in tags.items()
        }
        self._asking = {node: _Asking(at * _STAGGER) for at, node in enumerate(self._nodes)}
        self._unheard = dict.fromkeys(self._nodes)
        self._told: dict[tuple[str, str], str] = {}
        self._look_again = 0
        self._dropped = False

    def filters(self) -> Sequence[str]:
        """One for each edge node: with a part of its messages nobody could tell whether one is missing."""
        return list(self._tags)

    def tags_of(self, topic_filter: str) -> Collection[str]:
        """All tags of the edge node."""
        return self._tags.get(topic_filter, ())

    def decode(self, message: Message) -> Decoded | None:
        """Read one message; commands to the edge node pass by here as well, ours among them."""
        levels = message.topic.split("/")
        if len(levels) not in _LEVELS or levels[0] != _NAMESPACE:
            return Decoded() if self._is_ours(levels) else None
        _, group, word, name, *device = levels
        node = self._nodes.get((group, name))
        if node is None:
            return None
        verb = _VERBS.get(word)
        if verb is None or (verb in _DEVICE_VERBS) != bool(device) or not message.payload:
            return Decoded()  # an empty payload deletes a retained message, which is none of Sparkplug's
        if message.retained:
            return Decoded((), _RETAINED)
        payload = decode(message.payload)
        if verb in {Verb.NBIRTH, Verb.NDEATH}:
            self._unheard.pop((group, name), None)
        if isinstance(payload, Unreadable):
            return Decoded(_unreadable(node, verb, payload.why, message.received), payload.why)
        readings = node.take(Sent(verb, "".join(device), payload, message.received))
        return Decoded([self._sections[reading.tag].believed(reading) for reading in readings])

    def overdue(self, now: int) -> Sequence[Reading]:
        """Say what has become bad because nothing came: at first, all that is not born yet."""
        if self._dropped:
            self._dropped = False
            return [reading for node in self._nodes.values() for reading in node.forget(_DROPPED, now)]
        readings = [
            reading for at in self._unheard for reading in self._nodes[at].forget(self._unborn(*at), now)
        ]
        self._unheard.clear()
        return readings + [reading for node in self._nodes.values() for reading in node.overdue(now)]

    def dropped(self) -> None:
        """Begin anew: what is known here, and what was told, are two things now."""
        self._dropped = True

    def requests(self, now: int) -> Sequence[Request]:
        """Ask for the birth certificates that are missing."""
        if now < self._look_again:
            return ()
        self._look_again = now + _LOOK_EVERY
        due = [
            (at, node)
            for at, node in self._nodes.items()
            if self._asking[at].is_due(now, wanted=bool(node.missing))
        ]
        for at, node in due:
            if self._told.get(at) != node.missing:
                self._told[at] = node.missing
                asked = (
                    "a rebirth of"
                    if self._config.rebirth_request
                    else "no rebirth (rebirth_request: false) of"
                )
                _log.info("Sparkplug: %s %s is asked for: %s", asked, node.name, node.missing)
        if not due or not self._config.rebirth_request:
            return ()
        payload = rebirth_request(self._wall() // MILLISECOND)
        return [Request(f"{_NAMESPACE}/{group}/NCMD/{name}", payload) for (group, name), _ in due]

    def _unborn(self, group: str, name: str) -> str:
        if not self._config.rebirth_request:
            return f"no birth certificate of {group}/{name} has come yet, and {_NOT_ASKED}"
        return (
            f"no birth certificate of {group}/{name} has come yet: check that it is running, and that the "
            f"broker lets the agent read {_filter(group, name)} and publish {_NAMESPACE}/{group}/NCMD/{name}"
        )

    def _is_ours(self, levels: Sequence[str]) -> bool:
        """Tell whether a filter of ours brings it: it takes in whatever lies below an edge node."""
        return (
            len(levels) > max(_LEVELS) and levels[0] == _NAMESPACE and (levels[1], levels[3]) in self._nodes
        )


class _Asking:
    """When an edge node may be asked again."""

    def __init__(self, delay: int) -> None:
        self._delay = delay
        self._next: int | None = None
        self._pause = _FIRST_PAUSE

    def is_due(self, now: int, *, wanted: bool) -> bool:
        if self._next is None:
            self._next = now + _FIRST_ASK + self._delay
        if not wanted or now < self._next:
            return False
        if now - self._next > _FORGIVEN:
            self._pause = _FIRST_PAUSE
        self._next = now + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return True


def _filter(group: str, node: str) -> str:
    return f"{_NAMESPACE}/{group}/+/{node}/#"  # `/#` takes in the level above it: MQTT 3.1.1, 4.7.1.2


def _unreadable(node: EdgeNode, verb: Verb, why: str, now: int) -> Sequence[Reading]:
    """Tell what follows from a message that nobody can read.

    Of data nothing: the gap in the sequence will show. A birth began the edge node anew; and a death
    is a death.
    """
    match verb:
        case Verb.NBIRTH:
            return node.forget(f"the birth certificate of {node.name} cannot be read: {why}", now)
        case Verb.NDEATH:
            return node.take(Sent(verb, "", Payload(None, 0, ()), now))
        case _:
            return ()
