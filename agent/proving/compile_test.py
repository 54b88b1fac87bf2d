"""From a unit test as written to a unit test as run: signals read, rules found, commands made.

Rules for whoever changes it: no check stops at its first finding; a mistake that would let a test
pass although it proves nothing (a rule that nothing is read for, signals that end too soon) is one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent.config.fields import format_duration, parse_duration
from agent.config.messages import did_you_mean
from agent.config.model import Configuration
from agent.config.times import wall
from agent.config.yaml_text import Keys
from agent.model import Action, Command, EventType, Json
from agent.proving.concern import concerned, like, watched, with_asked
from agent.proving.expectations import Expected
from agent.proving.notes import Notes
from agent.proving.sections import EVENT_WORDS, TestSection
from agent.proving.signals import Signal, parse_connection, parse_signal
from agent.rules.spec import AlarmSpec, RuleSpec

_FLOOD: Final = ("started", "digest", "ended")
_REASONED: Final = (Action.SHELVE, Action.OUT_OF_SERVICE)


@dataclass(frozen=True, slots=True)
class Restart:
    """The agent is killed at `at` and back at `back`, nanoseconds."""

    at: int
    back: int


@dataclass(frozen=True, slots=True)
class UnitTest:
    """One test; 0 is its begin, all instants are nanoseconds.

    Attributes:
        line: where it stands in its file.
        start: nanoseconds UTC at 0; None: no wall clock is known.
        every: between two samples.
        samples: how many there are.
        signals: by tag.
        links: connections, by source; those that are not here are up.
        restarts, commands, expected: in order of time.
        rules: what it is about: all that they tell is expected.
        played: these, and the rules whose alarms they ask for.
    """

    name: str
    line: int
    start: int | None
    every: int
    samples: int
    signals: Mapping[str, Signal]
    links: Mapping[str, Signal]
    restarts: Sequence[Restart]
    commands: Sequence[Command]
    expected: Sequence[Expected]
    rules: Sequence[RuleSpec]
    played: Sequence[RuleSpec]

    @property
    def end(self) -> int:
        """When the last sample gives way to the next one, that is not there."""
        return self.samples * self.every


def compile_test(test: TestSection, configuration: Configuration, notes: Notes, path: Keys) -> UnitTest:
    """Turn what is written into what is run, and note every mistake; `path` is where the test stands."""
    return _Compiler(test, configuration, notes, path).test()


class _Compiler:
    """One test on its way in."""

    def __init__(self, test: TestSection, configuration: Configuration, notes: Notes, path: Keys) -> None:
        self._written, self._configuration = test, configuration
        self._notes, self._path = notes, path
        self._known = {rule.name: rule for rule in configuration.rules}
        self._rules = {rule.name: rule for rule in concerned(configuration.rules, test.signals, test.only)}
        self._end = 0

    def error(self, text: str, *path: str | int, at_key: bool = False) -> None:
        self._notes.report((*self._path, *path), text, at_key=at_key)

    def test(self) -> UnitTest:
        written = self._written
        signals, links = dict(self._signals()), dict(self._links())
        samples = self._samples({**signals, **links})
        self._end = samples * written.every
        start = None if written.start is None else wall(written.start, self._configuration.agent.zone)
        restarts = tuple(self._restarts())
        self._check_only()
        self._check_pace()
        return UnitTest(
            name=written.name,
            line=self._notes.line(self._path),
            start=start,
            every=written.every,
            samples=samples,
            signals=signals,
            links=links,
            restarts=restarts,
            commands=sorted(self._commands(restarts), key=lambda command: command.at),
            expected=tuple(self._expected()),
            rules=tuple(self._rules.values()),
            played=with_asked(tuple(self._rules.values()), self._configuration.rules),
        )

    # --- what is played -------------------------------------------------------------------------

    def _signals(self) -> Iterator[tuple[str, Signal]]:
        tags = self._configuration.tags
        for tag, written in self._written.signals.items():
            if tag not in tags:
                self.error(f"unknown tag `{tag}`{did_you_mean(tag, tags)}", "signals", tag, at_key=True)
                continue
            try:
                yield tag, parse_signal(written, tags[tag].kind, f"{self._written.name} {tag}")
            except ValueError as error:
                self.error(f"{tag}: {error}", "signals", tag)

    def _links(self) -> Iterator[tuple[str, Signal]]:
        known = self._configuration.sources
        for source, written in self._written.sources.items():
            if source not in known:
                text = f"unknown source `{source}`{did_you_mean(source, known)}"
                self.error(text, "sources", source, at_key=True)
                continue
            try:
                yield source, parse_connection(written)
            except ValueError as error:
                self.error(f"{source}: {error}", "sources", source)

    def _samples(self, signals: Mapping[str, Signal]) -> int:
        """How many samples the test has: those of its longest signal, with which all others must end."""
        samples = max((len(signal.samples) for signal in signals.values()), default=0)
        every = self._written.every
        if not samples and len(signals) == len(self._written.signals) + len(self._written.sources):
            self.error("how long does the test last? Give one of its signals a length: 165 x60", "signals")
        for section in ("signals", "sources"):
            for name in getattr(self._written, section):
                signal = signals.get(name)
                if signal is not None and signal.last is None and len(signal.samples) < samples:
                    ends, end = len(signal.samples) * every, samples * every
                    text = (
                        f"{name} ends at {format_duration(ends)}, the test at {format_duration(end)}: make it "
                        f"{samples - len(signal.samples)} samples longer, or let its last word stand without "
                        f"xN (`gap`, if nothing comes any more)"
                    )
                    self.error(text, section, name)
        return samples

    def _check_only(self) -> None:
        rules = self._configuration.rules
        for index, pattern in enumerate(self._written.only):
            if not any(like(rule, pattern) for rule in rules):
                self.error(f"no rule is like `{pattern}`{did_you_mean(pattern, self._known)}", "only", index)

    def _check_pace(self) -> None:
        for rule in self._rules.values():
            if rule.stale_after is not None and rule.stale_after < self._written.every:
                text = (
                    f"{rule.name} takes a value for stale after {format_duration(rule.stale_after)}: "
                    f"between two samples nothing would be known"
                )
                self.error(text, "every")

    def _restarts(self) -> Iterator[Restart]:
        before = 0
        for index, restart in enumerate(self._written.restart):
            back = restart.at + restart.down
            if restart.at < before:
                self.error("a restart must come after the one before it is over", "restart", index, "at")
            if self._end and back > self._end:
                self.error(f"it is back at {format_duration(back)}: {self._too_short()}", "restart", index)
            before = back
            yield Restart(restart.at, back)

    def _commands(self, restarts: Sequence[Restart]) -> Iterator[Command]:
        for index, hand in enumerate(self._written.do):
            actions = hand.actions()
            if len(actions) != 1:
                known = ", ".join(action.value for action in Action)
                self.error(f"expected one of {known}: what is done?", "do", index)
                continue
            action, rule = next(iter(actions.items()))
            if self._end and hand.at >= self._end:
                self.error(self._too_short(), "do", index, "at")
            if any(restart.at <= hand.at < restart.back for restart in restarts):
                self.error("the agent is away at this time: nobody takes it", "do", index, "at")
            if action in _REASONED and not hand.reason:
                self.error(f"{action.value} needs a reason: add `reason: TEXT`", "do", index)
            if (hand.for_ is None) == (action is Action.SHELVE):
                text = (
                    "a shelf always has an end: add `for: 1h`" if hand.for_ is None else "`for` is a shelf's"
                )
                self.error(text, "do", index, "for")
            self._known_rule(rule, "do", index, action.value)
            until = None if hand.for_ is None else hand.at + hand.for_
            yield Command(rule, action, hand.at, hand.by, hand.reason, until, hand.one_shot)

    # --- what is expected -----------------------------------------------------------------------

    def _expected(self) -> Iterator[Expected]:
        latest = 0
        for index, written in enumerate(self._written.expect):
            words = [word for word in written if word in EVENT_WORDS]
            if len(words) != 1:
                odd = next((key for key in written if key != "at" and key not in EVENT_WORDS), "")
                guess = did_you_mean(odd, EVENT_WORDS) if odd and not words else ""
                text = guess.removeprefix(": ") or f"expected one of {', '.join(EVENT_WORDS)}"
                self.error(
                    f"what is told? {text}" if not words else "two events: give each its own entry",
                    "expect",
                    index,
                )
                continue
            begin, end = self._window(written.get("at"), index)
            subject, condition = self._subject(words[0], written[words[0]], index)
            if begin is not None and begin < latest:
                self.error(
                    "it is expected before the one above it: order them by time", "expect", index, "at"
                )
            latest = max(latest, begin or 0)
            fields = {key: value for key, value in written.items() if key not in {"at", words[0]}}
            line = self._notes.line((*self._path, "expect", index))
            yield Expected(words[0], EVENT_WORDS[words[0]], subject, condition, begin, end, fields, line)

    def _window(self, written: Json, index: int) -> tuple[int | None, int | None]:
        """`190s..198s`, or one instant."""
        if written is None:
            return None, None
        begin, dots, end = str(written).partition("..")
        try:
            window = parse_duration(begin.strip()), parse_duration((end if dots else begin).strip())
        except ValueError:
            self.error("expected an instant or a window, such as 10s or 10s..12s", "expect", index, "at")
            return None, None
        if window[1] < window[0]:
            self.error("the window ends before it begins", "expect", index, "at")
        elif self._end and window[1] > self._end:
            self.error(self._too_short(), "expect", index, "at")
        return window

    def _subject(self, word: str, written: Json, index: int) -> tuple[str, str]:
        """The rule, and the level or condition if one is written after it."""
        text = str(written)
        if EVENT_WORDS[word] is EventType.AGENT_FLOOD:
            if text not in _FLOOD:
                self.error(f"expected one of {', '.join(_FLOOD)}", "expect", index, word)
            return "agent", text
        names = [name for name in self._known if text == name or text.startswith(f"{name} ")]
        name = max(names, key=len, default="")
        if not self._known_rule(name or text.split(" ", maxsplit=1)[0], "expect", index, word):
            return text, ""
        condition = text.removeprefix(name).strip()
        rule = self._known[name]
        levels = [each.say.name for each in rule.conditions] if isinstance(rule, AlarmSpec) else ["change"]
        if condition and condition not in levels:
            text = f"{name} has no condition `{condition}`{did_you_mean(condition, levels)}"
            self.error(text, "expect", index, word)
        return name, condition

    def _known_rule(self, name: str, *path: str | int) -> bool:
        if name not in self._known:
            self.error(f"unknown rule `{name}`{did_you_mean(name, self._known)}", *path)
            return False
        if (
            name not in self._rules
            and self._written.only
            and not any(like(self._known[name], pattern) for pattern in self._written.only)
        ):
            self.error(f"{name} is not among the rules of `only`: add it", *path)
        elif name not in self._rules:
            tags = ", ".join(sorted(watched(self._known[name])))
            text = f"{name} watches {tags}, and the test gives no signal for it: add one (`gap` if nothing comes)"
            self.error(text, *path)
        return True

    def _too_short(self) -> str:
        every = format_duration(self._written.every)
        return (
            f"the signals end at {format_duration(self._end)}, so nothing is proved after that: "
            f"make them longer (a sample is {every})"
        )
