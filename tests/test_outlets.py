"""The real outlets with a real store: what of a destination's health survives, and who hears heartbeats."""

import asyncio
from contextlib import asynccontextmanager

from rigs.stores import eventually
from rigs.webhook import section
from rigs.webhook_receiver import SECRET, WebhookReceiver

from agent.clock import SystemClock
from agent.delivery.body import Identity
from agent.model import Event, EventType, Priority
from agent.outlets import Outlets
from agent.store.records import Addressed, Step
from agent.store.store import Store

CLOCK = SystemClock()
SOON = 30.0  # seconds, on the slowest machine
TEMPLATE = {"format": "template", "template": '{"text": "{{ message }}"}'}


@asynccontextmanager
async def house(path, configs):
    """Left, everything stops where it stands."""
    async with await Store.open(path, clock=CLOCK, boot="boot") as store:
        identity = Identity("dresden", "line-4", store.epoch)
        outlets = Outlets(store, identity, CLOCK, lambda: 0.0, lambda at: f"evt_notice_{at}")
        store.on_commit = lambda _, deliveries: outlets.offer(deliveries)
        await store.sync_destinations(configs)
        running = asyncio.create_task(outlets.run())
        await asyncio.sleep(0)
        await outlets.change(configs)
        try:
            yield store, outlets
        finally:
            running.cancel()
            await asyncio.wait([running])


async def test_what_its_receiver_disabled_stays_so_over_a_restart(tmp_path):
    """410 is on disk by itself; nothing is sent until a person enables it, and then all of it."""
    path = tmp_path / "events.db"
    async with WebhookReceiver() as receiver:
        configs = {"cloud": section(receiver.url("/cloud"), signing={"secret": SECRET})}
        receiver.behave = lambda _: 410
        async with house(path, configs) as (store, outlets):
            made = Event(
                "evt_1", EventType.ALARM_RAISED, CLOCK.monotonic(), "R1", Priority.HIGH, {"value": 1}
            )
            await store.commit(Step([Addressed(made, ("cloud",))]))
            async with asyncio.timeout(SOON):
                while (await store.destination_facts())["cloud"].disabled is None:
                    await asyncio.sleep(0.02)
            assert outlets.status()["cloud"]["state"] == "disabled"
        refused = len(receiver.events("/cloud"))
        receiver.behave = lambda _: 204
        async with house(path, configs) as (store, outlets):
            await asyncio.sleep(0.2)
            assert outlets.status()["cloud"]["state"] == "disabled"
            assert "410" in outlets.status()["cloud"]["reason"]
            assert "edge-relay enable destination:cloud" in outlets.problems()[0]
            assert (store.waiting_count("cloud"), len(receiver.events("/cloud"))) == (1, refused)
            outlets.dispatcher("cloud").enable()
            await eventually(lambda: not store.waiting_count("cloud"), SOON)
            async with asyncio.timeout(SOON):
                while (await store.destination_facts())["cloud"].disabled is not None:
                    await asyncio.sleep(0.02)


async def test_a_room_of_people_hears_no_heartbeats_unless_it_asks_by_name(tmp_path):
    """A template speaks to people, as a rule: one message a minute is read by nobody."""
    url = "http://127.0.0.1:1/hooks"
    configs = {
        "cloud": section(url),
        "agents": section(url, events=["agent.*"]),
        "alarms": section(url, events=["alarm.*"]),
        "room": section(url, **TEMPLATE),
        "room-agents": section(url, events=["agent.*"], **TEMPLATE),
        "watcher": section(url, events=["agent.heartbeat"], **TEMPLATE),
    }
    async with house(tmp_path / "events.db", configs) as (_, outlets):
        assert outlets.hearing() == ["cloud", "agents", "watcher"]
