"""A counter that starts again, unrolled: the total goes on where the device's register began anew.

    increase = new - old                    as long as it does not fall
    new - old + rollover_at                 it fell, and that is less than half a turn: a rollover
    new                                     it fell otherwise: the device was reset to 0

Half a turn decides because a register that is read in time has moved little; a meter that was replaced
stands anywhere. What fell while nobody looked is judged the same. Whole numbers stay exact.
"""

from typing import NamedTuple

from agent.rules.spec import Counter


class CounterState(NamedTuple):
    """Where the total stands.

    Attributes:
        raw: the register when it was last read; None: never yet.
        total: the unrolled count; begins with the first value of the register.
        turns: how often it rolled over or was reset: what must be on disk before it counts.
    """

    raw: float | None = None
    total: float = 0
    turns: int = 0


def step(measure: Counter, state: CounterState, value: float) -> CounterState:
    """Take what the register shows.

    Raises:
        TypeError: a switch, which counts nothing.
    """
    if isinstance(value, bool):
        raise TypeError(f"{value!r} is a switch, a counter is a number")
    if state.raw is None:
        return CounterState(value, value)
    increase = value - state.raw
    if increase == 0:
        return state
    if increase > 0:
        return CounterState(value, state.total + increase, state.turns)
    return CounterState(value, state.total + _begun_again(measure, increase, value), state.turns + 1)


def _begun_again(measure: Counter, fall: float, value: float) -> float:
    """The increase where the register fell."""
    if measure.rollover_at is None:
        return value
    turn = measure.rollover_at
    wrapped = fall + (int(turn) if turn == int(turn) else turn)
    return wrapped if 0 <= wrapped < turn / 2 else value
