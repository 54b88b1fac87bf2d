"""Declared gaps: which events were given up for want of room, exactly, so that receivers can still prove the rest.

Produced = delivered + dead-lettered + declared gaps, for each destination, always. So a gap is written in
the transaction that deletes, together with the `store.overflow` that tells it: after a crash there are both
or none. That event is never simply given up itself: a later gap may take its place, and then names all that
it named (`replaces` says which records those are).

Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from agent.model import Event, Json

Ranges: TypeAlias = tuple[tuple[int, int], ...]

MOST_RANGES: Final = 2_000
"""A record that names more pieces takes no other's place: its body has to fit a receiver."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What one eviction gave up.

    Attributes:
        what: `undelivered` or `dead letters`, for people.
        priority: the word of the priority that had its turn.
        seqs: the events that are gone, with what `replaces` named.
        count: how many events are in `seqs`.
        lost: deliveries given up, by the destination's name; of replaced records too.
        replaces: the records of gaps whose place this one takes; their numbers are in `seqs`.
        chains: by destination, `previous` and last of each run of its events that are gone: of the numbers
            between, these are all that were addressed to it. So its receiver knows what else is missing.
    """

    what: str
    priority: str
    seqs: Ranges
    lost: Mapping[str, int] = field(default_factory=dict)
    replaces: Ranges = ()
    chains: Mapping[str, Ranges] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many events are gone."""
        return sum(last - first + 1 for first, last in self.seqs)

    def data(self, limit: str) -> dict[str, Json]:
        """The fields of the `store.overflow`; `limit` is how large the store may be, in words."""
        lost = ", ".join(f"{count} for {name}" for name, count in self.lost.items())
        data: dict[str, Json] = {
            "first": self.seqs[0][0],
            "last": self.seqs[-1][1],
            "count": self.count,
            "seqs": [list(each) for each in self.seqs],
            "what": self.what,
            "priority": self.priority,
            "destinations": dict(self.lost),
            "chains": {name: [list(each) for each in runs] for name, runs in self.chains.items()},
            "message": (
                f"the store is full ({limit}): {self.count} of the oldest events of {self.priority} priority were given up "
                f"({lost}); bring back the destinations that take nothing, or raise store.max_size"
            ),
        }
        if self.replaces:
            data["replaces"] = [list(each) for each in self.replaces]
        return data


def told(event: Event) -> Gap | None:
    """The gap that a `store.overflow` tells; None when it cannot be read from it."""
    data = event.data
    seqs, lost = data.get("seqs"), data.get("destinations")
    if not isinstance(seqs, list) or not isinstance(lost, dict):
        return None
    counts = {name: count for name, count in lost.items() if isinstance(count, int)}
    pieces, written = _pairs(seqs), data.get("chains")
    runs = written.items() if isinstance(written, dict) else ()
    chains = {name: _pairs(each) for name, each in runs if isinstance(each, list)}
    what, word = str(data.get("what")), str(data.get("priority"))
    return Gap(what, word, pieces, counts, chains=chains) if pieces else None


def _pairs(written: Sequence[Json]) -> Ranges:
    return tuple(
        (each[0], each[1])
        for each in written
        if isinstance(each, list) and isinstance(each[0], int) and isinstance(each[1], int)
    )


def ranges(numbers: Iterable[int]) -> Ranges:
    """Numbers as pieces without a hole."""
    return joined((number, number) for number in numbers)


def joined(pieces: Iterable[tuple[int, int]]) -> Ranges:
    """Pieces put together where they touch or overlap."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(pieces):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


def chained(links: Iterable[Mapping[str, Ranges]]) -> dict[str, Ranges]:
    """Runs of each destination: a link begins where the one before it ends, so those that meet are one.

    What stands beside the chain (it was sent on late, and names a later number) is left out.
    """
    found: dict[str, list[tuple[int, int]]] = {}
    for name, each in sorted(
        (name, each) for runs in links for name, pieces in runs.items() for each in pieces
    ):
        low, high = each
        runs = found.setdefault(name, [])
        if runs and low <= runs[-1][1] and low < high:
            runs[-1] = (runs[-1][0], max(high, runs[-1][1]))
        elif low < high:
            runs.append(each)
    return {name: tuple(runs) for name, runs in found.items()}
