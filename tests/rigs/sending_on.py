"""Messages that are taken and sent on, in one process: a reception, a store, the delivery engine, and who tells the ends."""

import asyncio
import random
import time
from contextlib import asynccontextmanager
from itertools import count

from rigs.rules import high, rule
from rigs.signed import signed
from rigs.stores import eventually
from rigs.webhook_receiver import SECRET

from agent.clock import SystemClock
from agent.config.routed import routed
from agent.delivery.body import Identity
from agent.inbound.poll.config import PollRelay
from agent.model import TagSpec
from agent.outlets import Outlets
from agent.pipeline import Pipeline
from agent.receiving import Reception
from agent.relays import terms
from agent.rules.engine import Engine
from agent.sent import Sent
from agent.stamps import Reckoning
from agent.store.records import EventFilter
from agent.store.store import Store

CLOCK = SystemClock()
_MINTED = count(1)


def relay(routes, verify=None):
    """The section of a relay; nobody asks it."""
    verify = {"secret": SECRET} if verify is None else verify
    written = {"type": "poll", "url": "http://127.0.0.1:1/", "verify": verify, "routes": routes}
    return PollRelay.model_validate(written)


def order(number, **more):
    """A message as its sender posts it."""
    body = f'{{"type": "order.created",  "data": {{"order": {number}}}}}'.encode()  # with a blank too many
    return signed(body, f"msg_{number}", int(time.time()), SECRET, **more)


class House:
    """Attributes.

    store, outlets, sent: the parts.
    """

    def __init__(self, store, routes, sources, more, *, verify=None) -> None:
        self.store = store
        self.relays = {"cloud": relay(routes, verify)}
        self.configs = more | routed(self.relays, sources)
        identity = Identity("dresden", "line-4", store.epoch)
        self.outlets = Outlets(store, identity, CLOCK, random.random, self.mint)
        engine = Engine([rule(high())], [TagSpec("T", "plc")], ["plc"], mint=self.mint, started=0)
        subscribers, offer = self.outlets.subscribers, self.outlets.offer
        self.pipeline = Pipeline(engine, store, subscribers, offer, CLOCK, self.mint)
        self.outlets.announce = self.pipeline.announce
        self.sent = Sent(self.pipeline, store, CLOCK, self.mint, lambda: self.relays)
        self.reception = Reception(self.pipeline, store, CLOCK, self.reckoning, self.mint)
        store.on_damaged = self.outlets.damaged

    def mint(self, at):
        return f"evt_{next(_MINTED)}"

    def reckoning(self):
        return Reckoning(CLOCK.wall() - CLOCK.monotonic())

    async def take(self, *messages):
        await self.reception.accept(terms("cloud", self.relays["cloud"]), messages, {})

    async def begin(self):
        await self.store.sync_destinations(self.configs)
        self.outlets.address(self.configs)

    async def outcomes(self):
        """What was told: (type, message id, reason), in order."""
        told = await self.store.events(EventFilter(type="inbound."), 10_000)
        bodies = [(each.stored.event.type.value, each.stored.event.data) for each in told]
        kinds = [(kind, data) for kind, data in bodies if kind != "inbound.message"]
        return [(kind, data["message_id"], data.get("reason", "")) for kind, data in kinds]

    async def told(self, many, within=30.0):
        """Wait until so many ends were told; give them."""
        async with asyncio.timeout(within):
            while len(outcomes := await self.outcomes()) < many:
                await asyncio.sleep(0.02)
        return outcomes

    async def empty(self, name, within=30.0):
        """Wait until nothing waits for a destination."""
        await eventually(lambda: not self.store.waiting_count(name), within)


@asynccontextmanager
async def house(path, routes, *, sources=None, more=None, telling=True, verify=None):
    """All of it at work; left, it stops where it stands. Not `telling`: killed before an end could be told."""
    async with await Store.open(path, clock=CLOCK, boot="boot", tick=200_000_000) as store:
        parts = House(store, routes, sources or {}, more or {}, verify=verify)
        await parts.begin()
        works = [parts.outlets.run(), parts.pipeline.announce_forever()]
        works += [parts.sent.run()] if telling else []
        running = [asyncio.create_task(work) for work in works]
        await asyncio.sleep(0)
        await parts.outlets.change(parts.configs)
        try:
            yield parts
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)
