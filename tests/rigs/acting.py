"""A plant that messages may act on: the parts of the agent from the relay's `accept` to the PLC, in one process.

    async with plant(tmp_path, plc) as here:
        await here.send("set", value=12.5)
        event = await here.outcome()

Real store, rules, source and PLC; in the place of the relay the test hands messages over itself.
"""

import asyncio
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from rigs.signed import SECRET, body_of, signed
from rigs.stores import BOOT, eventually

from agent.acting.actor import Actor
from agent.acting.writing import watched
from agent.clock import SystemClock
from agent.config.load import load
from agent.delivery.subscription import Subscription, subscribers
from agent.intakes import Intakes
from agent.model import SECOND
from agent.pipeline import Pipeline
from agent.receiving import Reception
from agent.relays import terms
from agent.rules.engine import Engine
from agent.stamps import Reckoning, Standing
from agent.store.messages import AuditFilter
from agent.store.store import Store

# Register n holds n, coil n is set where n is a multiple of 3 (see the server); 300 and 400 cannot be read.
PLANT = """
agent: {{site: dresden, name: line-7, data_dir: data, clock: trusted}}
destinations:
  cloud: {{url: "http://127.0.0.1:1/", signing: none}}
sources:
  plc:
    type: modbus
    url: {url}
    poll_every: 50ms
    timeout: {timeout}
    tags:
      level: {{area: holding, offset: 60, type: uint16}}
      remote: {{area: coil, offset: 3}}
      unseen: {{area: holding, offset: 300, type: uint16}}
      speed: {{area: holding, offset: 100, type: int16, scale: 0.1, write: {{min: 0, max: 100, max_step: 20, at_most_every: 0s}}}}
      guarded: {{area: holding, offset: 110, type: int16, write: {{min: 0, max: 1000, when: remote}}}}
      blind: {{area: holding, offset: 120, type: int16, write: {{min: 0, max: 1000, when: unseen > 1}}}}
      rarely: {{area: holding, offset: 130, type: int16, write: {{min: 0, max: 1000, at_most_every: 1h}}}}
      broken: {{area: holding, offset: 400, type: int16, write: {{min: 0, max: 1000}}}}
      lamp: {{area: coil, offset: 6, write: {{}}}}
rules:
  high: {{tag: level, high: 50}}
  quiet: {{tag: level, high: 5000}}
  latched: {{tag: level, high: 55, latch: true}}
inbound:
  cloud:
    type: poll
    url: http://127.0.0.1:1/out/plant-7
    token: sk_canary
    verify: {{secret: {secret}}}
    routes:
      set: {{type: set, write: {{tag: /data/tag}}}}
      slowly: {{type: slowly, max_age: 1h, write: {{tag: /data/tag}}}}
      ack: {{type: ack, acknowledge: {{}}}}
      shelve: {{type: shelve, shelve: {{}}}}
      unshelve: {{type: unshelve, unshelve: {{}}}}
      reset: {{type: reset, reset: {{}}}}
      replay: {{type: replay, replay: {{}}}}
"""


def configured(folder: Path, url: str, timeout: str = "3s", **changes: str):
    """The configuration of the plant; `changes` are texts replaced by others, `{old: new}` in `text`."""
    text = PLANT.format(url=url, secret=SECRET, timeout=timeout)
    for old, new in changes.get("text", {}).items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "plant.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


class Plant:
    """Attributes.

    configuration: the one in force; a test may replace it, as a reload does.
    standing: how far the clock is believed.
    """

    def __init__(self, store, configuration, intakes=None) -> None:
        self.store, self.configuration, self.clock = store, configuration, SystemClock()
        self.standing = Standing.TRUSTED
        self.minted = 0
        subscribed = {"cloud": Subscription()}
        engine = Engine(
            configuration.rules,
            configuration.tags.values(),
            configuration.sources,
            mint=self.mint,
            started=self.clock.monotonic(),
            watched=watched(configuration.sources.values()),
        )
        self.pipeline = Pipeline(
            engine, store, lambda event: subscribers(event, subscribed), lambda _: None, self.clock, self.mint
        )
        self.intakes = intakes or Intakes(self.pipeline, self.clock, lambda: 0.5, self.reckoning)
        self.reception = Reception(self.pipeline, store, self.clock, self.reckoning, self.mint)
        self.actor = Actor(
            *(self.pipeline, store, self.clock, self.intakes, self.reception.refusals),
            mint=self.mint,
            now=self.reception.now,
            configuration=lambda: self.configuration,
        )
        self.reception.act = self.actor.take
        self.terms = terms("cloud", configuration.inbound["cloud"])

    def mint(self, at):
        self.minted += 1
        return f"evt_{at}_{self.minted}"

    def reckoning(self):
        return Reckoning(self.clock.wall() - self.clock.monotonic(), self.standing)

    # --- messages --------------------------------------------------------------------------------------------

    def message(self, kind="set", identity="msg_1", age=0, key=SECRET, body=None, **data: object):
        """One that was made `age` seconds ago."""
        document = {"type": kind, "data": data}
        return signed(
            body_of(document) if body is None else body, identity, self.clock.wall() // SECOND - age, key
        )

    async def accept(self, *messages):
        await self.reception.accept(self.terms, messages, {})

    async def send(self, kind="set", identity="msg_1", **more: object):
        """The relay hands one message over; returns when it is on disk."""
        await self.accept(self.message(kind, identity, **more))

    # --- what became of them ------------------------------------------------------------------------------------

    async def events(self, *types):
        """Every event of these types (they begin so), in order."""
        found = [each.stored.event for each in await self.store.waiting("cloud", 0, 1000)]
        return [event for event in found if event.type.startswith(types or "")]

    async def outcome(self, identity="msg_1"):
        """Wait for the one event that tells what became of a message, and for its row."""
        await eventually(lambda: self.store.seq)
        async with asyncio.timeout(30):
            while not (found := await self._outcomes(identity)):
                await asyncio.sleep(0.005)
        [event] = found
        return event

    async def _outcomes(self, identity):
        return [event for event in await self.events("inbound.") if event.data["message_id"] == identity]

    async def audit(self, **wanted: object):
        return await self.store.audit.newest(AuditFilter(**wanted), 100)

    async def rows(self):
        return [message.received for message in await self.store.inbox.newest(100)]


@asynccontextmanager
async def plant(folder, plc=None, *, acts=True, reads=True, boot=BOOT, intakes=None, **more):
    """The plant at work; with a `plc` (or its url) it is connected; `acts` later: `here.begin()`."""
    url = plc if isinstance(plc, str) else plc.url if plc is not None else "tcp://127.0.0.1:1"
    configuration = configured(folder, url, **more)
    async with await Store.open(folder / "events.db", clock=SystemClock(), boot=boot) as store:
        await store.sync_destinations(["cloud"])
        here = Plant(store, configuration, intakes)
        tasks = []
        here.begin = lambda: tasks.append(asyncio.create_task(here.actor.run()))
        async with asyncio.TaskGroup() as group:
            if reads:
                here.intakes.begin(group, configuration.sources)
                await eventually(lambda: here.intakes.at_work["plc"].up)
                await eventually(lambda: here.pipeline.engine.tags["level"].state.reading)
            if acts:
                here.begin()
            try:
                yield here
            finally:
                for task in tasks:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
                if reads:
                    await here.intakes.stop()
