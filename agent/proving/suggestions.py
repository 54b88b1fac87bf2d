"""What would make a rule quieter, from what its tag looked like: deadband, delays, and the limit itself.

    deadband   max(6 sigma, 2 steps), sigma = MAD(first differences) / 0.6745 / sqrt(2); 3 sigma still
               chatter at one sample a second, because the peaks of noise count and not its width; the
               step is the register's, or not known: a signal of two values shows how far apart they are
    on_delay   the smallest usual delay above the 95th percentile of excursions that were over within 60 s
    off_delay  the smallest above the 95th percentile of the times from clear to raise that were within
               60 s as well (what comes an hour later is another alarm, which no delay should hide)

Rules for whoever changes it: a suggestion needs enough data, and where there is too little that is told
to scripts alone; what is configured already is enough if it is more; a rule that made no alarm gets none.
"""

from collections.abc import Iterator, Sequence
from math import floor, inf, log10
from typing import Final

from agent.model import SECOND, TagSpec
from agent.proving.figures import MINUTE
from agent.proving.results import Excursions, Suggestion
from agent.proving.seen import Normal
from agent.proving.thinning import quantile
from agent.rules.message import show
from agent.rules.spec import AlarmSpec, Limit, RuleSpec

_ENOUGH: Final = 5  # excursions, below which a percentile says nothing
_MOST: Final = 0.95
_DELAYS: Final = tuple(each * SECOND for each in (5, 10, 15, 30, 60))
_READABLE: Final = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def suggest(
    spec: RuleSpec, tag: TagSpec | None, normal: Normal | None, excursions: Sequence[Excursions], alarms: int
) -> tuple[Suggestion, ...]:
    """What to change about a rule.

    Args:
        spec: the rule.
        tag: its subject; None of a calculation.
        normal: the tag in normal operation; None where the limits are not on its scale.
        excursions: of its conditions.
        alarms: that it raised.
    """
    if not isinstance(spec, AlarmSpec) or not alarms:
        return ()
    suggestions: list[Suggestion] = []
    if tag is not None and normal is not None:
        limits = [condition for condition in spec.conditions if isinstance(condition, Limit)]
        for limit in limits:
            suggestions += _about_limit(limit, limits, normal, tag)
    for each in excursions:
        suggestions += _on_delay(each, spec.wording.time_to_respond)
        suggestions += _off_delay(each)
    return tuple(suggestions)


# --- the deadband, and where the limit stands ---------------------------------------------------------


def _about_limit(limit: Limit, limits: Sequence[Limit], normal: Normal, tag: TagSpec) -> Iterator[Suggestion]:
    name, present, unit = limit.say.name, show(limit.deadband), tag.unit
    edge = normal.high if limit.side > 0 else normal.low
    if isinstance(limit.at, float | int) and edge is not None and (edge - limit.at) * limit.side >= 0:
        way = "up" if limit.side > 0 else "down"
        text = f"99.9 % of normal operation goes {way} to {_with(edge, unit)}: it lies within that"
        yield Suggestion(name, "limit", show(limit.at), "", text)
    if normal.noise is None:
        text = f"too few samples ({normal.samples}) to tell the noise"
        yield Suggestion(name, "deadband", present, "", text, insufficient=True)
        return
    step = tag.step or 0.0
    wanted = max(6 * normal.noise, 2 * step)
    room, kept = min(_rooms(limit, limits, normal), default=(inf, ""))
    band = min(readable(wanted), readable(room, up=False) if kept else inf)
    if band > limit.deadband and band >= 2 * step:
        steps = 6 * normal.noise < wanted
        why = f"two steps of {_with(step, unit)}" if steps else f"6 sigma of {_with(normal.noise, unit)}"
        if wanted > room:
            why += f", at most {kept}"
        yield Suggestion(name, "deadband", present, show(band), why)


def _rooms(limit: Limit, limits: Sequence[Limit], normal: Normal) -> Iterator[tuple[float, str]]:
    """How wide the deadband may be, and why: it must leave the other limits and normal operation alone."""
    if isinstance(limit.at, str):
        return
    for other in limits:
        if other is not limit and not isinstance(other.at, str):
            yield abs(limit.at - other.at) / 4, "a quarter of the way to the next limit"
    inside = 0.0 if normal.middle is None else (limit.at - normal.middle) * limit.side
    if inside > 0:
        yield inside / 2, "half of the way to the middle of normal operation"


def readable(number: float, *, up: bool = True) -> float:
    """The nearest number above (or below) that a person would write: 0.25, 3, 40."""
    if number <= 0:
        return 0.0
    scale = 10.0 ** floor(log10(number))
    if up:
        mantissa = next((each for each in _READABLE if each * scale >= number * (1 - 1e-9)), 10.0)
    else:
        mantissa = next((each for each in reversed(_READABLE) if each * scale <= number * (1 + 1e-9)), 1.0)
    return float(f"{mantissa * scale:.3g}")


# --- the delays -------------------------------------------------------------------------------------------


def _on_delay(found: Excursions, time_to_respond: int | None) -> Iterator[Suggestion]:
    present = _seconds(found.on_delay)
    if found.count < _ENOUGH:
        text = f"too few excursions ({found.count}) to suggest delays"
        yield Suggestion(found.condition, "on_delay", present, "", text, insufficient=True)
        return
    longest = quantile(found.fleeting, _MOST)
    if longest is None or len(found.fleeting) < _ENOUGH:
        return
    wanted = next((delay for delay in _DELAYS if delay > longest), _DELAYS[-1])
    text = f"95 % of {len(found.fleeting)} short excursions lasted up to {_seconds(longest)}"
    if time_to_respond is not None and wanted > time_to_respond / 4:
        wanted = max((delay for delay in _DELAYS if delay <= time_to_respond / 4), default=0)
        text += "; not more than a quarter of time_to_respond"
    if wanted > found.on_delay:
        yield Suggestion(found.condition, "on_delay", present, _seconds(wanted), text)


def _off_delay(found: Excursions) -> Iterator[Suggestion]:
    again = [gap for gap in found.apart if gap <= MINUTE]
    if len(again) < _ENOUGH:
        return
    longest = quantile(again, _MOST)
    wanted = next((delay for delay in _DELAYS if longest is not None and delay > longest), _DELAYS[-1])
    if wanted > found.off_delay:
        text = f"95 % of {len(again)} short returns lasted up to {_seconds(longest or 0)}"
        yield Suggestion(found.condition, "off_delay", _seconds(found.off_delay), _seconds(wanted), text)


def _seconds(nanoseconds: float) -> str:
    return f"{nanoseconds / SECOND:g}s"


def _with(number: float, unit: str) -> str:
    return f"{number:.4g} {unit}".rstrip()
