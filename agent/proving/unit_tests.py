"""Running a unit test: its signals are played through the very engine that runs live.

Rules for whoever changes it: what a source, the pipeline or the store would do to the engine is done
here in the same order; a test that passes here holds in the plant.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from itertools import chain, count
from typing import Final, NamedTuple, TypeAlias

from agent.config.fields import format_duration
from agent.config.model import Configuration
from agent.model import Command, Event, Link, Quality, Reading, Seen, TagSpec, WallClock
from agent.proving.compile_test import UnitTest
from agent.proving.expectations import Expected, Row, compare, condition_of
from agent.proving.play import Player, instant
from agent.rules.dependencies import inputs_of
from agent.rules.engine import Engine
from agent.rules.runs import Run
from agent.rules.taken import Taken

OnStep: TypeAlias = Callable[[Run, int], None]

_UNREADABLE: Final = "bad in the test"
_DOWN: Final = "down in the test"
_FRESH_SAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one test.

    Attributes:
        rows: the whole timeline, expected beside told.
        problem: what is wrong; empty: it passed.
    """

    test: UnitTest
    rows: Sequence[Row]
    problem: str = ""


class Played(NamedTuple):
    """What came of playing a test: what was told, and what operators could not do, a sentence each."""

    events: list[Event]
    refused: list[str]


def judge(test: UnitTest, configuration: Configuration, on_step: OnStep | None = None) -> Outcome:
    """Run a test, and compare what was told with what it expects."""
    events, refused = play_test(test, configuration, on_step=on_step)
    rows = compare(test.expected, events)
    return Outcome(test, rows, ". ".join([*refused, *_sentence(test, rows)]))


def judge_crashing(test: UnitTest, configuration: Configuration) -> Outcome:
    """Run a test twice, the second time with all state written and read back after every step."""
    plain = play_test(test, configuration)
    reborn = play_test(test, configuration, crash=True)
    rows = compare([_as_expected(event) for event in plain.events], reborn.events)
    wrong = list(_sentence(test, rows))
    if reborn.refused != plain.refused:
        wrong += reborn.refused
    return Outcome(test, rows, ". ".join(["after a crash at every sample", *wrong]) if wrong else "")


def play_test(
    test: UnitTest, configuration: Configuration, *, crash: bool = False, on_step: OnStep | None = None
) -> Played:
    """Play a test.

    Args:
        test: what is played.
        configuration: its tags and sources; the rules are the test's.
        crash: write and read back all state after every step.
        on_step: called with a rule and the instant when its state was replaced.
    """
    return _Stage(test, configuration, crash=crash, on_step=on_step).play()


class _Stage:
    """One run of one test: one engine after the other."""

    def __init__(
        self, test: UnitTest, configuration: Configuration, *, crash: bool, on_step: OnStep | None
    ) -> None:
        self._test, self._configuration, self._on_step = test, configuration, on_step
        self._crash, self._minted = crash, count(1)
        self._begin = 0
        self._store: dict[str, bytes | None] = {}
        self._events: list[Event] = []
        self._player = Player(self._engine(0), self._stepped)

    def play(self) -> Played:
        """Play all of it, restarts included."""
        test = self._test
        for restart in test.restarts:
            self._play_until(restart.at)
            self._store |= self._player.engine.unsaved()
            self._begin, self._player.engine = restart.back, self._engine(restart.back)
            self._events += self._keep(_restored(self._player.engine, self._store, restart.at))
        self._play_until(test.end)
        told = {rule.name for rule in test.rules}
        events = [event for event in self._events if not event.rule or event.subject in told]
        return Played(events, [_refusal(command, why) for command, why in self._player.refused])

    def _play_until(self, end: int) -> None:
        seen = seen_between(self._test, self._configuration, self._begin, end)
        for event in self._player.play(seen):
            self._events.append(event)
        self._events += self._player.let_pass(end)

    def _engine(self, started: int) -> Engine:
        engine = Engine(
            self._test.played,
            [_paced(tag, self._test.every) for tag in self._configuration.tags.values()],
            self._configuration.sources,
            mint=lambda _: f"evt_{next(self._minted)}",
            started=started,
            flood=self._configuration.flood,
        )
        engine.on_step = self._on_step
        return engine

    def _keep(self, taken: Taken) -> Sequence[Event]:
        self._store |= taken.states
        return self._player.keep(taken)

    def _stepped(self, taken: Taken) -> None:
        self._store |= taken.states
        if self._crash:
            before, self._player.engine = self._player.engine, self._engine(self._begin)
            self._events += self._keep(self._player.engine.take_over(before))


def _paced(tag: TagSpec, every: int) -> TagSpec:
    """The tag as if it were read with every sample: by default a value is fresh for three readings."""
    if tag.stale_after is None or tag.stale_after >= _FRESH_SAMPLES * every:
        return tag
    return replace(tag, stale_after=_FRESH_SAMPLES * every)


def _restored(engine: Engine, store: Mapping[str, bytes | None], since: int) -> Taken:
    """Give `engine` what is stored of the one before, which was killed at `since`."""
    stored = {key: kept for key, kept in store.items() if kept is not None}
    rules = {key.removeprefix("rule/"): kept for key, kept in stored.items() if key.startswith("rule/")}
    times = {key.removeprefix("tag/"): int(kept) for key, kept in stored.items() if key.startswith("tag/")}
    return engine.restore(rules, times, away_since=since, flood=stored.get("flood"))


def seen_between(test: UnitTest, configuration: Configuration, begin: int, end: int) -> Iterator[Seen]:
    """What an agent sees that starts at `begin` and stops before `end`, in order of time."""
    hands = (command for command in test.commands if begin <= command.at < end)
    return merge(_wall(test, begin), _sampled(test, configuration, begin, end), hands, key=instant)


def _wall(test: UnitTest, begin: int) -> Iterator[Seen]:
    if test.start is not None:
        yield WallClock(begin, test.start)


def _sampled(test: UnitTest, configuration: Configuration, begin: int, end: int) -> Iterator[Seen]:
    """Connections and readings, as sources emit them: the first value after a connect is a baseline."""
    every = test.every
    grid = range(-(-begin // every) * every, min(end, test.end), every)
    source_of = {tag: configuration.tags[tag].source for tag in test.signals}
    up: dict[str, bool] = {}
    known: set[str] = set()  # tags that were read since their source was connected
    for at in chain([] if begin in grid else [begin], grid):
        for source in configuration.sources:
            connected = source not in test.links or test.links[source].sample(at // every).value is True
            if up.get(source) is not connected:
                up[source] = connected
                known -= {tag for tag in known if source_of[tag] == source}
                yield Link(source, up=connected, at=at, reason="" if connected else _DOWN)
        for tag, signal in test.signals.items():
            value, quality = signal.sample(at // every)
            if quality is not None and at in grid and up[source_of[tag]]:
                reason = _UNREADABLE if quality is Quality.BAD else ""
                yield Reading(tag, value, quality, at, reason, baseline=tag not in known)
                known.add(tag)


# --- what is wrong, for a person -------------------------------------------------------------------


def _as_expected(event: Event) -> Expected:
    """Just this event, but for its ids."""
    fields = {name: value for name, value in event.data.items() if name != "occurrence"}
    word = event.type.removeprefix("alarm.")
    return Expected(word, event.type, event.subject, condition_of(event), event.at, event.at, fields)


def _sentence(test: UnitTest, rows: Sequence[Row]) -> Iterator[str]:
    """What is wrong, by the first difference, and what may have been forgotten; nothing if nothing is."""
    row = next((row for row in rows if row.why), None)
    if row is not None:
        what = f"{row.expected}" if row.expected else describe(row.event) if row.event else ""
        yield f"{what}: {row.why}"
        yield from _hints(test, row)


def _refusal(command: Command, why: str) -> str:
    return f"{format_duration(command.at)} {command.action.value} {command.rule} is refused: {why}"


def describe(event: Event) -> str:
    """An event as an expectation would be written."""
    return str(replace(_as_expected(event), fields={}))


def _hints(test: UnitTest, row: Row) -> Iterator[str]:
    """What a person may have forgotten."""
    name = row.expected.subject if row.expected else row.event.subject if row.event else ""
    for rule in test.rules:
        if rule.name != name:
            continue
        unread = sorted(inputs_of(rule) - set(test.signals))
        if unread:
            yield f"It depends on {', '.join(unread)} too, which the test gives no signal"
        gate = rule.gate
        if test.start is None and (gate.hours or gate.maintenance or gate.trial_until is not None):
            yield "It depends on the time of day, and the test has no `start`"
