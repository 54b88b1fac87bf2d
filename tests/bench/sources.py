"""What reading costs: `python tests/bench/sources.py [--json FILE]`, a part of `make bench`.

`block`: a poll of 125 registers, decoded into as many tags, against a bare pymodbus read of the same
block, in turns, from the same server in a process of its own. `wide`: 10,000 tags on 50 connections,
polled each second by an agent on one core, whose lateness is measured at the devices.

Rules for whoever changes this: both sides of a ratio run on the same loop, in the same minute.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import uvloop
from parts.field import Device, receiving
from parts.process import AGENT_CORE, OTHER_CORE, configuration, running
from parts.table import Row, machine, percentile
from pymodbus.client import AsyncModbusTcpClient
from rigs.modbus_server import ModbusServer

from agent.clock import SystemClock
from agent.model import SECOND
from agent.sources.modbus.config import ModbusSource
from agent.sources.modbus.connection import connected
from agent.sources.modbus.plan import plan
from agent.sources.modbus.reads import Reads
from agent.sources.modbus.unit import Unit

REGISTERS, ROUNDS, READS = 125, 40, 200
DEVICES, EACH = 50, 200


@contextlib.asynccontextmanager
async def server_alone():
    """A device in a process of its own, on the other core; its port."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--serve"),
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {OTHER_CORE}),
    )
    try:
        yield int(await child.stdout.readline())
    finally:
        child.kill()
        await child.wait()


async def serve():
    async with ModbusServer() as server:
        print(server.port, flush=True)
        while True:
            await asyncio.sleep(1)
            server.requests.clear()


async def timed(read):
    """Seconds of wall time and of CPU for each of `READS` reads."""
    wall, used = time.perf_counter(), time.process_time()
    for _ in range(READS):
        await read()
    return (time.perf_counter() - wall) / READS, (time.process_time() - used) / READS


async def measure_block():
    async with server_alone() as port:
        tags = {
            f"T{n}": {"area": "holding", "offset": n, "type": "int16", "scale": 0.1} for n in range(REGISTERS)
        }
        url = f"tcp://127.0.0.1:{port}"
        section = {"type": "modbus", "url": url, "max_registers_per_read": REGISTERS, "tags": tags}
        config, clock = ModbusSource.model_validate(section), SystemClock()
        unit = Unit(1, {SECOND: Reads(plan(config.points(), config.limits))}, clock)
        bare = AsyncModbusTcpClient("127.0.0.1", port=port, reconnect_delay=0)
        await bare.connect()
        async with connected(config, clock) as connection:
            await unit.prove(connection)

            async def ours():
                assert len(await unit.read(SECOND, connection, 1)) == REGISTERS

            async def theirs():
                assert len((await bare.read_holding_registers(0, count=REGISTERS)).registers) == REGISTERS

            rounds = [(await timed(ours), await timed(theirs)) for _ in range(ROUNDS)]
        bare.close()
    took = [mine[0] / other[0] for mine, other in rounds]
    used = [mine[1] / other[1] for mine, other in rounds]
    goal = "125 registers into 125 tags, decoded, of a bare pymodbus read"
    return [
        Row(f"{goal}: time", statistics.median(took), "x", 1.5),
        Row(f"{goal}: CPU", statistics.median(used), "x"),
        Row("a bare pymodbus read of 125 registers", 1e6 * statistics.median(r[1][0] for r in rounds), "us"),
    ]


async def measure_wide(folder, seconds):
    devices = [Device(f"plc{n}", registers=EACH) for n in range(DEVICES)]
    async with contextlib.AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(device.server()) for device in devices]
        receiver, _ = await stack.enter_async_context(receiving())
        sources = {d.name: d.source(s.port, "1s") for d, s in zip(devices, servers, strict=True)}
        rules = {f"{d.name}.T0": {"tag": f"{d.name}.T0", "high": 10_000} for d in devices}
        page = servers[0].port + 20_000 if servers[0].port < 40_000 else servers[0].port - 20_000
        configuration(folder, page=page, receiver=receiver, sources=sources, rules=rules)
        agent = await stack.enter_async_context(running(folder, page))
        await agent.ready()
        await asyncio.sleep(10)
        since, used = time.monotonic_ns(), agent.cpu()
        await asyncio.sleep(seconds)
        until, used, memory = time.monotonic_ns(), agent.cpu() - used, agent.memory()
        late = [each for device in devices for each in device.lateness(SECOND, since, until)]
    what = f"{DEVICES * EACH} tags on {DEVICES} connections each second"
    return [
        Row(f"{what}: late, p99 of the period", 100 * percentile(late, 0.99), "%", 10),
        Row(f"{what}: late, worst", 100 * max(late), "%"),
        Row(f"{what}: CPU of one core", 100 * used / seconds, "%"),
        Row(f"{what}: resident memory", memory, "MB"),
    ]


def block_alone(rows):
    """On the agent's core and loop."""
    os.sched_setaffinity(0, {AGENT_CORE})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows += runner.run(measure_block())
    os.sched_setaffinity(0, {OTHER_CORE})


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="how long the wide plant is measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the rows as JSON lines")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        with (
            contextlib.suppress(KeyboardInterrupt),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(serve())
    about, rows = machine(), []
    block_alone(rows)
    with tempfile.TemporaryDirectory(prefix="edge-relay-bench-") as folder:
        (Path(folder) / "data").mkdir()
        rows += asyncio.run(measure_wide(Path(folder), arguments.seconds))
    print(", ".join(f"{key}: {value}" for key, value in about.items()))
    print("\n".join(row.line() for row in rows))
    if arguments.json:
        with arguments.json.open("a") as out:
            for row in rows:
                out.write(json.dumps({**asdict(row), "verdict": row.verdict, "machine": about}) + "\n")


if __name__ == "__main__":
    main()
