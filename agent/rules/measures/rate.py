"""Rate of change: how far the value is from where it was `over` ago.

    (value now - value then) / (now - then) * per

The signal is a staircase: a value holds until the next. `then` is `over` ago, or the instant at which
the value of that time came, where that is at most a tenth of `over` earlier: so the slope of a ramp is
exact although it is polled, and a jump after a long rest is not flattened by the rest. Over a gap the
last value before it stands in, for at most `over` (then the rate is unknown until `over` has passed).

Rules for whoever changes it: at most one corner of the staircase is kept in each sixtieth of `over`
(the last), besides the first after a gap; a value that is merely held adds none.
"""

from typing import NamedTuple

from agent.rules.measures.grid import Grid, progress
from agent.rules.spec import Rate

_PANES = 60
_EARLIER = 10
"""`then` may be earlier by one in so many parts of `over`."""

Corner = tuple[int, float | None]
"""From when on the value was what; None: nothing was observed from then on."""


class RateState(NamedTuple):
    """Where a rate stands.

    Attributes:
        origin: the instant of the first value.
        corners: of the staircase, oldest first; those are gone that no `then` can meet any more.
    """

    origin: int = 0
    corners: tuple[Corner, ...] = ()


def step(measure: Rate, state: RateState, value: float, now: int) -> tuple[RateState, float | None, str]:
    """Take a value; the change per `per`, or None and why it is not known."""
    if not state.corners:
        state = RateState(now)
    corners = state.corners
    if not corners or corners[-1][1] != value:
        corners = _with(measure, state, (now, value))
    corners = _needed(corners, now - measure.over)
    state = RateState(state.origin, corners)
    reference = _reference(measure, corners, now)
    if reference is None:
        since = next(at for at, known in reversed(corners) if known is not None)
        for at, known in reversed(corners):
            if known is None:
                break
            since = at
        return state, None, f"the rate needs more time: {progress(now - since, measure.over)}"
    at, was = reference
    return state, (value - was) * measure.per / (now - at), ""


def _needed(corners: tuple[Corner, ...], then: int) -> tuple[Corner, ...]:
    """From the corner that was current at `then`, or from the last value before where it is a gap."""
    place = next((i for i, (at, _) in enumerate(corners) if at > then), len(corners)) - 1
    if place > 0 and corners[place][1] is None:
        place -= 1
    return corners[place:] if place > 0 else corners


def _reference(measure: Rate, corners: tuple[Corner, ...], now: int) -> tuple[int, float] | None:
    """When the value is compared with, and what it was."""
    then = now - measure.over
    place = next((i for i, (at, _) in enumerate(corners) if at > then), len(corners)) - 1
    if place < 0:
        return None
    at, was = corners[place]
    if was is not None:
        return (at if at >= then - measure.over // _EARLIER else then), was
    if place == 0 or now - at > 2 * measure.over:
        return None
    before = corners[place - 1][1]
    return None if before is None else (at, before)


def _with(measure: Rate, state: RateState, corner: Corner) -> tuple[Corner, ...]:
    """The corners and a new one, in the place of those that it makes superfluous."""
    grid = Grid(measure.over, _PANES)
    pane = grid.begin(state.origin, grid.pane(state.origin, corner[0]))
    kept = list(state.corners)
    while kept and kept[-1][0] >= pane and corner[1] is not None:
        first = len(kept) == 1 or kept[-2][1] is None
        if kept[-1][1] is not None and first:
            break
        kept.pop()
    if kept and kept[-1][0] == corner[0] and corner[1] is not None:
        kept.pop()
    return (*kept, corner)


def lose(measure: Rate, state: RateState, at: int) -> RateState:
    """Observation stopped."""
    if not state.corners or state.corners[-1][1] is None:
        return state
    return RateState(state.origin, _with(measure, state, (max(at, state.corners[-1][0]), None)))


def next_due(measure: Rate, state: RateState, now: int) -> int | None:
    """The next pane while the rate moves by time alone; None once it is constant."""
    if not state.corners or state.corners[-1][1] is None:
        return None
    held = state.corners[-1][1]
    if all(value == held for _, value in state.corners):
        known = state.corners[0][0] + measure.over
        return known if known > now else None
    grid = Grid(measure.over, _PANES)
    return grid.begin(state.origin, grid.pane(state.origin, now) + 1)
