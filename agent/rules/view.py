"""A rule's eyes: its subject, as its measures and its gate let it be seen.

Rules: the machines ask nobody else. What a sight shows is what is known at the board's instant.
"""

from collections.abc import Mapping

from agent.model import Quality, Value
from agent.rules.board import Board, Subject
from agent.rules.gate import WATCHED, GateState
from agent.rules.inputs import Tag
from agent.rules.measure import Measured, unit_of
from agent.rules.spec import Awaited, Condition, Limit, RuleSpec


class Sight:
    """What one rule sees.

    Attributes:
        subject: the tag, source or calculation.
        measured: where its measures stand; None: it has none.
        gate: where its gate stands.
    """

    __slots__ = ("_board", "_others", "_spec", "gate", "measured", "subject", "unit")

    def __init__(self, spec: RuleSpec, subject: Subject, others: tuple[Tag, ...], board: Board) -> None:
        self._spec = spec
        self._others = others
        self._board = board
        self.subject = subject
        self.unit = unit_of(spec.measures, subject.unit) if spec.measures else subject.unit
        self.measured: Measured | None = None
        self.gate: GateState = WATCHED

    @property
    def tag(self) -> str:
        """The tag's name; empty for a source or a calculation."""
        return self.subject.name if isinstance(self.subject, Tag) else ""

    @property
    def value(self) -> Value | None:
        """What is compared: the measured number, or the value itself; None while it is unknown.

        Raises:
            TypeError: a calculation makes no sense.
        """
        return self.subject.value if self.measured is None else self.measured.value

    @property
    def quality(self) -> Quality:
        """The worst of all that the rule compares; BAD while there is nothing to compare."""
        if self.measured is not None and self.measured.value is None:
            return Quality.BAD
        return self.subject_quality

    @property
    def subject_quality(self) -> Quality:
        """The same, whether the measure knows anything yet or not."""
        if not self._others:
            return self.subject.quality
        if any(self._board.value(other.name) is None for other in self._others):
            return Quality.BAD
        qualities = {self.subject.quality, *(other.quality for other in self._others)}
        return next(each for each in (Quality.BAD, Quality.UNCERTAIN, Quality.GOOD) if each in qualities)

    @property
    def reason(self) -> str:
        """Why it is not good."""
        missing = [other for other in self._others if self._board.value(other.name) is None]
        if missing:
            return f"{missing[0].name} is unknown: {missing[0].reason or 'stale'}"
        return self.subject.reason or (self.measured.why if self.measured is not None else "")

    @property
    def source_time(self) -> int | None:
        """The device's stamp of the last reading, nanoseconds UTC."""
        return self.subject.source_time

    @property
    def fresh_until(self) -> int:
        """What is compared counts as observed up to and including this instant."""
        fresh = self.subject.fresh_for(self._spec.stale_after)
        return min(fresh, *(other.fresh_until for other in self._others)) if self._others else fresh

    @property
    def now(self) -> int:
        """The board's instant."""
        return self._board.now

    @property
    def watched(self) -> bool:
        """It is looked at now, and what comes of it is announced."""
        return self.gate.open(self.now) and not self.gate.reasons

    @property
    def suppressed(self) -> tuple[str, ...]:
        """Why nothing is announced; empty: it is."""
        return self.gate.reasons

    def absent_since(self, awaited: Awaited) -> int | None:
        """Since when `awaited` is missing; None: it is there, or nobody asks for it now."""
        if not self.gate.enabled or self.gate.waits:
            return None
        since = self.subject.absent_since(awaited, self._spec.stale_after)
        return None if since is None else max(since, self.gate.since)

    def limit(self, condition: Condition) -> float:
        """Where the limit is now, be it a number or a tag's.

        Raises:
            TypeError: the tag has no number.
        """
        if not isinstance(condition, Limit):
            return 0.0
        if isinstance(condition.at, str):
            value = self._board.tags[condition.at].value
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"has its limit in {condition.at}, which is {value!r}, and no number")
            return float(value)
        return condition.at

    def fields(self) -> Mapping[str, Value | None]:
        """What the rule's events carry besides: values of other tags; None: unknown."""
        return {name: self._board.value(tag) for name, tag in self._spec.wording.fields.items()}
