"""A whole agent in this process, in which there is something of everything that can be asked for.

It runs on a thread with a loop of its own, so that clients which block can ask it: by the agent's routes on a port of
their own, each order by "anna".
"""

import asyncio
import contextlib
import json
import threading
import urllib.error
import urllib.request

from aiohttp import web
from rigs.modbus_server import ModbusServer
from rigs.stores import eventually, sql
from rigs.webhook_receiver import SECRET, WebhookReceiver

from agent.app import Agent, Signals
from agent.clock import SystemClock
from agent.config.load import load
from agent.model import Action, EventType
from agent.paths import STORE
from agent.store.messages import Audited, MessageState, Received
from agent.store.records import EventFilter, Step
from agent.store.store import Store
from agent.web.api import api_routes
from agent.web.orders import Order
from agent.web.routes import add_routes

CLOCK = SystemClock()
FILE = """
agent: {{site: dresden, name: line-4, data_dir: data}}
http: {{listen: "127.0.0.1:{port}"}}
sources:
  plc:
    type: modbus
    url: {plc}
    poll_every: 50ms
    tags:
      T: {{area: holding, offset: 100, type: uint16, unit: °C, range: [0, 200]}}
      U: {{area: holding, offset: 1, type: uint16}}
  gone: {{type: modbus, url: "tcp://127.0.0.1:1", tags: {{G: {{area: holding, offset: 1, type: uint16}}}}}}
rules:
  hot: {{tag: T, high: 50, acknowledge: true, message: "{{value}} is too hot", response: "close the valve"}}
  pumps: {{for_each: [T, U], tag: "{{each}}", high: 90}}
  quiet: {{tag: U, high: 90}}
  off: {{tag: U, high: 90, when: "T > 65000"}}
  level: {{tag: U, change: {{deadband: 1}}}}
destinations:
  cloud: {{url: "{cloud}", signing: {{secret: {secret}}}}}
  cmms: {{url: "{cmms}", signing: {{secret: {secret}}}}}
  held: {{url: "{cloud}", signing: {{secret: {secret}}}}}
inbound:
  relay:
    type: poll
    url: "http://127.0.0.1:1/out"
    verify: {{scheme: ed25519, key: whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=}}
    routes: {{orders: {{type: order.*, forward: {{url: "{cloud}"}}}}}}
"""


class Populated:
    """See the module; `with populated(folder, port) as it:`.

    Attributes:
        url: of its routes.
        agent: it; touch it by `do` alone.
        numbers: by what it is of interest for, the number of an event.
    """

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        self.url, self.agent, self.numbers = "", None, {}
        self.ready, self.failed = threading.Event(), None
        self.loop = asyncio.new_event_loop()

    def do(self, coroutine):
        """Run it on the agent's loop; its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def ask(self, path, method="GET", body=None):
        """Status and answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - loopback
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    # --- on its own thread -----------------------------------------------------------------------

    async def live(self):
        self.over = asyncio.Event()
        async with ModbusServer() as plc, WebhookReceiver() as cloud, WebhookReceiver() as cmms:
            cmms.behave, cmms.headers = (lambda event: 400), {"webhook-delivery": "abort-message"}
            self.write(plc, cloud, cmms)
            file = self.folder / "agent.yaml"
            configuration = load(file)
            configuration.agent.data_dir.mkdir()
            async with await Store.open(self.folder / "data" / STORE, clock=CLOCK, boot="boot") as store:
                self.agent = Agent(file, configuration, store, CLOCK)
                signals = Signals(asyncio.Event(), asyncio.Event())
                running = asyncio.create_task(self.agent.run(signals, None, "boot"))
                try:
                    async with self.served():
                        await self.fill(running)
                        self.ready.set()
                        await self.over.wait()
                finally:
                    signals.stop.set()
                    async with asyncio.timeout(20):
                        await running

    def write(self, plc, cloud, cmms):
        text = FILE.format(
            plc=plc.url, port=self.port, cloud=cloud.url("/"), cmms=cmms.url("/"), secret=SECRET
        )
        (self.folder / "agent.yaml").write_text(text)

    @contextlib.asynccontextmanager
    async def served(self):
        app = web.Application()
        add_routes(app, api_routes(self.agent), lambda _: "anna")
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield
        finally:
            await runner.cleanup()

    async def fill(self, running):
        """Something of everything."""
        agent = self.agent
        runs = agent.pipeline.engine.runs
        await eventually(lambda: running.done() or (runs["hot"].state.core.occurrence and runs["pumps/T"]))
        await eventually(lambda: running.done() or agent.store.dead_count("cmms") >= 3)
        await agent.holding.pause("held", None, "anna", "it is rebuilt")
        await agent.hand.carry_out(
            Action.SHELVE, Order(rules=["quiet"], reason="the sensor is old", for_s=3600), "anna"
        )
        await agent.hand.carry_out(
            Action.OUT_OF_SERVICE, Order(rules=["pumps/U"], reason="pump is away"), "anna"
        )
        await agent.hand.carry_out(Action.ACKNOWLEDGE, Order(rules=["hot"]), "anna")
        await eventually(lambda: agent.store.waiting_count("held") > 0)
        await agent.store.commit(Step(inbox=(*messages(), *audited())))
        await agent.pipeline.tell(
            agent.pipeline.event(EventType.AGENT_TEST, {"message": "this row is damaged"})
        )
        [damaged] = await agent.store.events(EventFilter(type=EventType.AGENT_TEST), 1)
        self.numbers["damaged"] = damaged.seq
        await sql(agent.store, "UPDATE event SET checksum = checksum + 1 WHERE seq = ?", damaged.seq)

    def run(self):
        try:
            with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
                runner.run(self.live())
        except BaseException as error:  # it belongs to whoever waits
            self.failed = error
            raise
        finally:
            self.ready.set()


def messages():
    """Of each state."""
    for number, state in enumerate(MessageState):
        if state is not MessageState.SENT:
            settled = {"outcome": "done", "reason": "as asked"} if state is MessageState.SETTLED else {}
            body = {} if state is MessageState.SETTLED else {"body": b"{}"}
            yield Received(
                *(bytes([number] * 16), "relay", f"msg_{number}", "order.new", "key 1", 1, CLOCK.wall()),
                *("orders", state),
                **settled,
                **body,
            )


def audited():
    """Of each kind of value."""
    values = [(None, None), (1, 2.5), (True, False), ("a", "b")]
    for number, (old, new) in enumerate(values):
        yield Audited(
            *(bytes([64 + number] * 16), CLOCK.wall(), "relay", f"msg_{number}", "key 1", "write", "T"),
            *(old, new, "rejected", "out of its range"),
        )


@contextlib.contextmanager
def populated(folder, port):
    """Give a `Populated` once all is there; nothing of it is left behind."""
    it = Populated(folder, port)
    thread = threading.Thread(target=it.run, name="populated agent")
    thread.start()
    try:
        assert it.ready.wait(60), "the agent is not populated"
        if it.failed is None:
            yield it
    finally:
        if it.failed is None:
            it.loop.call_soon_threadsafe(it.over.set)
        thread.join(60)
    assert it.failed is None, repr(it.failed)
