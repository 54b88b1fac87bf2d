"""The states of all stages, and the one each begins with."""

from typing import NamedTuple, TypeAlias, assert_never

from agent.rules.measures.counter import CounterState
from agent.rules.measures.rate import RateState
from agent.rules.measures.unusual import UnusualState
from agent.rules.measures.window import WindowState
from agent.rules.spec import Counter, Deviation, Measure, Rate, Unusual, Window


class DeviationState(NamedTuple):
    """What the other tag was when it was last asked; it holds until the next step."""

    other: float | None = None


Stage: TypeAlias = CounterState | WindowState | DeviationState | RateState | UnusualState


def first(measure: Measure) -> Stage:
    """The state of a stage that has seen nothing yet."""
    match measure:
        case Counter():
            return CounterState()
        case Window():
            return WindowState()
        case Deviation():
            return DeviationState()
        case Rate():
            return RateState()
        case Unusual():
            return UnusualState()
        case _:
            assert_never(measure)
