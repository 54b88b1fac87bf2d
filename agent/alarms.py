"""Alarms as people get them: what is open, and what nobody would be told of although it has a rule.

Rules for whoever changes this: a field without meaning is left out; stamps are UTC, as in the events.
"""

from collections.abc import Iterator
from typing import TypeGuard

from agent.clock import Clock
from agent.model import SECOND, Json, Quality
from agent.rules.engine import Engine
from agent.rules.gate import GateState
from agent.rules.projection import standing
from agent.rules.runs import AlarmRun, Run, is_alarm
from agent.stamps import utc_text


def open_alarms(engine: Engine, clock: Clock) -> list[Json]:
    """The open alarms: those that nobody has acknowledged first, then the louder, then the newer."""
    runs = [run for run in engine.runs.values() if is_open(run)]
    now, offset = _times(clock)
    return [row(run, now, offset) for run in sorted(runs, key=urgency)]


def unwatched(engine: Engine, clock: Clock) -> list[Json]:
    """The rules without an open alarm of which nothing would be told now, each with `why`."""
    now, offset = _times(clock)
    return [
        row(run, now, offset) | {"why": list[Json](whys)}
        for run in engine.runs.values()
        if not is_open(run) and (whys := list(why_unwatched(run, now)))
    ]


def count_unwatched(engine: Engine, clock: Clock) -> int:
    """How many these are: monitoring asks for no more."""
    now = clock.monotonic()
    return sum(not is_open(run) and any(why_unwatched(run, now)) for run in engine.runs.values())


def _times(clock: Clock) -> tuple[int, int]:
    now = clock.monotonic()
    return now, clock.wall() - now


def is_open(run: Run) -> TypeGuard[AlarmRun]:
    """An alarm stands, or waits for a person although it has returned."""
    return is_alarm(run) and bool(run.state.core.occurrence)


def urgency(run: AlarmRun) -> tuple[bool, int, int]:
    """By which open alarms are sorted."""
    core = run.state.core
    return bool(core.acknowledged), -standing(run.spec, core).say.priority, -core.raised_at


def row(run: Run, now: int, offset: int) -> dict[str, Json]:
    """A rule as it stands at the instant `now`; `offset` makes stamps of instants, nanoseconds."""
    gate, sight = run.state.gate, run.sight
    row: dict[str, Json] = {"rule": run.spec.name}
    if is_alarm(run):
        core = run.state.core
        row |= {"level": core.level or "normal", "priority": standing(run.spec, core).say.priority.word}
        if core.level or core.occurrence:
            row |= {"since": utc_text(core.raised_at + offset), "for_s": (now - core.raised_at) // SECOND}
        row |= {"acknowledged_by": core.acknowledged} if core.acknowledged else {}
        row |= {"needs": _needs(run)} if core.occurrence and not core.level else {}
        row |= {"chattering": True} if core.chattering else {}
        peak = core.peak(run.spec, standing(run.spec, core))
        row |= {"peak": peak} if peak is not None else {}
    if not (is_alarm(run) and run.spec.of_source):
        row |= {"value": _value(run), "quality": sight.quality.value} | (
            {"unit": sight.unit} if sight.unit else {}
        )
    row |= {"tag": sight.tag} if sight.tag else {}
    if gate.reasons:
        row["suppressed_by"] = list(gate.reasons)
    return row | _put_aside(gate, now, offset)


def _put_aside(gate: GateState, now: int, offset: int) -> dict[str, Json]:
    """What a person has done to it."""
    row: dict[str, Json] = {}
    if (shelf := gate.shelf) is not None:
        row["shelved"] = {
            "until": utc_text(shelf.until + offset),
            "for_s": max(0, shelf.until - now) // SECOND,
            "reason": shelf.reason,
            "by": shelf.by,
            "one_shot": shelf.one_shot,
        }
    return row | ({"out_of_service": gate.service} if gate.service else {})


def _needs(run: AlarmRun) -> str:
    """What an alarm that has returned stays open for."""
    core = run.state.core
    return "acknowledge" if run.spec.acknowledge and not core.acknowledged else "reset"


def why_unwatched(run: Run, now: int) -> Iterator[str]:
    """Why nothing would be told of what the rule watches; nothing while it would."""
    gate, core, sight = run.state.gate, run.state.core, run.sight
    if gate.enabled is False:
        yield "disabled"
    elif not gate.open(now):
        yield "settling" if gate.enabled else "undecided"
    yield from gate.reasons
    if core.fault:
        yield f"undecided: {core.fault}"
    elif not (is_alarm(run) and run.spec.of_source) and not run.fresh(now):
        yield f"blind: {sight.reason or 'its value is stale'}"


def _value(run: Run) -> Json:
    """What is compared; None where it cannot be believed."""
    try:
        return None if run.sight.quality is Quality.BAD else run.sight.value
    except TypeError:
        return None
