"""The calendar: alarms by day and hour of the plant's wall clock, darker and with its number in each cell.

Rules for whoever changes it: the number stands in the cell, the shade only leads the eye to it.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from agent.proving.report import words
from agent.proving.report.axis import Period
from agent.proving.report.markup import Markup, element, short

_SHADES: Final = (1, 2, 4, 7, 16)
"""From so many alarms an hour: 6 is one in 10 minutes, 15 the published peak."""
_CELL: Final = 17
_NAMES: Final = 70
_ROWS: Final = 31
_LONG: Final = 100  # a number of three digits is written smaller


def calendar(hours: Mapping[int, int], period: Period, title: str) -> Markup:
    """Draw the alarms of each hour of the day: a row a day, several days a row when there are many."""
    first, last = period.local(period.begin).date(), period.local(period.end).date()
    days = (last - first).days + 1
    step = -(-days // _ROWS)
    height = -(-days // step) * _CELL
    cells: Counter[tuple[int, int]] = Counter()
    for hour, alarms in hours.items():
        local = period.local(hour)
        cells[(local.date() - first).days // step, local.hour] += alarms
    drawn = [part for place, alarms in sorted(cells.items()) for part in _cell(*place, alarms)]
    names = [
        element(
            "text", f"{first + timedelta(day):%a %-d %b}", x=_NAMES - 6, y=line * _CELL + 13, class_="name"
        )
        for line, day in enumerate(range(0, days, step))
    ]
    ground = element("rect", width="100%", height=height, class_="ground")
    busiest = max(hours.values(), default=0)
    told = f" At most {words.many(busiest, 'alarm')} in an hour." if busiest else " No alarm."
    said = f" A row is {step} days." if step > 1 else ""
    grid = element(
        "div",
        element("svg", *names, width=_NAMES, height=height + 18, aria_hidden="true"),
        element("svg", ground, *drawn, *_axis(height), width="100%", height=height + 18, aria_hidden="true"),
        class_="calendar",
    )
    caption = element("figcaption", element("b", title), told, said)
    return element("figure", caption, grid, class_="panel hours")


def _axis(height: int) -> list[Markup]:
    return [
        element("text", f"{hour:02d}:00", x=f"{short(hour / 24 * 100)}%", y=height + 13, class_="hour")
        for hour in range(0, 24, 6)
    ]


def _cell(line: int, hour: int, alarms: int) -> list[Markup]:
    shade = bisect_right(_SHADES, alarms)
    x, width, y = hour / 24 * 100, 100 / 24, line * _CELL
    long = " long" if alarms >= _LONG else ""
    return [
        element("rect", x=f"{short(x)}%", y=y, width=f"{short(width)}%", height=_CELL, class_=f"heat{shade}"),
        element("text", str(alarms), x=f"{short(x + width / 2)}%", y=y + 12, class_=f"count{shade}{long}"),
    ]
