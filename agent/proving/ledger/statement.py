"""What the facts of a log prove: everything is there, or is named by the agent; else which numbers are missing, and why.

Rules for whoever changes this: pure. Nothing is called complete that is not proved: where a record does not
say enough, what is left counts as a hole, and says so. A cause is a guess and reads like one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from agent.proving.ledger.chain import (
    UNKNOWN,
    Hole,
    Stretch,
    Stretches,
    common,
    holes,
    overlapping,
    union,
    without,
)
from agent.proving.ledger.entries import Gap, Span, Who
from agent.proving.ledger.streams import Said, Stream, Streams

_MOST: Final = 1_000
"""So many holes are told of a stream; more are counted."""

_BESIDE: Final = "beside declared gaps; the record does not say whether these were addressed here"


@dataclass(frozen=True, slots=True)
class Missing:
    """A hole.

    Attributes:
        first, last: the numbers between which nothing is accounted for; `last` is an event that was named,
            unless it is not `certain` that any of them was addressed to this destination.
        after, before: when the events beside it happened, UTC ms or UNKNOWN.
        cause: the likely one, for a person.
    """

    first: int
    last: int
    after: int
    before: int
    cause: str
    certain: bool


@dataclass(frozen=True, slots=True)
class Declared:
    """Events that never came, and that the agent named.

    Attributes:
        first, last: the numbers between which they stand.
        count: how many of this destination's events they are, as far as the record says.
        cause: what the record says.
    """

    first: int
    last: int
    count: int
    cause: str


@dataclass(frozen=True, slots=True)
class Statement:
    """What is proved of one stream.

    Attributes:
        who: whose numbers they are.
        destination: its name in the agent's configuration, empty if nothing tells.
        received: events that came.
        again: arrivals of events that were there already, as far as their numbers tell.
        late: how many of all came out of their order: sent again by hand, replayed, as another destination's
            fallback, or as history that a device delivered late.
        first, last: the lowest and the highest number that came; None: none did.
        began, ended: when these happened, UTC ms or UNKNOWN.
        holes: what is missing, at most a thousand.
        more: further holes.
        declared: what is missing and was named.
        notes: what else a person should know, a sentence each.
    """

    who: Who
    destination: str
    received: int
    again: int
    late: int
    first: int | None
    last: int | None
    began: int
    ended: int
    holes: tuple[Missing, ...] = ()
    more: int = 0
    declared: tuple[Declared, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def complete(self) -> bool:
        """Every event that was addressed to it came, or was named."""
        return not self.holes


def statements(facts: Streams, destination: str = "") -> list[Statement]:
    """What is proved of each stream; `destination`: what all of them are called, where heartbeats do not tell."""
    who = sorted(
        facts.streams, key=lambda each: (each.site, each.agent, each.path, _began(facts.streams[each]))
    )
    return [_statement(facts.streams[each], facts.said_of(each), each, destination) for each in who]


def _began(stream: Stream) -> int:
    return UNKNOWN if stream.lowest is None else stream.lowest.at


def _statement(stream: Stream, said: Said, who: Who, destination: str) -> Statement:
    name = destination or (min(stream.destinations) if len(stream.destinations) == 1 else "")
    record = _Record(stream, said, name)
    missing = list(record.missing())
    late_again = _count(common(stream.late, list(stream.received)))
    return Statement(
        who,
        name,
        received=stream.received.added + stream.late.added - late_again,
        again=stream.received.again + stream.late.again + late_again,
        late=stream.late.added,
        first=None if stream.lowest is None else stream.lowest.seq,
        last=None if stream.highest is None else stream.highest.seq,
        began=_began(stream),
        ended=UNKNOWN if stream.highest is None else stream.highest.at,
        holes=tuple(_told(hole, stream, certain=certain) for hole, certain in missing[:_MOST]),
        more=max(0, len(missing) - _MOST),
        declared=tuple(record.declared()),
        notes=tuple(_notes(stream, said, name)),
    )


class _Record:
    """What the agent said of events that do not come, as far as it concerns one stream."""

    def __init__(self, stream: Stream, said: Said, name: str) -> None:
        self._stream = stream
        self._name = name
        again = list(union(_numbers(each for gap in said.gaps.values() for each in gap.replaces)))
        self._gaps = [gap for seq, gap in said.gaps.items() if not any(overlapping(again, seq - 1, seq))]
        candidates = [each for each in said.deaths if (each == name if name else each not in stream.told_of)]
        self._deaths = [(each, reason, of) for each in candidates for reason, of in said.deaths[each].items()]
        self._alone = len(candidates) == 1  # else one destination's chain would cover another's holes

    def missing(self) -> Iterator[tuple[Hole, bool]]:
        """The holes, each with whether it is certain that something is lost there."""
        first = list(self._stream.first_late)
        single = list(union(self._single(), self._stream.late))
        covered = union(self._stream.received, self._stream.claimed, self._chained())
        for hole in holes(covered, self._stream.named):
            if any(overlapping(first, hole.high - 1, hole.high)):
                continue  # its last number came late and names no predecessor: there is none
            for piece in without(hole, single):
                yield piece, piece.high == hole.high

    def _chained(self) -> Stretches:
        """What is accounted for by records that say of all numbers what was addressed here."""
        found = Stretches()
        for gap in self._gaps:
            for low, high in gap.chains.get(self._name, ()):
                found.add(Stretch(low, high))
        for _, _, deaths in self._deaths if self._alone else ():
            for stretch in deaths.chained:
                found.add(stretch)
        return found

    def _single(self) -> Stretches:
        """Single numbers that are named, and nothing beside them."""
        found = Stretches()
        for gap in self._gaps:
            for stretch in (
                () if self._name and gap.chains else self._gone(gap)
            ):  # else it says more than this
                found.add(stretch)
        for _, _, deaths in self._deaths:
            for stretch in deaths.numbers:
                found.add(stretch)
        return found

    def declared(self) -> Iterator[Declared]:
        """What the agent named of all that did not come; what was given up twice is told once."""
        came = union(self._stream.received, self._stream.claimed)
        absent = [Stretch(hole.low, hole.high) for hole in holes(came, self._stream.named)]
        gone = list(common(union(*map(self._gone, self._gaps)), absent))
        if gone:
            most = sum(
                gap.counts.get(self._name, 0) if self._name and gap.counts else gap.count
                for gap in self._gaps
            )
            count = min(most, _count(gone))
            records = f"{len(self._gaps)} records" if len(self._gaps) > 1 else "1 record"
            yield Declared(
                gone[0].low + 1, gone[-1].high, count, f"the store was full (store.overflow, {records})"
            )
        for destination, reason, deaths in self._deaths:
            found = list(common(deaths.numbers, absent))
            if count := _count(found) - _count(common(found, gone)):
                cause = f"dead letter for {destination or 'a destination'}: {reason}"
                yield Declared(found[0].low + 1, found[-1].high, count, cause)

    def _gone(self, gap: Gap) -> Stretches:
        """The numbers in a record, those of this destination as far as it says."""
        numbers = _numbers(((gap.first, gap.last),) if gap.numbers is None else gap.numbers)
        if not (self._name and gap.chains):
            return numbers
        runs, found = gap.chains.get(self._name, ()), Stretches()
        for stretch in common(numbers, [Stretch(low, high) for low, high in runs]):
            found.add(stretch)
        return found


def _count(stretches: Iterable[Stretch]) -> int:
    return sum(stretch.high - stretch.low for stretch in stretches)


def _numbers(spans: Iterable[Span]) -> Stretches:
    """Numbers from first to last of each."""
    found = Stretches()
    for first, last in spans:
        found.add(Stretch(first - 1, last))
    return found


def _told(hole: Hole, stream: Stream, *, certain: bool) -> Missing:
    cause = _cause(hole, stream) if certain else _BESIDE
    return Missing(hole.low + 1, hole.high, hole.after, hole.before, cause, certain)


def _cause(hole: Hole, stream: Stream) -> str:
    """The likely one."""
    waiting = 0 if stream.newest is None else stream.newest.waiting
    if waiting:
        return f"still on its way, perhaps: {waiting} waited when the last heartbeat was sent"
    if hole.tail:
        return "a heartbeat named it, and it never came"
    if hole.low == 0:
        return "from before this log begins, or lost"
    return f"not kept here, or given up by the agent: `edge-relay deadletters list --seq {hole.high}` knows"


def _notes(stream: Stream, said: Said, name: str) -> Iterator[str]:
    if odd := len(stream.received.odd) + stream.backwards:
        which = f", first at {stream.received.odd[0].high}" if stream.received.odd else ""
        yield f"{odd} events contradict others{which}: are two destinations in one log?"
    if len(stream.destinations) > 1:
        names = ", ".join(sorted(stream.destinations))
        yield f"this log holds heartbeats of several destinations ({names}): give each its own log"
    if stream.newest is None:
        yield "no heartbeat came: what was lost after the last event that came would not show"
    if said.lost is not None:
        yield f"this epoch began because the one before was lost: {said.lost.message or 'nothing says why'}"
    if not name and said.deaths:
        yield "nothing says which destination this is: name it (--destination), or have it sent heartbeats"
