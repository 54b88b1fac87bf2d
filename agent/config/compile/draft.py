"""One rule on its way from the file into the core, and all that it may refer to.

Rules for whoever changes this: a mistake is reported where the engineer has to type, and none stops
the next check; whoever needs to know whether there was one asks `spoiled`.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from agent.config.alarms import MaintenanceSection
from agent.config.expand import Written
from agent.config.known_tags import KnownTags
from agent.config.messages import did_you_mean
from agent.config.rule_parts import LimitSection, Waiting
from agent.config.rules import ProfileSection, RuleDefaults
from agent.model import Kind, TagSpec
from agent.rules.expression import Expression, ExpressionError
from agent.rules.message import Message
from agent.rules.spec import Chattering

Key: TypeAlias = str | int

A_KIND: Final = {
    Kind.ANY: "anything",
    Kind.NUMBER: "a number",
    Kind.WHOLE: "a whole number",
    Kind.SWITCH: "true or false",
    Kind.TEXT: "text",
}
"""What a tag of each kind holds, in a message."""

_BARE: Final = re.compile(r"[A-Za-z0-9_.]+")


class Report(Protocol):
    """Takes a problem: its path, and where its column is known, that within the text (from 1)."""

    def __call__(
        self,
        path: tuple[Key, ...],
        text: str,
        severity: str = "error",
        *,
        column: int = 0,
        each: str = "",
    ) -> None:
        """Note it."""
        ...


@dataclass(frozen=True, slots=True)
class Plant:
    """What a rule may refer to, right or wrong.

    Attributes:
        tags: every declared tag.
        sources, destinations: every declared one, by name.
        zone: of times that name none.
        defaults, profiles, maintenance, chattering: the sections that are good, by name or place.
        profile_names: every profile that is written, right or wrong.
        rules: every name under which `active` may ask for alarms.
        reports: the names of rules that have no alarms.
        unsure: ids of rules with errors: what their instances are is not known.
    """

    tags: KnownTags
    sources: Collection[str]
    destinations: Collection[str]
    zone: str
    defaults: RuleDefaults
    profiles: Mapping[str, ProfileSection]
    profile_names: Collection[str]
    maintenance: Mapping[int, MaintenanceSection]
    chattering: Chattering | None
    rules: Mapping[str, None]
    reports: Collection[str]
    unsure: Collection[str]
    report: Report

    def expression(self, text: str) -> tuple[Expression | None, list[tuple[int, str]]]:
        """Parse an expression and look up what it names; None if it does not parse, and all mistakes, with columns."""
        try:
            expression = Expression.parse(text)
        except ExpressionError as error:
            return None, [(error.column, f"{error}{self._quoting(text)}")]
        wrong = [
            (column, f"unknown tag {name!r}{self._meant(name, expression, text[: column - 1])}")
            for name, column in expression.tag_places.items()
            if name not in self.tags
        ]
        asked = ((column, self._no_alarm(name)) for name, column in expression.rule_places.items())
        return expression, wrong + [(column, why) for column, why in asked if why]

    def _no_alarm(self, name: str) -> str:
        if name in self.reports:
            return f"{name} reports changes and has no alarm that could be active: name a rule that has"
        if name in self.rules or name.partition("/")[0] in self.unsure:
            return ""
        return unknown("rule", name, self.rules)

    def _meant(self, name: str, expression: Expression, before: str) -> str:
        """Say what was meant: `TT-101` reads as TT minus 101, and `MODE == AUTO` compares with a tag."""
        if whole := expression.unquoted(name, self.tags):
            return f': write tag("{whole}")'
        guess = self.tags.guess(name)
        if before.rstrip().endswith(("==", "!=")) and not guess.startswith(": did you mean"):
            return f': a text needs quotes: "{name}"'
        return guess

    def _quoting(self, text: str) -> str:
        """The same for a name that did not even read as an expression."""
        for tag in self.tags:
            if tag in text and not _BARE.fullmatch(tag) and f'"{tag}"' not in text:
                return f'; the tag {tag} is written tag("{tag}")'
        return ""


def unknown(kind: str, name: str, known: Collection[str]) -> str:
    """Say of a name that nothing has which one was probably meant."""
    return f"unknown {kind} {name!r}" + (
        did_you_mean(name, known) if known else f": there is no {kind} yet, add it"
    )


class Draft:
    """One instance; `error` and `doubt` report what is wrong with it."""

    def __init__(self, written: Written, plant: Plant) -> None:
        self.written, self.section, self.plant = written, written.section, plant
        self.name = written.name
        self.errors = 0
        self.profile = self._profile()

    def error(self, text: str, *path: Key, column: int = 0) -> None:
        """Report a mistake under a key of the rule."""
        self.errors += 1
        self.plant.report(("rules", self.written.rule, *path), text, column=column, each=self.written.each)

    def unknown(self, kind: str, name: str, known: Collection[str], *path: Key) -> None:
        """Report a name that nothing has, with the one that was probably meant."""
        self.error(unknown(kind, name, known), *path)

    def doubt(self, text: str, *path: Key) -> None:
        """Report what works, but is hardly meant so."""
        self.plant.report(("rules", self.written.rule, *path), text, "warning", each=self.written.each)

    def spoiled(self) -> bool:
        """An error was reported."""
        return self.errors > 0

    def levels(self, own: LimitSection | None = None) -> list[Waiting]:
        """Who may say how noise is kept out, the nearest first."""
        levels = (own, self.section, self.profile, self.plant.defaults)
        return [level for level in levels if level is not None]

    def tag(self, name: str, *path: Key, numbers_for: str = "") -> TagSpec | None:
        """Look a tag up; None, with an error, where there is none or it does not hold the numbers needed."""
        tag = self.plant.tags.get(name)
        if tag is None:
            self.error(f"unknown tag {name!r}{self.plant.tags.guess(name)}", *path)
        elif numbers_for and tag.kind in {Kind.SWITCH, Kind.TEXT}:
            self.error(f"{numbers_for} needs numbers, and {name} is {A_KIND[tag.kind]}", *path)
        return tag

    def message(self, text: str | None, *path: Key) -> Message | None:
        """Parse a message; it may name what the rule itself adds to its events."""
        if not text:
            return None
        try:
            return Message.parse(text, self.added())
        except ValueError as error:
            self.error(str(error), *path)
            return None

    def added(self) -> list[str]:
        """What the rule adds to what every event says."""
        return [*self.section.fields, *(["meaning"] if self.section.codes else [])]

    def expression(self, text: str | None, key: str) -> Expression | None:
        """Parse an expression and look up what it names; None if there is none, or it does not parse."""
        if text is None:
            return None
        expression, wrong = self.plant.expression(text)
        for column, why in wrong:
            self.error(why, key, column=column)
        return expression

    def _profile(self) -> ProfileSection | None:
        name = self.section.profile
        if name is not None and name not in self.plant.profile_names:
            self.unknown("profile", name, self.plant.profile_names, "profile")
        return self.plant.profiles.get(name or "")
