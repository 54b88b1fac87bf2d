"""Alarms as people get them: what is open, and what nobody would be told of although it has a rule.

Rules for whoever changes this: a field without meaning is left out; stamps are UTC, as in the events.
"""

from collections.abc import Iterator

from agent.clock import Clock
from agent.model import SECOND, Json, Quality
from agent.rules.engine import Engine
from agent.rules.gate import GateState
from agent.rules.projection import standing
from agent.rules.runs import AlarmRun, Run, is_alarm
from agent.stamps import utc_text


def open_alarms(engine: Engine, clock: Clock) -> list[Json]:
    """The open alarms: those that nobody has acknowledged first, then the louder, then the newer."""
    runs = [run for run in engine.runs.values() if is_alarm(run) and run.state.core.occurrence]
    runs.sort(key=_urgency)
    return [_row(run, clock) for run in runs]


def unwatched(engine: Engine, clock: Clock) -> list[Json]:
    """The rules without an open alarm of which nothing would be told now, each with `why`."""
    rows: list[Json] = []
    for run in engine.runs.values():
        whys = list(_whys(run, clock))
        if whys and not (is_alarm(run) and run.state.core.occurrence):
            rows.append(_row(run, clock) | {"why": list[Json](whys)})
    return rows


def _urgency(run: AlarmRun) -> tuple[bool, int, int]:
    core = run.state.core
    return bool(core.acknowledged), -standing(run.spec, core).say.priority, -core.raised_at


def _row(run: Run, clock: Clock) -> dict[str, Json]:
    now, gate, sight = clock.monotonic(), run.state.gate, run.sight
    row: dict[str, Json] = {"rule": run.spec.name}
    if is_alarm(run):
        core = run.state.core
        row |= {"level": core.level or "normal", "priority": standing(run.spec, core).say.priority.word}
        if core.level or core.occurrence:
            row |= {"since": _utc(core.raised_at, clock), "for_s": (now - core.raised_at) // SECOND}
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
    return row | _put_aside(gate, clock)


def _put_aside(gate: GateState, clock: Clock) -> dict[str, Json]:
    """What a person has done to it."""
    row: dict[str, Json] = {}
    if (shelf := gate.shelf) is not None:
        row["shelved"] = {
            "until": _utc(shelf.until, clock),
            "for_s": max(0, shelf.until - clock.monotonic()) // SECOND,
            "reason": shelf.reason,
            "by": shelf.by,
            "one_shot": shelf.one_shot,
        }
    return row | ({"out_of_service": gate.service} if gate.service else {})


def _needs(run: AlarmRun) -> str:
    """What an alarm that has returned stays open for."""
    core = run.state.core
    return "acknowledge" if run.spec.acknowledge and not core.acknowledged else "reset"


def _whys(run: Run, clock: Clock) -> Iterator[str]:
    """Why nothing would be told of what the rule watches; nothing while it would."""
    gate, core, sight = run.state.gate, run.state.core, run.sight
    if gate.enabled is False:
        yield "disabled"
    elif not gate.open(clock.monotonic()):
        yield "settling" if gate.enabled else "undecided"
    yield from gate.reasons
    if core.fault:
        yield f"undecided: {core.fault}"
    elif not (is_alarm(run) and run.spec.of_source) and not run.fresh(clock.monotonic()):
        yield f"blind: {sight.reason or 'its value is stale'}"


def _value(run: Run) -> Json:
    """What is compared; None where it cannot be believed."""
    try:
        return None if run.sight.quality is Quality.BAD else run.sight.value
    except TypeError:
        return None


def _utc(instant: int, clock: Clock) -> str:
    return utc_text(instant - clock.monotonic() + clock.wall())
