"""All that rules may look at, at one instant: tags, sources, the wall clock, and each other.

The board is the scope of every expression (`agent.rules.expression.Scope`). What cannot be believed
at this instant (bad, stale, not read yet) is unknown here, never a last value.
"""

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from agent.model import SECOND, Quality, Value
from agent.rules.expression import Expression
from agent.rules.inputs import FIRST_READ_WITHIN, FOREVER, Source, Tag
from agent.rules.spec import Awaited

if TYPE_CHECKING:
    from agent.rules.runs import Run


class WallOffset:
    """What makes a UTC stamp of an instant, nanoseconds; None while the wall clock is not to be believed."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: int | None = None

    def become(self, state: int | None) -> None:
        """Take `state`."""
        self.state = state


class Board:
    """Everything at one instant.

    Attributes:
        now: the instant at which it is looked at, monotonic nanoseconds.
        watched_from: until then what decides about a rule may still become known.
    """

    def __init__(self, started: int) -> None:
        self.now = started
        self.watched_from = started + FIRST_READ_WITHIN
        self.tags: dict[str, Tag] = {}
        self.sources: dict[str, Source] = {}
        self.rules: dict[str, list[Run]] = {}
        self.offset = WallOffset()

    @property
    def wall(self) -> int | None:
        """The instant as nanoseconds UTC; None while the wall clock is not to be believed."""
        return None if self.offset.state is None else self.now + self.offset.state

    def value(self, tag: str) -> Value | None:
        """See `Scope.value`."""
        holder = self.tags[tag]
        return holder.value if holder.fresh_until >= self.now else None

    def age(self, tag: str) -> float | None:
        """See `Scope.age`."""
        state = self.tags[tag].state
        return None if state.reading is None else (self.now - state.evidence) / SECOND

    def active(self, rule: str) -> bool | None:
        """See `Scope.active`."""
        answers = [run.active for run in self.rules[rule]]
        return True if True in answers else None if None in answers else False

    def waited_for(self, tags: frozenset[str]) -> int | None:
        """Until when one of them is waited for that was not read yet; None: none is, or it is over."""
        states = (self.tags[tag].state for tag in tags)
        ends = (state.evidence + FIRST_READ_WITHIN for state in states if state.reading is None)
        until = max(ends, default=self.now)
        return until if until > self.now else None


class _Glance(NamedTuple):
    """The board as somebody sees it who comes by at an instant, at which nothing need have been read."""

    board: Board
    at: int

    def value(self, tag: str) -> Value | None:
        """A value that can be relied on; an uncertain one is often the last that the device has seen."""
        holder = self.board.tags[tag]
        reliable = holder.quality is Quality.GOOD and holder.fresh_until >= self.at
        return holder.value if reliable else None

    def age(self, tag: str) -> float | None:
        """See `Scope.age`."""
        state = self.board.tags[tag].state
        return None if state.reading is None else (self.at - state.evidence) / SECOND

    def active(self, rule: str) -> bool | None:
        """Whether an alarm of the rule is active, as far as it can be looked at; None: unknown.

        An alarm holds what it was while its tag is bad or stale. That is right for whoever is told of it, and
        no word on which a machine is moved: a door of which nothing is known is not closed.
        """
        answers = [self._active(run) for run in self.board.rules[rule]]
        return True if True in answers else None if None in answers else False

    def _active(self, run: "Run") -> bool | None:
        when = run.spec.gate.when
        try:
            if when is not None and when.holds(self) is None:
                return None
        except TypeError:
            return None
        if run.state.gate.enabled is False:
            return False  # it makes no sense now, as its `when` or its hours say
        return run.active if run.evident(self.at) else None


def holding(board: Board, condition: Expression, at: int) -> tuple[bool | None, str]:
    """Whether a condition is true at an instant; None: unknown, and beside it what of it is."""
    gone = [*(condition.tags - board.tags.keys()), *(condition.rules - board.rules.keys())]
    if gone:
        return None, f"there is no {', no '.join(sorted(gone))}"
    glance = _Glance(board, at)
    try:
        holds = condition.holds(glance)
    except TypeError as error:
        return None, str(error)
    if holds is not None:
        return holds, ""
    tags = (board.tags[name] for name in sorted(condition.tags) if glance.value(name) is None)
    missing = [f"{tag.name} is unknown: {tag.reason or 'stale'}" for tag in tags]
    for name in sorted(condition.rules):
        if glance.active(name) is None:
            why = next((why for run in board.rules[name] if (why := run.sight.reason)), "")
            missing.append(f"whether {name} is active is unknown" + (f": {why}" if why else ""))
    return None, "; ".join(missing)


class _Seen(NamedTuple):
    """The board as a rule with a staleness of its own sees it, now or later if nothing is read until then."""

    board: Board
    at: int
    stale_after: int | None

    def value(self, tag: str) -> Value | None:
        """See `Scope.value`."""
        holder = self.board.tags[tag]
        return holder.value if holder.fresh_for(self.stale_after) >= self.at else None

    def age(self, tag: str) -> float | None:
        """See `Scope.age`."""
        return self.board.age(tag)

    def active(self, rule: str) -> bool | None:
        """See `Scope.active`."""
        return self.board.active(rule)


class Calculation:
    """An expression over tags, watched as if it were one."""

    __slots__ = ("_board", "_expression", "_stale_after", "_tags")

    name = ""
    unit = ""
    source_time: int | None = None

    def __init__(self, expression: Expression, board: Board, stale_after: int | None) -> None:
        self._expression = expression
        self._board = board
        self._stale_after = stale_after
        self._tags = [board.tags[name] for name in sorted(expression.tags)]

    @property
    def value(self) -> Value | None:
        """What it gives now; None: unknown.

        Raises:
            TypeError: what it reads is of the wrong kind.
        """
        return self._at(self._board.now)

    def _at(self, instant: int) -> Value | None:
        return self._expression.evaluate(_Seen(self._board, instant, self._stale_after))

    @property
    def quality(self) -> Quality:
        """BAD while it is unknown; else the worst of what can be read."""
        try:
            known = self.value is not None
        except TypeError:
            return Quality.UNCERTAIN  # it can be read: that it makes no sense is the rule's fault
        uncertain = any(tag.quality is Quality.UNCERTAIN for tag in self._tags)
        return Quality.BAD if not known else Quality.UNCERTAIN if uncertain else Quality.GOOD

    @property
    def reason(self) -> str:
        """Why it is unknown."""
        now = _Seen(self._board, self._board.now, self._stale_after)
        missing = [tag for tag in self._tags if now.value(tag.name) is None]
        return "; ".join(f"{tag.name} is unknown: {tag.reason or 'stale'}" for tag in missing)

    def fresh_for(self, stale_after: int | None) -> int:
        """Until what is known of it is unknown, because something that decides is not fresh any more."""
        for end in sorted({tag.fresh_for(stale_after) for tag in self._tags} - {FOREVER}):
            try:
                if self._at(end + 1) is None:
                    return end
            except TypeError:
                continue  # that it makes no sense can be read
        return FOREVER

    def absent_since(self, awaited: Awaited, stale_after: int | None) -> int | None:
        """Since when something that it is made of is missing."""
        since = (tag.absent_since(awaited, stale_after) for tag in self._tags)
        return min((instant for instant in since if instant is not None), default=None)


Subject: TypeAlias = Tag | Source | Calculation
