"""What open pages cost the agent: `python tests/bench/page.py [--json FILE]`, a part of `make bench`.

2,000 tags that all change each second, 100 open alarms, in a real agent on one core. Its CPU with no page
open, with one and with ten; what each page is sent; how old a reading is when a page has it; how soon
a browser with nothing kept paints the page, and shows its first alarm. `board`: what it costs to keep the last
readings, in this process.

Rules for whoever changes this: the agent is the same process throughout, so that nothing else differs.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import orjson
from parts.field import Device, receiving
from parts.process import AGENT_CORE, OTHER_CORE, configuration, running
from parts.table import Row, machine, percentile
from playwright.async_api import async_playwright
from rigs.browser import chromium

from agent.board import Board
from agent.clock import SystemClock
from agent.model import Quality, Reading, TagSpec
from agent.stamps import Reckoning

DEVICES, EACH, ALARMS, PAGES = 20, 100, 100, 10
SETTLED_S = 12
_TIMES = 50
LOADS = 5
# The first paint that has something in it (Paint Timing), and when the first alarm stood in the document.
PAINTED = """async () => {
  const shown = () => document.querySelector("#view-alarms .priority") && performance.now();
  let at;
  while (!(at = shown())) await new Promise((done) => requestAnimationFrame(done));
  return [performance.getEntriesByName("first-contentful-paint")[0].startTime, at];
}"""


class Page:
    """One open page: what it was sent, and how old the readings were."""

    def __init__(self, port, *, looks=False):
        self.received = 0
        self.ages = []
        self.alarms = set()
        self._port = port
        self._looks = looks

    async def read(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 24)
        writer.write(b"GET /api/live HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        try:
            while True:
                line = await reader.readuntil(b"\n") if self._looks else await reader.read(1 << 20)
                self.received += len(line)
                if line.startswith(b"data: ") and self._looks:
                    self._look(orjson.loads(line[6:]), time.time() * 1000)
        finally:
            writer.close()

    def _look(self, told, now):
        values = told["tables"].get("values", {})
        self.alarms |= told["tables"].get("alarms", {}).keys()
        self.ages += [now - row["at"] for row in values.values() if row is not None]


@contextlib.asynccontextmanager
async def opened(port, number):
    """So many pages, the first of which looks at what it is sent; open for a moment already."""
    pages = [Page(port, looks=not each) for each in range(number)]
    tasks = [asyncio.create_task(page.read()) for page in pages]
    await asyncio.sleep(3)
    for page in pages:
        page.received, page.ages = 0, []
    yield pages
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await asyncio.sleep(2)


async def painted(port):
    """Milliseconds to the first paint and to the first alarm, of cold loads: a profile of its own each time."""
    loads = []
    async with async_playwright() as playwright:
        chrome = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for _ in range(LOADS + 1):  # the first one warms the browser, not the page
            context = await chrome.new_context(viewport={"width": 1280, "height": 900})
            page = await context.new_page()
            await page.goto(f"http://127.0.0.1:{port}/", wait_until="commit")
            loads.append(await page.evaluate(PAINTED))
            await context.close()
        await chrome.close()
    return [statistics.median(each) for each in zip(*loads[1:], strict=True)]


async def used(agent, seconds):
    """The share of its core that it takes, in percent."""
    before, began = agent.cpu(), time.monotonic()
    await asyncio.sleep(seconds)
    return 100 * (agent.cpu() - before) / (time.monotonic() - began)


async def measure(folder, seconds):
    devices = [Device(f"plc{n}", registers=EACH) for n in range(DEVICES)]
    async with contextlib.AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(device.server()) for device in devices]
        receiver, _ = await stack.enter_async_context(receiving())
        sources = {d.name: d.source(s.port, "1s") for d, s in zip(devices, servers, strict=True)}
        alarms = [f"plc{n % DEVICES}.T{n // DEVICES}" for n in range(ALARMS)]
        rules = {f"high.{tag}": {"tag": tag, "high": -10} for tag in alarms}
        page = servers[0].port + 20_000 if servers[0].port < 40_000 else servers[0].port - 20_000
        configuration(folder, page=page, receiver=receiver, sources=sources, rules=rules)
        agent = await stack.enter_async_context(running(folder, page))
        await agent.ready()
        await asyncio.sleep(SETTLED_S)
        without = await used(agent, seconds)
        async with opened(page, 1):
            one = await used(agent, seconds)
        async with opened(page, PAGES) as pages:
            began = time.monotonic()
            ten = await used(agent, seconds)
            sent = min(page.received for page in pages) / (time.monotonic() - began)
        after = await used(agent, seconds)
        paint, alarm = await painted(page)
        ages, memory = pages[0].ages, agent.memory()
    if len(pages[0].alarms) != ALARMS:
        raise RuntimeError(f"the page shows {len(pages[0].alarms)} alarms")
    rest = (without + after) / 2
    what = f"{DEVICES * EACH} tags that change each second, {ALARMS} alarms"
    return [
        Row(f"{what}: no page open, CPU", rest, "% of core"),
        Row(f"{what}: one page, more CPU", one - rest, "% of core"),
        Row(f"{what}: {PAGES} pages, more CPU", ten - rest, "% of core", 5),
        Row(f"{what}: sent to each page", sent / 1000, "kB/s"),
        Row(f"{what}: age of a reading in the page, p50", percentile(ages, 0.5), "ms"),
        Row(f"{what}: age of a reading in the page, p99", percentile(ages, 0.99), "ms", 1000),
        Row(f"{what}: resident memory", memory, "MB"),
        Row(f"{what}: first paint of a cold load, median of {LOADS}", paint, "ms", 300),
        Row(f"{what}: first alarm in the page, median of {LOADS}", alarm, "ms"),
    ]


def board_alone():
    """Noting polls of 100 tags and merging them, without anybody who looks."""
    tags = {f"plc{n % DEVICES}.T{n // DEVICES}": n for n in range(DEVICES * EACH)}
    known = SimpleNamespace(tags={name: TagSpec(name, "plc") for name in tags}, sources={})
    board = Board(known, SystemClock(), lambda: Reckoning(0))
    names = list(tags)
    batches = [
        [Reading(name, 1.0, Quality.GOOD, 1) for name in names[first : first + EACH]]
        for first in range(0, len(names), EACH)
    ]
    noted, merged, rows = [], [], []
    for _ in range(_TIMES):
        began = time.thread_time()
        for batch in batches:
            board.note(batch)
        then = time.thread_time()
        board.gather()
        merged_at = time.thread_time()
        orjson.dumps(board.changed())
        noted.append(then - began)
        merged.append(merged_at - then)
        rows.append(time.thread_time() - merged_at)
    return [
        Row(f"board: noting a poll of {EACH} readings", 1e6 * min(noted) / len(batches), "us"),
        Row(f"board: merging {len(names)} readings", 1e3 * min(merged), "ms"),
        Row(f"board: {len(names)} rows made and encoded, once for all pages", 1e3 * min(rows), "ms"),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each is measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the rows as JSON lines")
    arguments = parser.parse_args()
    about = machine()
    os.sched_setaffinity(0, {AGENT_CORE})
    rows = board_alone()
    os.sched_setaffinity(0, {OTHER_CORE})
    with tempfile.TemporaryDirectory(prefix="edge-relay-bench-") as folder:
        (Path(folder) / "data").mkdir()
        rows += asyncio.run(measure(Path(folder), arguments.seconds))
    print(", ".join(f"{key}: {value}" for key, value in about.items()))
    print("\n".join(row.line() for row in rows))
    if arguments.json:
        with arguments.json.open("a") as out:
            for row in rows:
                out.write(json.dumps({**asdict(row), "verdict": row.verdict, "machine": about}) + "\n")


if __name__ == "__main__":
    main()
