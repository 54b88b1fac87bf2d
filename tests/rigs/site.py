"""The real agent in the test's process, with its page on a free port, asked over real sockets."""

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress

import aiohttp

from agent.app import Agent, Signals
from agent.clock import SystemClock
from agent.config.load import load
from agent.paths import STORE
from agent.store.store import Store

CLOCK = SystemClock()
ANNA, BOB = "anna-0123456789-token", "bob-0123456789-token"
BOTH = f'{{anna: "{ANNA}", bob: "{BOB}"}}'
FILE = """
agent: {{site: north, name: line-4, data_dir: data}}
http: {{listen: "{listen}:{port}", tokens: {tokens}{more}}}
sources: {{plc: {{type: simulated, every: 100ms, tags: {{T: {{signal: constant, values: [171]}}}}}}}}
rules: {{R: {{tag: T, high: 170}}}}
"""


class Site:
    """One agent's page.

    Attributes:
        agent: the agent itself.
        port: where it is served, on 127.0.0.1 whatever it listens on.
    """

    def __init__(self, folder, port) -> None:
        self.file = folder / "agent.yaml"
        self.port = port
        self.scheme = "http"
        self.agent = None

    def write(self, listen="127.0.0.1", tokens=BOTH, more="", port=None):
        """Write the configuration; `more`: of the section, after a comma."""
        self.scheme = "https" if "tls" in more else "http"
        text = FILE.format(listen=listen, port=port or self.port, tokens=tokens, more=more)
        self.file.write_text(text, encoding="utf-8")

    async def ask(self, path, method="GET", token=None, *, ca=None, **more):
        """Status, headers and body."""
        headers = {**more.pop("headers", {})}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        tls = ssl.create_default_context(cafile=ca) if ca else False
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30)) as session,
            session.request(method, self.url(path), headers=headers, ssl=tls, **more) as response,
        ):
            return response.status, response.headers, await response.text()

    async def status(self, path, method="GET", token=None, **more):
        """The status alone."""
        return (await self.ask(path, method, token, **more))[0]

    async def raw(self, sent):
        """Send exactly these bytes; all that comes until it is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        async with asyncio.timeout(30):
            answer = await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        return answer

    def url(self, path=""):
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    async def is_up(self, ca=None):
        try:
            return await self.status("/live", ca=ca) == 200
        except aiohttp.ClientConnectionError:
            return False

    @asynccontextmanager
    async def stream(self, token=None):
        """An open `/api/live`; what comes, as it comes."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(None)) as session,
            session.get(self.url("/api/live"), headers=headers) as response,
        ):
            assert response.status == 200
            yield response.content


@asynccontextmanager
async def site(folder, port, ca=None, **section):
    """Give the page of an agent that is at work; `section` as `Site.write` takes it."""
    here = Site(folder, port)
    here.write(**section)
    configuration = load(here.file)
    configuration.agent.data_dir.mkdir()
    signals = Signals(asyncio.Event(), asyncio.Event())
    async with await Store.open(folder / "data" / STORE, clock=CLOCK, boot="boot") as store:
        here.agent = Agent(here.file, configuration, store, CLOCK)
        running = asyncio.create_task(here.agent.run(signals, None, "boot"), name="agent")
        try:
            async with asyncio.timeout(30):
                while not (await here.is_up(ca) or running.done()):
                    await asyncio.sleep(0.02)
                while not (
                    here.agent.intakes.at_work.keys() >= configuration.sources.keys() or running.done()
                ):
                    await asyncio.sleep(0.02)  # the page is there a moment before the sources have begun
            yield here
        finally:
            signals.stop.set()
            async with asyncio.timeout(30):
                await running


async def gone(content):
    """Return when nothing more comes."""
    async with asyncio.timeout(30):
        try:
            while await content.readany():
                pass
        except aiohttp.ClientError:
            return
