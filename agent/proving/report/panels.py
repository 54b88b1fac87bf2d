"""Side panels: how long, how far apart, how the values lie, and at which hours.

Rules for whoever changes it: places across are per cent, heights pixels, as in the rows over time; each
panel says in one sentence what its cut line decides.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from math import log1p
from typing import Final

from agent.model import SECOND
from agent.proving.report import words
from agent.proving.report.axis import Scale
from agent.proving.report.curves import limit_text, limits
from agent.proving.report.markup import NOTHING, Markup, element, several, short
from agent.proving.results import Excursions, RuleResult
from agent.proving.seen import Normal, Spread

_PLOT: Final = 74  # pixels down to the axis
_TALLEST: Final = 48
_LINE: Final = 13
_NORMAL: Final = "Normal: watched, and not in alarm for more than 60 s. The bars are all good values, their heights logarithmic."
_SHORT: Final = 2  # digits that fit above a bar in full size
_MIDDLE: Final = 50  # per cent, from which on a name stands left of its line
# The edges of the histograms of durations, in seconds, and those that are written below them.
_EDGES: Final = (0, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600, 86400, 604800)
_WRITTEN: Final = {1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 86400: "1 d"}


def durations(excursions: Excursions) -> Markup:
    """Draw how long the excursions lasted, cut at the on-delay."""
    delay, lengths = excursions.on_delay, excursions.lengths
    shorter = sum(length < delay for length in lengths) / max(len(lengths), 1)
    sentence = (
        f"{words.per_cent(shorter)} were over within on_delay {words.setting(delay)}."
        if delay
        else "No on_delay: each of them is raised at once."
    )
    return _histogram(
        f"Length of excursions: {excursions.condition}",
        f"{words.many(excursions.count, 'excursion')}. {sentence}",
        lengths,
        ("on_delay", delay),
    )


def gaps(excursions: Excursions) -> Markup:
    """Draw the time from one excursion to the next, cut at the off-delay."""
    delay, apart = excursions.off_delay, excursions.apart
    sooner = sum(gap < delay for gap in apart) / max(len(apart), 1)
    sentence = (
        f"{words.per_cent(sooner)} came again within off_delay {words.setting(delay)}: one alarm, not two."
        if delay
        else "No off_delay: each return is told at once."
    )
    return _histogram(f"Clear to raise: {excursions.condition}", sentence, apart, ("off_delay", delay))


def spread_panel(spread: Spread, normal: Normal, rule: RuleResult, unit: str) -> Markup:
    """Draw how the values lie, with the limits and the 99.9 % of normal operation."""
    shown = [(limit, limit.at) for limit in limits(rule) if not isinstance(limit.at, str)]
    sides = {limit.side for limit, _ in shown} or {1}
    found = ((normal.low, -1, "above"), (normal.high, 1, "below"))
    reached = [(value, where) for value, side, where in found if value is not None and side in sides]
    scale = Scale.around([edge for bar in spread.bars for edge in bar[:2]] + [at for _, at in shown])
    cuts = [(scale.share(value) * 100, "99.9 %", "quantile") for value, _ in reached]
    cuts += [(scale.share(at) * 100, limit_text(limit), "limit") for limit, at in shown]
    floor = _PLOT + _LINE * (len(cuts) - 1)  # a line of its own for the name of each cut
    tallest = log1p(max((bar.samples for bar in spread.bars), default=1))
    drawn = [
        _bar(scale.share(bar.low) * 100, scale.share(bar.high) * 100, log1p(bar.samples) / tallest, floor)
        for bar in spread.bars
        if bar.samples
    ]
    drawn += [_cut(cut, _LINE * index + 10, floor) for index, cut in enumerate(cuts)]
    drawn += [_label(scale.share(value) * 100, words.number(value), floor) for value in scale.ticks(4)]
    told = [
        f"99.9 % of normal operation is {where} {words.number(value)} {unit}." for value, where in reached
    ]
    noise = [f"Noise: sigma {words.number(normal.noise)} {unit}."] if normal.noise else []
    return _panel("How the values lie", " ".join([*told, *noise]), drawn, floor, _NORMAL)


def _histogram(title: str, sentence: str, lengths: Sequence[int], cut: tuple[str, int]) -> Markup:
    bins = [0] * (len(_EDGES) - 1)
    for length in lengths:
        bins[min(bisect_right(_EDGES, length / SECOND) - 1, len(bins) - 1)] += 1
    top = max(bins, default=0) or 1
    width = 100 / len(bins)
    drawn = [
        _bar(index * width, (index + 1) * width, count / top, _PLOT, f"{count:,}")
        for index, count in enumerate(bins)
        if count
    ]
    drawn += [_label(_EDGES.index(edge) * width, text, _PLOT) for edge, text in _WRITTEN.items()]
    key, delay = cut
    if delay:
        drawn.append(
            _cut((_across(delay / SECOND) * width, f"{key} {words.setting(delay)}", "delay"), 10, _PLOT)
        )
    return _panel(title, sentence, drawn, _PLOT)


def _across(seconds: float) -> float:
    """Where a duration stands, in bars: between two edges in proportion."""
    for index, (low, high) in enumerate(pairwise(_EDGES)):
        if seconds < high:
            return index + (seconds - low) / (high - low)
    return len(_EDGES) - 1.0


def _bar(left: float, right: float, share: float, floor: float, count: str = "") -> Markup:
    height = max(share * _TALLEST, 1.5)
    place = {"x": f"{short(left)}%", "width": f"{short(right - left)}%"}
    bar = element("rect", **place, y=floor - height, height=height, class_="bar")
    middle = f"{short((left + right) / 2)}%"
    over = (
        element(
            "text",
            count,
            x=middle,
            y=floor - height - 3,
            class_="count long" if len(count) > _SHORT else "count",
        )
        if count
        else NOTHING
    )
    return several([bar, over])


def _cut(cut: tuple[float, str, str], y: float, floor: float) -> Markup:
    """A vertical line with its name, on the side where there is room."""
    place, text, class_ = cut
    x = f"{short(place)}%"
    anchor, shift = ("end", -4) if place > _MIDDLE else ("start", 4)
    line = element("line", x1=x, x2=x, y1=y - 9, y2=floor)
    return element(
        "g", line, element("text", text, x=x, dx=shift, y=y, text_anchor=anchor), class_=f"cut {class_}"
    )


def _label(place: float, text: str, floor: float) -> Markup:
    x = f"{short(place)}%"
    tick = element("line", x1=x, x2=x, y1=floor, y2=floor + 3, class_="mark-line")
    return several([tick, element("text", text, x=x, y=floor + 14, class_="label")])


def _panel(title: str, sentence: str, drawn: Sequence[Markup], floor: float, note: str = "") -> Markup:
    base = element("line", x1=0, x2="100%", y1=floor, y2=floor, class_="base")
    plot = element("svg", *drawn, base, width="100%", height=floor + 18, aria_hidden="true")
    caption = element("figcaption", element("b", title), f" {sentence} {note}".rstrip())
    return element("figure", caption, plot, class_="panel")
