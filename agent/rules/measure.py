"""Measures: what turns a tag's value into the number that is compared (design: rules).

The stages of a rule are applied in the order of its `measures`; each keeps a small frozen state. Only
observed time counts: a value holds until the next one, or until `lose`. A stage that knows nothing yet
stops the chain there; the stages after it observe nothing meanwhile.

Rules for whoever changes it: pure, instants are monotonic nanoseconds. A switch counts as 0 and 1 (its
average is the duty cycle), but is no counter. A kind of measure is one module in `measures` and one
branch in each `match` here.
"""

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Final, NamedTuple, TypeAlias

from agent.model import SECOND, Json
from agent.rules.measures import counter, kept, rate, unusual, window
from agent.rules.measures.counter import CounterState
from agent.rules.measures.rate import RateState
from agent.rules.measures.stages import DeviationState, Stage, first
from agent.rules.measures.unusual import UnusualState
from agent.rules.measures.window import WindowState
from agent.rules.message import show_duration
from agent.rules.spec import Counter, Deviation, Measure, Rate, Unusual, Window

Other: TypeAlias = Callable[[str], float | None]
"""The present value of another tag; None: unknown."""

_UNSEEN = "nothing has been read yet"
_LOST = "the value cannot be read"
_BEYOND = "the result is too large to compute with"
_PER: Final = {SECOND: "s", 60 * SECOND: "min", 3600 * SECOND: "h", 86_400 * SECOND: "d"}


class Measured(NamedTuple):
    """Where the stages of one rule stand. Frozen: the parts that a step leaves alone are shared.

    Attributes:
        stages: the state of each stage, in the order of the rule's measures.
        value: what the last step gave; None: not known yet, or not now.
        why: why it is not known, for a person; empty if it is.
        held: the value that holds since; None: nothing is observed.
        at: when it was last seen.
    """

    stages: tuple[Stage, ...]
    value: float | None = None
    why: str = ""
    held: float | None = None
    at: int = 0


def begin(measures: Sequence[Measure]) -> Measured:
    """The state of measures that have seen nothing yet."""
    return Measured(tuple([first(measure) for measure in measures]), None, _UNSEEN)


def see(measures: Sequence[Measure], state: Measured, value: float, now: int, other: Other) -> Measured:
    """Take a good value at `now`; the same value again, later, means that it is still held.

    What follows a window sees it at the window's own steps only (a new value, the next pane): a rate
    or a score of a window moves in these steps, and looking more often does not change it.

    Raises:
        TypeError: the value is no number (a text, not a number, beyond what is computed with), or a
            switch is counted; nothing has changed then.
    """
    _check(value)
    if _moves_within(measures):
        state = _until(measures, state, now)
        due = next_due(measures, state)
        same = state.held == value and _others(state) == [
            other(measure.tag) for measure in measures if isinstance(measure, Deviation)
        ]
        if same and now > state.at and (due is None or now < due):
            return state
    return _step(measures, state, value, now, other)


def _check(value: float) -> None:
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    try:
        finite = isfinite(value)
    except OverflowError:
        raise TypeError("the number is too large to compute with") from None
    if not finite:
        raise TypeError(f"{value!r} is no number to compute with")


def _moves_within(measures: Sequence[Measure]) -> bool:
    """A stage that remembers follows one that moves by time alone."""
    return len(measures) > 1 and any(
        isinstance(measure, Window) and not isinstance(measures[-1], Window | Deviation)
        for measure in measures
    )


def _others(state: Measured) -> list[float | None]:
    return [stage.other for stage in state.stages if isinstance(stage, DeviationState)]


def _until(measures: Sequence[Measure], state: Measured, now: int) -> Measured:
    """Let the held value pass through the steps that were due before `now`."""
    others = _others(state)
    while state.held is not None and (due := next_due(measures, state)) is not None and due < now:
        state = _step(measures, state, state.held, due, lambda _: others[0])
    return state


def _step(measures: Sequence[Measure], state: Measured, value: float, now: int, other: Other) -> Measured:
    stages: list[Stage] = []
    number: float | None = value
    why = ""
    for measure, stage in zip(measures, state.stages, strict=True):
        if number is None:
            stages.append(_pass_by(measure, stage, now, other))
            continue
        after, number, why = _take(measure, stage, number, now, other)
        stages.append(after)
        if number is not None and not isfinite(number):
            number, why = None, _BEYOND
    return Measured(tuple(stages), number, why, value, now)


def _pass_by(measure: Measure, stage: Stage, now: int, other: Other) -> Stage:
    """What a stage without a number becomes; the other tag is asked, because steps that are due go by it."""
    return (
        DeviationState(other(measure.tag)) if isinstance(measure, Deviation) else _lose(measure, stage, now)
    )


def _take(
    measure: Measure, stage: Stage, number: float, now: int, other: Other
) -> tuple[Stage, float | None, str]:
    match measure, stage:
        case Window(), WindowState():
            return window.step(measure, stage, number, now)
        case Rate(), RateState():
            return rate.step(measure, stage, number, now)
        case Counter(), CounterState():
            counted = counter.step(measure, stage, number)
            return counted, counted.total, ""
        case Deviation(), DeviationState():
            known = other(measure.tag)
            if known is None:
                return DeviationState(), None, f"{measure.tag} cannot be read"
            _check(known)
            return DeviationState(known), number - known, ""
        case Unusual(), UnusualState():
            return unusual.step(measure, stage, number, now)
        case _:
            raise _mixed(measure, stage)


def _mixed(measure: Measure, stage: Stage) -> ValueError:
    return ValueError(f"{type(stage).__name__} is not the state of {measure!r}")


def lose(measures: Sequence[Measure], state: Measured, at: int) -> Measured:
    """Observation stopped at `at`: the value went bad or stale; it goes on with the next `see`."""
    if state.held is None:
        return state
    at = max(at, state.at)
    if _moves_within(measures):
        state = _until(measures, state, at)
    stages = [_lose(measure, stage, at) for measure, stage in zip(measures, state.stages, strict=True)]
    return Measured(tuple(stages), None, _LOST, None, at)


def _lose(measure: Measure, stage: Stage, at: int) -> Stage:
    match measure, stage:
        case Window(), WindowState():
            return window.lose(measure, stage, at)
        case Rate(), RateState():
            return rate.lose(measure, stage, at)
        case Unusual(), UnusualState():
            return unusual.lose(measure, stage, at)
        case (Counter(), CounterState()) | (Deviation(), DeviationState()):
            return stage
        case _:
            raise _mixed(measure, stage)


def next_due(measures: Sequence[Measure], state: Measured) -> int | None:
    """When the held value must be seen again because the measure moves with time alone; None: never.

    Deterministic: asked more often, at other instants, `see` at these instants gives the same values.
    """
    if state.held is None:
        return None
    dues: list[int] = []
    for measure, stage in zip(measures, state.stages, strict=True):
        match measure, stage:
            case Window(), WindowState():
                due = window.next_due(measure, stage)
            case Rate(), RateState():
                due = rate.next_due(measure, stage, state.at)
            case Unusual(), UnusualState():
                due = unusual.next_due(measure, stage)
            case _:
                due = None
        if due is not None:
            dues.append(due)
    return min(dues, default=None)


def within(measures: Sequence[Measure], state: Measured) -> tuple[float, float] | None:
    """Between which numbers the measured one stays for as long as the value is held; None: not known."""
    match measures, state.stages:
        case [Window() as measure], (WindowState() as stage,):
            return window.within(measure, stage)
        case _:
            return None


def must_last(before: Measured, after: Measured) -> bool:
    """A rollover was counted: it must be on disk before it counts (design: rules, "Restart")."""
    return _turns(before) != _turns(after)


def _turns(state: Measured) -> int:
    return sum([stage.turns for stage in state.stages if isinstance(stage, CounterState)])


def unit_of(measures: Sequence[Measure], unit: str) -> str:
    """The unit of the measured number, for a tag in `unit`: `°C/min` of a rate, none of a score."""
    for measure in measures:
        match measure:
            case Rate(per=per):
                unit = f"{unit}/{_PER.get(per) or show_duration(per)}"
            case Unusual():
                unit = ""
            case _:
                pass
    return unit


def encode(measures: Sequence[Measure], state: Measured) -> Json:
    """The state as JSON: beside each stage what it is of, so that a changed one is told apart."""
    stages = zip(measures, state.stages, strict=True)
    return {
        "stages": [[kept.signature(measure), kept.write(stage)] for measure, stage in stages],
        "now": [state.value, state.why, state.held, state.at],
    }


def decode(measures: Sequence[Measure], written: Json, shift: int) -> Measured:
    """Read what `encode` wrote, instants moved by `shift`; what another program wrote otherwise begins anew.

    From the first stage on that is of another kind or has other parameters all begin anew: what comes
    after it was of another number. The value is observed up to where it was: `lose` says until when.
    """
    try:
        return _decoded(measures, written, shift)
    except (LookupError, TypeError, ValueError):
        return begin(measures)


def _decoded(measures: Sequence[Measure], written: Json, shift: int) -> Measured:
    fields = kept.table(written)
    stages = [first(measure) for measure in measures]
    before = [kept.row(each) for each in kept.row(fields["stages"])]
    for place, (measure, (signature, stage)) in enumerate(zip(measures, before, strict=False)):
        if signature != kept.signature(measure):
            break
        stages[place] = kept.read(measure, stage, shift)
    if [signature for signature, _ in before] != [kept.signature(measure) for measure in measures]:
        return Measured(tuple(stages), None, _UNSEEN)
    value, why, held, at = kept.row(fields["now"])
    return Measured(tuple(stages), kept.maybe(value), str(why), kept.maybe(held), kept.whole(at) + shift)
