"""A destination that lost its link is tried again as soon as there is a sign that the way is back: the real outlets."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from rigs.stores import eventually
from rigs.webhook import section
from rigs.webhook_receiver import SECRET, WebhookReceiver

from agent import default_route
from agent.app import Agent, Signals
from agent.clock import SystemClock
from agent.config.load import load
from agent.delivery.body import Identity
from agent.delivery.judge import Fault
from agent.delivery.outage import Outage
from agent.model import SECOND, Event, EventType, Priority
from agent.outlets import Outlets
from agent.paths import STORE
from agent.store.records import Addressed, Step
from agent.store.store import Store

CLOCK = SystemClock()
HOUR = 3600 * SECOND
SOON = 30.0  # seconds, on the slowest machine

AGENT = """
agent: {{site: dresden, name: line-4, data_dir: data}}
http: {{listen: "127.0.0.1:0"}}
destinations: {{cloud: {{url: "{url}", signing: {{secret: "{secret}"}}}}}}
sources: {{line: {{type: modbus, url: "tcp://127.0.0.1:1", tags: {{T: {{area: holding, offset: 0, type: uint16}}}}}}}}
rules: {{moves: {{tag: T, change: {{}}}}}}
"""


def lose(outlets, name, fault=Fault.LINK, wait=HOUR):
    """It has failed for an hour, and is not tried before `wait` is over, not for a new event either."""
    now = CLOCK.monotonic()
    outage = Outage(now - HOUR, 100, "lost", fault, now + wait, favoured=now)
    outlets.dispatcher(name).health.outage = outage


@asynccontextmanager
async def house(path, receiver):
    """Two destinations with an event for each of them, both lost."""
    configs = {
        name: section(receiver.url(f"/{name}"), signing={"secret": SECRET}) for name in ("cloud", "room")
    }
    async with await Store.open(path, clock=CLOCK, boot="boot") as store:
        identity = Identity("dresden", "line-4", store.epoch)
        outlets = Outlets(store, identity, CLOCK, lambda: 0.0, lambda at: f"evt_notice_{at}")
        store.on_commit = lambda _, deliveries: outlets.offer(deliveries)
        await store.sync_destinations(configs)
        made = Event("evt_1", EventType.ALARM_RAISED, CLOCK.monotonic(), "R1", Priority.HIGH, {})
        running = asyncio.create_task(outlets.run())
        await asyncio.sleep(0)
        await outlets.change(configs)
        for name in configs:
            lose(outlets, name)
        await store.commit(Step([Addressed(made, tuple(configs))]))
        try:
            yield outlets
        finally:
            running.cancel()
            await asyncio.wait([running])


@pytest.mark.parametrize("sign", ["another destination", "a way to the outside"])
async def test_what_lost_its_link_is_tried_when_the_way_is_back(tmp_path, sign):
    """An hour before its time: another destination has its link back, or the machine has a way it had not."""
    async with WebhookReceiver() as receiver, house(tmp_path / "events.db", receiver) as outlets:
        await asyncio.sleep(0.1)
        assert outlets.lost
        assert receiver.kept == {}
        if sign == "another destination":
            lose(outlets, "room", wait=0)
            outlets.dispatcher("room").resume()
        else:
            outlets.way_is_back()

        await eventually(lambda: receiver.events("/cloud") and receiver.events("/room"), SOON)
        await eventually(lambda: not outlets.lost, SOON)


async def test_who_answered_has_not_lost_its_link(tmp_path):
    """A receiver that says 500 is not asked again because a cable is put back."""
    async with WebhookReceiver() as receiver, house(tmp_path / "events.db", receiver) as outlets:
        lose(outlets, "cloud", Fault.RECEIVER)
        outlets.way_is_back()

        await eventually(lambda: receiver.events("/room"), SOON)
        assert receiver.events("/cloud") == []
        await eventually(lambda: not outlets.lost, SOON)


async def test_an_agent_notices_a_way_to_the_outside(tmp_path, monkeypatch):
    """The real one: a default route that was not there before brings the next attempt forward."""
    routes = set()
    monkeypatch.setattr(default_route, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(default_route, "default_routes", lambda _: frozenset(routes))
    async with WebhookReceiver() as receiver:
        file = tmp_path / "agent.yaml"
        file.write_text(AGENT.format(url=receiver.url("/cloud"), secret=SECRET))
        configuration = load(file)
        configuration.agent.data_dir.mkdir()
        signals = Signals(asyncio.Event(), asyncio.Event())
        async with await Store.open(tmp_path / "data" / STORE, clock=CLOCK, boot="boot") as store:
            agent = Agent(file, configuration, store, CLOCK)
            running = asyncio.create_task(agent.run(signals, None, "boot"))
            await eventually(lambda: "cloud" in agent.outlets.status() or running.done(), SOON)
            await eventually(lambda: not store.waiting_count() or running.done(), SOON)
            lose(agent.outlets, "cloud")
            gate = agent.outlets.dispatcher("cloud").health.outage.gate
            await asyncio.sleep(0.1)
            assert agent.outlets.dispatcher("cloud").health.outage.gate == gate
            routes.add("ppp0 0100007F")
            await eventually(lambda: agent.outlets.dispatcher("cloud").health.outage.gate < gate, SOON)
            signals.stop.set()
            async with asyncio.timeout(20):
                await running
