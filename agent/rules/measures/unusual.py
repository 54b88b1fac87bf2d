"""How unusual a value is: the robust z-score against the values of the time before.

    (value - median) / max(1.4826 * MAD, at_least)      MAD: the median distance from the median

1.4826 makes the MAD of a normal distribution its standard deviation. Median and MAD because up to half
of what was learned may be faults without spoiling them.

Rules for whoever changes it: the baseline is 512 values, one a slot of `learn / 512` (the first value
held in it). Slots in which nothing was observed do not count: a plant that rests at weekends has learned
fourteen days after fourteen days of work. Median and MAD are computed when a slot is added, no sooner.
"""

from statistics import median
from typing import NamedTuple

from agent.rules.measures.grid import Grid, progress
from agent.rules.spec import Unusual

_SLOTS = 512
_NORMAL = 1.4826
_MOST = 1000.0
"""A score is never beyond it: where nothing ever moved, any change would be infinitely unusual."""


class UnusualState(NamedTuple):
    """What was learned.

    Attributes:
        origin: the instant of the first value.
        slot: the latest slot that was observed.
        values: of the latest 512 observed slots, oldest first.
        middle, spread: their median and 1.4826 * MAD, once all are there.
        held: the value that is held now; None: nothing is observed.
    """

    origin: int = 0
    slot: int = -1
    values: tuple[float, ...] = ()
    middle: float = 0.0
    spread: float = 0.0
    held: float | None = None


def step(
    measure: Unusual, state: UnusualState, value: float, now: int
) -> tuple[UnusualState, float | None, str]:
    """Take a value; its score, or None and how far it has learned."""
    if not state.values:
        state = UnusualState(now)
    grid = Grid(measure.learn, _SLOTS)
    slot = grid.pane(state.origin, now)
    if slot > state.slot:
        # A value that came at the very beginning of the slot is the first in it, not the one before.
        begun = now == grid.begin(state.origin, slot)
        state = _learn(state, slot, value if begun or state.held is None else state.held)
    if value != state.held:
        state = UnusualState(*state[:5], value)
    if len(state.values) < _SLOTS:
        learned = len(state.values) * measure.learn // _SLOTS
        return state, None, f"learning: {progress(learned, measure.learn)}"
    return state, _score(measure, state, value), ""


def _learn(state: UnusualState, slot: int, value: float) -> UnusualState:
    """Fill the slots up to `slot`: with what was held, the last of them with `value`."""
    before = 0 if state.held is None else slot - state.slot - 1
    held = () if state.held is None else (state.held,) * min(before, _SLOTS)
    values = (*state.values, *held, value)[-_SLOTS:]
    if len(values) < _SLOTS:
        return UnusualState(state.origin, slot, values, 0.0, 0.0, state.held)
    middle = median(values)
    spread = _NORMAL * median([abs(each - middle) for each in values])
    return UnusualState(state.origin, slot, values, middle, spread, state.held)


def _score(measure: Unusual, state: UnusualState, value: float) -> float:
    distance, spread = value - state.middle, max(state.spread, measure.at_least)
    if spread == 0:
        return 0.0 if distance == 0 else _MOST if distance > 0 else -_MOST
    return max(-_MOST, min(_MOST, distance / spread))


def lose(measure: Unusual, state: UnusualState, at: int) -> UnusualState:
    """Observation stopped: the slots up to `at` had the held value."""
    if state.held is None:
        return state
    slot = Grid(measure.learn, _SLOTS).pane(state.origin, at)
    if slot > state.slot:
        state = _learn(state, slot, state.held)
    return UnusualState(*state[:5], None)


def next_due(measure: Unusual, state: UnusualState) -> int | None:
    """When the held value is learned enough, or moves the baseline; None while it is all there is."""
    if state.held is None:
        return None
    missing = _SLOTS - len(state.values)
    if not missing and all(value == state.held for value in state.values):
        return None
    return Grid(measure.learn, _SLOTS).begin(state.origin, state.slot + max(1, missing))
