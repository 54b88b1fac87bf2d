"""Messages that wait at a relay, taken over and forwarded: `make bench`, or `python tests/bench/inbound.py --messages 10000`.

Real processes: the agent on one core; on the other a polling endpoint with signed messages of half a kilobyte,
the service of the plant that they go to one after the other, and the receiver of their outcomes.

The floor is aiohttp alone, on the agent's core, that posts as many to the same service one after the other.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import tempfile
import time
from pathlib import Path

from parts.field import receiving
from parts.process import OTHER_CORE, SECRET, bare_posts, configuration, running
from parts.table import Row, machine
from rigs.agent_process import quiet_port
from rigs.poll_relay import TOKEN, poll_relay
from rigs.signed import headers

from agent.model import SECOND

GOAL = 500  # messages a second: issue 6
RULE = "forwarded"
PROBE_S = 3.0


async def until(condition, within=300.0):
    deadline = time.monotonic() + within
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    if not condition():
        raise RuntimeError(f"not within {within:g} s")


def store(relay, messages):
    """Let the cloud post so many to the relay."""
    stamp = int(time.time())
    for number in range(messages):
        data = {"id": f"msg_{number}", "rule": RULE, "filling": "x" * 450}
        body = json.dumps({"type": "order.created", "data": data}).encode()
        relay.put(body, headers(body, f"msg_{number}", stamp, SECRET))


@dataclasses.dataclass
class Seen:
    """Messages a second until the service had all, and until all outcomes were told; CPU seconds a message."""

    delivered: float
    told: float
    cost: float
    bare: float
    twice: int


async def measure(folder, messages):
    """Run the agent until all is told."""
    page = quiet_port()
    async with (
        poll_relay(holds=20) as relay,
        receiving() as (service, taken),
        receiving() as (receiver, ledger),
    ):
        bare = await bare_posts(service, PROBE_S, concurrency=1)
        bare_taken = len(taken.others)
        store(relay, messages)
        configuration(folder, page=page, receiver=receiver, sources={}, rules={}, events=["inbound.*"])
        route = {"forward": {"url": f"http://127.0.0.1:{service}/"}}
        section = {"type": "poll", "url": relay.url, "token": TOKEN, "verify": {"secret": SECRET}}
        inbound = {"inbound": {"cloud": section | {"routes": {"orders": route}}}}
        (folder / "inbound.yaml").write_text(json.dumps(inbound))
        async with running(folder, page) as agent:
            await until(lambda: relay.asked)
            began, used = time.monotonic_ns(), agent.cpu()
            await until(lambda: len(taken.by_rule.get(RULE, ())) == messages)
            await until(lambda: len(ledger.others) == messages)
            cost = (agent.cpu() - used) / messages
    rates = [
        messages / ((max(arrivals) - began) / SECOND) for arrivals in (taken.by_rule[RULE], ledger.others)
    ]
    return Seen(*rates, cost, bare, taken.duplicates - max(0, bare_taken - 1))


def rows(messages, seen):
    return [
        Row("aiohttp alone, one POST after the other", seen.bare, "1/s"),
        Row(f"{messages:,} from the relay to the service", seen.delivered, "1/s", GOAL, at_least=True),
        Row("the same, until their outcomes were told", seen.told, "1/s", GOAL, at_least=True),
        Row("of aiohttp alone", seen.delivered / seen.bare, "x", 0.2, at_least=True),
        Row("CPU a message, with its outcome", seen.cost * 1e6, "us"),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=10_000, help="how many wait at the relay")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the rows as JSON lines")
    arguments = parser.parse_args()
    about = machine()
    os.sched_setaffinity(0, {OTHER_CORE})  # the children inherit it, but for the agent
    with tempfile.TemporaryDirectory(prefix="edge-relay-bench-") as name:
        table = rows(arguments.messages, asyncio.run(measure(Path(name), arguments.messages)))
    print(", ".join(f"{key}: {value}" for key, value in about.items()))
    print("\n".join(row.line() for row in table))
    if arguments.json:
        with arguments.json.open("a") as out:
            for row in table:
                told = {**dataclasses.asdict(row), "verdict": row.verdict, "machine": about}
                out.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
