"""The gate: whether a rule is watched, and whether what it finds is announced (design: rules).

    `when`, active hours           false: not watched, the machine is reset; unknown: holds what was
    `suppress_while`, maintenance, trial, shelf, out of service: watched, computed, not announced

Rules for whoever changes it: pure; what the gate makes of an alarm is `alarm`'s. Whoever decides
needs his inputs: until each tag of `when` was read once after a start, nothing is decided.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from agent.model import SECOND
from agent.rules.board import Board
from agent.rules.expression import Expression
from agent.rules.inputs import FOREVER
from agent.rules.spec import Gate

SHELVED: Final = "shelved"
OUT_OF_SERVICE: Final = "out_of_service"
TRIAL: Final = "trial"
BY_DESIGN: Final = "by_design"
_MAINTENANCE: Final = "maintenance"


@dataclass(frozen=True, slots=True)
class Shelf:
    """An alarm that a person put aside.

    Attributes:
        until: when it comes back, monotonic nanoseconds.
        one_shot: it comes back with its next return as well.
    """

    until: int
    reason: str
    by: str
    one_shot: bool = False


class GateState(NamedTuple):
    """Where the gate of one rule stands.

    Attributes:
        enabled: what `when` and the hours last said; None: not known yet.
        since: from this instant on the rule is watched (it may lie ahead: settling).
        reasons: why nothing is announced; empty: it is.
        waits: something that decides was not read yet after a start.
        shelf: what a person shelved.
        service: why and by whom it was taken out of service; empty: it is in service.
        due: when time alone changes something here; None: never.
    """

    enabled: bool | None = None
    since: int = -FOREVER
    reasons: tuple[str, ...] = ()
    waits: bool = False
    shelf: Shelf | None = None
    service: str = ""
    due: int | None = None

    def open(self, now: int) -> bool:
        """The rule is watched."""
        return self.enabled is True and now >= self.since and not self.waits


WATCHED: Final = GateState(enabled=True)
"""Of a rule without a gate, that no person has touched."""


def judge(gate: Gate, state: GateState, board: Board) -> tuple[GateState, str]:
    """Where the gate stands now, the very `state` if nothing moved; and why an expression makes no sense.

    What makes no sense is unknown, which holds what was; the hours and a shelf's end come all the same.
    """
    now = board.now
    tags = frozenset().union(*(each.tags for each in (gate.when, gate.suppress_while) if each is not None))
    until = board.waited_for(tags)
    waits = until is not None
    when, fault = (None, "") if waits else _holds(gate.when, board)
    redundant, other = (None, "") if waits else _holds(gate.suppress_while, board)
    enabled = state.enabled if waits else _enabled(gate, state, board, when=when)
    since = state.since
    if enabled and not state.enabled:
        since = now + gate.settle if gate.when else now
    shelf = state.shelf if state.shelf is not None and now < state.shelf.until else None
    reasons = tuple(_reasons(gate, state, board, shelf, redundant=redundant))
    dues = [due for due in _dues(gate, board, shelf) if due > now]
    if enabled and since > now:
        dues.append(since)
    if until is not None:
        dues.append(until)
    if enabled is None and now < board.watched_from:
        dues.append(board.watched_from)
    after = GateState(enabled, since, reasons, waits, shelf, state.service, min(dues, default=None))
    return (state if after == state else after), fault or other


def _holds(expression: Expression | None, board: Board) -> tuple[bool | None, str]:
    """Whether it is true, None while unknown; and why it makes no sense."""
    if expression is None:
        return None, ""
    try:
        return expression.holds(board), ""
    except TypeError as error:
        return None, str(error)


def _enabled(gate: Gate, state: GateState, board: Board, *, when: bool | None) -> bool | None:
    answers = [True if gate.when is None else when]
    if gate.hours is not None:
        answers.append(None if board.wall is None else gate.hours.holds(board.wall))
    if False in answers:
        return False
    if None not in answers:
        return True
    # It holds what was. If nothing was, an alarm too many is better than one that nobody watches.
    return True if state.enabled is None and board.now >= board.watched_from else state.enabled


def _reasons(
    gate: Gate, state: GateState, board: Board, shelf: Shelf | None, *, redundant: bool | None
) -> Iterator[str]:
    if gate.suppress_while is not None and (redundant or (redundant is None and BY_DESIGN in state.reasons)):
        yield BY_DESIGN
    wall = board.wall
    if gate.maintenance:
        known = wall is not None
        within = known and any(each.span.holds(wall or 0) for each in gate.maintenance)
        if within or (not known and _MAINTENANCE in state.reasons):
            yield _MAINTENANCE
    if gate.trial_until is not None and (wall is None or wall < gate.trial_until):
        yield TRIAL
    if shelf is not None:
        yield SHELVED
    if state.service:
        yield OUT_OF_SERVICE


def _dues(gate: Gate, board: Board, shelf: Shelf | None) -> Iterator[int]:
    """Instants at which time alone may change something, in the past or in the future."""
    offset = board.offset.state
    if offset is not None:
        if gate.hours is not None:
            yield gate.hours.next_change(board.now + offset) - offset
        for each in gate.maintenance:
            yield each.span.begin - offset
            yield each.span.end - offset
        if gate.trial_until is not None:
            yield gate.trial_until - offset
    if shelf is not None:
        yield shelf.until
    if any(each is not None and each.ages for each in (gate.when, gate.suppress_while)):
        yield next_second(board.now)


def next_second(now: int) -> int:
    """When ages are looked at again: they grow by themselves, and to the second is enough."""
    return (now // SECOND + 1) * SECOND
