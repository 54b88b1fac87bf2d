"""The week that the README shows: a reactor and a pump, as measured, under old rules and new ones.

`PYTHONPATH=tests .venv/bin/python tests/rigs/readme_week.py FOLDER` writes week.csv, old/ and new/ into the
folder, plays them, and takes the picture of the report anew (config/example/backtest.png).

A temperature with the swing of the day, a slow wander, noise and batches that run hot; a pump that stands
at night, over noon and at weekends, and whose strainer clogs on Tuesday; a logger that is gone for an hour.
"""

import sys
import tempfile
from datetime import datetime, timedelta
from math import exp, pi, sin
from pathlib import Path
from random import Random

from rigs.browser import Browser

from agent.cli import main

STEP = 10  # seconds
HOUR = 3600
DAY = 24 * HOUR
PICTURE = Path(__file__).parents[2] / "config" / "example" / "backtest.png"
PLANT = """\
agent: {site: dresden, name: line-4, zone: Europe/Berlin}
sources:
  press:
    type: modbus
    url: tcp://192.168.10.20:502
    tags:
      R1.TT101: {address: "40011", type: int16, scale: 0.1, unit: "°C", range: [0, 250]}
      P101.FT: {address: "40012", type: int16, scale: 0.01, unit: m3/h, range: [0, 40]}
      P101.RUN_FB: {address: "10001"}
rules:
"""
RULES = {
    "old": """\
  R1-temperature: {tag: R1.TT101, high: 170, high_high: {at: 185, priority: critical}, response: Open CV-101}
  P101-low-flow:  {tag: P101.FT, low: 12}
""",
    "new": """\
  R1-temperature:
    tag: R1.TT101
    high: 170
    high_high: {at: 185, priority: critical}
    deadband: 1%
    on_delay: 10s
    response: Open CV-101
  P101-low-flow: {tag: P101.FT, low: 12, deadband: 5%, on_delay: 15s, when: P101.RUN_FB, settle: 45s}
""",
}
BATCHES = (
    (0, 9, 4.5),
    (0, 19, 2),
    (1, 8, 5.5),
    (2, 10, 3),
    (2, 20, 6),
    (3, 9, 5),
    (4, 8, 25.5),
    (4, 17, 5),
    (6, 11, 4),
)
"""Day, hour, and how much hotter, °C; the hottest is short."""
CLOGGED = range(DAY + 14 * HOUR, DAY + 18 * HOUR + HOUR // 2)
GONE = range(3 * DAY + 13 * HOUR, 3 * DAY + 14 * HOUR)


def write_week(folder):
    """Write the history and both configurations."""
    for name, rules in RULES.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "plant.yaml").write_text(PLANT + rules, encoding="utf-8")
    (folder / "week.csv").write_text("".join(lines()), encoding="utf-8")


def lines():
    """The lines of the CSV; its times are those of the plant."""
    yield "time,R1.TT101,P101.FT,P101.RUN_FB\n"
    dice, monday = Random(4), datetime(2026, 11, 9)  # noqa: DTZ001 - of the agent's zone, as exported
    wander = slow = flow = 0.0
    for second in range(0, 7 * DAY + 1, STEP):
        wander += dice.gauss(0, 0.09) - wander * 0.004
        slow += dice.gauss(0, 0.05) - slow * 0.0006
        temperature = 161.5 + 4.2 * sin(2 * pi * (second / DAY - 0.35)) + slow + wander + dice.gauss(0, 0.45)
        for day, hour, height in BATCHES:
            width = 2400 if height < 20 else 1300
            temperature += height * exp(-(((second - day * DAY - hour * HOUR) / width) ** 2))
        runs = running(second)
        flow += (aim(second, runs=runs) - flow) * (0.22 if runs else 0.5)
        measured = max(0.0, flow + dice.gauss(0, 0.55 if runs else 0.03))
        if second not in GONE:
            stamp = (monday + timedelta(seconds=second)).isoformat()
            yield f"{stamp},{temperature:.1f},{measured:.2f},{str(runs).lower()}\n"


def running(second):
    """Whether the pump runs."""
    day, hour = divmod(second / HOUR, 24)
    return 8 <= hour < 12 if day >= 5 else 5.5 <= hour < 11.75 or 12.5 <= hour < 21.75


def aim(second, *, runs):
    """The flow that the pump comes to."""
    if not runs:
        return 0.0
    return 11.6 + (second - CLOGGED.start) / 10_800 if second in CLOGGED else 22.5


def take_picture(report, file):
    """The part of the report about the temperature, as a reader of a laptop sees it."""
    with tempfile.TemporaryDirectory() as profile, Browser(Path(profile)) as browser:
        page = browser.open(report, height=912)
        page.run(
            "[...document.querySelectorAll('h2')].find(h => h.textContent == 'R1-temperature').scrollIntoView()"
        )
        page.picture(file, whole=False)


if __name__ == "__main__":
    place = Path(sys.argv[1]).resolve()
    write_week(place)
    words = [str(place / "week.csv"), "-c", str(place / "new"), "--against", str(place / "old")]
    main(["backtest", *words, "--report", str(place / "report.html")])
    take_picture(place / "report.html", PICTURE)
