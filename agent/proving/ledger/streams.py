"""What was received, by whose numbers they are; and what agents said of events that never came.

The logs that are to be proved hold what one destination was sent. Logs beside them, of other receivers of
the same agents, tell what was given up here: an agent tells nobody of its own dead letters.

Rules for whoever changes this: pure; the order of lines and their repetition change nothing.
"""

from dataclasses import dataclass, field
from typing import Final, assert_never

from agent.proving.ledger.chain import UNKNOWN, Stretch, Stretches
from agent.proving.ledger.entries import Beat, Death, Entry, Gap, Numbered, StateLost, Unnumbered, Who

_REASONS: Final = 50
OTHER_REASONS: Final = "other reasons"


@dataclass(slots=True)
class Stream:
    """What one destination was sent of one epoch.

    What comes late (sent again by hand, replayed, or fallen back from another destination) may stand beside the
    chain of the others: it then names as `previous` what was newest here when it was sent on. (History that a
    device delivered late looks the same, and stands in the chain.)

    Attributes:
        received: what the events account for that came in the usual way.
        claimed: what those account for that came late.
        late: the numbers of these.
        first_late: the numbers of those among them that name no predecessor.
        lowest, highest: the events with these numbers, and when they happened; None: none came.
        backwards: how many name a predecessor that comes after them, which no agent sends.
        newest: the heartbeat with the latest instant; None: none came.
        named: the newest number that a heartbeat, or something late, names; 0: none does.
        destinations: who it is, as heartbeats say; two are a log of two destinations.
        told_of: destinations whose dead letters it was told of, so that it is none of them.
    """

    received: Stretches = field(default_factory=Stretches)
    claimed: Stretches = field(default_factory=Stretches)
    late: Stretches = field(default_factory=Stretches)
    first_late: Stretches = field(default_factory=Stretches)
    lowest: Numbered | None = None
    highest: Numbered | None = None
    backwards: int = 0
    newest: Beat | None = None
    named: int = 0
    destinations: set[str] = field(default_factory=set)
    told_of: set[str] = field(default_factory=set)

    def take(self, event: Numbered) -> None:
        """An event arrived."""
        if self.lowest is None or event.seq < self.lowest.seq:
            self.lowest = event
        if self.highest is None or event.seq > self.highest.seq:
            self.highest = event
        previous = event.previous or 0
        alone = Stretch(event.seq - 1, event.seq, event.at, event.at)
        if event.late:
            self.late.add(alone)
            if event.previous is None:
                self.first_late.add(alone)
            elif previous < event.seq:
                self.claimed.add(alone._replace(low=previous))
            else:
                self.named = max(self.named, previous)
        elif previous < event.seq:
            self.received.add(alone._replace(low=previous))
        else:
            self.received.add(alone)
            self.backwards += 1

    def beat(self, beat: Beat) -> None:
        """A heartbeat arrived."""
        self.named = max(self.named, beat.high_water or 0)
        if beat.destination:
            self.destinations.add(beat.destination)
        if self.newest is None or beat.at >= self.newest.at:
            self.newest = beat


@dataclass(slots=True)
class Deaths:
    """Events that were given up for one destination for one reason.

    Attributes:
        numbers: which.
        chained: what they account for, where the record names their predecessors.
    """

    numbers: Stretches = field(default_factory=Stretches)
    chained: Stretches = field(default_factory=Stretches)


@dataclass(slots=True)
class Said:
    """What one agent said in one epoch of events that do not come.

    Attributes:
        gaps: records of gaps by the number of their event.
        deaths: by destination and reason.
        lost: why the epoch began anew.
    """

    gaps: dict[int, Gap] = field(default_factory=dict)
    deaths: dict[str, dict[str, Deaths]] = field(default_factory=dict)
    lost: StateLost | None = None

    def die(self, death: Death) -> None:
        """An event was given up."""
        reasons = self.deaths.setdefault(death.destination, {})
        known = death.reason in reasons or len(reasons) < _REASONS
        deaths = reasons.setdefault(death.reason if known else OTHER_REASONS, Deaths())
        deaths.numbers.add(Stretch(death.seq - 1, death.seq))
        if UNKNOWN < death.previous < death.seq:
            deaths.chained.add(Stretch(death.previous, death.seq))


class Streams:
    """The facts of all logs.

    Attributes:
        streams: by whose numbers they are.
        said: by the same without a path.
        unnumbered: arrivals that carry no number.
    """

    def __init__(self) -> None:
        self.streams: dict[Who, Stream] = {}
        self.said: dict[Who, Said] = {}
        self.unnumbered = 0

    def take(self, entry: Entry, *, beside: bool = False) -> None:
        """Add a fact; `beside`: from the log of another receiver, whose own completeness is not asked for."""
        match entry:
            case Unnumbered():
                self.unnumbered += not beside
            case Numbered() if not beside:
                self._stream(entry.who).take(entry)
            case Beat() if not beside:
                self._stream(entry.who).beat(entry)
            case Numbered() | Beat():
                pass
            case Gap():
                self._said(entry.who).gaps[entry.seq] = entry
            case Death():
                self._said(entry.who).die(entry)
                if not beside:
                    self._stream(entry.who).told_of.add(entry.destination)
            case StateLost():
                self._said(entry.who).lost = entry
            case _:
                assert_never(entry)

    def said_of(self, who: Who) -> Said:
        """What the agent of a stream said of its own losses."""
        return self.said.get(who._replace(path=""), Said())

    def _stream(self, who: Who) -> Stream:
        if who not in self.streams:
            self.streams[who] = Stream()
        return self.streams[who]

    def _said(self, who: Who) -> Said:
        return self.said.setdefault(who._replace(path=""), Said())
