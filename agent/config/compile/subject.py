"""What a rule watches, and the measures that make the number that is compared.

Rules for whoever changes this: the order of measures is the core's (`agent.rules.spec.Measure`), not
that of the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from agent.config.compile.draft import Draft
from agent.model import Kind, TagSpec
from agent.rules.expression import Expression
from agent.rules.spec import Counter, Deviation, Measure, Rate, Take, Unusual, Window


@dataclass(frozen=True, slots=True)
class Subject:
    """What is watched.

    Attributes:
        name: the tag's or the source's name; empty for a calculation.
        tag: what is known of the tag; None of a source and a calculation.
        calc: the calculation.
        measures: what makes a number of it.
        kind: of what is compared, as far as it is known.
    """

    name: str
    tag: TagSpec | None
    calc: Expression | None
    measures: tuple[Measure, ...]
    kind: Kind

    @property
    def called(self) -> str:
        """What is compared, in a message."""
        if self.measures:
            return "what is measured"
        return self.name or "what is calculated"


def subject(draft: Draft) -> Subject:
    """Look up what is watched; mistakes are reported."""
    section = draft.section
    _check_source(draft)
    if [section.tag, section.calc, section.source].count(None) != 2:  # noqa: PLR2004 - one of three is said
        draft.error("expected tag, calc or source (one of them): what is watched?")
    first = next(iter(section.measures()), "")
    tag = draft.tag(section.tag, "tag", numbers_for=first) if section.tag is not None else None
    calc = draft.expression(section.calc, "calc")
    measures = tuple(_measures(draft))
    return Subject(section.tag or section.source or "", tag, calc, measures, _kind(tag, calc, measures))


def _kind(tag: TagSpec | None, calc: Expression | None, measures: tuple[Measure, ...]) -> Kind:
    if measures:
        return Kind.NUMBER
    if calc is not None:
        return Kind(calc.kind.value)
    return tag.kind if tag else Kind.ANY


def _check_source(draft: Draft) -> None:
    section, sources = draft.section, draft.plant.sources
    if section.source is None:
        return
    if section.source not in sources:
        draft.unknown("source", section.source, sources, "source")
    if not (section.expect and section.expect.connection):
        draft.error(
            "a source has only a connection to watch: expect: {connection: up, within: 15s}", "source"
        )
    for key in section.measures():
        draft.error(f"{key} needs the numbers of a tag, and a source has none", key)
    for key in ("on_bad", "stale_after"):
        if getattr(section, key) is not None:
            draft.error(f"{key} is about the values of a tag, and a source has none: leave it out", key)


def _measures(draft: Draft) -> Iterator[Measure]:
    section = draft.section
    if section.counter is not None:
        yield Counter(section.counter.rollover_at)
    if section.window is not None:
        yield Window(section.window.over, Take(section.window.take))
    if section.deviation_from is not None:
        if section.deviation_from == section.tag:
            draft.error("a tag never deviates from itself: name the tag of the setpoint", "deviation_from")
        draft.tag(section.deviation_from, "deviation_from", numbers_for="deviation_from")
        yield Deviation(section.deviation_from)
    if section.rate_of_change is not None:
        yield Rate(section.rate_of_change.per, section.rate_of_change.over)
    if section.unusual is not None:
        yield Unusual(section.unusual.learn, section.unusual.at_least)
