"""The drawing surface that all rows over time share: a gutter for names, a field that can be panned.

The field has no view box: places are per cent of the width, heights are pixels, so text keeps its size on
every screen. Within it the `pan` is what a zoom moves (two attributes of one element), and within that
curves are drawn on a stretched sheet of `SHEET` units.

Rules for whoever changes it: what moves with time goes into the pan, what stays (limits, names) beside it.
"""

from collections.abc import Iterable
from typing import Final

from agent.proving.report.axis import Period, Scale
from agent.proving.report.markup import NOTHING, Attribute, Markup, element, several, short
from agent.proving.report.spans import Column, Span

SHEET: Final = 100_000
"""Units of the width of a stretched sheet; one of them is 6 seconds of a week."""
_LEAST: Final = 0.001  # per cent: what has no width is not drawn at all, not even its outline
GUTTER: Final = 66
"""Pixels at the left for names and values."""


def row(
    kind: str,
    height: int,
    gutter: Markup,
    moving: Iterable[Markup],
    fixed: Markup = NOTHING,
    **data: Attribute,
) -> Markup:
    """Write one row: names at the left, then what moves with time, and over it what stays.

    `data` is what the script reads: the scale of the curve, the events.
    """
    return element(
        "div",
        element("svg", gutter, class_="gutter", width=GUTTER, height=height, aria_hidden="true"),
        element(
            "svg",
            element("svg", *moving, class_="pan", x="0", width="100%", height=height),
            fixed,
            class_="field",
            width="100%",
            height=height,
            aria_hidden="true",
        ),
        class_=f"row {kind}",
        **{f"data_{key}": value for key, value in data.items()},
    )


def grid(height: int, period: Period) -> Markup:
    """Draw a line at each tick of the time axis."""
    ticks = [f"{short(place)}%" for place, _ in period.ticks()]
    return element("g", *(element("line", x1=x, x2=x, y1=0, y2=height) for x in ticks), class_="grid")


def name(text: str, middle: float, class_: str = "name", small: str = "") -> Markup:
    """Write a row's name into the gutter, and what it is worth below it."""
    written = element("text", text, x=GUTTER - 8, y=middle + (0 if small else 4), class_=class_)
    return several(
        [written, element("text", small, x=GUTTER - 8, y=middle + 12, class_="small")] if small else [written]
    )


def bars(kind: str, spans: Iterable[Span], period: Period, top: float, height: float) -> Markup:
    """Draw spans of time as bars; an instant is as wide as its outline."""
    drawn = [
        element(
            "rect",
            x=_per_cent(left := period.place(begin)),
            width=_per_cent(max(period.place(end) - left, _LEAST)),
            y=top,
            height=height,
        )
        for begin, end in spans
    ]
    return element("g", *drawn, class_=kind) if drawn else NOTHING


def sheet(height: int, *shapes: Markup) -> Markup:
    """Stretch shapes over the whole width; their units are `SHEET` wide and 1000 high."""
    return element(
        "svg", *shapes, class_="sheet", width="100%", height=height,
        viewBox=f"0 0 {SHEET} 1000", preserveAspectRatio="none",
    )  # fmt: skip


def outline(run: list[Column], period: Period, scale: Scale) -> str:
    """Draw columns as one outline: along their tops, then back along their bottoms."""
    edges = [
        (_across(period, column.begin), _across(period, column.end), column.least, column.greatest)
        for column in run
    ]
    there = "".join(f"V{_down(scale, greatest)}H{end}" for _, end, _, greatest in edges)
    back = "".join(f"V{_down(scale, least)}H{begin}" for begin, _, least, _ in reversed(edges))
    return f"M{edges[0][0]} 0{there}{back}Z".replace(" 0V", " ", 1)


def _across(period: Period, instant: int) -> int:
    return round(period.place(instant) * SHEET / 100)


def _down(scale: Scale, value: float) -> int:
    return round((1 - scale.share(value)) * 1000)


def _per_cent(value: float) -> str:
    return f"{short(value)}%"
