"""What a session asks of whoever understands the messages of its broker.

One decoder is made for each session, so a new connection begins anew: what it knew of the other
side (birth certificates, first values) is forgotten with the session. `decoder` in `source.py`
chooses it by the configuration; the session knows nothing of any format.

Rules for whoever writes a decoder: no I/O, no clock, no await; nothing that a stranger publishes
may raise (telegraf#13476: a payload that failed to parse stalled the consumer for good), and
nothing that he publishes may grow without a bound.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from agent.model import Reading


class Message(NamedTuple):
    """A message as it arrived.

    Attributes:
        topic: where it was published.
        payload: its bytes.
        retained: the broker had kept it: it is of unknown age.
        received: monotonic nanoseconds of its receipt.
    """

    topic: str
    payload: bytes
    retained: bool
    received: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a message held.

    Attributes:
        readings: of every tag that it concerns; a tag that it should hold and does not is bad.
        unreadable: why some of it could not be read, for the engineer; empty: all of it could.
            Such a message is set aside, to be looked at.
        warning: what a person should be told once, in the log; it quotes nothing of the payload.
    """

    readings: Sequence[Reading] = ()
    unreadable: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A message that the decoder needs published, to be able to read on (a Sparkplug rebirth request)."""

    topic: str
    payload: bytes


class Decoder(Protocol):
    """Understands the messages of one session."""

    def filters(self) -> Sequence[str]:
        """The topic filters to subscribe to, each once; asked once, after the connection."""

    def tags_of(self, topic_filter: str) -> Collection[str]:
        """The tags that come through one of `filters`: they are bad while the broker refuses it."""

    def decode(self, message: Message) -> Decoded | None:
        """Read one message; None: no filter asks for its topic (an earlier configuration did)."""

    def overdue(self, now: int) -> Sequence[Reading]:
        """What has become bad because nothing came in time; asked every second once subscribed."""

    def dropped(self) -> None:
        """Readings that were given were never emitted: the store took nothing, and no more fitted in."""

    def requests(self, now: int) -> Sequence[Request]:
        """What is to be published now (QoS 0, not retained); each is given once.

        Asked when the subscriptions have been answered, then after every message and every second;
        `now` is monotonic nanoseconds, so that a request may be repeated after a time.
        """
