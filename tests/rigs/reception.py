"""A reception over a store of its own, and messages as they are signed for it."""

from contextlib import asynccontextmanager
from typing import ClassVar

from rigs.rules import high, rule
from rigs.signed import SECRET, signed
from rigs.stores import BOOT, HandClock

from agent.delivery.subscription import Subscription, subscribers
from agent.inbound.routes import RouteSection
from agent.model import SECOND, TagSpec
from agent.pipeline import Pipeline
from agent.receiving import Reception
from agent.relays import terms
from agent.rules.engine import Engine
from agent.signing.config import StandardSigning
from agent.stamps import Reckoning
from agent.store.messages import AuditFilter
from agent.store.store import Store

ROUTES = {
    "set": {"type": "set", "write": {"tag": "T"}},
    "order": {"type": "order", "forward": {"url": "http://127.0.0.1:1/"}},
}


class Section:
    """What `terms` reads of a relay's section."""

    verify = StandardSigning.model_validate({"secret": SECRET})
    routes: ClassVar = {name: RouteSection.model_validate(route) for name, route in ROUTES.items()}


class House:
    """A reception over a store of its own; `seen` are the subscribers' events, `acting` what is to be done."""

    def __init__(self, store, clock) -> None:
        self.store, self.clock = store, clock
        self.minted, self.acting = 0, []
        engine = Engine([rule(high())], [TagSpec("T", "plc")], ["plc"], mint=self.mint, started=0)
        subscribed = {"cloud": Subscription(), "cloud/order": Subscription(("nothing",))}
        pipeline = self.pipeline = Pipeline(
            engine, store, lambda event: subscribers(event, subscribed), lambda _: None, clock, self.mint
        )
        reckoning = Reckoning(clock.wall() - clock.monotonic())
        self.reception = Reception(pipeline, store, clock, lambda: reckoning, self.mint)
        self.reception.act = self.acting.extend
        self.terms = terms("cloud", Section)

    def relay(self, name="cloud", verify=None, **routes):
        """Messages come by this relay from now on; without `routes` it has those of the file."""
        section = Section()
        section.verify = verify or Section.verify
        if routes:
            section.routes = {route: RouteSection.model_validate(each) for route, each in routes.items()}
        self.terms = terms(name, section)

    def mint(self, at):
        self.minted += 1
        return f"evt_{self.minted}"

    @property
    def now(self):
        return self.clock.wall() // SECOND

    def message(self, kind="set", identity="msg_1", **more):
        at = more.pop("at", self.now)
        return signed({"type": kind, "data": {"value": 1}}, identity, at, **more)

    async def accept(self, *messages, cursor=None):
        states = {} if cursor is None else {"inbound/cloud": cursor}
        await self.reception.accept(self.terms, messages, states)

    async def events(self, destination="cloud"):
        return [each.stored.event for each in await self.store.waiting(destination, 0, 100)]

    async def audit(self):
        return [(each.reason, each.count) for each in await self.store.audit.newest(AuditFilter(), 100)]


@asynccontextmanager
async def house(path, clock=None):
    clock = clock or HandClock()
    async with await Store.open(path, clock=clock, boot=BOOT) as store:
        await store.sync_destinations(["cloud", "cloud/order", "second/order"])
        yield House(store, clock)
