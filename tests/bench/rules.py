"""What a reading costs the rules, on one core: `python tests/bench/rules.py [--json FILE]`.

Fifty tags with a rule each, polled once a second: one row for each kind of rule, and the loading of
two thousand rules. CPU time, the best of several rounds: a shared machine only ever adds to it. The
yardstick is to make the readings and to look their tags up in a dict, in the same round, because
absolute figures move from machine to machine.

Rules for whoever changes this: what a row says of its rules (they stay calm, they are active) is
asserted, or it measures something else.
"""

import argparse
import json
import os
import random
import sys
import tempfile
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from time import process_time_ns

from parts.process import OTHER_CORE
from parts.table import Row, machine

from agent.config.load import load
from agent.model import SECOND, Quality, Reading
from agent.rules.engine import Engine

TAGS, MANY = 50, 2_000


@dataclass(frozen=True)
class Kind:
    """A rule over a tag that stays about 50; beside it `{gate}`, alike, and `{other}`, which stays about 90.

    `active`: whether its alarm stands in the end; None: it has none. `steps` seconds warm it up.
    """

    name: str
    rule: dict | None
    steps: int = 100
    active: bool | None = False
    others: bool = False
    goal: float | None = None


LIMIT = {"high": 90, "low": 10, "deadband": 1, "on_delay": "5s"}
KINDS = [
    Kind("a tag without rules", None, active=None, goal=0.5),
    Kind("a limit that does not flip", LIMIT, goal=3),
    Kind("the same, its alarm active", {**LIMIT, "high": 30}, active=True),
    Kind("four limits that do not flip", {**LIMIT, "high_high": 95, "low_low": 5}),
    Kind("a state that changes each time", {"is_not": [-1, -2]}, active=True),
    Kind("`when` over another tag, both read", {**LIMIT, "when": "{gate} > 0"}, others=True),
    Kind("`when` with settle and an age", {**LIMIT, "when": 'age("{gate}") < 9', "settle": "9s"}, others=True),
    Kind("`suppress_while` over another tag, both read", {**LIMIT, "suppress_while": "{gate} < 0"}, others=True),
    Kind("a limit that is read, both read", {"low": 10, "high": "{other}"}, others=True),
    Kind("deviation_from, both read", {"deviation_from": "{other}", "high": 90}, others=True),
    Kind("rate_of_change over 1 min", {"rate_of_change": {"per": "1m", "over": "1m"}, "high": 9e3}),
    Kind("counter and rate", {"counter": {}, "rate_of_change": {"per": "1m", "over": "1m"}, "high": 9e3}),
    *(
        Kind(f"window of 10 s: {take}", {"window": {"over": "10s", "take": take}, "high": 90})
        for take in ("average", "min", "max", "median", "stdev")
    ),
    Kind("window of 10 min: average", {"window": {"over": "10m", "take": "average"}, "high": 90}, 700),
    Kind("window of 10 min: median", {"window": {"over": "10m", "take": "median"}, "high": 90}, 700),
    Kind("unusual, nearly each reading learned", {"unusual": {"learn": "10m", "method": "robust_z"}, "high": 900}, 700),
    Kind("calc over two tags, both read", {"calc": "{tag} + {other} / 2", "high": 900}, others=True),
    Kind("change that is within its deadband", {"change": {"deadband": 50}}, active=None),
    Kind("expect: a sample", {"expect": {"sample": "any", "within": "30s"}}),
    Kind("expect: a change", {"expect": {"change": 5, "within": "30s"}}),
]  # fmt: skip


def configuration(kind, tags=TAGS):
    """Load `tags` tags, each with a rule of this kind."""
    rules = {}
    for n in range(tags if kind.rule is not None else 0):
        text = json.dumps({"tag": f"T{n}", **kind.rule} if "calc" not in kind.rule else kind.rule)
        for word in ("tag", "gate", "other"):
            text = text.replace(f"{{{word}}}", f"{word[0].upper()}{n}")
        rules[f"R{n}"] = json.loads(text)
    names = [f"{letter}{n}" for n in range(tags) for letter in ("TGO" if kind.others else "T")]
    nodes = {name: {"node": f"nsu=urn:bench;s={name}"} for name in names}
    source = {"type": "opcua", "url": "opc.tcp://127.0.0.1:4840", "security": "none", "tags": nodes}
    document = {
        "agent": {"site": "bench", "name": "bench"},
        "sources": {"ua": source},
        "rules": {"ua.communication": {"source": "ua", "expect": {"connection": "up", "within": "1d"}}, **rules},
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="edge-relay-bench-") as folder:
        (Path(folder) / "all.yaml").write_text(json.dumps(document))
        return load(Path(folder))


def readings(signals, second):
    """One poll of all tags; the noise is drawn beforehand: making it is not what is measured."""
    at, good = second * SECOND, Quality.GOOD
    return [
        Reading(name, noise[(second + i * 7) % 4093], good, at) for i, (name, noise) in enumerate(signals)
    ]


class Bench:
    """One kind at work."""

    def __init__(self, kind):
        self.kind = kind
        loaded = configuration(kind)
        self.engine = Engine(loaded.rules, loaded.tags.values(), loaded.sources, mint=str, started=SECOND)
        dice = random.Random(1)
        noise = [dice.gauss(50, 3) for _ in range(4093)]
        above = [value + 40 for value in noise]
        self.signals = [(name, above if name[0] == "O" else noise) for name in loaded.tags]
        self.second = 1
        for _ in range(kind.steps):
            self.take(readings(self.signals, self.next()))

    def next(self):
        self.second += 1
        return self.second

    def take(self, batch):
        taken = self.engine.take(batch)
        if taken.durable:
            self.engine.keep(taken)

    def round(self, steps):
        """Nanoseconds of a reading: the floor, and what the rules take."""
        looked_up, count = dict(self.signals), steps * len(self.signals)
        begin = process_time_ns()
        batches = [readings(self.signals, self.next()) for _ in range(steps)]
        for batch in batches:
            for reading in batch:
                looked_up[reading.tag]
        made = process_time_ns()
        for batch in batches:
            self.take(batch)
        return (made - begin) / count, (process_time_ns() - made) / count

    def check(self):
        runs = [run for name, run in self.engine.runs.items() if name != "ua.communication"]
        assert len(runs) == (TAGS if self.kind.rule is not None else 0)
        if self.kind.active is not None:
            assert {run.active for run in runs} == {self.kind.active}, self.kind.name
            assert {run.state.gate.enabled for run in runs} == {True}


def measure(kind, rounds, steps):
    bench = Bench(kind)
    floor, cost = (min(each) for each in zip(*(bench.round(steps) for _ in range(rounds)), strict=True))
    bench.check()
    return [
        Row(f"{kind.name}: a reading", cost / 1000, "us", kind.goal),
        Row("   of making it and a look-up", cost / floor, "x"),
    ]


def loading(rounds):
    """Load and check, from the files; each rule with four limits over a tag of its own."""
    kind, best = Kind("", {**LIMIT, "high_high": 95, "low_low": 5, "response": "Go and see"}), inf
    for _ in range(rounds):
        begin = process_time_ns()
        loaded = configuration(kind, MANY)
        best = min(best, process_time_ns() - begin)
        assert len(loaded.rules) == MANY + 1
    return Row(f"loading and checking {MANY:,} rules over as many tags", best / SECOND, "s", 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=12, help="of each row; the best counts")
    parser.add_argument("--steps", type=int, default=5, help="polls in a round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the rows as JSON lines")
    parser.add_argument("kinds", nargs="*", help="words of the rows that are wanted (default: all)")
    arguments = parser.parse_args()
    about = machine()
    os.sched_setaffinity(0, {OTHER_CORE})
    wanted = [kind for kind in KINDS if all(word in kind.name for word in arguments.kinds)]
    rows = [row for kind in wanted for row in measure(kind, arguments.rounds, arguments.steps)]
    if not arguments.kinds:
        rows.append(loading(3))
    print(", ".join(f"{key}: {value}" for key, value in about.items()))
    print("\n".join(row.line() for row in rows))
    if arguments.json:
        with arguments.json.open("a") as out:
            for row in rows:
                out.write(json.dumps({**asdict(row), "verdict": row.verdict, "machine": about}) + "\n")
    sys.exit(any(row.verdict == "MISSED" for row in rows))


if __name__ == "__main__":
    main()
