"""What a measurement prints: goal, figure, limit, verdict, and what it was taken on."""

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One line of the table: `limit` is None where a figure is told without a goal."""

    goal: str
    figure: float
    unit: str
    limit: float | None = None
    at_least: bool = False

    @property
    def verdict(self):
        if self.limit is None:
            return ""
        good = self.figure >= self.limit if self.at_least else self.figure <= self.limit
        return "ok" if good else "MISSED"

    def line(self):
        sign = "" if self.limit is None else f"{'>=' if self.at_least else '<='} {self.limit:g}"
        return f"{self.goal:<64} {self.figure:>10.4g} {self.unit:<10} {sign:<10} {self.verdict}"


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine():
    """What the figures were taken on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
