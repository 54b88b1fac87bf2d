"""How noise is kept out: the nearest of limit, rule, profile and defaults that says something.

Rules for whoever changes this: a percentage is of the range of the tag, so it needs one, and a
measured number in the tag's own unit.
"""

from collections.abc import Iterable
from typing import TypeVar

from agent.config.compile.draft import Draft, Key
from agent.config.compile.subject import Subject
from agent.config.rule_parts import Band, LimitSection, PriorityWord
from agent.model import Priority
from agent.rules.spec import Announcement, Count, OnBad, Rate, Unusual

Said = TypeVar("Said")


def announcement(draft: Draft, name: str, rank: int, own: LimitSection | None = None) -> Announcement:
    """Fill in how a condition speaks and how long it waits."""
    levels = draft.levels(own)
    waits = next((level for level in levels if (level.count, level.on_delay) != (None, None)), None)
    count = waits.count if waits is not None else None
    return Announcement(
        name,
        rank,
        (waits.on_delay if waits is not None else None) or 0,
        first((level.off_delay for level in levels), 0),
        priority(draft, own),
        draft.message(own.message, name, "message") if own is not None else None,
        None if count is None else Count(count.times, count.in_),
    )


def priority(draft: Draft, own: LimitSection | None = None, otherwise: PriorityWord = "medium") -> Priority:
    """How loud a limit or a rule is."""
    said = (own.priority if own else None, draft.section.priority, draft.plant.defaults.priority)
    return Priority[first(said, otherwise).upper()]


def on_bad(draft: Draft) -> OnBad:
    """What a value does that cannot be read; a source has none."""
    if draft.section.source is not None:
        return OnBad.HOLD
    levels = (draft.section, draft.profile, draft.plant.defaults)
    return OnBad(first((level.on_bad for level in levels if level is not None), "hold"))


def stale_after(draft: Draft) -> int | None:
    """The rule's own freshness; None: the tag's."""
    own = draft.section.stale_after
    return draft.profile.stale_after if own is None and draft.profile is not None else own


def deadband(draft: Draft, watched: Subject, key: str, own: LimitSection) -> float:
    """The deadband of a limit in the unit of what is compared."""
    band = first((level.deadband for level in draft.levels(own)), Band(0.0))
    where: tuple[Key, ...] = ()
    if own.deadband is not None:
        where = (key, "deadband")
    elif draft.section.deadband is not None:
        where = ("deadband",)
    elif draft.profile is not None and draft.profile.deadband is not None:
        where = ("profile",)
    return in_units(draft, watched, band, *where)


def in_units(draft: Draft, watched: Subject, band: Band, *where: Key) -> float:
    """A deadband in the unit of what is compared; a percentage without a range is reported."""
    if not band.percent:
        return band.amount
    written = f"a deadband of {band.amount:g}%"
    if any(isinstance(measure, Rate | Unusual) for measure in watched.measures):
        draft.error(
            f"{written} is of the tag's range, and what is compared is in another unit: "
            "write the deadband as a number in the unit of the limits",
            *where,
        )
    elif watched.calc is not None:
        draft.error(
            f"{written} needs a range, and a calculation has none: write the deadband as a number", *where
        )
    elif watched.tag is not None and watched.tag.range is None:
        draft.error(
            f"{written} needs the tag's range: "
            f"write range: [low, high] at {watched.name} in the sources, or the deadband in its unit",
            *where,
        )
    elif watched.tag is not None and watched.tag.range is not None:
        return band.amount / 100 * (watched.tag.range[1] - watched.tag.range[0])
    return 0.0


def first(candidates: Iterable[Said | None], otherwise: Said) -> Said:
    """The nearest that says something."""
    return next((value for value in candidates if value is not None), otherwise)
