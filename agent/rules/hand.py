"""The operator's hand: acknowledge, shelve, reset, out of service (design: rules; references: rules, 1.3 and 1.4).

Rules: whoever asks is told why not before anything is done (`refusal`). A shelf always has an end and
a reason; the machine keeps running underneath.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from agent.model import SECOND, Action, Command, Event, EventType, Json
from agent.rules.gate import GateState, Shelf
from agent.rules.kind import RuleState
from agent.rules.projection import Mint
from agent.rules.runs import AlarmRun
from agent.rules.state import AlarmState
from agent.rules.suppression import reasons_moved, told_by_hand

LONGEST_SHELF: Final = 7 * 86_400 * SECOND
_Step: TypeAlias = tuple[RuleState[AlarmState], Sequence[Event]]
_AS_DONE: Final[Mapping[Action, EventType]] = {
    Action.ACKNOWLEDGE: EventType.ALARM_ACKNOWLEDGED,
    Action.RESET: EventType.ALARM_RESET,
    Action.SHELVE: EventType.ALARM_SHELVED,
    Action.UNSHELVE: EventType.ALARM_UNSHELVED,
    Action.OUT_OF_SERVICE: EventType.ALARM_OUT_OF_SERVICE,
    Action.IN_SERVICE: EventType.ALARM_IN_SERVICE,
}


def refusal(run: AlarmRun, command: Command) -> str:
    """Why it cannot be done, with the remedy; empty if it can."""
    core, gate, name = run.state.core, run.state.gate, run.spec.name
    seen = core.acknowledged or not run.spec.acknowledge
    against: Mapping[Action, list[tuple[bool, str]]] = {
        Action.ACKNOWLEDGE: [
            (not core.occurrence, f"{name} has no open alarm: there is nothing to acknowledge"),
            (bool(core.acknowledged), f"{name} was acknowledged by {core.acknowledged} already"),
        ],
        Action.RESET: [
            (not core.occurrence, f"{name} has no open alarm: there is nothing to reset"),
            (bool(core.level), f"{name} is still active: it can be reset when it has returned"),
            (not seen, f"{name} is not acknowledged yet: acknowledge it first"),
        ],
        Action.SHELVE: [
            (not command.reason, "a reason is needed: why is it shelved?"),
            ((command.until or 0) <= command.at, "an end is needed: until when is it shelved?"),
            (
                (command.until or 0) > command.at + LONGEST_SHELF,
                "an alarm is shelved for a week at most: take it out of service instead",
            ),
        ],
        Action.UNSHELVE: [(gate.shelf is None, f"{name} is not shelved")],
        Action.OUT_OF_SERVICE: [
            (not command.reason, "a reason is needed: why is it taken out of service?"),
            (bool(gate.service), f"{name} is out of service already: {gate.service}"),
        ],
        Action.IN_SERVICE: [(not gate.service, f"{name} is in service")],
    }
    return next((why for refused, why in against[command.action] if refused), "")


def obey(run: AlarmRun, command: Command, mint: Mint) -> _Step:
    """Do what `refusal` has nothing against."""
    return _DONE[command.action](run, command, mint)


def _acknowledge(run: AlarmRun, command: Command, mint: Mint) -> _Step:
    core = replace(run.state.core, acknowledged=command.by)
    event = _told(run, core, command, mint)
    stands = core.level and not core.silent
    return run.state.replaced(core if stands or run.spec.latch else _closed(core)), [event]


def _reset(run: AlarmRun, command: Command, mint: Mint) -> _Step:
    event = _told(run, run.state.core, command, mint)
    return run.state.replaced(_closed(run.state.core)), [event]


def _closed(core: AlarmState) -> AlarmState:
    """The next one that is told is another alarm (it may stand already, in silence)."""
    return replace(core, occurrence="", announced=(), repeat=0, acknowledged="")


def _shelve(run: AlarmRun, command: Command, mint: Mint) -> _Step:
    shelf = Shelf(command.until or command.at, command.reason, command.by, command.one_shot)
    extra: dict[str, Json] = {"for_s": (shelf.until - command.at) / SECOND}
    extra |= {"one_shot": True} if shelf.one_shot else {}
    return _regated(run, run.state.gate._replace(shelf=shelf), command, mint, extra)


def _unshelve(run: AlarmRun, command: Command, mint: Mint) -> _Step:
    return _regated(run, run.state.gate._replace(shelf=None), command, mint)


def _out_of_service(run: AlarmRun, command: Command, mint: Mint) -> _Step:
    gate = run.state.gate._replace(service=f"{command.reason} ({command.by})")
    return _regated(run, gate, command, mint)


def _in_service(run: AlarmRun, command: Command, mint: Mint) -> _Step:
    return _regated(run, run.state.gate._replace(service=""), command, mint)


def end_one_shot(run: AlarmRun, at: int, mint: Mint) -> _Step:
    """The alarm returned: whoever shelved it until then gets the next one."""
    command = Command(run.spec.name, Action.UNSHELVE, at, "", "returned")
    return _regated(run, run.state.gate._replace(shelf=None), command, mint)


def _regated(
    run: AlarmRun, gate: GateState, command: Command, mint: Mint, extra: dict[str, Json] | None = None
) -> _Step:
    """The gate as a person has set it, and what that does to the alarm."""
    before, after = run.state, RuleState(run.state.core, run.state.measured, run.judged(gate))
    with run.showing(after):
        event = _told(run, after.core, command, mint, extra)
        core, told = reasons_moved(run.spec, after.core, run.sight, before.gate, mint, told=True)
    return after.replaced(core), [event, *told]


def _told(
    run: AlarmRun, core: AlarmState, command: Command, mint: Mint, extra: dict[str, Json] | None = None
) -> Event:
    by: dict[str, Json] = {"by": command.by} if command.by else {}
    kind = _AS_DONE[command.action]
    return told_by_hand(
        kind, run.spec, core, run.sight, mint, reason=command.reason, extra=by | (extra or {})
    )


_DONE: Final[Mapping[Action, Callable[[AlarmRun, Command, Mint], _Step]]] = {
    Action.ACKNOWLEDGE: _acknowledge,
    Action.RESET: _reset,
    Action.SHELVE: _shelve,
    Action.UNSHELVE: _unshelve,
    Action.OUT_OF_SERVICE: _out_of_service,
    Action.IN_SERVICE: _in_service,
}
