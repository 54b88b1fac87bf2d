"""A window: what the last `over` nanoseconds were, each value weighted by how long it was held.

The window is cut into sixty panes, counted from the first value; it reaches from `now` back over the
pane that is open and sixty closed ones, so its far end moves in steps of a pane (a sixtieth of
`over`). It is known once at least half of `over` was observed within it.

Rules for whoever changes it: a pane that is closed never changes; a held value is added to the open
pane only when it ends or the pane does, so looking more often changes not even the rounding. What is
computed starts from a value of the window, so the average of a constant is exactly that constant.
"""

from collections.abc import Callable
from math import sqrt
from typing import Final, NamedTuple, assert_never

from agent.rules.measures.distribution import EMPTY, Weighted, added, compact, middle, total
from agent.rules.measures.grid import Grid, progress
from agent.rules.spec import Take, Window

PANES = 60
_NEVER = -PANES - 2


class Pane(NamedTuple):
    """What was observed in a pane.

    Attributes:
        place: its number, counted from the first.
        observed: nanoseconds.
        number: the mean of it, the least or the greatest, as the window takes it.
        squares: of a standard deviation: the sum of weight times squared distance from the mean.
        values: of a median: what was held, and for how long.
    """

    place: int
    observed: int = 0
    number: float = 0
    squares: float = 0.0
    values: Weighted = EMPTY


class WindowState(NamedTuple):
    """Where a window stands.

    Attributes:
        origin: the instant of the first value.
        closed: the panes before the open one, oldest first; those without observation are missing.
        sum: all of `closed` as one pane.
        open: the pane of now, without what is held since `since`.
        held: the value that is held.
        since: from when on it is held and not yet in a pane; None: nothing is observed.
        moved: the last pane in which a value differed from the one before.
    """

    origin: int = 0
    closed: tuple[Pane, ...] = ()
    sum: Pane = Pane(0)
    open: Pane = Pane(0)
    held: float = 0
    since: int | None = None
    moved: int = _NEVER


_Add = Callable[[Pane, float, int], Pane]


def _add_mean(pane: Pane, value: float, time: int) -> Pane:
    observed = pane.observed + time
    distance = value - pane.number
    number = pane.number + distance * (time / observed) if pane.observed else value
    squares = pane.squares + distance * distance * (pane.observed * time / observed) if pane.observed else 0.0
    return Pane(pane.place, observed, number, squares)


def _add_least(pane: Pane, value: float, time: int) -> Pane:
    return Pane(pane.place, pane.observed + time, min(value, pane.number) if pane.observed else value)


def _add_greatest(pane: Pane, value: float, time: int) -> Pane:
    return Pane(pane.place, pane.observed + time, max(value, pane.number) if pane.observed else value)


def _add_value(pane: Pane, value: float, time: int) -> Pane:
    return Pane(pane.place, pane.observed + time, 0, 0.0, added(pane.values, value, time))


_ADD: Final[dict[Take, _Add]] = {
    Take.AVERAGE: _add_mean,
    Take.STDEV: _add_mean,
    Take.MIN: _add_least,
    Take.MAX: _add_greatest,
    Take.MEDIAN: _add_value,
}


def sum_of(take: Take, panes: tuple[Pane, ...]) -> Pane:
    """Several panes as one."""
    observed = sum([pane.observed for pane in panes])
    if not observed:
        return Pane(0)
    match take:
        case Take.MIN:
            return Pane(0, observed, min([pane.number for pane in panes]))
        case Take.MAX:
            return Pane(0, observed, max([pane.number for pane in panes]))
        case Take.MEDIAN:
            return Pane(0, observed, 0, 0.0, total([pane.values for pane in panes]))
        case _:
            start = panes[0].number
            mean = start + sum([(pane.number - start) * pane.observed for pane in panes]) / observed
            squares = 0.0
            if take is Take.STDEV:
                squares = sum([pane.squares + (pane.number - mean) ** 2 * pane.observed for pane in panes])
            return Pane(0, observed, mean, squares)


def step(
    measure: Window, state: WindowState, value: float, now: int
) -> tuple[WindowState, float | None, str]:
    """Take a value; what the window is now, or None and how full it is."""
    if state.since is None and not state.closed and not state.open.observed and state.moved == _NEVER:
        state = WindowState(now, held=value)
    state = _until(measure, state, now)
    origin, closed, past, pane, held, since, moved = state
    if since is None or value != held:
        if since is not None and now > since:
            pane = _ADD[measure.take](pane, held, now - since)
        if value != held:
            moved = pane.place
        held, since = value, now
        state = WindowState(origin, closed, past, pane, held, since, moved)
    return state, *_result(measure, state, now)


def lose(measure: Window, state: WindowState, at: int) -> WindowState:
    """Observation stopped."""
    if state.since is None:
        return state
    state = _until(measure, state, at)
    since = state.since
    pane = state.open
    if since is not None and at > since:
        pane = _ADD[measure.take](pane, state.held, at - since)
    return WindowState(state.origin, state.closed, state.sum, pane, state.held, None, state.moved)


def _until(measure: Window, state: WindowState, now: int) -> WindowState:
    """Close the panes that ended up to `now`, each with the held value to its end."""
    grid, origin = Grid(measure.over, PANES), state.origin
    index = grid.pane(origin, now)
    if index <= state.open.place:
        return state
    add, since, pane = _ADD[measure.take], state.since, state.open
    oldest = index - PANES
    closed = [each for each in state.closed if each.place >= oldest]
    if pane.place < oldest:
        pane = Pane(oldest)
        since = None if since is None else grid.begin(origin, oldest)
    while pane.place < index:
        if since is not None:
            end = grid.begin(origin, pane.place + 1)
            if end > since:
                pane = add(pane, state.held, end - since)
            since = end
        if pane.observed:
            closed.append(pane._replace(values=compact(pane.values)) if pane.values else pane)
        pane = Pane(pane.place + 1 if since is not None else index)
    kept = tuple(closed)
    return WindowState(origin, kept, sum_of(measure.take, kept), pane, state.held, since, state.moved)


def _result(measure: Window, state: WindowState, now: int) -> tuple[float | None, str]:
    """What the window is, or why it is not known."""
    pane = state.open
    if state.since is not None and now > state.since:
        pane = _ADD[measure.take](pane, state.held, now - state.since)
    past = state.sum
    observed = past.observed + pane.observed
    if 2 * observed < measure.over or not observed:
        return None, f"the window is not half full yet: {progress(observed, measure.over)}"
    if not pane.observed:
        return _number(measure.take, past, state.held), ""
    if not past.observed:
        return _number(measure.take, pane, state.held), ""
    if measure.take is Take.AVERAGE:
        return past.number + (pane.number - past.number) * (pane.observed / observed), ""
    return _number(measure.take, sum_of(measure.take, (past, pane)), state.held), ""


def _number(take: Take, pane: Pane, held: float) -> float:
    """What is taken; a value that has only just come weighs nothing, but may be the least or greatest."""
    match take:
        case Take.MIN:
            return min(pane.number, held)
        case Take.MAX:
            return max(pane.number, held)
        case Take.MEDIAN:
            return middle(pane.values)
        case Take.STDEV:
            return sqrt(pane.squares / pane.observed)
        case Take.AVERAGE:
            return pane.number
        case _:
            assert_never(take)


def within(measure: Window, state: WindowState) -> tuple[float, float] | None:
    """Between which numbers the window stays for as long as the value is held: the extremes of what is in it.

    None: that is not known. A mean may be beyond them by its rounding.
    """
    if measure.take is Take.STDEV or 2 * (state.sum.observed + state.open.observed) < measure.over:
        return None
    panes = [*state.closed, state.open] if state.open.observed else state.closed
    if measure.take is Take.MEDIAN:
        numbers = [end for pane in panes for end, _ in (pane.values[0], pane.values[-1])]
    else:
        numbers = [pane.number for pane in panes]
    numbers.append(state.held)
    return min(numbers), max(numbers)


def next_due(measure: Window, state: WindowState) -> int | None:
    """The next pane while a value is held; None once it is all that is in the window, and it is known."""
    if state.since is None:
        return None
    known = 2 * state.sum.observed >= measure.over
    if known and state.moved < state.open.place - PANES:
        return None
    return Grid(measure.over, PANES).begin(state.origin, state.open.place + 1)
