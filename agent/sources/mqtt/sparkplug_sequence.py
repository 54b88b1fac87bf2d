"""The messages of one edge node in the order in which it sent them, and the moment when one is lost.

Every message between two birth certificates of an edge node carries the next number, 0 to 255 and 0
again, whatever its topic. A broker may give out messages of different topics in another order; so
what comes too early waits. What waited in vain is dropped: whether it belongs before or after the
missing one's consequences nobody can tell any more. What comes twice, or long after its turn, is told by
its stamp: else it would wait until the numbers come round, and be taken for what holds then.

Rules for whoever changes this file: no I/O, no clock; what is kept is bounded, whatever a stranger
publishes. Source of the rules: Eclipse Sparkplug 3.0, section 5.4.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from agent.codec.sparkplug import MOST_METRICS, Payload

_NUMBERS: Final = 256
_MOST_HELD: Final = 64
_STAMPS_DIFFER: Final = 1_000  # milliseconds by which the stamps of an edge node may not be in its order


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
        self._born = self._newest = 0
        self._held: dict[int, Sent] = {}
        self._until: int | None = None
        self._came = ""

    def has_begun_since(self, birth: Payload) -> bool:
        """It runs since this birth certificate of the node, or since one that was sent after it."""
        return self._expected is not None and 0 < birth.stamp <= self._born

    def begin(self, birth: Payload) -> None:
        """Begin with the node's birth certificate; what waited is dropped, it may be of before."""
        self.end()
        self._expected = ((birth.seq or 0) + 1) % _NUMBERS
        self._born = self._newest = birth.stamp

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
        self._newest = max(self._newest, ready[-1].payload.stamp)
        oldest = next(iter(self._held.values()), None)
        self._until = None if oldest is None else oldest.received + self._patience
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
            self._came = "an older one" if of_before else str(seq)
        if seq is None or seq >= _NUMBERS or seq in self._held or self._is_full(sent):
            self._until = sent.received  # waiting makes no sense
            return
        if not of_before:
            self._held[seq] = sent
        in_vain = not of_before and self._is_far(seq)
        if self._until is None or in_vain:
            self._until = sent.received + (0 if in_vain else self._patience)

    def _is_of_before(self, sent: Sent) -> bool:
        """It was sent before what we have: the birth certificate, or the message that it is."""
        stamp, seq = sent.payload.stamp, sent.payload.seq or 0
        again = self._is_far(seq) and stamp <= self._newest
        return 0 < stamp < max(self._born, self._newest - _STAMPS_DIFFER) or (stamp > 0 and again)

    def _is_far(self, seq: int) -> bool:
        """So many cannot be missing before it; mostly it is behind, not ahead."""
        return (seq - (self._expected or 0)) % _NUMBERS >= _MOST_HELD

    def _is_full(self, sent: Sent) -> bool:
        weight = sum(len(held.payload.metrics) for held in self._held.values()) + len(sent.payload.metrics)
        return len(self._held) >= _MOST_HELD or weight > MOST_METRICS
