"""Limits, states, bits and absences, from the keys of a rule.

Rules for whoever changes this: a rule has one kind of condition; what its keys cannot mean together
is refused with what to write instead, and values are checked against the kind of the tag.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Final

from agent.config.compile.draft import A_KIND, Draft
from agent.config.compile.noise import announcement, deadband
from agent.config.compile.subject import Subject
from agent.config.quoting import number_hint
from agent.config.rule_parts import ExpectSection, LimitSection
from agent.config.rules import LIMITS
from agent.model import Kind, Value
from agent.rules.spec import Absence, Awaited, Bit, Condition, Limit, OnBad, State, Still

_LIKE_A_NUMBER: Final = re.compile(r"[-+.]?[0-9][\w.,]*")
_WITH_UNIT: Final = re.compile(r"([-+]?[0-9]+(?:[.,][0-9]+)?)(?:\s+[^\s+*/-].*|\s*(?:%|°.*))")
_NO_NUMBER: Final = {Kind.SWITCH, Kind.TEXT}


def conditions(draft: Draft, watched: Subject, on_bad: OnBad) -> Iterator[tuple[str, tuple[Condition, ...]]]:
    """Give the conditions of each instance, with what its name ends in: a word has one for each bit."""
    section = draft.section
    if section.bits is None:
        yield "", (*_conditions(draft, watched), *_quality(draft, on_bad))
        return
    _check_bits(draft, watched)
    say = announcement(draft, "bits", 1)
    for number, name in section.bits.items():
        yield f"/{name}", (Bit(say, number), *_quality(draft, on_bad))


def _conditions(draft: Draft, watched: Subject) -> Iterator[Condition]:
    section = draft.section
    if section.expect is not None:
        yield _absence(draft, section.expect, watched)
    elif section.is_ is not None:
        _check_values(draft, "is", section.is_, watched)
        yield State(announcement(draft, "is", 1), section.is_)
    elif section.is_not is not None:
        _check_values(draft, "is_not", section.is_not, watched)
        yield State(announcement(draft, "is_not", 1), section.is_not, negated=True)
    else:
        yield from _limits(draft, watched)


def _quality(draft: Draft, on_bad: OnBad) -> Iterator[Condition]:
    if on_bad is OnBad.ALARM:
        say = announcement(draft, "quality", 0)
        yield Absence(say, Awaited.QUALITY, say.wait)


def _absence(draft: Draft, expect: ExpectSection, watched: Subject) -> Condition:
    by = expect.change or expect.increase
    if by is None:
        awaited = Awaited.SAMPLE if expect.sample else Awaited.CONNECTION
        say = replace(announcement(draft, awaited.value, 1), on_delay=0, count=None)
        return Absence(say, awaited, expect.within)
    key = "change" if expect.change else "increase"
    if watched.kind is Kind.TEXT:
        draft.error(f"{key} needs numbers, and {watched.called} is text", "expect", key)
    say = replace(announcement(draft, key, 1), on_delay=expect.within, count=None)
    return Still(say, by, rising=expect.increase is not None)


def _check_values(draft: Draft, key: str, values: tuple[Value, ...], watched: Subject) -> None:
    """Refuse values that a tag of its kind never has."""
    for value in values:
        expected = _expected(watched.kind, value)
        if expected:
            written = f'"{value}"' if isinstance(value, str) else str(value).lower()
            draft.error(f"{watched.called} is {A_KIND[watched.kind]} and never {written}: {expected}", key)


def _expected(kind: Kind, value: Value) -> str:
    match kind:
        case Kind.NUMBER | Kind.WHOLE if isinstance(value, bool):
            return f"write {int(value)}"
        case Kind.NUMBER | Kind.WHOLE if isinstance(value, str):
            return "write a number"
        case Kind.WHOLE if isinstance(value, float) and value != int(value):
            return "write a whole number"
        case Kind.SWITCH if isinstance(value, str) or value not in {0, 1}:
            return "write true or false"
        case Kind.TEXT if not isinstance(value, str):
            return f'write "{str(value).lower()}"'
        case _:
            return ""


def _check_bits(draft: Draft, watched: Subject) -> None:
    if watched.kind in {Kind.NUMBER, *_NO_NUMBER} and not watched.measures:
        draft.error(
            f"bits are those of a whole number, and {watched.called} is {A_KIND[watched.kind]}: name another tag",
            "bits",
        )
    names = list((draft.section.bits or {}).values())
    for name in {name for name in names if names.count(name) > 1}:
        draft.error(f"two bits are called {name}: give each its own name", "bits")


def _limits(draft: Draft, watched: Subject) -> list[Limit]:
    written = {key: own for key in LIMITS if (own := getattr(draft.section, key)) is not None}
    if written and watched.kind in _NO_NUMBER:
        key = next(iter(written))
        draft.error(
            f"a limit compares numbers, and {watched.called} is {A_KIND[watched.kind]}: write is or is_not",
            key,
        )
    limits = [_limit(draft, watched, key, own) for key, own in written.items()]
    _check_order(draft, limits)
    return limits


def _limit(draft: Draft, watched: Subject, key: str, own: LimitSection) -> Limit:
    if isinstance(own.at, str):
        _check_limit_tag(draft, watched, key, own.at)
    say = announcement(draft, key, 2 if key in {"low_low", "high_high"} else 1, own)
    side = 1 if key.startswith("high") else -1
    return Limit(say, side, own.at, deadband(draft, watched, key, own))


def _check_limit_tag(draft: Draft, watched: Subject, key: str, name: str) -> None:
    """A limit may be a tag; `17O` is none, and meant as a number."""
    where = (key, "at")
    if name not in draft.plant.tags and _LIKE_A_NUMBER.fullmatch(name):
        draft.error(
            f'expected a number or the name of a tag, got the text "{name}"{number_hint(name)}', *where
        )
    elif name not in draft.plant.tags and (number := _WITH_UNIT.fullmatch(name)):
        draft.error(
            f"a limit is a number in the tag's unit: {_without_unit(watched, name, number[1])}", *where
        )
    elif watched.tag is not None and name == watched.name and not watched.measures:
        draft.error("a tag is never beyond itself: name the tag that holds the limit, or a number", *where)
    else:
        draft.tag(name, *where, numbers_for="a limit")


def _without_unit(watched: Subject, written: str, number: str) -> str:
    """What to write instead of `80 °C`, or of a percentage of the range."""
    amount = float(number.replace(",", "."))
    tag = watched.tag
    if written.endswith("%") and tag is not None and tag.unit != "%" and tag.range and not watched.measures:
        low, high = tag.range
        return f"write {low + amount * (high - low) / 100:g}, {amount:g} % of the range of {tag.name}"
    return f"write {amount:g}"


def _check_order(draft: Draft, limits: list[Limit]) -> None:
    """Each limit with its deadband stands clear of the next (OPC UA Part 9, 5.8.18); among numbers."""
    known = [(limit, limit.at) for limit in limits if not isinstance(limit.at, str)]
    for (lower, low), (upper, high) in pairwise(known):
        top = low + (lower.deadband if lower.side < 0 else 0)
        bottom = high - (upper.deadband if upper.side > 0 else 0)
        if top < bottom or (lower.side == upper.side and low < high and top <= bottom):
            continue
        names = f"{lower.say.name} ({low:g}) to be below {upper.say.name} ({high:g})"
        bands = ", deadbands included" if low < high else ""
        draft.error(f"expected {names}{bands}", upper.say.name)
