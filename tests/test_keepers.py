"""What a running agent keeps up for its store, wired as it runs: retention, and the word for what is damaged."""

import asyncio
from contextlib import asynccontextmanager

from rigs.stores import eventually, sql
from rigs.webhook_receiver import SECRET, WebhookReceiver

from agent import app
from agent.app import Agent, Signals
from agent.clock import SystemClock
from agent.config.load import load
from agent.model import Event, EventType, Priority
from agent.paths import STORE
from agent.store.records import Addressed, Step
from agent.store.store import Store

CLOCK = SystemClock()
SOON = 30.0  # seconds, on the slowest machine
FILE = """
agent: {{site: dresden, name: line-4, data_dir: data}}
http: {{listen: "127.0.0.1:0"}}
store: {{keep_delivered: 0s}}
destinations:
  cloud: {{url: "{cloud}", signing: {{secret: "{secret}"}}, events: [alarm.*]}}
  room: {{url: "{room}", signing: {{secret: "{secret}"}}, events: [delivery.*]}}
sources: {{line: {{type: modbus, url: "tcp://127.0.0.1:1", tags: {{T: {{area: holding, offset: 0, type: uint16}}}}}}}}
rules: {{moves: {{tag: T, change: {{}}}}}}
"""


@asynccontextmanager
async def agent_at_work(folder, receiver):
    file = folder / "agent.yaml"
    file.write_text(FILE.format(cloud=receiver.url("/cloud"), room=receiver.url("/room"), secret=SECRET))
    configuration = load(file)
    configuration.agent.data_dir.mkdir()
    signals = Signals(asyncio.Event(), asyncio.Event())
    async with await Store.open(folder / "data" / STORE, clock=CLOCK, boot="boot") as store:
        agent = Agent(file, configuration, store, CLOCK)
        running = asyncio.create_task(agent.run(signals, None, "boot"))
        await eventually(lambda: "cloud" in agent.outlets.status() or running.done(), SOON)
        yield agent
        signals.stop.set()
        async with asyncio.timeout(20):
            await running


def alarm(number):
    at = CLOCK.monotonic()
    return Event(f"evt_{number}", EventType.ALARM_RAISED, at, f"R{number}", Priority.HIGH, {"value": number})


async def test_delivered_events_go_and_a_damaged_one_is_told(tmp_path, monkeypatch):
    """After `keep_delivered`, by itself; what is found damaged on disk is a `delivery.dead`."""
    monkeypatch.setattr(app, "_PRUNE_EVERY_S", 0.02)
    async with WebhookReceiver() as receiver, agent_at_work(tmp_path, receiver) as agent:
        store = agent.store
        await store.commit(Step([Addressed(alarm(number), ("cloud",)) for number in range(40)]))
        await eventually(lambda: not store.waiting_count() and len(receiver.events("/cloud")) == 40, SOON)
        await store.flush()
        async with asyncio.timeout(SOON):
            while (await sql(store, "SELECT count(*) FROM event WHERE type = 'alarm.raised'"))[0][0] > 1:
                await asyncio.sleep(0.02)

        store.on_damaged("cloud", 17)
        await eventually(lambda: receiver.events("/room"), SOON)
    [dead] = receiver.events("/room")
    assert (dead["type"], dead["data"]["destination"], dead["data"]["event_seq"]) == (
        "delivery.dead",
        "cloud",
        17,
    )


async def test_the_store_has_the_room_of_the_configuration_and_the_samples_give_way(tmp_path):
    """Also after a reload has changed it; the samples' files count, and are asked to be smaller."""
    async with WebhookReceiver() as receiver, agent_at_work(tmp_path, receiver) as agent:
        room = agent.store.room
        assert room.limit() == 2_000_000_000
        assert tuple(room.beside) == tuple(agent.recorder.files)
        await room.shrink(1_000_000)
        assert agent.recorder._bytes() == 1_000_000
        await room.shrink(None)
        assert agent.recorder._bytes() == 200_000_000
        (tmp_path / "agent.yaml").write_text(
            (tmp_path / "agent.yaml").read_text().replace("keep_delivered: 0s", "max_size: 1GB")
        )
        await agent.reload()
        assert room.limit() == 1_000_000_000
