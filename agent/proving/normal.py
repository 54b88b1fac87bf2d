"""What a tag looks like to a rule while all is well: how far it swings, and how noisy it is.

Normal is the time in which the rule was watched (enabled, not suppressed, with good values) and not in
alarm. An excursion that was over within 60 seconds belongs to it, announced or not: that is what a limit
within normal operation does all day, and nobody can act on it. The noise is of the calm times alone.

Rules for whoever changes it: the work is done a portion at a time; memory does not grow with the history.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from enum import Enum, auto
from math import sqrt
from statistics import median
from typing import Final

from agent.proving.figures import MINUTE
from agent.proving.seen import Normal
from agent.proving.thinning import Thinned, quantile
from agent.rules.inputs import FOREVER
from agent.rules.machine import Phase
from agent.rules.runs import AnyState
from agent.rules.state import AlarmState

_DIFFERENCES: Final = 64  # of neighbours, taken from each calm part of a portion
_ENOUGH_DIFFERENCES: Final = 200
_ENOUGH_FOR_QUANTILES: Final = 1_000


class Mood(Enum):
    """How a rule stands: what its tag shows is normal, may yet be, or says nothing of that."""

    CALM = auto()
    BEYOND = auto()
    UNWATCHED = auto()


def mood(state: AnyState, at: int) -> Mood:
    """How a rule in this state stands."""
    core, gate = state.core, state.gate
    if not isinstance(core, AlarmState) or not core.seen or core.fault or gate.reasons or not gate.open(at):
        return Mood.UNWATCHED
    return Mood.CALM if all(machine.phase is Phase.NORMAL for machine in core.machines) else Mood.BEYOND


class NormalRecord:
    """Follows the tag of one rule.

    Args:
        stale_after: two values further apart are no neighbours; None: any are.
    """

    def __init__(self, stale_after: int | None) -> None:
        self._apart = FOREVER if stale_after is None else stale_after
        self._now = self._latest = Mood.UNWATCHED
        self._since = 0
        self._turns: list[tuple[int, Mood]] = []  # in the portion that is being played
        self._held: list[float] = []  # of an excursion that may yet be over soon
        self._values: Thinned[float] = Thinned()
        self._differences: Thinned[float] = Thinned()

    def become(self, mood: Mood, at: int) -> None:
        """From `at` on the rule stands so."""
        if mood is not self._latest:
            self._turns.append((at, mood))
            self._latest = mood

    def add(self, times: Sequence[int], numbers: Sequence[float]) -> None:
        """The good values of the tag in the portion that was played since; no numbers: they are texts."""
        begin = 0
        times = times if numbers else ()
        for at, mood in self._turns:
            end = bisect_left(times, at, begin)
            self._take(times, numbers, begin, end)
            self._turn(mood, at)
            begin = end
        self._turns.clear()
        self._take(times, numbers, begin, len(times))

    def _turn(self, mood: Mood, at: int) -> None:
        if mood is Mood.CALM and at - self._since <= MINUTE:
            self._values.extend(self._held)
        self._held.clear()
        self._now, self._since = mood, at

    def _take(self, times: Sequence[int], numbers: Sequence[float], begin: int, end: int) -> None:
        if self._now is Mood.CALM:
            self._values.extend(numbers[begin:end])
            stride = max(1, (end - begin) // _DIFFERENCES)
            self._differences.extend(
                [
                    numbers[index + 1] - numbers[index]
                    for index in range(begin, end - 1, stride)
                    if times[index + 1] - times[index] <= self._apart
                ]
            )
        elif self._now is Mood.BEYOND:
            self._held += numbers[begin : bisect_right(times, self._since + MINUTE, begin, end)]

    def found(self) -> Normal:
        """What was found."""
        enough = self._values.count >= _ENOUGH_FOR_QUANTILES
        differences = self._differences.kept
        return Normal(
            samples=self._values.count,
            low=quantile(self._values.kept, 0.001) if enough else None,
            middle=quantile(self._values.kept, 0.5) if enough else None,
            high=quantile(self._values.kept, 0.999) if enough else None,
            noise=noise(differences) if len(differences) >= _ENOUGH_DIFFERENCES else None,
        )


def noise(differences: Sequence[float]) -> float:
    """Sigma of white noise from its first differences: MAD / 0.6745 / sqrt(2), which slow changes hardly touch."""
    centre = median(differences)
    return median([abs(each - centre) for each in differences]) / 0.6745 / sqrt(2)
