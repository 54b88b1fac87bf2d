"""After a start, the first good sample decides, and nothing is sent before it (design: rules, "Restart").

A rule that was renamed (`was`) goes on where it stood under its old name; of one that is gone,
whoever got `raised` gets `returned`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from agent.model import SECOND, Event, EventType, Json, Priority
from agent.rules import measure
from agent.rules.gate import WATCHED
from agent.rules.machine import lose
from agent.rules.projection import Mint
from agent.rules.runs import AnyState, Run
from agent.rules.saved import decode, removed_rule
from agent.rules.state import AlarmState

_OF_ANOTHER_FORM: Final = (AttributeError, LookupError, TypeError, ValueError)
"""What reading a state raises that another program wrote, or that is damaged."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the store kept, as it is for the rules of now.

    Attributes:
        states: the rules that go on where they stood.
        removed: what the store need not keep any more, by instance.
        left: of these, whose rule is gone, and not merely renamed.
        unreadable: rules whose state is not in a form that this program knows: they begin anew.
    """

    states: list[tuple[Run, AnyState]]
    removed: list[str]
    left: list[str]
    unreadable: list[Run]


def found(
    runs: Collection[Run], kept: Mapping[str, bytes], shift: int, away_since: int | None, now: int
) -> Found:
    """See `Engine.restore` for the arguments; `now`: the instant of the start."""
    states: list[tuple[Run, AnyState]] = []
    taken_up: set[str] = set()
    unreadable: list[Run] = []
    names = {run.spec.name for run in runs}
    for run in runs:
        formerly = (name for name in (run.spec.name, *run.spec.was) if name in kept)
        name = next((each for each in formerly if each == run.spec.name or each not in names), None)
        if name is None:
            continue
        try:
            state = decode(run.spec, kept[name], shift)
        except _OF_ANOTHER_FORM:
            unreadable.append(run)
            taken_up.add(name)
            continue
        if state is not None:
            states.append((run, state if away_since is None else _away(run, state, away_since, now)))
            taken_up.add(name)
    left = [name for name in kept if name not in taken_up]  # or it is a rule of another kind now
    return Found(states, [*left, *(name for name in taken_up if name not in names)], left, unreadable)


def _away(run: Run, state: AnyState, since: int, now: int) -> AnyState:
    """The state of a rule that nobody stepped from `since` to `now`: delays pause, nothing is certain."""
    core, measured = state.core, state.measured
    if isinstance(core, AlarmState):
        # A delay that should have run out by then did not: the value was stale, nobody noted since when.
        machines = tuple(lose(each, since if each.due > since else each.since) for each in core.machines)
        unsure = since if core.away_since is None else min(since, core.away_since)
        reminded = max(core.reminded, now)
        core = replace(core, machines=machines, seen=False, away_since=unsure, reminded=reminded)
    if measured is not None:
        measured = measure.lose(run.spec.measures, measured, since)
    gate = state.gate._replace(waits=True, due=now) if run.gated or state.gate != WATCHED else state.gate
    return replace(state, core=core, measured=measured, gate=gate)  # type: ignore[arg-type]  # of the same kind


def told_unreadable(run: Run, now: int, mint: Mint) -> Event:
    """Where the rule stood is not known any more: whoever was told of an alarm should look."""
    spec = run.spec
    reason = "what was stored of it cannot be read: it begins anew, and an open alarm of it is not told as returned"
    data: dict[str, Json] = {"rule": spec.rule_id, "instance": spec.name, "reason": reason}
    data["message"] = f"{spec.name}: {reason}"
    kind, priority, rule = EventType.RULE_UNKNOWN, Priority.HIGH, spec.rule_id
    return Event(mint(now), kind, now, spec.name, priority, data, {}, spec.subject, rule)


def told_removed(name: str, kept: bytes, shift: int, now: int, mint: Mint) -> list[Event]:
    """Whoever got `raised` always gets `returned`: also when the rule is gone from the file."""
    try:
        left = removed_rule(kept, shift)
    except _OF_ANOTHER_FORM:
        return []
    if left is None:
        return []
    state, tag, rule = left
    if not state.level or state.silent:
        return []  # it had returned, and stayed open to be reset or acknowledged: by nobody now
    data: dict[str, Json] = {
        "rule": rule,
        "instance": name,
        "condition": state.level,
        "occurrence": state.occurrence,
        "level": "normal",
        "duration_s": (now - state.raised_at) / SECOND,
        "reason": "rule_removed",
        "message": f"{name}: the rule is no longer in the configuration",
    }
    kind, priority, instants = EventType.ALARM_RETURNED, max(state.announced), {"onset": state.onset}
    return [Event(mint(now), kind, now, name, priority, data, instants, tag, rule, state.announced)]
