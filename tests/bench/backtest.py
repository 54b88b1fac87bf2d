"""A week of twenty tags at one second through `edge-relay backtest`, on one core: `python tests/bench/backtest.py`.

A wide CSV of twelve million samples: temperatures that wander with noise, each with two limits that it
crosses a few times a day. The yardstick is a bare `csv.reader` over the same file in the same run,
because absolute figures move from machine to machine.
"""

import argparse
import csv
import json
import os
import random
import resource
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from math import sin
from pathlib import Path

from parts.process import OTHER_CORE
from parts.table import Row, machine

from agent.config.load import load
from agent.proving.backtest import Candidate, backtest

TAGS = 20
HOURS = 7 * 24
SIGMA, SWING, LIMIT = 0.3, 6.0, 7.2


def write_history(path, hours):
    """Write it; how many samples it has."""
    dice, begin = random.Random(1), datetime(2026, 11, 1, tzinfo=UTC)
    noise = [dice.gauss(0, SIGMA) for _ in range(65_537)]  # drawn once: making noise is not what is measured
    with path.open("w") as out:
        out.write("time," + ",".join(f"T{n}" for n in range(TAGS)) + "\n")
        for second in range(round(hours * 3600)):
            stamp = (begin + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")
            cells = [
                f"{100 + SWING * sin(second / (9_000 + 700 * n)) + noise[(second * (n + 7)) % 65_537]:.2f}"
                for n in range(TAGS)
            ]
            out.write(f"{stamp},{','.join(cells)}\n")
    return round(hours * 3600) * TAGS


def write_configuration(folder):
    tags = {f"T{n}": {"node": f"nsu=urn:bench;s=T{n}", "unit": "°C"} for n in range(TAGS)}
    source = {"type": "opcua", "url": "opc.tcp://127.0.0.1:4840", "security": "none", "tags": tags}
    limits = {"high": 100 + LIMIT - 0.8, "low": 100 - LIMIT, "deadband": 1, "on_delay": "5s"}
    document = {
        "agent": {"site": "bench", "name": "bench"},
        "sources": {"ua": source},
        "rules": {f"R{n}": {"tag": f"T{n}", **limits} for n in range(TAGS)},
    }
    (folder / "all.yaml").write_text(json.dumps(document))
    return load(folder)


def measure(folder, hours):
    path = folder / "history.csv"
    samples = write_history(path, hours)
    configuration = write_configuration(folder)
    began = time.process_time()
    with path.open(newline="") as text:
        cells = sum(map(len, csv.reader(text)))
    bare = time.process_time() - began
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    outcome = backtest([path], Candidate("bench", configuration))
    took = time.process_time() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert outcome.samples == samples
    return [
        Row("bare csv.reader, same file and core: cells a second", cells / bare, "1/s"),
        Row(f"backtest of {samples:,} samples, {TAGS} rules: samples a second", samples / took, "1/s", 300_000, True),
        Row("the same, of bare csv.reader", samples / took / (cells / bare), "x"),
        Row("alarms it told", outcome.side.total.alarms, ""),
        Row("resident memory that it took on top", grown / 1024, "MB", 100),
    ]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--hours", type=float, default=HOURS, help="how long the history is (default: a week)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the rows as JSON lines")
    arguments = parser.parse_args()
    about = machine()
    os.sched_setaffinity(0, {OTHER_CORE})
    with tempfile.TemporaryDirectory(prefix="edge-relay-bench-") as name:
        rows = measure(Path(name), arguments.hours)
    print(", ".join(f"{key}: {value}" for key, value in about.items()))
    print("\n".join(row.line() for row in rows))
    if arguments.json:
        with arguments.json.open("a") as out:
            for row in rows:
                out.write(json.dumps({**asdict(row), "verdict": row.verdict, "machine": about}) + "\n")
    sys.exit(any(row.verdict == "MISSED" for row in rows))


if __name__ == "__main__":
    main()
