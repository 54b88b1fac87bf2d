"""The words of a rule's sentence: what is looked at as a noun, a condition as when it comes and goes.

Rules for whoever changes it: numbers and durations are exact, so that two rules which behave
differently never read the same; "it" in a phrase is always the noun.
"""

from typing import Final, NamedTuple, assert_never

from agent.model import MILLISECOND, SECOND, TagSpec, Value
from agent.rules.measure import unit_of
from agent.rules.message import show
from agent.rules.spec import (
    Absence,
    Awaited,
    Bit,
    Condition,
    Counter,
    Deviation,
    Limit,
    Measure,
    Rate,
    RuleSpec,
    State,
    Still,
    Take,
    Unusual,
    Window,
)

_TAKEN: Final = {
    Take.AVERAGE: "average",
    Take.MIN: "least value",
    Take.MAX: "greatest value",
    Take.MEDIAN: "median",
    Take.STDEV: "standard deviation",
}
_TIMES: Final = (("d", 86_400 * SECOND), ("h", 3600 * SECOND), ("min", 60 * SECOND))


def duration(nanoseconds: int) -> str:
    """Write a duration as a person says it, and exactly: `1 h 30 min`, `2.5 s`, `500 ms`."""
    if 0 < nanoseconds < SECOND:
        return f"{nanoseconds / MILLISECOND:.15g} ms"
    parts: list[str] = []
    rest = nanoseconds
    for unit, size in _TIMES:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    if rest or not parts:
        parts.append(f"{rest / SECOND:.15g} s")
    return " ".join(parts)


# --- what is looked at ------------------------------------------------------------------------------


class Subject(NamedTuple):
    """What is compared, as a noun; its unit, and the range that percentages are of."""

    noun: str
    unit: str
    range: tuple[float, float] | None

    def number(self, value: float) -> str:
        """A value of it, with its unit."""
        return f"{value:.15g} {self.unit}".rstrip()


def subject_of(spec: RuleSpec, tag: TagSpec | None) -> Subject:
    """Name what a rule compares, once its measures have made a number of it; `tag` is its subject's."""
    unit, span = ("", None) if tag is None else (tag.unit, tag.range)
    subject = Subject(f"({spec.calc.text})" if spec.calc is not None else spec.subject, unit, span)
    for measure in spec.measures:
        subject = _measured(measure, subject)
    return subject


def _measured(measure: Measure, of: Subject) -> Subject:
    match measure:
        case Counter(rollover_at=top):
            again = "each decrease is a reset to 0" if top is None else f"{of.number(top)} is 0 again"
            return of._replace(noun=f"the count of {of.noun} ({again})")
        case Window(over=over, take=take):
            noun = f"the {_TAKEN[take]} of {of.noun} over {duration(over)}"
            return of._replace(noun=noun, range=None if take is Take.STDEV else of.range)
        case Deviation(tag=tag):
            return of._replace(noun=f"{of.noun} minus {tag}")
        case Rate(per=per, over=over):
            noun = f"the change of {of.noun} per {duration(per)}, taken over {duration(over)},"
            return Subject(noun, unit_of((measure,), of.unit), None)
        case Unusual(learn=learn, at_least=spread):
            least = f", spread at least {of.number(spread)}" if spread else ""
            noun = f"the robust z-score of {of.noun} (against its last {duration(learn)}{least})"
            return Subject(noun, "", None)
        case _:
            assert_never(measure)


# --- when it comes, and when it goes ------------------------------------------------------------------


class Words(NamedTuple):
    """How a condition is told: it `comes`, it `lasts`, it `ends`, it comes `again`; the last three of "it"."""

    comes: str
    lasts: str
    ends: str
    again: str


def words_of(condition: Condition, subject: Subject) -> Words:
    """Say when a condition comes and goes, its own delays left out unless they are the condition."""
    match condition:
        case Limit():
            return _limit(condition, subject)
        case State(values=values, negated=negated):
            is_so = f"is {_excluded(values) if negated else _one_of(values)}"
            return Words(f"{subject.noun} {is_so}", "stays so", "is not so any more", "is so again")
        case Bit(number=number):
            return Words(f"bit {number} of {subject.noun} is set", "stays set", "is cleared", "is set again")
        case Still(by=by, rising=rising):
            moved = f"{'risen' if rising else 'moved'} by {subject.number(by)}"
            still = f"{subject.noun} has not {moved} for {duration(condition.say.on_delay)}"
            return Words(still, "", f"has {moved}", "")
        case Absence():
            return _absence(condition, subject)
        case _:
            assert_never(condition)


def _limit(limit: Limit, subject: Subject) -> Words:
    """The deadband lies between the limit and where the value is back; within it nothing changes."""
    at = limit.at if isinstance(limit.at, str) else subject.number(limit.at)
    back, band = at, ""
    if limit.deadband:
        if isinstance(limit.at, str):
            back = f"{at} {'minus' if limit.side > 0 else 'plus'} {subject.number(limit.deadband)}"
        else:
            back = subject.number(limit.at - limit.side * limit.deadband)
        band = f" (deadband {subject.number(limit.deadband)}{share_of_range(limit.deadband, subject)})"
    is_so = f"is {at} or {'higher' if limit.side > 0 else 'lower'}"
    beyond = f"{'fall below' if limit.side > 0 else 'rise above'} {back}"
    ends = f"{'falls below' if limit.side > 0 else 'rises above'} {back}{band}"
    return Words(f"{subject.noun} {is_so}", f"does not {beyond}", ends, f"{is_so} again")


def share_of_range(amount: float, subject: Subject) -> str:
    """A percentage is how deadbands are written, and talked about."""
    if subject.range is None or subject.unit == "%":
        return ""
    low, high = subject.range
    return f", {100 * amount / (high - low):.4g} % of the range"


def _absence(absence: Absence, subject: Subject) -> Words:
    lasting = f" for {duration(absence.within)}" if absence.within else ""
    match absence.awaited:
        case Awaited.SAMPLE:
            missed = f"no good value of {subject.noun} came{lasting}"
            return Words(missed, "", "comes again", f"stays away{lasting} again")
        case Awaited.CONNECTION:
            lost = f"the source {subject.noun} was not connected{lasting}"
            return Words(lost, "", "is connected again", f"is lost{lasting} again")
        case Awaited.QUALITY:
            unread = f"{subject.noun} cannot be read{lasting}"
            return Words(unread, "", "can be read again", f"cannot be read{lasting} again")
        case _:
            assert_never(absence.awaited)


def _one_of(values: tuple[Value, ...]) -> str:
    return " or ".join(map(written, values))


def _excluded(values: tuple[Value, ...]) -> str:
    shown = [*map(written, values)]
    return f"neither {' nor '.join(shown)}" if len(shown) > 1 else f"not {shown[0]}"


def written(value: Value) -> str:
    """A text in quotes: "1" is not 1, and "true" is not true."""
    return f'"{value}"' if isinstance(value, str) else show(value)
