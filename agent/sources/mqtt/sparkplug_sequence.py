"""The messages of one edge node in the order in which it sent them, and the moment when one is lost.

Every message between two birth certificates of an edge node carries the next number, 0 to 255 and 0
again, whatever its topic. A broker may give out messages of different topics in another order; so
what comes too early waits. What waited in vain is dropped: whether it belongs before or after the
missing one's consequences nobody can tell any more.

Rules for whoever changes this file: no I/O, no clock; what is kept is bounded, whatever a stranger
publishes. Source of the rules: Eclipse Sparkplug 3.0, section 5.4.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from agent.codec.sparkplug import MOST_METRICS, Payload

_NUMBERS: Final = 256
_MOST_HELD: Final = 64


class Verb(StrEnum):
    """What a message of an edge node is, as its topic says."""

    NBIRTH = "NBIRTH"
    DBIRTH = "DBIRTH"
    NDATA = "NDATA"
    DDATA = "DDATA"
    NDEATH = "NDEATH"
    DDEATH = "DDEATH"


class Sent(NamedTuple):
    """A message of an edge node.

    Attributes:
        verb: what it is.
        device: the device it speaks of; empty: the edge node itself.
        payload: what it says.
        received: monotonic nanoseconds of its receipt.
    """

    verb: Verb
    device: str
    payload: Payload
    received: int


class InOrder:
    """Gives out messages in their order; one edge node's, from one birth certificate to the next."""

    def __init__(self, patience: int) -> None:
        """`patience`: nanoseconds that what came too early waits for those before it."""
        self._patience = patience
        self._expected: int | None = None
        self._born = 0
        self._held: dict[int, Sent] = {}
        self._until: int | None = None
        self._came = ""

    @property
    def running(self) -> bool:
        """A birth certificate has begun it."""
        return self._expected is not None

    def begin(self, birth: Payload) -> None:
        """Begin with the node's birth certificate; what waited is dropped, it may be of before."""
        self.end()
        self._expected = ((birth.seq or 0) + 1) % _NUMBERS
        self._born = birth.stamp

    def end(self) -> None:
        """The node is offline, or nothing is known of it: nothing is in order until the next `begin`."""
        self._expected = self._until = None
        self._held.clear()

    def take(self, sent: Sent) -> list[Sent]:
        """Take a message; give those whose turn it is now."""
        if self._expected is None:
            return []
        if sent.payload.seq != self._expected or self._is_of_before(sent):
            self._hold(sent)
            return []
        ready = [sent]
        self._expected = (self._expected + 1) % _NUMBERS
        while (following := self._held.pop(self._expected, None)) is not None:
            ready.append(following)
            self._expected = (self._expected + 1) % _NUMBERS
        self._until = sent.received + self._patience if self._held else None
        return ready

    def lost(self, now: int) -> str:
        """Say what is missing for good, once; empty: nothing is. It goes on behind what came last."""
        if self._until is None or now < self._until or self._expected is None:
            return ""
        why = f"a message was lost (number {self._expected} expected, {self._came} came)"
        if self._held:
            self._expected = (next(reversed(self._held)) + 1) % _NUMBERS
        self._held.clear()
        self._until = None
        return why

    def _hold(self, sent: Sent) -> None:
        seq, of_before = sent.payload.seq, self._is_of_before(sent)
        if seq is None or seq >= _NUMBERS:
            self._came = "one without a number"
        elif self._until is None:
            self._came = "one of before its birth certificate" if of_before else str(seq)
        if seq is None or seq >= _NUMBERS or seq in self._held or self._is_full(sent):
            self._until = sent.received  # waiting makes no sense
            return
        if not of_before:
            self._held[seq] = sent
        if self._until is None:
            self._until = sent.received + self._patience

    def _is_of_before(self, sent: Sent) -> bool:
        """It was sent before the birth certificate that we know, by the clock of both."""
        return 0 < sent.payload.stamp < self._born

    def _is_full(self, sent: Sent) -> bool:
        weight = sum(len(held.payload.metrics) for held in self._held.values()) + len(sent.payload.metrics)
        return len(self._held) >= _MOST_HELD or weight > MOST_METRICS
