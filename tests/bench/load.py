"""The agent under load, on one core: `make bench`, or `make bench ARGS="--seconds 300 --json FILE"`.

Real processes: ten Modbus devices of 100 registers polled each second, an OPC UA server with 500 items
that change each second, 500 MQTT messages a second through mosquitto, a limit on every tag, seventy
crossings a second, a receiver. The agent has one core for itself, everything else runs on another.

Each goal is judged against a figure of the same run; absolute figures move from machine to machine.
Rules for whoever changes this: lateness and delays are measured from outside, at the devices and the
receiver, never taken from the agent's word alone.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

from parts.field import LIMIT, Device, receiving
from parts.process import OTHER_CORE, bare_posts, configuration, running, sync_times
from parts.publisher import TOPICS, Publisher
from parts.table import Row, machine, percentile
from rigs.mosquitto import Mosquitto

from agent.model import SECOND

ITEMS, MESSAGES, FLIPPING = 500, 500, 10
_CONNECT_WITHIN = 20.0
_DRAIN_WITHIN = 20.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def connected(agent, sources):
    """Wait until every source is up and every tag accepted: what moves before that is nobody's loss."""
    deadline = time.monotonic() + _CONNECT_WITHIN
    while time.monotonic() < deadline:
        samples = await agent.metrics()
        wanted, alive, up = (
            sum(value for (name, _), value in samples.items() if name == f"edge_relay_source_{what}")
            for what in ("items_wanted", "items_alive", "up")
        )
        if up == sources and alive == wanted:
            return
        await asyncio.sleep(0.1)
    raise RuntimeError(f"{up:g} of {sources} sources are up with {alive:g} of {wanted:g} tags")


async def until(condition, within):
    deadline = time.monotonic() + within
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)


def limits_on(sources):
    """A plain limit on every tag; the rule's name begins with the source's."""
    return {tag: {"tag": tag, "high": LIMIT} for source in sources.values() for tag in source["tags"]}


@contextlib.asynccontextmanager
async def opcua_server(port):
    """The OPC UA server's process; yields what begins its changes, and what ends and counts them."""
    script = Path(__file__).parent / "parts" / "opcua_plant.py"
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), str(port), str(ITEMS), str(FLIPPING)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )

    def go():
        child.stdin.write(b"go\n")

    async def hold():
        child.stdin.close()
        return map(int, (await child.stdout.readline()).split())

    try:
        await child.stdout.readline()
        yield go, hold
    finally:
        child.kill()
        await child.wait()


def plant_sources(devices, opcua, mqtt):
    sources = {device.name: device.source(port, "1s") for device, port in devices}
    nodes = {f"ua.T{n}": {"node": f"nsu=urn:bench:plant;s=T{n}"} for n in range(ITEMS)}
    topics = {f"mqtt.T{n}": {"topic": f"bench/T{n}", "value": "$.value"} for n in range(TOPICS)}
    url = f"opc.tcp://127.0.0.1:{opcua}"
    sources["ua"] = {"type": "opcua", "url": url, "security": "none", "tags": nodes}
    sources["mqtt"] = {
        "type": "mqtt",
        "url": f"mqtt://127.0.0.1:{mqtt}",
        "client_id": "bench",
        "tags": topics,
    }
    return sources


async def measure_load(folder, number, seconds, warm_up):
    """The load of the requirement, with as many devices."""
    devices = [Device(f"plc{n}", flipping=1) for n in range(number)]
    page, mqtt, opcua = free_port(), free_port(), free_port()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(Mosquitto(folder, mqtt))
        go, hold = await stack.enter_async_context(opcua_server(opcua))
        servers = [await stack.enter_async_context(device.server()) for device in devices]
        receiver, ledger = await stack.enter_async_context(receiving())
        sources = plant_sources(zip(devices, (server.port for server in servers), strict=True), opcua, mqtt)
        configuration(folder, page=page, receiver=receiver, sources=sources, rules=limits_on(sources))
        agent = await stack.enter_async_context(running(folder, page))
        await agent.ready()
        await connected(agent, len(sources))
        go()
        publisher = Publisher(mqtt, MESSAGES, FLIPPING)
        publishing = asyncio.create_task(publisher.run(), name="publisher")
        await asyncio.sleep(warm_up)
        since, before, used, waited = time.monotonic_ns(), await agent.metrics(), agent.cpu(), agent.waited()
        lags, published = [], publisher.published
        while (now := time.monotonic_ns()) < since + seconds * SECOND:
            await asyncio.sleep(1)
            lags.append((await agent.metrics())["edge_relay_loop_lag_seconds", ""])
        used, waited = agent.cpu() - used, agent.waited() - waited
        after, published = await agent.metrics(), publisher.published - published
        memory, ended = agent.memory(), time.monotonic_ns()
        publishing.cancel()
        for device in devices:
            device.held = True
        crossings, changes = await hold()
        crossed = {"plc": sum(len(device.crossings) for device in devices), "ua": crossings}
        crossed["mqtt"] = publisher.crossings
        await asyncio.wait([publishing])
        await until(lambda: len(ledger.arrivals()) >= sum(crossed.values()), _DRAIN_WITHIN)
        values = (await agent.metrics())[
            "edge_relay_readings_total", "ua"
        ] - ITEMS  # the first of each is no change
    took = (ended - since) / SECOND
    late = [each for device in devices for each in device.lateness(SECOND, since, now)]
    events = sum(since <= at < ended for at in ledger.arrivals())
    delays = [
        (arrived - crossing) / 1e6
        for device in devices
        for crossing, arrived in zip(
            device.crossings, ledger.by_rule.get(f"{device.name}.T0", ()), strict=False
        )
        if crossing >= since
    ]

    def grown(name, label=""):
        return after[name, label] - before[name, label]

    return [
        Row("polls late, p99 of the period (every grid point, at the device)", percentile(late, 0.99) * 100, "%", 10),
        Row("polls late, worst of the period", max(late) * 100, "%"),
        Row("MQTT messages taken of those published", grown("edge_relay_readings_total", "mqtt") / published, "x", 0.99, True),
        Row("OPC UA changes taken of those made", values / changes, "x", 0.99, True),
        *(
            Row(f"crossings of {source} delivered", len(ledger.arrivals(source)) / max(1, count), "x", 1, True)
            for source, count in crossed.items()
        ),
        Row("events more than crossings, and events sent twice", len(ledger.arrivals()) - sum(crossed.values()) + ledger.duplicates, "", 0),
        Row("answer of the PLC -> POST at the receiver, p50", percentile(delays, 0.5), "ms", 2),
        Row("answer of the PLC -> POST at the receiver, p99", percentile(delays, 0.99), "ms", 10),
        Row("CPU of the agent, of one core", 100 * used / took, "%", 80),
        Row("waited for its core, because others of the machine had it", 100 * waited / took, "%"),
        Row("lag of the event loop, worst of one sample a second", 1000 * max(lags), "ms", 50),
        Row(f"resident memory, {100 * number + ITEMS + TOPICS} tags and rules", memory, "MB"),
        Row("events a second", events / took, "1/s"),
        Row("commits an event (one a batch that has any, one each 5 s)", grown("edge_relay_store_commits_total") / max(1, events), "x"),
    ]  # fmt: skip


async def measure_flood(folder, events):
    """As many events as it can take: 100 tags that all cross at each poll, until `events` are delivered."""
    device, page = Device("plc", flipping=100, most=events // 100), free_port()
    async with receiving() as (receiver, _):
        bare = await bare_posts(receiver, 5)
    async with device.server() as server, receiving() as (receiver, ledger):
        sources = {"plc": device.source(server.port, "10ms")}
        configuration(folder, page=page, receiver=receiver, sources=sources, rules=limits_on(sources))
        async with running(folder, page) as agent:
            await until(lambda: len(ledger.arrivals()) >= events, 4 * events / bare + 10)
            memory = agent.memory()
    arrivals = ledger.arrivals()
    took = (max(arrivals) - device.crossings[0]) / SECOND
    return [
        Row("bare aiohttp, same loop and core: POSTs a second", bare, "1/s"),
        Row("durable signed events a second, one a POST", len(arrivals) / took, "1/s"),
        Row("the same, of bare aiohttp", len(arrivals) / took / bare, "x", 0.8, True),
        Row("flood: crossings delivered", len(arrivals) / events, "x", 1, True),
        Row("flood: events sent twice", ledger.duplicates, "", 0),
        Row("flood: resident memory at the end", memory, "MB", 134),
    ]


async def measure_idle(folder, seconds):
    """100 registers each 100 ms, inside their limits: what the agent costs while nothing happens."""
    starts = []
    async with receiving() as (receiver, _):
        for _ in range(5):
            device, page = Device("plc"), free_port()
            async with device.server() as server:
                sources = {"plc": device.source(server.port, "100ms")}
                configuration(folder, page=page, receiver=receiver, sources=sources, rules=limits_on(sources))
                async with running(folder, page) as agent:
                    await until(lambda polls=device.polls: polls, 10)
                    starts.append((device.polls[0] - agent.began) / SECOND)
                    if len(starts) == 5:
                        await asyncio.sleep(11)  # what the start left to write is on disk
                        before, used = await agent.metrics(), agent.cpu()
                        await asyncio.sleep(seconds)
                        used, after, memory = agent.cpu() - used, await agent.metrics(), agent.memory()
    commits = after["edge_relay_store_commits_total", ""] - before["edge_relay_store_commits_total", ""]
    return [
        Row("idle, 100 registers each 100 ms: CPU of one core", 100 * used / seconds, "%", 1),
        Row("idle: resident memory, Modbus only", memory, "MB", 50),
        Row("idle: commits while nothing changes", commits, "", 0),
        Row("start to first poll, 100 tags, median of 5", statistics.median(starts), "s", 0.6),
    ]


async def measure(arguments):
    rows = []
    with tempfile.TemporaryDirectory(prefix="edge-relay-bench-") as name:
        for part in arguments.parts:
            folder = Path(name) / part
            (folder / "data").mkdir(parents=True)
            match part:
                case "load":
                    rows += await measure_load(
                        folder, arguments.devices, arguments.seconds, arguments.warm_up
                    )
                case "flood":
                    rows += await measure_flood(folder, arguments.events)
                case "idle":
                    rows += await measure_idle(folder, arguments.seconds / 2)
            syncs = sync_times(folder)
            rows += [
                Row(
                    f"{part}: one bare write and fdatasync, p{share}",
                    1000 * percentile(syncs, share / 100),
                    "ms",
                )
                for share in (50, 99)
            ]
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="how long the load is measured")
    parser.add_argument("--devices", type=int, default=10, help="Modbus devices of 100 tags each")
    parser.add_argument("--warm-up", type=float, default=5.0, help="seconds before that")
    parser.add_argument("--events", type=int, default=20_000, help="how many events the flood has")
    parser.add_argument("--runs", type=int, default=1, help="how often; the table has the medians")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the rows as JSON lines")
    parser.add_argument("parts", nargs="*", default=["load", "flood", "idle"], help="load, flood, idle")
    arguments = parser.parse_args()
    about = machine()
    os.sched_setaffinity(0, {OTHER_CORE})  # the children inherit it, but for the agent
    runs = [asyncio.run(measure(arguments)) for _ in range(arguments.runs)]
    rows = [
        replace(same[0], figure=statistics.median(row.figure for row in same))
        for same in zip(*runs, strict=True)
    ]
    print(", ".join(f"{key}: {value}" for key, value in about.items()))
    print("\n".join(row.line() for row in rows))
    if arguments.json:
        with arguments.json.open("a") as out:
            for row in rows:
                out.write(json.dumps({**asdict(row), "verdict": row.verdict, "machine": about}) + "\n")


if __name__ == "__main__":
    main()
