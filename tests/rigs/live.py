"""What a page is told by, for the broadcaster: tables that a test changes, and pages that read, or do not."""

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from agent.clock import SystemClock
from agent.config.listening import Listen
from agent.web.live import Live, live_handler
from agent.web.serve import _listen


class Tables:
    """Both kinds of tables as a test wants them; `agent.shown` and `agent.board` are the real ones."""

    def __init__(self) -> None:
        self.shown = {"alarms": {}, "agent": {"agent": {"site": "north"}}}
        self.values = {}
        self.asked = 0
        self._touched = set()

    async def tables(self):
        self.asked += 1
        return dict(self.shown)

    def put(self, table, key, row):
        """Change a row; None: it goes."""
        if table == "values":
            self._touched.add(key)
            rows = self.values
        else:
            rows = self.shown[table] = dict(self.shown[table])
        if row is None:
            rows.pop(key, None)
        else:
            rows[key] = row

    def rows(self):
        return dict(self.values)

    def changed(self):
        touched, self._touched = self._touched, set()
        return {key: self.values.get(key) for key in touched}

    @property
    def all(self):
        return {**self.shown, "values": self.values}


class Told:
    """What a page makes of the messages: the tables as it shows them."""

    def __init__(self) -> None:
        self.tables = None
        self.states = self.changes = 0
        self.now = 0

    def hear(self, message):
        """One message, without its empty line."""
        event, data = message.decode().strip().split("\n")
        told = json.loads(data.removeprefix("data: "))
        self.now = told["now"]
        if event == "event: state":
            self.states += 1
            self.tables = told["tables"]
            return
        assert event == "event: change"
        assert self.tables is not None, "a change before any state"
        self.changes += 1
        for name, rows in told["tables"].items():
            table = self.tables.setdefault(name, {})
            for key, row in rows.items():
                if row is None:
                    table.pop(key, None)
                else:
                    table[key] = row


@asynccontextmanager
async def served(tables, allowed=lambda _: lambda: True):
    """A broadcaster at work and the port of its application; its task is `live.task`."""
    live = Live(tables, tables, lambda: 1_700_000_000_000)
    live.task = asyncio.create_task(live.run(SystemClock()), name="page")
    app = web.Application()
    app.router.add_get("/api/live", live_handler(live, allowed))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    listening = await _listen(runner, Listen("127.0.0.1", 0), None, lambda _: None)
    try:
        yield live, listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        live.task.cancel()
        await asyncio.wait([live.task])
        await runner.cleanup()


async def looking(session, port, told):
    """Read the stream until it ends."""
    async with session.get(f"http://127.0.0.1:{port}/api/live") as response:
        assert response.status == 200, await response.text()
        rest = b""
        async for chunk in response.content.iter_any():
            *messages, rest = (rest + chunk).split(b"\n\n")
            for message in messages:
                told.hear(message)
        return response


@asynccontextmanager
async def pages(port, number=1):
    """So many open pages: what each was told, and its task; all closed at the end."""
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        told = [Told() for _ in range(number)]
        tasks = [asyncio.create_task(looking(session, port, each)) for each in told]
        yield list(zip(told, tasks, strict=True))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
