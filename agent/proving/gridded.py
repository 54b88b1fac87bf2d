"""Recorded samples on a grid, as the words of unit tests: `165 x60, 172 x4, bad x30`.

Rules for whoever changes it: a sample goes to the nearest place of the grid; how far it moved, and what had no
place of its own, is counted, so that it can be said.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import isfinite
from typing import Final

from agent.config.model import Configuration
from agent.errors import EdgeRelayError
from agent.model import MILLISECOND, SECOND, Link, Quality, Reading, Seen
from agent.proving.recorded import seen_in
from agent.recorder import watched
from agent.rules.dependencies import inputs_of
from agent.rules.message import show
from agent.rules.spec import AlarmSpec, RuleSpec
from agent.store.chunks import TAG, Key
from agent.store.samples import Recorded

_STEPS: Final = tuple(
    step * MILLISECOND
    for step in (10, 20, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000)
)
_MOST: Final = 20_000
_GAP: Final = "gap"


@dataclass(frozen=True, slots=True)
class Gridded:
    """Samples on a grid.

    Attributes:
        begin: of the grid, UTC nanoseconds.
        every: between two places, nanoseconds.
        signals, links: words by tag and by source; of sources that were not up all the time.
        restarts: when the agent was away (since `begin`), and for how long.
        moved: how far a sample was moved at the most, nanoseconds.
        left_out: how many samples had no place of their own.
    """

    begin: int
    every: int
    signals: Mapping[str, Sequence[str]]
    links: Mapping[str, Sequence[str]]
    restarts: Sequence[tuple[int, int]]
    moved: int
    left_out: int


def gridded(
    configuration: Configuration,
    sessions: Sequence[Recorded],
    rules: Sequence[RuleSpec],
    span: tuple[int, int],
    anchor: int,
) -> Gridded:
    """Lay what was recorded of all that `rules` look at, in `span` (UTC nanoseconds), on a grid.

    One place of the grid is at `anchor`: the onset, which is the instant of a sample.

    Raises:
        EdgeRelayError: a text cannot be written as a word of a test.
    """
    tags = sorted(set[str]().union(*map(inputs_of, rules)))
    sources = {rule.subject for rule in rules if isinstance(rule, AlarmSpec) and rule.of_source}
    sources |= {configuration.tags[tag].source for tag in tags}
    patience = watched(rules, configuration.tags)
    every = _step(configuration, sessions, tags, span)
    # As often as the grid, so that nothing that was seen looks like a gap.
    often: dict[Key, int | None] = {(TAG, tag): 2 * every for tag in tags}
    seen = [one for recorded in sessions for one in seen_in(recorded, often)]
    begin = anchor - (anchor - span[0]) // every * every
    grid = _Grid(begin, every, max(1, (span[1] - begin) // every + 1))
    signals = {tag: list(_words(grid.tag(tag, seen, patience.get((TAG, tag))))) for tag in tags}
    links = {source: list(_words(grid.link(source, seen))) for source in sorted(sources)}
    restarts = [
        (max(0, away - begin) // every * every, -((away - back) // every) * every)
        for away, back in _away(sessions)
        if begin < away < begin + grid.count * every
    ]
    always = [f"up x{grid.count}"]
    shown = {source: words for source, words in links.items() if not signals or words != always}
    return Gridded(begin, every, signals, shown, restarts, grid.moved, grid.left_out)


def _step(
    configuration: Configuration, sessions: Sequence[Recorded], tags: Sequence[str], span: tuple[int, int]
) -> int:
    """As fine as the fastest tag is read; coarser where the test would have too many samples."""
    found: list[int] = []
    for tag in tags:
        if (every := configuration.tags[tag].every) is not None:
            found.append(every)
            continue
        for recorded in sessions:
            holds = recorded.tracks.get((TAG, tag), ())
            found += [(hold.last - hold.first) // (hold.times - 1) for hold in holds if hold.times > 1]
            found += [b.first - a.last for a, b in pairwise(holds) if b.first > a.last]
    # A tenth may come sooner; and what is read each second comes a little sooner or later.
    shortest = (sorted(found)[len(found) // 10] if found else SECOND) * 11 // 10
    least = (span[1] - span[0]) // _MOST
    fitting = [step for step in _STEPS if least <= step <= max(shortest, least, _STEPS[0])]
    return max(fitting, default=next((step for step in _STEPS if step >= least), _STEPS[-1]))


def _away(sessions: Sequence[Recorded]) -> Iterator[tuple[int, int]]:
    for before, after in pairwise(sessions):
        yield before.until + before.offset, after.begin + after.offset


class _Grid:
    def __init__(self, begin: int, every: int, count: int) -> None:
        self._begin, self._every, self.count = begin, every, count
        self.moved = self.left_out = 0

    def _place(self, at: int) -> int:
        return (at - self._begin + self._every // 2) // self._every

    def _count_move(self, at: int, place: int) -> None:
        if 0 < place < self.count:
            self.moved = max(self.moved, abs(at - self._begin - place * self._every))

    def tag(self, tag: str, seen: Sequence[Seen], patience: int | None) -> list[str]:
        """A word for each place; what lasts from before the grid is there from its begin on."""
        places: dict[int, str] = {}
        before = ""
        for one in seen:
            if isinstance(one, Reading) and one.tag == tag:
                word, place = _word(one), max(0, self._place(one.received))
                if word != before:  # where it merely was seen again, nobody can tell
                    self._count_move(one.received, place)
                before = word
                self._put(places, place, word)
        held = self.count if patience is None else patience // self._every
        known = sorted(place for place in places if place < self.count)
        words = [_GAP] * self.count
        for place, after in pairwise([*known, self.count]):
            # Where it came again in time it had not gone; where it did not, it was gone at once.
            lasts = (
                after if after - place <= held or (after == self.count and patience is None) else place + 1
            )
            words[place:lasts] = [places[place]] * (lasts - place)
        return words

    def _put(self, places: dict[int, str], place: int, word: str) -> None:
        if place and places.get(place, word) != word:
            if place - 1 in places:
                self.left_out += 1
            else:  # what is there has just missed its own place
                places[place - 1] = places[place]
        places[place] = word

    def link(self, source: str, seen: Sequence[Seen]) -> list[str]:
        """Up or down, for each place."""
        places = {
            max(0, self._place(one.at)): "up" if one.up else "down"
            for one in seen
            if isinstance(one, Link) and one.source == source
        }
        words: list[str] = []
        for place in range(self.count):
            words.append(places.get(place, words[-1] if words else "up"))
        return words


def _word(reading: Reading) -> str:
    value = reading.value
    if reading.quality is Quality.BAD or value is None or (isinstance(value, float) and not isfinite(value)):
        return "bad"
    if isinstance(value, str):
        if "'" in value or "\n" in value:
            raise EdgeRelayError(f"{reading.tag} was {value!r}, which a unit test cannot write")
        text = f"'{value}'"
    else:
        text = repr(value) if isinstance(value, float) else show(value)
    return f"uncertain {text}" if reading.quality is Quality.UNCERTAIN else text


def _words(places: Sequence[str]) -> Iterator[str]:
    for word, run in groupby(places):
        yield f"{word} x{len(list(run))}"
