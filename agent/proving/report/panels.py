"""Side panels: how long, how far apart, how the values lie, and at which hours.

Rules for whoever changes it: places across are per cent, heights pixels, as in the rows over time; each
panel says in one sentence what its cut line decides.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log1p
from typing import Final

from agent.model import SECOND
from agent.proving.report import words
from agent.proving.report.axis import Period, Scale
from agent.proving.report.curves import limit_text, limits
from agent.proving.report.markup import NOTHING, Markup, element, several, short
from agent.proving.results import Excursions, RuleResult, Spread

_HEIGHT: Final = 92
_PLOT: Final = 74  # the rest is for the axis
# The edges of the histograms of durations, in seconds, and those that are written below them.
_EDGES: Final = (0, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600, 86400, 604800)
_WRITTEN: Final = {1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 86400: "1 d"}
_SHADES: Final = (1, 2, 4, 7, 16)
"""From so many alarms an hour: 6 is one in 10 minutes, 15 the published peak."""


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
        f"How long {excursions.condition} lasted",
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
    return _histogram(f"Clear to raise, {excursions.condition}", sentence, apart, ("off_delay", delay))


def spread_panel(spread: Spread, rule: RuleResult, unit: str) -> Markup:
    """Draw how the values lie, with the limits and the 99.9 % of normal operation."""
    shown = [limit for limit in limits(rule) if not isinstance(limit.at, str)]
    at = [limit.at for limit in shown if not isinstance(limit.at, str)]
    scale = Scale.around([edge for bar in spread.bars for edge in (bar.low, bar.high)] + at)
    tallest = log1p(max((bar.samples for bar in spread.bars), default=1))
    drawn = [
        _bar(scale.share(bar.low) * 100, scale.share(bar.high) * 100, log1p(bar.samples) / tallest)
        for bar in spread.bars
        if bar.samples
    ]
    wanted = {limit.side for limit in shown} or {1}
    quantiles = [
        (value, side)
        for value, side in ((spread.low, -1), (spread.high, 1))
        if value is not None and side in wanted
    ]
    cuts = [
        _cut(scale.share(value) * 100, "99.9 %", "quantile", 10 + 12 * index)
        for index, (value, _) in enumerate(quantiles)
    ]
    cuts += [
        _cut(scale.share(value) * 100, limit_text(limit), "limit", 10 + 12 * (index + len(quantiles)))
        for index, (limit, value) in enumerate(zip(shown, at, strict=True))
    ]
    axis = [_label(scale.share(value) * 100, words.number(value)) for value in scale.ticks(4)]
    noise = f" Noise σ {words.number(spread.noise)} {unit}." if spread.noise else ""
    normal = "; ".join(
        f"99.9 % of normal operation {'below' if side > 0 else 'above'} {words.number(value)} {unit}"
        for value, side in quantiles
    )
    return _panel(
        "How the values lie",
        f"{normal}.{noise}".lstrip("."),
        [*drawn, *cuts, *axis],
        note="heights are logarithmic",
    )


def calendar(hours: Mapping[int, int], period: Period, title: str) -> Markup:
    """Draw the alarms of each hour of the day, a row a day (more days a row when there are many)."""
    first, last = period.local(period.begin).date(), period.local(period.end).date()
    days = (last - first).days + 1
    step = -(-days // 31)
    cells: dict[tuple[int, int], int] = {}
    for hour, alarms in hours.items():
        local = period.local(hour)
        place = ((local.date() - first).days // step, local.hour)
        cells[place] = cells.get(place, 0) + alarms
    size = 17
    height = (-(-days // step)) * size + 18
    drawn = [
        part for (line, hour), alarms in sorted(cells.items()) for part in _cell(line, hour, alarms, size)
    ]
    names = [
        element(
            "text",
            f"{period.local(period.begin + line * step * 24 * 3600 * SECOND):%a %-d %b}",
            x=58,
            y=line * size + 13,
            class_="name",
        )
        for line in range(-(-days // step))
    ]
    axis = [
        element("text", f"{hour:02d}", x=f"{short(hour / 24 * 100)}%", y=height - 4, class_="hour")
        for hour in range(0, 24, 6)
    ]
    ground = element("rect", width="100%", height=height - 18, class_="ground")
    busiest = max(hours.values(), default=0)
    told = f"At most {words.many(busiest, 'alarm')} in an hour." if busiest else "No alarm."
    said = f" A row is {step} days." if step > 1 else ""
    grid = element(
        "div",
        element("svg", *names, width=64, height=height, aria_hidden="true"),
        element("svg", ground, *drawn, *axis, width="100%", height=height, aria_hidden="true"),
        class_="calendar",
    )
    return element(
        "figure", element("figcaption", element("b", title), f" {told}{said}"), grid, class_="panel hours"
    )


def _cell(line: int, hour: int, alarms: int, size: int) -> list[Markup]:
    shade = bisect_right(_SHADES, alarms)
    x, width = hour / 24 * 100, 100 / 24
    return [
        element(
            "rect",
            x=f"{short(x)}%",
            y=line * size,
            width=f"{short(width)}%",
            height=size,
            class_=f"heat{shade}",
        ),
        element(
            "text", str(alarms), x=f"{short(x + width / 2)}%", y=line * size + 12, class_=f"count{shade}"
        ),
    ]


def _histogram(title: str, sentence: str, lengths: Sequence[int], cut: tuple[str, int]) -> Markup:
    bins = [0] * (len(_EDGES) - 1)
    for length in lengths:
        bins[min(bisect_right(_EDGES, length / SECOND) - 1, len(bins) - 1)] += 1
    top = max(bins, default=0) or 1
    width = 100 / len(bins)
    drawn = [
        _bar(index * width, (index + 1) * width, count / top, count)
        for index, count in enumerate(bins)
        if count
    ]
    axis = [_label(_EDGES.index(edge) * width, text) for edge, text in _WRITTEN.items()]
    key, delay = cut
    line = (
        _cut(_across(delay / SECOND) * width, f"{key} {words.setting(delay)}", "delay", 10)
        if delay
        else NOTHING
    )
    return _panel(title, sentence, [*drawn, *axis, line])


def _across(seconds: float) -> float:
    """Where a duration stands, in bars: between two edges in proportion."""
    for index, (low, high) in enumerate(pairwise(_EDGES)):
        if seconds < high:
            return index + (seconds - low) / (high - low)
    return len(_EDGES) - 1.0


def _bar(left: float, right: float, share: float, count: int | None = None) -> Markup:
    height = max(share * (_PLOT - 26), 1.5)
    bar = element(
        "rect",
        x=f"{short(left)}%",
        width=f"{short(right - left)}%",
        y=_PLOT - height,
        height=height,
        class_="bar",
    )
    if count is None:
        return bar
    return several(
        [
            bar,
            element(
                "text", f"{count:,}", x=f"{short((left + right) / 2)}%", y=_PLOT - height - 3, class_="count"
            ),
        ]
    )


def _cut(place: float, text: str, class_: str, y: float) -> Markup:
    """A vertical line with its name, on the side where there is room."""
    x = f"{short(place)}%"
    anchor, shift = ("end", -4) if place > 50 else ("start", 4)
    return element(
        "g",
        element("line", x1=x, x2=x, y1=0, y2=_PLOT),
        element("text", text, x=x, dx=shift, y=y, text_anchor=anchor),
        class_=f"cut {class_}",
    )


def _label(place: float, text: str) -> Markup:
    x = f"{short(place)}%"
    return several(
        [
            element("line", x1=x, x2=x, y1=_PLOT, y2=_PLOT + 3, class_="mark-line"),
            element("text", text, x=x, y=_HEIGHT - 4, class_="label"),
        ]
    )


def _panel(title: str, sentence: str, drawn: Sequence[Markup], note: str = "") -> Markup:
    base = element("line", x1=0, x2="100%", y1=_PLOT, y2=_PLOT, class_="base")
    plot = element("svg", *drawn, base, width="100%", height=_HEIGHT, aria_hidden="true")
    caption = element(
        "figcaption", element("b", title), f" {sentence} ", element("i", note) if note else NOTHING
    )
    return element("figure", caption, plot, class_="panel")
