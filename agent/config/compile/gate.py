"""When a rule is watched, and when it is watched and not announced.

Rules for whoever changes this: wall-clock spans become UTC here, in the zone of the section, else
the agent's; whether one is over is no question for a loader, which has no clock.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from agent.config.alarms import MaintenanceSection
from agent.config.compile.draft import Draft, Plant
from agent.config.times import doubtful, wall
from agent.rules.hours import Hours, Span
from agent.rules.spec import Gate, Maintenance

_EVERY_DAY = frozenset(range(7))


def gate(draft: Draft, name: str) -> Gate:
    """Build the gate of the instance `name`."""
    section = draft.section
    when = draft.expression(section.when, "when")
    suppress_while = draft.expression(section.suppress_while, "suppress_while")
    if section.settle is not None and section.when is None:
        draft.error("settle is the time after `when` became true: write when, or leave it out", "settle")
    if when is not None and section.tag in when.tags:
        draft.doubt(
            f"it asks for {section.tag}, which the rule watches: the alarm returns as soon as this is false; ask for another tag, unless that is meant",
            "when",
        )
    return Gate(
        when,
        section.settle or 0,
        suppress_while,
        _hours(draft),
        tuple(_maintenance(draft, name)),
        None if section.trial is None else wall(section.trial, draft.plant.zone),
    )


def check_maintenance(plant: Plant) -> None:
    """Report spans that end before they begin, and patterns that no rule matches."""
    for index, section in plant.maintenance.items():
        span = _span(section, plant)
        if span.end <= span.begin:
            plant.report(("maintenance", index, "to"), "expected it to be after from")
        for key, moment in (("from", section.from_), ("to", section.to)):
            if text := doubtful(moment, plant.zone):
                plant.report(("maintenance", index, key), text, "warning")
        if not any(fnmatchcase(name, section.match) for name in plant.rules):
            text = f"no rule is called {section.match}: nothing is held back by it, check the pattern"
            plant.report(("maintenance", index, "match"), text, "warning")


def _hours(draft: Draft) -> Hours | None:
    written = draft.section.active_hours
    if written is None:
        return None
    days = _EVERY_DAY if written.days is None else written.days
    return Hours(days, written.from_, written.to, written.zone or draft.plant.zone)


def _maintenance(draft: Draft, name: str) -> Iterator[Maintenance]:
    for section in draft.plant.maintenance.values():
        if fnmatchcase(name, section.match) or fnmatchcase(draft.written.rule, section.match):
            yield Maintenance(_span(section, draft.plant), section.reason)


def _span(section: MaintenanceSection, plant: Plant) -> Span:
    return Span(wall(section.from_, plant.zone), wall(section.to, plant.zone))
