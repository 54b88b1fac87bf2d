"""A stage's state as JSON, and back.

Rules for whoever changes it: small, because it is written every few seconds; what follows from the rest
(the sum of a window's panes) is computed again. Only instants are moved by `shift`: a pane is a number.
"""

from dataclasses import fields
from typing import NoReturn, assert_never

from agent.model import Json
from agent.rules.measures.counter import CounterState
from agent.rules.measures.rate import RateState
from agent.rules.measures.stages import DeviationState, Stage
from agent.rules.measures.unusual import UnusualState
from agent.rules.measures.window import Pane, WindowState, sum_of
from agent.rules.spec import Counter, Deviation, Measure, Rate, Unusual, Window


def signature(measure: Measure) -> list[Json]:
    """What a stage's state is of: its kind and its parameters."""
    return [type(measure).__name__, *[getattr(measure, each.name) for each in fields(measure)]]


def write(stage: Stage) -> Json:
    """The state of a stage."""
    match stage:
        case CounterState() | DeviationState():
            return list(stage)
        case RateState():
            return [stage.origin, [list(corner) for corner in stage.corners], stage.elapsed]
        case UnusualState():
            return [*stage[:2], list(stage.values), *stage[3:]]
        case WindowState():
            panes: list[Json] = [_pane(each) for each in (*stage.closed, stage.open)]
            return [stage.origin, panes, stage.held, stage.since, stage.moved]
        case _:
            assert_never(stage)


def _pane(pane: Pane) -> Json:
    values: list[Json] = [list(each) for each in pane.values]
    if values:
        return [pane.place, pane.observed, pane.number, pane.squares, values]
    return list(pane[:4]) if pane.squares else list(pane[:3])


def read(measure: Measure, written: Json, shift: int) -> Stage:
    """Read what `write` wrote for the same measure."""
    words = row(written)
    match measure:
        case Counter():
            return CounterState(maybe(words[0]), number(words[1]), whole(words[2]))
        case Deviation():
            return DeviationState(maybe(words[0]))
        case Rate():
            corners = [row(each) for each in row(words[1])]
            moved = tuple([(whole(at) + shift, maybe(value)) for at, value in corners])
            return RateState(whole(words[0]) + shift, moved, whole(words[2]))
        case Unusual():
            origin, slot, values, middle, spread, held = words
            learned = tuple([number(each) for each in row(values)])
            return UnusualState(
                whole(origin) + shift, whole(slot), learned, number(middle), number(spread), maybe(held)
            )
        case Window():
            return _window(measure, words, shift)
        case _:
            assert_never(measure)


def _window(measure: Window, words: list[Json], shift: int) -> WindowState:
    origin, panes, held, since, moved = words
    *closed, current = [_read_pane(row(each)) for each in row(panes)]
    until = None if since is None else whole(since) + shift
    past = sum_of(measure.take, tuple(closed))
    return WindowState(whole(origin) + shift, tuple(closed), past, current, number(held), until, whole(moved))


def _read_pane(words: list[Json]) -> Pane:
    place, observed, value, *rest = words
    squares = number(rest[0]) if rest else 0.0
    pairs = [row(each) for each in row(rest[1])] if len(rest) > 1 else []
    values = tuple([(number(each), whole(time)) for each, time in pairs])
    return Pane(whole(place), whole(observed), number(value), squares, values)


def table(written: Json) -> dict[str, Json]:
    """What is written is a table."""
    return written if isinstance(written, dict) else _broken(written)


def row(written: Json) -> list[Json]:
    """What is written is a row."""
    return written if isinstance(written, list) else _broken(written)


def number(written: Json) -> float:
    """What is written is a number."""
    return written if isinstance(written, int | float) else _broken(written)


def whole(written: Json) -> int:
    """What is written is a whole number."""
    return written if isinstance(written, int) else _broken(written)


def maybe(written: Json) -> float | None:
    """What is written is a number, or nothing."""
    return None if written is None else number(written)


def _broken(written: Json) -> NoReturn:
    raise ValueError(f"no state of a measure: {str(written)[:80]}")
