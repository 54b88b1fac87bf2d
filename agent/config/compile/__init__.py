"""From rules as written to rules as run: defaults filled in, percentages resolved, references checked.

    expand (for_each) -> what is watched -> conditions -> gate -> wording -> order (who asks for whom)

Rules for whoever changes this: every mistake is reported with its path in the file, and none stops
the next rule. What only one value can know is checked by its field (`agent.config.rules`); what a
rule and its tags know is checked here, one idea a file.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from agent.config.compile.conditions import conditions
from agent.config.compile.digest import with_digest
from agent.config.compile.draft import A_KIND, Draft, Plant
from agent.config.compile.gate import check_maintenance, gate
from agent.config.compile.noise import in_units, on_bad, priority, stale_after
from agent.config.compile.order import in_order
from agent.config.compile.shape import check_shape
from agent.config.compile.subject import Subject, subject
from agent.config.compile.wording import wording
from agent.config.expand import Written
from agent.config.inside import EACH
from agent.config.rule_parts import ChangeSection
from agent.model import SECOND, Kind, Priority
from agent.rules.spec import Absence, AlarmSpec, Announcement, Awaited, ChangeSpec, RuleSpec

__all__ = ["Plant", "compile_rules", "unwatched"]

COMMUNICATION_WITHIN: Final = 15 * SECOND


def unwatched(rules: Iterable[Written], sources: Iterable[str]) -> dict[str, str]:
    """Give the sources whose connection no rule watches, by the name of the rule that each gets by itself."""
    watched = {of.section.source for of in rules if of.section.expect and of.section.expect.connection}
    return {f"{source}.communication": source for source in sources if source not in watched}


def compile_rules(rules: Sequence[Written], plant: Plant) -> tuple[RuleSpec, ...]:
    """Turn what is written into what is run, and report every mistake that needs the plant to be seen.

    Args:
        rules: every instance of every rule without errors so far, in the order of the file.
        plant: what they may refer to; its `report` takes each problem.

    Returns:
        The rules without errors, and a communication rule for each source that has none; whoever
        asks for the alarms of another comes after it.
    """
    check_maintenance(plant)
    compiled = [spec for written in rules for spec in _specs(Draft(written, plant))]
    _check_former_names(rules, plant)
    return tuple(in_order([*compiled, *_communication_rules(rules, plant)], plant.report))


def _communication_rules(rules: Sequence[Written], plant: Plant) -> Iterator[RuleSpec]:
    """The PLC that goes silent pages someone by default, once, not once a tag (design: rules)."""
    written = {of.rule for of in rules}
    for name, source in unwatched(rules, plant.sources).items():
        if name in written:
            text = f"{name} is the name of the rule that every source gets: choose another"
            plant.report(("rules", name), text)
            continue
        say = Announcement("connection", 1, 0, 0, Priority.HIGH)
        absence = Absence(say, Awaited.CONNECTION, COMMUNICATION_WITHIN)
        yield with_digest(
            AlarmSpec(name, source, (absence,), "", of_source=True, chattering=plant.chattering)
        )


def _check_former_names(rules: Iterable[Written], plant: Plant) -> None:
    """A name that a rule had before belongs to no other."""
    claimed: dict[str, str] = {}
    for written in rules:
        for before in written.section.was or ():
            path = ("rules", written.rule, "was")
            if before in plant.rules:
                plant.report(path, f"{before} is the name of a rule still: delete that rule, or this line")
            elif claimed.setdefault(before, written.rule) != written.rule:
                plant.report(
                    path,
                    f"{before} is what {claimed[before]} was: an alarm has one heir, delete one of the two",
                )


def _specs(draft: Draft) -> list[RuleSpec]:
    """Compile one instance, bits and all; nothing when an error was reported."""
    check_shape(draft)
    watched = subject(draft)
    change = draft.section.change
    specs = [_change(draft, change, watched)] if change is not None else _alarms(draft, watched)
    return [] if draft.spoiled() else [with_digest(spec) for spec in specs]


def _change(draft: Draft, change: ChangeSection, watched: Subject) -> RuleSpec:
    if change.deadband.amount and watched.kind in {Kind.SWITCH, Kind.TEXT}:
        text = f"a deadband needs numbers, and {watched.called} is {A_KIND[watched.kind]}: leave it out"
        draft.error(text, "change", "deadband")
    return ChangeSpec(
        draft.name,
        watched.name,
        "",
        priority(draft, otherwise="journal"),
        in_units(draft, watched, change.deadband, "change", "deadband"),
        change.at_most_every,
        change.at_least_every,
        stale_after(draft),
        rule=_rule(draft, draft.name),
        was=_was(draft, ""),
        calc=watched.calc,
        measures=watched.measures,
        gate=gate(draft, draft.name),
        wording=wording(draft, watched),
    )


def _alarms(draft: Draft, watched: Subject) -> list[RuleSpec]:
    section, bad = draft.section, on_bad(draft)
    said = wording(draft, watched)
    return [
        AlarmSpec(
            draft.name + ending,
            watched.name,
            own,
            "",
            section.source is not None,
            bad,
            stale_after(draft),
            rule=_rule(draft, draft.name + ending),
            was=_was(draft, ending),
            calc=watched.calc,
            measures=watched.measures,
            gate=gate(draft, draft.name + ending),
            wording=said,
            latch=section.latch,
            acknowledge=section.acknowledge,
            remind_every=section.remind_every,
            chattering=None if priority(draft) is Priority.JOURNAL else draft.plant.chattering,
        )
        for ending, own in conditions(draft, watched, bad)
    ]


def _rule(draft: Draft, name: str) -> str:
    """The rule's id, where that is not the name of the instance."""
    return "" if name == draft.written.rule else draft.written.rule


def _was(draft: Draft, ending: str) -> tuple[str, ...]:
    """The names that this instance had: those of the rule with its own ending, or with its name in them."""
    own, each = draft.name.removeprefix(draft.written.rule), draft.written.each
    return tuple(
        (before.replace(EACH, each) if EACH in before else before + own) + ending
        for before in draft.section.was or ()
    )
