"""What one thing seen does to the board, and to the rules that look at it.

Readings of one instant are one moment: a rule over several tags is looked at once, when all of them
are known, and after the rules that it asks for (`active`). Time passes before anything is looked at,
from due to due, so that a rule which asks for another finds it as it was at that instant.

Rules for whoever changes it: no clock, no await, no I/O. All state hangs on holders (runs, tags,
sources) as one frozen value each, and only `set` replaces it.
"""

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Final, assert_never

from agent.model import Alive, Command, Event, Link, Quality, Reading, Seen, TagSpec, Tick, WallClock, bad
from agent.rules.board import Board
from agent.rules.dependencies import inputs_of
from agent.rules.hand import end_one_shot, obey, refusal
from agent.rules.history import Bursts, Repetitions
from agent.rules.inputs import Source, SourceState, Tag, TagState
from agent.rules.journal import Holder, Journal
from agent.rules.runs import AnyState, Run, is_alarm, start_run
from agent.rules.spec import AlarmSpec, RuleSpec
from agent.rules.timers import Timers

_NO_KEY: Final = ""


class Stepper:
    """All rules over all tags, one step at a time.

    Attributes:
        events: what happened since `begin`.
        durable: something that happened must be on disk before it counts.
        evaluations: how many rules the readings were shown to since `begin`.
        dirty: what changed since it was last handed to the store, by the store's key.
        watched: the tags that somebody looks at, by name; the others cost nothing.
        on_step: told of every rule whose state was replaced, and when (for whoever draws or explains).
    """

    def __init__(
        self,
        rules: Sequence[RuleSpec],
        tags: Iterable[TagSpec],
        sources: Iterable[str],
        mint: Callable[[int], str],
        started: int,
    ) -> None:
        self.mint = mint
        self.board = Board(started)
        self.sources, self.tags = self.board.sources, self.board.tags
        self.runs: dict[str, Run] = {}
        self.timers = Timers()
        self.bursts = Bursts()
        self._repetitions = Repetitions()
        self.journal = Journal()
        self.dirty: dict[str, Holder] = {}
        self.on_step: Callable[[Run, int], None] | None = None
        self.begin()
        self.sources.update((name, Source(name, started)) for name in sources)
        for spec in tags:
            tag = self.tags[spec.name] = Tag(spec, self.sources[spec.source], started)
            tag.source.tags.append(tag)
        for index, rule in enumerate(rules):
            self._add(rule, index)
        told = {name for rule in rules for name in rule.wording.fields.values()}
        self.watched = {name: tag for name, tag in self.tags.items() if tag.runs or tag.joint or name in told}
        self.schedule_all()

    def _add(self, spec: RuleSpec, index: int) -> None:
        run = start_run(spec, self.board, index)
        self.runs[spec.name] = run
        for name in {spec.name, spec.rule_id}:
            self.board.rules.setdefault(name, []).append(run)
        if isinstance(spec, AlarmSpec) and spec.of_source:
            self.sources[spec.subject].runs.append(run)
        for name in inputs_of(spec):
            (self.tags[name].joint if run.joint else self.tags[name].runs).append(run)
        for asked in run.asks:
            for other in self.board.rules[asked]:
                other.dependents.append(run)

    def begin(self) -> None:
        """A new batch."""
        self.events: list[Event] = []
        self.durable = False
        self.evaluations = 0
        self._moment: dict[Run, bool] = {}  # rules that wait for the rest of it, and whether it is a baseline
        self._order: list[tuple[int, Run]] = []  # a heap of them
        self._read_now: set[str] = set()

    def schedule_all(self) -> None:
        """Note anew when every rule wants the clock."""
        self.timers.clear()
        for run in self.runs.values():
            self.timers.schedule(run)
        self.bursts.begin_anew(self.watched)

    # --- one thing seen ---------------------------------------------------------------------------

    def see(self, seen: Seen) -> None:
        """Step through one thing."""
        match seen:
            case Reading():
                self._read(seen)
            case Tick():
                self.pass_time(seen.at)
            case Link():
                self._link(seen)
            case Alive():
                self._alive(seen)
            case WallClock():
                self._set_clock(seen)
            case Command():
                self.pass_time(seen.at)
                self.decide()
                run = self.runs.get(seen.rule)
                if run is not None and is_alarm(run) and not refusal(run, seen):  # time may have overtaken it
                    self.put(run, *obey(run, seen, self.mint))
                    self.timers.schedule(run)
            case _:
                assert_never(seen)

    def pass_time(self, now: int) -> None:
        """Let every timer up to `now` run out, in order of time; what waits for a moment decides within it."""
        while self.bursts.next <= now:
            self._run_out(self.bursts.next)
            if (over := self.bursts.pop(self.watched)) is not None:
                tag, newest = over
                self._take(tag, newest._replace(late=False))
        self._run_out(now)

    def _run_out(self, now: int) -> None:
        board, timers = self.board, self.timers
        now = max(now, board.now)
        if now > board.now:
            self._read_now.clear()
        while True:
            if self._moment and board.now < min(now, timers.next):
                self.decide()
            elif timers.next <= now:
                board.now = max(timers.next, board.now)
                self._tick(timers.pop())
            else:
                break
        board.now = now

    def _tick(self, run: Run) -> None:
        now = self.board.now
        if run in self._moment:  # what it asks for has answered at this very instant
            self.look(run, baseline=self._moment.pop(run))
        self.put(run, *run.pass_time(now, self.mint))
        if run.wants_look(now):
            self.put(run, *run.look(now, self.mint))
        self.timers.schedule(run)

    def decide(self) -> None:
        """The moment is complete: look with every rule that waited for it, the asked before the asking."""
        while self._order:
            _, run = heappop(self._order)
            if run in self._moment:  # it may have looked already
                self.look(run, baseline=self._moment.pop(run))

    def look(self, run: Run, *, baseline: bool = False) -> None:
        """Look with `run` at what the board shows."""
        self.put(run, *run.look(self.board.now, self.mint, baseline=baseline))
        self.timers.schedule(run)

    def _wait(self, run: Run, until: int, *, baseline: bool = False) -> None:
        """Let it look when the moment is complete; `until` then it goes by what the board has shown."""
        if run not in self._moment:
            self.put(run, *run.pass_time(until, self.mint))
            heappush(self._order, (run.index, run))
        self._moment[run] = baseline

    def _read(self, reading: Reading) -> None:
        tag = self.watched.get(reading.tag)
        if tag is None:
            return
        if tag.spec.timed and self._repetitions.passed_over(tag, reading):
            return
        received = reading.received
        if received > self.board.now or self.timers.next <= received or self.bursts.next <= received:
            self.pass_time(received)
        if reading.late:
            self._take_late(tag, reading)
        else:
            self._take(tag, reading)

    def _take(self, tag: Tag, reading: Reading) -> None:
        """A value that holds now: every rule over the tag looks."""
        state, received = tag.state, reading.received
        timed = tag.spec.timed and reading.source_time is not None
        stamp = reading.source_time if timed else state.last_time
        if tag.joint:
            self._join(tag, reading)
        self.evaluations += len(tag.runs)
        now, value, failed = self.board.now, reading.value, reading.quality is Quality.BAD
        news = failed or reading.baseline
        moved = [run for run in tag.runs if news or not run.unmoved_by(value)]
        for run in moved:
            self.put(run, *run.pass_time(now, self.mint))
        if failed:
            since = now if state.bad_since is None else state.bad_since
            self.journal.put(tag, state._replace(reading=reading, bad_since=since, newest=None), now)
        elif timed:
            self.set(f"tag/{reading.tag}", tag, TagState(reading, None, received, stamp))
        else:
            self.journal.put(tag, TagState(reading, None, received, stamp), now)
        for run in moved:
            self.look(run, baseline=reading.baseline)

    def _take_late(self, tag: Tag, reading: Reading) -> None:
        """History: reports of changes are shown it, then the board shows again what it showed."""
        before, now, stamp = tag.state, self.board.now, reading.source_time
        reports = [run for run in tag.runs if not is_alarm(run) and run.state.measured is None]
        if reports and reading.value is not None:
            for run in reports:
                self.put(run, *run.pass_time(now, self.mint))
            self.journal.put(tag, TagState(reading, None, reading.received, stamp), now)
            for run in reports:
                self.look(run, baseline=True)
        self.journal.put(tag, before, now)
        if tag.spec.timed and stamp is not None:  # else nothing tells whether it is newer than that
            self.set(f"tag/{reading.tag}", tag, before._replace(last_time=stamp, newest=reading))
            self.bursts.note(reading)
        for run in reports:
            self.timers.schedule(run)

    def _join(self, tag: Tag, reading: Reading) -> None:
        """Rules that look at others as well wait; a second value of a tag is another moment."""
        if reading.tag in self._read_now:
            self.decide()
        self._read_now.add(reading.tag)
        self.evaluations += len(tag.joint)
        for run in tag.joint:
            self._wait(run, self.board.now, baseline=reading.baseline)

    def _link(self, link: Link) -> None:
        source = self.sources.get(link.source)
        if source is None:
            return
        self.pass_time(link.at)
        self.decide()
        now, before = self.board.now, source.state
        down_since = None if link.up else now if before.down_since is None else before.down_since
        self.set(_NO_KEY, source, SourceState(down_since, before.alive, link.reason))
        for run in source.runs:
            self.look(run)
        if not link.up:
            for tag in source.tags:
                self._read(bad(tag.spec.name, now, link.reason))

    def _alive(self, alive: Alive) -> None:
        """A keep-alive: values that can be read are evidence, though they did not change."""
        source = self.sources.get(alive.source)
        if source is None:
            return
        self.pass_time(alive.at)
        self.decide()
        self.set(_NO_KEY, source, source.state._replace(alive=self.board.now))
        for tag in source.tags:
            if tag.state.bad_since is None:
                for run in (*tag.runs, *tag.joint):
                    if run.awaits_sample and not run.unmoved_by(tag.value):
                        self.look(run)

    def _set_clock(self, clock: WallClock) -> None:
        """The wall clock is another one: every schedule is looked at again."""
        self.pass_time(clock.at)
        self.decide()
        self.set(_NO_KEY, self.board.offset, clock.offset)
        for run in self.runs.values():
            if run.scheduled:
                self.look(run)

    # --- one rule -----------------------------------------------------------------------------------

    def put(self, run: Run, state: AnyState, events: Sequence[Event]) -> None:
        """Take what a step of `run` gave; whoever asks for it looks again if its answer is another one."""
        if state is run.state:
            return
        self.durable = self.durable or run.must_last(state)  # type: ignore[arg-type]  # its own kind of state
        self.events += events
        was_active = run.active
        self.set(f"rule/{run.spec.name}", run, state)
        if run.dependents and run.active is not was_active:
            for dependent in run.dependents:
                self._wait(dependent, self.board.now - 1)  # what runs out now is decided with the new answer
        shelf = state.gate.shelf
        if was_active and not run.active and shelf is not None and shelf.one_shot and is_alarm(run):
            self.put(run, *end_one_shot(run, self.board.now, self.mint))

    def set(self, key: str, holder: Holder, state: object) -> None:
        """Replace a holder's state; `key`: under which the store keeps it, empty if it does not."""
        self.journal.put(holder, state, self.board.now)
        if key:
            self.dirty[key] = holder
            if self.on_step is not None and key.startswith("rule/"):
                self.on_step(self.runs[key.removeprefix("rule/")], self.board.now)
