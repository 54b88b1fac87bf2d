"""A backlog of a million events: `make bench`, or `python tests/bench/backlog.py --events 1000000 --seconds 30`.

Real processes: a store file with a million waiting events of 2,000 subjects, a tenth of them urgent; the
agent on one core; a receiver on the other that takes all it is sent. While the history drains, a device's
register crosses a limit twice a second: these are the live critical alarms.

Each goal is judged against the same agent with a store that is almost empty, in the same run.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path

from parts.field import LIMIT, Device, receiving
from parts.process import OTHER_CORE, configuration, running
from parts.table import Row, machine, percentile
from rigs.history import fill

from agent.model import SECOND
from agent.paths import STORE

FEW = 50_000  # of fewer a good part is in memory before the measuring begins, and so costs nothing
RULE = "live.T0"


async def until(condition, within):
    deadline = time.monotonic() + within
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)


@dataclasses.dataclass
class Drain:
    """What was seen of one agent while its store drained.

    Attributes:
        ready: seconds from its start until it said so.
        first: seconds from its start to the first event at the receiver.
        cost: CPU seconds for each event that was delivered.
        rate: events a second.
        memory: the most resident memory, MB.
        delays: seconds from the crossing to the receiver, of each live alarm.
        lost: crossings that were not announced while it drained.
        twice: events sent twice.
    """

    ready: float = 0.0
    first: float = 0.0
    cost: float = 0.0
    rate: float = 0.0
    memory: float = 0.0
    delays: list = dataclasses.field(default_factory=list)
    lost: int = 0
    twice: int = 0


async def drain(folder, seconds, waiting):
    """Run the agent of a folder until its store is empty, at most so long."""
    device, page = Device("live", flipping=1, registers=1), free_port()
    seen = Drain()
    async with device.server() as server, receiving() as (receiver, ledger):
        rules = {RULE: {"tag": RULE, "high": LIMIT, "priority": "critical"}}
        sources = {"live": device.source(server.port, "500ms")}
        configuration(folder, page=page, receiver=receiver, sources=sources, rules=rules)
        async with running(folder, page) as agent:
            await agent.ready()
            seen.ready = (time.monotonic_ns() - agent.began) / SECOND
            await until(lambda: ledger.arrivals("past."), 60)
            since, used = time.monotonic_ns(), agent.cpu()
            before = len(ledger.arrivals())
            while time.monotonic_ns() < since + seconds * SECOND and len(ledger.arrivals("past.")) < waiting:
                await asyncio.sleep(0.05)
                seen.memory = max(seen.memory, agent.memory())
            sent = len(ledger.arrivals()) - before
            seen.cost = (agent.cpu() - used) / max(1, sent)
            seen.rate = sent / ((time.monotonic_ns() - since) / SECOND)
            device.held = True
            await until(lambda: len(ledger.by_rule.get(RULE, ())) >= len(device.crossings), 10)
            began = agent.began
    arrivals = ledger.arrivals("past.")
    seen.first = (min(arrivals, default=began) - began) / SECOND
    alarms = ledger.by_rule.get(RULE, [])
    seen.delays = [(end - begin) / SECOND for begin, end in zip(device.crossings, alarms, strict=False)]
    seen.lost, seen.twice = len(device.crossings) - len(alarms), ledger.duplicates
    return seen


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def idle(folder, seconds=5.0):
    """MB of the same agent with an empty store, and its start."""
    device, page = Device("live", registers=1), free_port()
    async with device.server() as server, receiving() as (receiver, _):
        rules = {RULE: {"tag": RULE, "high": LIMIT, "priority": "critical"}}
        configuration(
            folder,
            page=page,
            receiver=receiver,
            sources={"live": device.source(server.port, "500ms")},
            rules=rules,
        )
        async with running(folder, page) as agent:
            await agent.ready()
            ready = (time.monotonic_ns() - agent.began) / SECOND
            await asyncio.sleep(seconds)
            return agent.memory(), ready


def rows(events, empty, few, many):
    memory, ready = empty
    return [
        Row("start with an empty store until ready", ready, "s"),
        Row(f"start with {events:,} waiting until ready", many.ready, "s", 2),
        Row("start, above that with an empty store", many.ready - ready, "s"),
        Row("start until the first of them is at the receiver", many.first, "s"),
        Row("resident memory, idle with an empty store", memory, "MB"),
        Row("resident memory while it drains, above that", many.memory - memory, "MB", 30 * 1.048576),
        Row(f"events a second, {FEW:,} waiting", few.rate, "1/s"),
        Row(f"events a second, {events:,} waiting", many.rate, "1/s"),
        Row("CPU an event, of that with few waiting", many.cost / few.cost, "x", 1.2),
        Row("live alarms while it drains", len(many.delays), ""),
        Row("live alarms: PLC -> receiver, p50", percentile(many.delays, 0.5), "s"),
        Row("live alarms: PLC -> receiver, p99", percentile(many.delays, 0.99), "s", 2),
        Row("live alarms not delivered", many.lost, "", 0),
        Row("events sent twice", many.twice, "", 0),
    ]


def folders(folder, many, copies):
    """Folders whose stores have so many events waiting."""
    made = folder / f"{many}.db"
    fill(made, "receiver", many)
    for number in range(copies):
        copy = folder / f"{many}-{number}"
        (copy / "data").mkdir(parents=True)
        shutil.copy(made, copy / "data" / STORE)
        yield copy
    made.unlink()


def measure(folder, events, seconds):
    empty = folder / "empty"
    (empty / "data").mkdir(parents=True)
    nothing = asyncio.run(idle(empty))
    few = [asyncio.run(drain(each, seconds, FEW)) for each in folders(folder, FEW, 3)]
    [many] = [asyncio.run(drain(each, seconds, events)) for each in folders(folder, events, 1)]
    return rows(events, nothing, min(few, key=lambda seen: seen.cost), many)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000, help="how many wait")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long the drain is measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the rows as JSON lines")
    arguments = parser.parse_args()
    about = machine()
    os.sched_setaffinity(0, {OTHER_CORE})  # the children inherit it, but for the agent
    with tempfile.TemporaryDirectory(prefix="edge-relay-bench-") as name:
        table = measure(Path(name), arguments.events, arguments.seconds)
    print(", ".join(f"{key}: {value}" for key, value in about.items()))
    print("\n".join(row.line() for row in table))
    if arguments.json:
        with arguments.json.open("a") as out:
            for row in table:
                told = {**dataclasses.asdict(row), "verdict": row.verdict, "machine": about}
                out.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
