"""After a start, the first good sample decides, and nothing is sent before it (design: rules, "Restart")."""

from dataclasses import replace

from agent.model import SECOND, Event, EventType, Json
from agent.rules.machine import lose
from agent.rules.projection import Mint
from agent.rules.runs import RuleState
from agent.rules.saved import removed_rule
from agent.rules.state import AlarmState


def away(state: RuleState, since: int) -> RuleState:
    """The state of a rule that nobody stepped since `since`: running delays pause, nothing is certain."""
    if not isinstance(state, AlarmState):
        return state
    machines = tuple(lose(machine, since) for machine in state.machines)
    unsure = since if state.away_since is None else min(since, state.away_since)
    return replace(state, machines=machines, seen=False, away_since=unsure)


def told_removed(name: str, kept: bytes, shift: int, now: int, mint: Mint) -> list[Event]:
    """Whoever got `raised` always gets `returned`: also when the rule is gone from the file."""
    left = removed_rule(kept, shift)
    if left is None:
        return []
    state, tag = left
    data: dict[str, Json] = {
        "rule": name,
        "instance": name,
        "condition": state.level,
        "occurrence": state.occurrence,
        "level": "normal",
        "duration_s": (now - state.raised_at) / SECOND,
        "reason": "rule_removed",
        "message": f"{name}: the rule is no longer in the configuration",
    }
    priority = max(state.announced)
    instants = {"onset": state.onset}
    return [
        Event(
            mint(now),
            EventType.ALARM_RETURNED,
            now,
            name,
            priority,
            data,
            instants,
            tag,
            name,
            state.announced,
        )
    ]
