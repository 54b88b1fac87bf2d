"""The last reading of every tag, whether a rule looks at it or not: table `values` of the page, and trends.

    pipeline.emit -> note -> (each second, or when a page is told) gather -> rows, trends

Rules for whoever changes this: `note` is on the road of every reading and only appends; a row is made when
somebody looks, and only of what has changed since.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import Final, NoReturn

from agent.clock import Clock
from agent.config.model import Configuration
from agent.model import MILLISECOND, SECOND, Json, Link, Quality, Reading, Seen, TagSpec, Value, bad
from agent.showing.text import told
from agent.stamps import Reckoning
from agent.trends import EVERY, Trends

_GATHER_EVERY_S: Final = 1.0
_BURST_OVER: Final = SECOND  # as for the rules: see `agent.rules.history`
_MOST_FOUND: Final = 10_000  # tags that a source names itself: strangers choose those names
_STEP: Final = 100 * MILLISECOND
_LONGEST_TEXT: Final = 200
_EXACT: Final = 2**53  # beyond, JavaScript rounds
_MOST_BITS: Final = 512
_BACK: Final = "its source is connected again, and nothing has come of it since"


class Board:
    """What was read last.

    Attributes:
        found: the tags that sources name themselves, by what they find (MQTT wildcards).
    """

    def __init__(
        self, configuration: Configuration, clock: Clock, reckoning: Callable[[], Reckoning]
    ) -> None:
        """Begin with nothing read; `reckoning` tells how instants become stamps."""
        self.found: dict[str, TagSpec] = {}
        self._clock = clock
        self._reckoning = reckoning
        self._offset = reckoning().offset
        self._configuration = configuration
        self._tags_of: dict[str, list[str]] = {}
        self._stale_after: dict[str, int] = {}
        self._pending: list[Sequence[Seen]] = []
        self._latest: dict[str, Reading] = {}
        self._late: dict[str, Reading] = {}
        self._down: dict[str, str] = {}  # why, by source
        self._touched: set[str] = set()
        self._trends = Trends(clock.monotonic())
        self.watch(configuration)

    # --- what comes in ----------------------------------------------------------------------------

    def note(self, batch: Sequence[Seen]) -> None:
        """Take what has come, whether the store takes what follows of it or not; costs next to nothing."""
        self._pending.append(batch)

    def watch(self, configuration: Configuration) -> None:
        """Show the tags of this configuration from now on; those that are gone are forgotten."""
        self.gather()
        self._configuration = configuration
        self._tags_of, self._stale_after = defaultdict(list), {}
        for spec in configuration.tags.values():
            self._add(spec)
        found, self.found = self.found, {}
        gone = {name for name in {*found, *self._latest} if not self._knows(name)}
        for name in gone & self._latest.keys():
            del self._latest[name]
            self._touched.add(name)
        self._trends.forget(gone)

    async def run(self) -> NoReturn:
        """Gather until cancelled."""
        while True:
            await asyncio.sleep(_GATHER_EVERY_S)
            self.gather()
            self._trends.sample(self._clock.monotonic(), self._latest, self._stale_after)

    def gather(self) -> None:
        """Merge what has come."""
        batches, self._pending = self._pending, []
        fresh: dict[str, Reading] = {}
        for batch in batches:
            for seen in batch:
                if type(seen) is Reading:
                    (self._late if seen.late else fresh)[seen.tag] = seen
                elif isinstance(seen, Link):
                    self._take(fresh)
                    fresh = {}
                    self._take(self._back(seen) if seen.up else self._lost(seen))
        self._take(fresh)
        if self._late:
            over = self._clock.monotonic() - _BURST_OVER
            self._take({tag: late for tag, late in self._late.items() if late.received <= over})

    def _take(self, fresh: dict[str, Reading]) -> None:
        for name in fresh.keys() - self._latest.keys():
            if not self._knows(name):
                del fresh[name]
                self._late.pop(name, None)
        self._latest.update(fresh)
        self._touched.update(fresh)
        if self._late:
            for name in fresh:
                self._late.pop(name, None)

    def _lost(self, link: Link) -> dict[str, Reading]:
        """Every tag of a source that went down; those that are bad for this very reason already stay as they are."""
        self._down[link.source] = link.reason
        known = {name: self._latest.get(name) for name in self._tags_of.get(link.source, ())}
        return {
            name: bad(name, link.at, link.reason)
            for name, last in known.items()
            if last is None or last.reason != link.reason or last.quality is not Quality.BAD
        }

    def _back(self, link: Link) -> dict[str, Reading]:
        """Those that were bad because it was down: that is not why any more."""
        why = self._down.pop(link.source, None)
        known = [self._latest[name] for name in self._tags_of.get(link.source, ()) if name in self._latest]
        return {
            last.tag: last._replace(reason=_BACK)
            for last in known
            if last.reason == why and last.quality is Quality.BAD
        }

    def _knows(self, name: str) -> bool:
        """Whether a tag may have this name; one that a source has just made is added."""
        if name in self._configuration.tags or name in self.found:
            return True
        if len(self.found) < _MOST_FOUND:
            for source, config in self._configuration.sources.items():
                if (spec := config.tag_named(source, name)) is not None:
                    self.found[name] = spec
                    self._add(spec)
                    return True
        return False

    def _add(self, spec: TagSpec) -> None:
        self._tags_of.setdefault(spec.source, []).append(spec.name)
        if spec.stale_after is not None:
            self._stale_after[spec.name] = spec.stale_after

    # --- what is shown ----------------------------------------------------------------------------

    def rows(self) -> dict[str, Json]:
        """Table `values`, all of it."""
        self._refresh()
        offset = self._offset
        return {name: _row(reading, offset) for name, reading in self._latest.items()}

    def changed(self) -> dict[str, Json]:
        """The rows that have changed since this was last asked; None: the tag is gone."""
        self._refresh()
        touched, self._touched = self._touched, set()
        latest, offset = self._latest, self._offset
        return {name: _row(latest[name], offset) if name in latest else None for name in touched}

    def trends(self, tags: Iterable[str]) -> dict[str, Json]:
        """What these were lately; see `agent.web.tables.Trends`."""
        self._refresh()
        newest, found = self._trends.of(tags)
        rows: dict[str, Json] = {tag: list(numbers) for tag, numbers in found.items()}
        return {"every_s": EVERY // SECOND, "until": (newest + self._offset) // MILLISECOND, "trends": rows}

    def _refresh(self) -> None:
        """Be up to date. A clock that was set changes every stamp; that it jitters changes none."""
        self.gather()
        offset = self._reckoning().offset
        if abs(offset - self._offset) > _STEP:
            self._offset = offset
            self._touched.update(self._latest)


def _row(reading: Reading, offset: int) -> Json:
    _, value, quality, received, reason, *_ = reading
    row: dict[str, Json] = {
        "value": _shown(value),
        "quality": "good" if quality is Quality.GOOD else quality.value,
        "at": (received + offset) // MILLISECOND,
    }
    if reason:
        row["reason"] = _text(told(reason))
    return row


def _shown(value: Value | None) -> Json:
    """A value as JavaScript can hold it: what it cannot is null, or text where that is exact."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, str):
        return _text(value[:_LONGEST_TEXT])
    if value is None or -_EXACT <= value <= _EXACT:
        return value
    return str(value) if value.bit_length() <= _MOST_BITS else None


def _text(text: str) -> str:
    """Half a surrogate pair has no JSON form; see `agent.delivery.body.sendable`."""
    return text if text.isascii() else text.encode(errors="replace").decode()
