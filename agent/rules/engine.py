"""The engine: what is seen goes in, what happened comes out, and nothing is final until it is kept.

`take` steps every rule that a batch concerns, on a tentative state. The caller commits what came of
it and says `keep` when it is on disk, or `fall_back` when the commit failed: then this batch and all
taken after it are undone (design: architecture, idea 2). What a step is, the stepper knows.

Rules for whoever changes it: no clock, no await, no I/O; nothing is told that the flood protection
has not passed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from agent.model import Command, Seen, TagSpec
from agent.rules import hand, restart
from agent.rules.board import holding
from agent.rules.expression import Expression
from agent.rules.inputs import FOREVER, Tag, TagState
from agent.rules.protection import Protection, left
from agent.rules.runs import Run, is_alarm
from agent.rules.saved import encode, encoded
from agent.rules.spec import FloodSpec, RuleSpec
from agent.rules.stepper import Stepper
from agent.rules.taken import NOTHING, Taken


class Engine:
    """All rules over all tags."""

    def __init__(
        self,
        rules: Sequence[RuleSpec],
        tags: Iterable[TagSpec],
        sources: Iterable[str],
        *,
        mint: Callable[[int], str],
        started: int,
        flood: FloodSpec | None = None,
        watched: Iterable[str] = (),
    ) -> None:
        """Begin; `watched`: the tags that others than rules ask for (see `holding`)."""
        self._steps = Stepper(rules, tags, sources, mint, started)
        self._steps.watched |= {name: self._steps.tags[name] for name in watched if name in self._steps.tags}
        self._flood = Protection(flood) if flood is not None else None
        self._removed: list[str] = []
        self.tags = self._steps.tags
        self.sources = self._steps.sources
        self.runs = self._steps.runs

    # --- the caller's side ---------------------------------------------------------------------

    @property
    def due(self) -> int | None:
        """When the next `Tick` is wanted at the latest (it may turn out that nothing was due)."""
        flood = None if self._flood is None else self._flood.due
        due = min(self._steps.timers.next, self._steps.bursts.next, FOREVER if flood is None else flood)
        return None if due == FOREVER else due

    @property
    def tentative(self) -> bool:
        """Something taken is not on disk yet: what is taken now stands on it."""
        return self._steps.journal.tentative

    @property
    def evaluations(self) -> int:
        """How many rules the readings of the last batch were shown to."""
        return self._steps.evaluations

    @property
    def on_step(self) -> Callable[[Run, int], None] | None:
        """Told of every rule whose state was replaced, and when: for whoever draws or explains."""
        return self._steps.on_step

    @on_step.setter
    def on_step(self, told: Callable[[Run, int], None] | None) -> None:
        self._steps.on_step = told

    def take(self, batch: Iterable[Seen]) -> Taken:
        """Step through `batch` in order; a durable result is tentative until `keep`."""
        self._steps.begin()
        start = len(self._steps.journal)
        for seen in batch:
            self._steps.see(seen)
        return self._taken(start)

    def refusal(self, command: Command) -> str:
        """Why `command` cannot be done, with the remedy; empty if it can."""
        run = self.runs.get(command.rule)
        if run is None:
            return f"there is no rule {command.rule}"
        if not is_alarm(run):
            return f"{command.rule} reports changes: it has no alarm"
        return hand.refusal(run, command)

    def holding(self, condition: Expression, at: int) -> tuple[bool | None, str]:
        """Whether a condition is true at an instant; None: unknown, and beside it what of it is."""
        return holding(self._steps.board, condition, at)

    def _taken(self, start: int, removed: Sequence[str] = ()) -> Taken:
        steps = self._steps
        steps.decide()
        events = steps.events
        if self._flood is not None:
            state, events = self._flood.passed(events, steps.board.now, steps.mint)
            if state is not self._flood.state:
                steps.durable = steps.durable or self._flood.must_last(state)
                steps.set("flood", self._flood, state)
        if not (steps.durable or events or removed):
            steps.journal.forget()
            return NOTHING
        steps.journal.seal()
        touched = set(map(id, steps.journal.touched(start)))
        return Taken(
            events,
            durable=True,
            touched={
                key: (holder, holder.state) for key, holder in steps.dirty.items() if id(holder) in touched
            },
            removed=removed,
        )

    def keep(self, taken: Taken) -> None:
        """The oldest durable batch, `taken`, is on disk."""
        self._steps.journal.keep()
        for key, (holder, state) in taken.touched.items():
            if holder.state is state:
                self._steps.dirty.pop(key, None)

    def unsaved(self) -> dict[str, bytes | None]:
        """What changed since it was last handed to the store; nothing while something is tentative."""
        if self.tentative:
            return {}
        states: dict[str, bytes | None] = {
            key: encoded(each, each.state) for key, each in self._steps.dirty.items()
        }
        self._steps.dirty.clear()
        return states

    def fall_back(self) -> int | None:
        """A commit failed: undo all since the last kept batch, whose values are lost sight of; since when.

        History that was undone hides nothing: the value that was shown beside it still holds.
        """
        journal = self._steps.journal
        since = journal.since
        if since is not None:
            self._steps.board.now = since
        shown = {id(tag): tag.state.reading for tag in journal.touched(0) if isinstance(tag, Tag)}
        for holder, at in journal.undo():
            if isinstance(holder, Tag) and holder.state.reading is not shown[id(holder)]:
                holder.become(holder.state._replace(cut=min(holder.state.cut, at)))
        self._steps.schedule_all()
        return since

    # --- start and reload ---------------------------------------------------------------------------

    def restore(
        self,
        kept: Mapping[str, bytes],
        times: Mapping[str, int],
        *,
        shift: int = 0,
        away_since: int | None = None,
        flood: bytes | None = None,
    ) -> Taken:
        """Take up what the store kept; the first good value of each tag decides what it means now.

        Args:
            kept: rule states by rule name, as `saved.encode` wrote them.
            times: newest device stamp of each timed tag.
            shift: what to add to their instants (another boot has another zero), nanoseconds.
            away_since: since when nobody watched; None: somebody always did (a reload).
            flood: where the protection against floods stood.
        """
        self._steps.begin()
        start = len(self._steps.journal)
        return self._taken(start, self._restore(kept, times, shift, away_since, flood))

    def _restore(
        self,
        kept: Mapping[str, bytes],
        times: Mapping[str, int],
        shift: int,
        away_since: int | None,
        flood: bytes | None,
    ) -> Sequence[str]:
        """What the store need not keep any more, by its key there."""
        steps = self._steps
        if self._flood is not None and flood is not None:
            steps.set("flood", self._flood, self._flood.decoded(flood, shift))
        elif flood is not None:
            steps.events += left(flood, shift, steps.board.now, steps.mint)
        for name, time in times.items():
            if name in self.tags:
                tag = self.tags[name]
                steps.set(f"tag/{name}", tag, tag.state._replace(last_time=time))
        found = restart.found(self.runs.values(), kept, shift, away_since, steps.board.now)
        for run, state in found.states:
            steps.set(f"rule/{run.spec.name}", run, state)
        steps.events += [
            restart.told_unreadable(run, steps.board.now, steps.mint) for run in found.unreadable
        ]
        for name in found.left:
            steps.events += restart.told_removed(name, kept[name], shift, steps.board.now, steps.mint)
        steps.schedule_all()
        ended = ["flood"] if flood is not None and self._flood is None else []
        return [*(f"rule/{name}" for name in found.removed), *ended]

    def take_over(self, before: "Engine") -> Taken:
        """Go on where `before` stands, under a changed configuration: nobody looked away."""
        steps, others = self._steps, before._steps  # noqa: SLF001 - the same kind of engine
        started = max(steps.board.now, others.board.now)
        for name, tag in self.tags.items():
            known = others.watched.get(name)
            if known is not None and known.source.name == tag.source.name:
                tag.become(known.state)
            else:  # nobody looked at it: it is waited for as after a start
                tag.become(TagState(None, started, started))
        for name, source in self.sources.items():
            if name in before.sources:
                source.become(before.sources[name].state)
        steps.board.offset.become(others.board.offset.state)
        steps.board.watched_from = min(steps.board.watched_from, others.board.watched_from)
        steps.board.now = others.board.now
        steps.begin()
        start = len(steps.journal)
        kept = {name: encode(run.spec, run.state) for name, run in before.runs.items()}
        times = {
            name: tag.state.last_time for name, tag in self.tags.items() if tag.state.last_time is not None
        }
        flood = None if before._flood is None else encoded(before._flood, before._flood.state)  # noqa: SLF001 - as above
        removed = self._restore(kept, times, 0, None, flood)
        for run in self.runs.values():
            fresh = run.fresh(started)
            if run.gated or (fresh and not run.state.core.settled):
                steps.put(run, *run.pass_time(steps.board.now, steps.mint))
                steps.look(run)
        return self._taken(start, removed)
