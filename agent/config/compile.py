"""From rules as written to rules as run: defaults filled in, percentages resolved, references checked.

Rules for whoever changes this: every mistake is reported with its path in the file, and none stops
the next rule. What only one rule can know is checked here; what only one value can know is checked
by its field (`agent.config.rules`).
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Final, TypeAlias, TypeVar

from agent.config.messages import did_you_mean
from agent.config.rules import (
    LIMITS,
    Band,
    ChangeSection,
    ExpectSection,
    LimitSection,
    PriorityWord,
    RuleDefaults,
    RuleSection,
)
from agent.model import SECOND, Priority, TagSpec
from agent.rules.message import Message
from agent.rules.spec import (
    Absence,
    AlarmSpec,
    Announcement,
    Awaited,
    ChangeSpec,
    Condition,
    Limit,
    OnBad,
    RuleSpec,
    State,
    Wording,
)

Report: TypeAlias = Callable[[tuple[str | int, ...], str, str], None]
Said = TypeVar("Said")

COMMUNICATION_WITHIN: Final = 15 * SECOND


def compile_rules(
    sections: Mapping[str, RuleSection],
    defaults: RuleDefaults,
    tags: Mapping[str, TagSpec],
    sources: Collection[str],
    report: Report,
) -> tuple[RuleSpec, ...]:
    """Turn what is written into what is run, and report every mistake that needs tags to be seen.

    Args:
        sections: the rules by name.
        defaults: what holds where a rule is silent.
        tags: every declared tag.
        sources: every declared source, by name.
        report: takes path, text and severity of each problem.

    Returns:
        The rules without errors, and a communication rule for each source that has none.
    """
    compiled = [
        rule
        for name, section in sections.items()
        if (rule := _Compiler(name, section, defaults, tags, sources, report).rule()) is not None
    ]
    return (*compiled, *_communication_rules(sections, sources, report))


def _communication_rules(
    sections: Mapping[str, RuleSection], sources: Collection[str], report: Report
) -> Iterator[AlarmSpec]:
    """The PLC that goes silent pages someone by default, once, not once a tag (design: rules)."""
    watched = {
        section.source for section in sections.values() if section.expect and section.expect.connection
    }
    for source in sources:
        name = f"{source}.communication"
        if source in watched:
            continue
        if name in sections:
            text = f"{name} is the name of the rule that every source gets: choose another"
            report(("rules", name), text, "error")
            continue
        say = Announcement("connection", 1, 0, 0, Priority.HIGH)
        absence = Absence(say, Awaited.CONNECTION, COMMUNICATION_WITHIN)
        yield AlarmSpec(name, source, (absence,), _digest(source, absence), of_source=True)


class _Compiler:
    """One rule on its way into the core; every mistake is reported, the rule is None if there was one."""

    def __init__(
        self,
        name: str,
        section: RuleSection,
        defaults: RuleDefaults,
        tags: Mapping[str, TagSpec],
        sources: Collection[str],
        report: Report,
    ) -> None:
        self.name, self.section, self.defaults = name, section, defaults
        self.tags, self.sources, self._report = tags, sources, report
        self.errors = 0

    def error(self, text: str, *path: str | int) -> None:
        self.errors += 1
        self._report(("rules", self.name, *path), text, "error")

    def rule(self) -> RuleSpec | None:
        """Compile; None when an error was reported."""
        section = self.section
        self._check_shape()
        tag = self._tag()
        if self.errors:
            return None
        message = Message.parse(section.message) if section.message else None
        if section.change is not None:
            rule: RuleSpec = self._change(section.change, tag, message)
        else:
            rule = self._alarm(tag, message)
        return None if self.spoiled() else rule

    def spoiled(self) -> bool:
        """An error was reported."""
        return self.errors > 0

    def _alarm(self, tag: TagSpec | None, message: Message | None) -> AlarmSpec:
        section = self.section
        of_source = section.source is not None
        subject = section.source or section.tag or ""
        on_bad = OnBad.HOLD if of_source else OnBad(section.on_bad or self.defaults.on_bad or "hold")
        conditions = self._conditions(tag, on_bad)
        return AlarmSpec(
            self.name,
            subject,
            conditions,
            _digest(subject, _without_messages(conditions), on_bad, section.stale_after),
            of_source,
            on_bad,
            section.stale_after,
            wording=Wording(message),
        )

    def _check_shape(self) -> None:
        section, kinds = self.section, self.section.conditions()
        if (section.tag is None) == (section.source is None):
            self.error("expected a tag or a source (one of them): what is watched?")
        if not kinds:
            self.error("expected a condition: low, high, is, is_not, change or expect")
        if len(kinds) > 1:
            self.error(f"{kinds[0]} and {kinds[1]} are two rules: give each its own name", kinds[1])
        if section.source is not None and not (section.expect and section.expect.connection):
            self.error(
                "a source has only a connection to watch: expect: {connection: up, within: 15s}", "source"
            )
        if section.expect is not None:
            self._check_expect(section.expect)
        if section.change is not None:
            for key in ("deadband", "on_delay", "off_delay", "on_bad"):
                if getattr(section, key) is not None:
                    hint = (
                        "write the deadband inside change"
                        if key == "deadband"
                        else "a report has no delays and no return"
                    )
                    self.error(f"{key} has no meaning beside change: {hint}", key)

    def _check_expect(self, expect: ExpectSection) -> None:
        if (expect.sample is None) == (expect.connection is None):
            self.error("expected sample: any, or connection: up (one of them)", "expect")
        elif expect.connection is not None and self.section.tag is not None:
            self.error("a connection is a source's: write source instead of tag", "expect", "connection")
        if self.section.on_delay is not None:
            self.error("expect has its delay in within: leave on_delay out", "on_delay")

    def _tag(self) -> TagSpec | None:
        section = self.section
        if section.source is not None and section.source not in self.sources:
            self.error(
                f"unknown source {section.source!r}{did_you_mean(section.source, self.sources)}", "source"
            )
        if section.tag is None:
            return None
        if section.tag not in self.tags:
            self.error(f"unknown tag {section.tag!r}{did_you_mean(section.tag, self.tags)}", "tag")
            return None
        return self.tags[section.tag]

    def _change(self, change: ChangeSection, tag: TagSpec | None, message: Message | None) -> ChangeSpec:
        if change.at_least_every is not None and change.at_least_every <= change.at_most_every:
            self.error("expected at_least_every to be longer than at_most_every", "change", "at_least_every")
        deadband = self._band(change.deadband, tag, "change", "deadband")
        return ChangeSpec(
            self.name,
            self.section.tag or "",
            _digest(self.section.tag, deadband, change.at_most_every, change.at_least_every),
            _priority(self.section.priority or "journal"),
            deadband,
            change.at_most_every,
            change.at_least_every,
            self.section.stale_after,
            wording=Wording(message),
        )

    def _conditions(self, tag: TagSpec | None, on_bad: OnBad) -> tuple[Condition, ...]:
        section = self.section
        conditions: list[Condition] = []
        if section.expect is not None:
            awaited = Awaited.SAMPLE if section.expect.sample else Awaited.CONNECTION
            conditions.append(Absence(self._say(awaited.value, 1), awaited, section.expect.within))
        elif section.is_ is not None:
            conditions.append(State(self._say("is", 1), section.is_))
        elif section.is_not is not None:
            conditions.append(State(self._say("is_not", 1), section.is_not, negated=True))
        else:
            conditions += self._limits(tag)
        if on_bad is OnBad.ALARM:
            say = self._say("quality", 0)
            conditions.append(Absence(say, Awaited.QUALITY, say.on_delay))
        return tuple(conditions)

    def _say(self, name: str, rank: int, own: LimitSection | None = None) -> Announcement:
        levels = [level for level in (own, self.section, self.defaults) if level is not None]
        return Announcement(
            name,
            rank,
            _first((level.on_delay for level in levels), 0),
            _first((level.off_delay for level in levels), 0),
            _priority(_first((level.priority for level in levels), "medium")),
            Message.parse(own.message) if own is not None and own.message else None,
        )

    def _limits(self, tag: TagSpec | None) -> list[Limit]:
        limits: list[Limit] = []
        for key in LIMITS:
            own: LimitSection | None = getattr(self.section, key)
            if own is None:
                continue
            band = _first((own.deadband, self.section.deadband, self.defaults.deadband), Band(0.0))
            where = (key, "deadband") if own.deadband else ("deadband",) if self.section.deadband else ()
            say = self._say(key, 2 if key in ("low_low", "high_high") else 1, own)
            side = 1 if key.startswith("high") else -1
            limits.append(Limit(say, side, float(own.at), self._band(band, tag, *where)))
        self._check_order(limits)
        return limits

    def _check_order(self, limits: list[Limit]) -> None:
        """Each limit with its deadband stands clear of the next (OPC UA Part 9, 5.8.18)."""
        for lower, upper in pairwise(limits):
            top = lower.at + (lower.deadband if lower.side < 0 else 0)
            bottom = upper.at - (upper.deadband if upper.side > 0 else 0)
            if top < bottom or (lower.side == upper.side and lower.at < upper.at and top <= bottom):
                continue
            names = f"{lower.say.name} ({lower.at:g}) to be below {upper.say.name} ({upper.at:g})"
            bands = ", deadbands included" if lower.at < upper.at else ""
            self.error(f"expected {names}{bands}", upper.say.name)

    def _band(self, band: Band, tag: TagSpec | None, *where: str) -> float:
        if not band.percent:
            return band.amount
        if tag is None or tag.range is None:
            self.error(
                f"a deadband of {band.amount:g}% needs the tag's range: "
                f"write range: [low, high] at {self.section.tag} in the sources, or the deadband in its unit",
                *where,
            )
            return 0.0
        return band.amount / 100 * (tag.range[1] - tag.range[0])


def _first(candidates: Iterable[Said | None], otherwise: Said) -> Said:
    """The nearest of limit, rule and defaults that says something."""
    return next((value for value in candidates if value is not None), otherwise)


def _priority(word: PriorityWord) -> Priority:
    return Priority[word.upper()]


def _digest(*parts: object) -> str:
    """A short hash over all that decides about a rule's events; its wording does not."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _without_messages(conditions: Iterable[Condition]) -> list[Condition]:
    return [replace(condition, say=replace(condition.say, message=None)) for condition in conditions]
