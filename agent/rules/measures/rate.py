"""Rate of change: how far the value is from where it was `over` ago.

    (value now - value then) / (now - then) * per

The signal is a staircase: a value holds until the next. `then` is `over` ago, or the instant at which
the value of that time came, where that is at most a tenth of `over` earlier: so the slope of a ramp is
exact although it is polled, and a jump after a long rest is not flattened by the rest. Over a gap the
last value before it stands in, for at most `over` (then the rate is unknown until `over` has passed).

A new value is compared at once. One that merely holds is compared with the next corner a tenth of
`over` late: the next value of a polled ramp is there by then, and the rate does not dip before it.

Rules for whoever changes it: at most one corner of the staircase is kept in each sixtieth of `over`
(the last), besides the first after a gap; a value that is merely held adds none, and what it is
compared with (the oldest corner kept) never moves back.
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
        elapsed: the time over which the present rate was taken; 0: it is not known yet.
    """

    origin: int = 0
    corners: tuple[Corner, ...] = ()
    elapsed: int = 0


def step(measure: Rate, state: RateState, value: float, now: int) -> tuple[RateState, float | None, str]:
    """Take a value; the change per `per`, or None and why it is not known."""
    if not state.corners:
        state = RateState(now)
    corners, then = state.corners, now - measure.over
    new = not corners or corners[-1][1] != value
    if new:
        corners = _with(measure, state, (now, value))
    else:
        then -= measure.over // _EARLIER
    kept = _needed(corners, then)
    elapsed = state.elapsed
    if new or not elapsed or kept[0] != corners[0]:
        elapsed = _elapsed(measure, kept, now, then, new=new, known=bool(elapsed))
    state, was = RateState(state.origin, kept, elapsed), kept[0][1]
    if not elapsed or was is None:
        return state, None, f"the rate needs more time: {progress(now - _since(kept), measure.over)}"
    return state, (value - was) * measure.per / elapsed, ""


def _needed(corners: tuple[Corner, ...], then: int) -> tuple[Corner, ...]:
    """From the corner that was current at `then`, or from the last value before where it is a gap."""
    place = next((i for i, (at, _) in enumerate(corners) if at > then), len(corners)) - 1
    if place > 0 and corners[place][1] is None:
        place -= 1
    return corners[place:] if place > 0 else corners


def _elapsed(
    measure: Rate, corners: tuple[Corner, ...], now: int, then: int, *, new: bool, known: bool
) -> int:
    """For how long the value has been on its way from the oldest corner; 0: not long enough, or too long."""
    at = corners[0][0]
    if at > then and not known:
        return 0
    if len(corners) > 1 and corners[1][1] is None and corners[1][0] <= then:
        lost, back = corners[1][0], corners[2][0] if len(corners) > 2 else now  # noqa: PLR2004 - the value after it
        if back - lost > 2 * measure.over:
            return 0
        return now - lost if new else measure.over
    near = at >= now - measure.over - measure.over // _EARLIER
    return now - at if new and near else measure.over


def _since(corners: tuple[Corner, ...]) -> int:
    """Since when it has been observed without a gap."""
    since = corners[-1][0]
    for at, known in reversed(corners):
        if known is None:
            break
        since = at
    return since


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
    corners = _with(measure, state, (max(at, state.corners[-1][0]), None))
    return RateState(state.origin, corners, state.elapsed)


def next_due(measure: Rate, state: RateState, now: int) -> int | None:
    """When a value that merely holds is compared with the next corner; None once there is none."""
    if not state.corners or state.corners[-1][1] is None:
        return None
    late = measure.over + measure.over // _EARLIER
    dues = (at + late for at, _ in state.corners[1 if state.elapsed else 0 :])
    return min((due for due in dues if due > now), default=None)
