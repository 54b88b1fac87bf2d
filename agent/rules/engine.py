"""The engine: what is seen goes in, what happened comes out, and nothing is final until it is kept.

`take` steps every rule that a batch concerns, on a tentative state. The caller commits what came of
it and says `keep` when it is on disk, or `fall_back` when the commit failed: then this batch and all
taken after it are undone (design: architecture, idea 2). Timers are a heap of instants, checked
against the state when they come up, so an entry may be early but never late.

Rules for whoever changes it: no clock, no await, no I/O. All state hangs on holders (`Run`, `Tag`,
`Source`) as one frozen value each, and only `_set` replaces it.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias, assert_never

from agent.model import Alive, Command, Event, Link, Quality, Reading, Seen, TagSpec, Tick, WallClock, bad
from agent.rules.inputs import Sight, Source, SourceState, Tag, TagState
from agent.rules.projection import Mint
from agent.rules.restart import away, told_removed
from agent.rules.runs import RuleState, Run, start_run
from agent.rules.saved import decode, encode
from agent.rules.spec import AlarmSpec, RuleSpec
from agent.rules.taken import NOTHING, Taken
from agent.rules.timers import Timers

Holder: TypeAlias = Run | Tag | Source


class Engine:
    """All rules over all tags; `evaluations`: how many of them the readings of the last batch were shown to."""

    def __init__(
        self,
        rules: Sequence[RuleSpec],
        tags: Iterable[TagSpec],
        sources: Iterable[str],
        *,
        mint: Mint,
        started: int,
    ) -> None:
        self._mint = mint
        self._now = started
        self.sources = {name: Source(name, started) for name in sources}
        self.tags: dict[str, Tag] = {}
        for spec in tags:
            tag = Tag(spec, self.sources[spec.source], started)
            self.tags[spec.name] = tag
            tag.source.tags.append(tag)
        self.runs: dict[str, Run] = {}
        self._timers = Timers()
        self._journal: list[tuple[Holder, object, int]] = []
        self._tickets: deque[int] = deque()
        self._events: list[Event] = []
        self._durable = False
        self.evaluations = 0
        self.dirty: dict[str, Run] = {}
        self.late: dict[str, Tag] = {}
        for index, rule in enumerate(rules):
            self._add(rule, index)

    def _add(self, spec: RuleSpec, index: int) -> None:
        if isinstance(spec, AlarmSpec) and spec.of_source:
            source = self.sources[spec.subject]
            run = start_run(spec, source, index)
            source.runs.append(run)
        else:
            tag = self.tags[spec.subject]
            run = start_run(spec, tag if spec.stale_after is None else Sight(tag, spec.stale_after), index)
            tag.runs.append(run)
        self.runs[spec.name] = run
        self._timers.schedule(run)

    # --- the caller's side ---------------------------------------------------------------------

    @property
    def due(self) -> int | None:
        """When the next `Tick` is wanted at the latest (it may turn out that nothing was due)."""
        return self._timers.due

    @property
    def tentative(self) -> bool:
        """Something taken is not on disk yet: what is taken now stands on it."""
        return bool(self._tickets)

    def take(self, batch: Iterable[Seen]) -> Taken:
        """Step through `batch` in order; a durable result is tentative until `keep`."""
        self._events, self._durable, self.evaluations = [], False, 0
        start = len(self._journal)
        for seen in batch:
            self._see(seen)
        return self._taken(start)

    def _taken(self, start: int, removed: Sequence[str] = ()) -> Taken:
        if not (self._durable or self._events or removed):
            if not self._tickets:
                self._journal.clear()
            return NOTHING
        self._tickets.append(len(self._journal))
        touched = [holder for holder, _, _ in self._journal[start:]]
        return Taken(
            events=self._events,
            runs={
                holder.spec.name: holder.state for holder in touched if not isinstance(holder, Tag | Source)
            },
            times={
                holder.spec.name: holder.state.last_time
                for holder in touched
                if isinstance(holder, Tag) and holder.spec.timed and holder.state.last_time is not None
            },
            durable=True,
            removed=removed,
        )

    def keep(self, taken: Taken) -> None:
        """The oldest durable batch, `taken`, is on disk."""
        done = self._tickets.popleft()
        del self._journal[:done]
        self._tickets = deque(end - done for end in self._tickets)
        if not self._tickets:
            self._journal.clear()
        for name, state in taken.runs.items():
            if name in self.dirty and self.dirty[name].state is state:
                del self.dirty[name]
        for name, time in taken.times.items():
            if name in self.late and self.late[name].state.last_time == time:
                del self.late[name]

    def fall_back(self) -> int | None:
        """A commit failed: undo all since the last kept batch, whose values are lost sight of; since when."""
        since = self._journal[0][2] if self._journal else None
        for holder, before, at in reversed(self._journal):
            holder.become(before)  # type: ignore[arg-type]  # the journal pairs a holder with its own kind
            if isinstance(holder, Tag):
                holder.become(holder.state._replace(cut=min(holder.state.cut, at)))
        self._journal.clear()
        self._tickets.clear()
        self._timers.clear()
        for run in self.runs.values():
            self._timers.schedule(run)
        return since

    # --- start and reload -----------------------------------------------------------------------

    def restore(
        self,
        kept: Mapping[str, bytes],
        times: Mapping[str, int],
        *,
        shift: int = 0,
        away_since: int | None = None,
    ) -> Taken:
        """Take up what the store kept; the first good value of each tag decides what it means now.

        Args:
            kept: rule states by rule name, as `saved.encode` wrote them.
            times: newest device stamp of each timed tag.
            shift: what to add to their instants (another boot has another zero), nanoseconds.
            away_since: since when nobody watched; None: somebody always did (a reload).
        """
        self._events, self._durable = [], False
        return self._taken(0, self._restore(kept, times, shift, away_since))

    def _restore(
        self, kept: Mapping[str, bytes], times: Mapping[str, int], shift: int, away_since: int | None
    ) -> list[str]:
        for name, time in times.items():
            if name in self.tags:
                self._set(self.tags[name], self.tags[name].state._replace(last_time=time))
                self.late[name] = self.tags[name]
        states = {
            name: decode(run.spec, kept[name], shift) for name, run in self.runs.items() if name in kept
        }
        removed = [name for name in kept if states.get(name) is None]  # or it is a rule of another kind now
        for name in removed:
            self._events += told_removed(name, kept[name], shift, self._now, self._mint)
        for name, run in self.runs.items():
            state = states.get(name)
            if state is not None:
                self._set(run, state if away_since is None else away(state, away_since))
                self.dirty[name] = run
            self._timers.schedule(run)
        return removed

    def take_over(self, before: "Engine") -> Taken:
        """Go on where `before` stands, under a changed configuration: nobody looked away."""
        for name, tag in self.tags.items():
            if name in before.tags and before.tags[name].source.name == tag.source.name:
                tag.become(before.tags[name].state)
        for name, source in self.sources.items():
            if name in before.sources:
                source.become(before.sources[name].state)
        started, self._now = self._now, before._now  # noqa: SLF001 - the same kind of engine
        kept = {name: encode(run.spec, run.state) for name, run in before.runs.items()}
        times = {
            name: tag.state.last_time for name, tag in self.tags.items() if tag.state.last_time is not None
        }
        self._events, self._durable = [], False
        removed = self._restore(kept, times, 0, None)
        for run in self.runs.values():
            believed = run.view.quality is not Quality.BAD and run.view.fresh_until >= max(started, self._now)
            if believed and not run.state.settled:
                self._put(run, *run.observe(self._now, self._mint, baseline=False))
                self._timers.schedule(run)
        return self._taken(0, removed)

    # --- one thing seen -------------------------------------------------------------------------

    def _see(self, seen: Seen) -> None:
        match seen:
            case Reading():
                self._read(seen)
            case Tick():
                self._pass_time(seen.at)
            case Link():
                self._link(seen)
            case Alive():
                self._alive(seen)
            case WallClock() | Command():
                self._pass_time(seen.at)
            case _:
                assert_never(seen)

    def _pass_time(self, now: int) -> None:
        self._now = max(self._now, now)
        while (run := self._timers.pop(self._now)) is not None:
            self._put(run, *run.advance(self._now, self._mint))
            self._timers.schedule(run)

    def _read(self, reading: Reading) -> None:
        tag = self.tags.get(reading.tag)
        if tag is None:
            return
        state = tag.state
        stamp = reading.source_time
        if tag.spec.timed and stamp is not None:
            if state.last_time is not None and stamp <= state.last_time:
                return
        else:
            stamp = state.last_time
        self._pass_time(reading.received)
        self.evaluations += len(tag.runs)
        now, value, failed = self._now, reading.value, reading.quality is Quality.BAD
        moved = [run for run in tag.runs if failed or not run.unmoved_by(value)]
        for run in moved:
            self._put(run, *run.advance(now, self._mint))
        if failed:
            since = now if state.bad_since is None else state.bad_since
            self._set(tag, state._replace(reading=reading, bad_since=since))
        else:
            self._set(tag, TagState(reading, None, reading.received, stamp))
            if tag.spec.timed and stamp is not None:
                self.late[tag.spec.name] = tag
        for run in moved:
            if failed:
                self._put(run, *run.lose_sight(now, self._mint))
            else:
                self._put(run, *run.observe(now, self._mint, baseline=reading.baseline))
            self._timers.schedule(run)

    def _link(self, link: Link) -> None:
        source = self.sources.get(link.source)
        if source is None:
            return
        self._pass_time(link.at)
        now = self._now
        down_since = None if link.up else now if source.state.down_since is None else source.state.down_since
        self._set(source, SourceState(down_since, source.state.alive, link.reason))
        for run in source.runs:
            if link.up:
                self._put(run, *run.observe(now, self._mint, baseline=False))
            self._timers.schedule(run)
        if not link.up:
            for tag in source.tags:
                self._read(bad(tag.spec.name, now, link.reason))

    def _alive(self, alive: Alive) -> None:
        """A keep-alive: values that can be read are evidence, though they did not change."""
        source = self.sources.get(alive.source)
        if source is None:
            return
        self._pass_time(alive.at)
        self._set(source, source.state._replace(alive=self._now))
        for tag in source.tags:
            for run in tag.runs:
                if run.awaits_sample and tag.state.bad_since is None and not run.unmoved_by(tag.value):
                    self._put(run, *run.observe(self._now, self._mint, baseline=False))
                    self._timers.schedule(run)

    # --- one rule --------------------------------------------------------------------------------

    def _put(self, run: Run, state: RuleState, events: Sequence[Event]) -> None:
        if state is run.state:
            return
        self._durable = self._durable or run.must_last(state)  # type: ignore[arg-type]  # its own kind of state
        self._events += events
        self._set(run, state)
        self.dirty[run.spec.name] = run

    def _set(self, holder: Holder, state: RuleState | TagState | SourceState) -> None:
        self._journal.append((holder, holder.state, self._now))
        holder.become(state)  # type: ignore[arg-type]  # callers pair a holder with its own kind of state
