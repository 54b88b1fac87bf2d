"""A whole agent whose tables are looked at: a Modbus device, two receivers, a relay, and secrets in all places.

async with shown_plant(tmp_path) as here:
    await here.see(lambda tables: "high" in tables["alarms"])
"""

import asyncio
from contextlib import asynccontextmanager

from rigs.modbus_server import ModbusServer
from rigs.poll_relay import poll_relay
from rigs.signed import SECRET as SENDERS
from rigs.signed import body_of, headers
from rigs.webhook_receiver import SECRET, WebhookReceiver

from agent.app import Agent, Signals
from agent.clock import SystemClock
from agent.config.load import load
from agent.model import SECOND
from agent.paths import STORE
from agent.store.store import Store

CLOCK = SystemClock()
CANARY = "canary4711"
PATIENCE_S = 30.0
# Register n holds n; 400 cannot be read.
FILE = """
agent: {{site: dresden, name: line-7, data_dir: data, clock: trusted}}
http: {{listen: "127.0.0.1:0"}}
sources:
  plc:
    type: modbus
    url: {plc}
    poll_every: 50ms
    stale_after: 60s
    tags:
      level: {{area: holding, offset: 60, type: uint16, unit: mm, range: [0, 200]}}
      broken: {{area: holding, offset: 400, type: uint16}}
      speed: {{area: holding, offset: 100, type: int16, write: {{min: 0, max: 1000}}}}
rules:
  high: {{tag: level, high: 50, response: close the valve, latch: true}}
  calm: {{tag: level, high: 5000}}
  never: {{tag: broken, high: 1}}
{more}
destinations:
  cloud: {{url: "{receiver}/cloud?token={canary}", signing: {{secret: {secret}}}, events: [alarm.*]}}
  room: {{url: "{receiver}/room", signing: {{secret: {secret}}}, events: [delivery.*]}}
inbound:
  cloud:
    type: poll
    url: {relay}
    token: {token}
    every: 1s
    verify: {{secret: {senders}}}
    routes:
      set: {{type: set, write: {{tag: /data/tag}}}}
"""


class ShownPlant:
    """The agent and all that is around it."""

    def __init__(self, folder, plc, receiver, relay) -> None:
        self.plc, self.receiver, self.relay = plc, receiver, relay
        self.file = folder / "agent.yaml"
        self.write()
        self.agent: Agent

    def write(self, more=""):
        parts = {"plc": self.plc.url, "receiver": self.receiver.url(""), "relay": self.relay.url}
        keys = {"token": self.relay.token, "secret": SECRET, "senders": SENDERS, "canary": CANARY}
        self.file.write_text(FILE.format(more=more, **parts, **keys))

    async def tables(self):
        return await self.agent.shown.tables()

    async def see(self, condition):
        """The tables, once `condition` holds of them."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition(tables := await self.tables()):
                await asyncio.sleep(0.02)
        return tables

    def ask(self, identity, data):
        """A message comes to the relay, signed."""
        body = body_of({"type": "set", "data": data})
        self.relay.put(body, headers(body, identity, CLOCK.wall() // SECOND, SENDERS))


@asynccontextmanager
async def shown_plant(folder):
    async with (
        ModbusServer(illegal={(1, 400)}) as plc,
        WebhookReceiver() as receiver,
        poll_relay() as relay,
    ):
        here = ShownPlant(folder, plc, receiver, relay)
        configuration = load(here.file)
        configuration.agent.data_dir.mkdir()
        signals = Signals(asyncio.Event(), asyncio.Event())
        async with await Store.open(folder / "data" / STORE, clock=CLOCK, boot="boot") as store:
            here.agent = Agent(here.file, configuration, store, CLOCK)
            running = asyncio.create_task(here.agent.run(signals, None, "boot"))
            try:
                yield here
            finally:
                signals.stop.set()
                async with asyncio.timeout(PATIENCE_S):
                    await running
