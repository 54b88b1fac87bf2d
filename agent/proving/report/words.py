"""Numbers, durations and names as the report writes them.

Rules for whoever changes it: a figure is never written with more places than anyone acts on, and never
rounded to nothing: what is not zero does not read 0.
"""

from typing import Final

from agent.config.fields import format_duration
from agent.model import MILLISECOND, SECOND
from agent.rules.message import show_duration
from agent.rules.spec import AlarmSpec, Awaited, Counter, Deviation, Measure, Rate, RuleSpec, Unusual, Window

_THOUSAND, _FULL = 1_000, 10**12
_LEAST: Final = 0.1  # per cent
_PLACES: Final = 10  # per cent, from which on no place after the point is written
_DAY: Final = 86_400 * SECOND


def number(value: float) -> str:
    """Write a number with at most four significant places, whole ones in full: `0.35`, `1,204`, `171.2`."""
    if _THOUSAND <= abs(value) < _FULL:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def rate(value: float) -> str:
    """Write an average with what of it matters: `0.79`, `1.57`, `114`, `1,204`."""
    return number(value) if value >= _THOUSAND else f"{value:.3g}"


def per_cent(share: float) -> str:
    """Write a share between 0 and 1: `0.4 %`, `< 0.1 %`, `32 %`."""
    value = share * 100
    if 0 < value < _LEAST:
        return "< 0.1 %"
    return f"{value:.1f} %" if value < _PLACES and value != round(value) else f"{value:.0f} %"


def length(nanoseconds: int) -> str:
    """Write how long something lasted: `250 ms`, `2 h 5 min`, `6.9 days`."""
    if 0 < nanoseconds < SECOND:
        return f"{max(nanoseconds // MILLISECOND, 1)} ms"
    if nanoseconds >= 3 * _DAY:
        return f"{nanoseconds / _DAY:.3g} days"
    return show_duration(nanoseconds)


def setting(nanoseconds: int) -> str:
    """Write a delay as the configuration does: `1h30m`."""
    return format_duration(nanoseconds)


def many(count: int, one: str) -> str:
    """Write a count with its noun: `1 alarm`, `1,204 alarms`."""
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"


def subject(spec: RuleSpec) -> str:
    """Name what a rule watches: `R1.TT101`, `calculation`, `source plc-line1`."""
    if spec.calc is not None:
        return "a calculation"
    return f"source {spec.subject}" if isinstance(spec, AlarmSpec) and spec.of_source else spec.subject


def measured(measures: tuple[Measure, ...]) -> str:
    """Say what is compared instead of the tag's value; empty where it is the value itself."""
    return ", ".join(map(_measure, measures))


def awaited(what: Awaited) -> str:
    """Name what an absence is the absence of."""
    return {
        Awaited.SAMPLE: "a sample",
        Awaited.CONNECTION: "the connection",
        Awaited.QUALITY: "good quality",
    }[what]


def _measure(measure: Measure) -> str:
    match measure:
        case Counter():
            return "the counter's running total"
        case Window(over, take):
            return f"the {take} over {setting(over)}"
        case Deviation(tag):
            return f"the deviation from {tag}"
        case Rate(per, over):
            return f"the change per {setting(per)}, over {setting(over)}"
        case Unusual(learn):
            return f"the robust z-score against {setting(learn)}"
