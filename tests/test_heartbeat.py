"""Heartbeats: when they beat, what they tell, and that nothing is kept of them."""

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from datetime import datetime
from types import SimpleNamespace

import pytest
from rigs.stores import eventually, sql, transactions
from rigs.virtual_time import VirtualClock
from rigs.webhook_receiver import SECRET, WebhookReceiver

from agent.app import Agent, Signals
from agent.clock import SystemClock
from agent.config.load import load
from agent.delivery.body import Identity
from agent.destinations.webhook.config import WebhookDestination
from agent.heartbeat import Heartbeats, Lapse, Lapses, lasting
from agent.model import SECOND, Event, EventType, Priority
from agent.outlets import Outlets
from agent.paths import STORE
from agent.stamps import Reckoning
from agent.store.records import Addressed, Step
from agent.store.store import Store

OFFSET = VirtualClock().offset


class Sent:
    """Outlets that note when a beat began, and take as long as they are told."""

    def __init__(self, **seconds: float) -> None:
        self.seconds = seconds
        self.began = []

    def hearing(self):
        return list(self.seconds)

    def status(self):
        return {name: {"oldest_s": 1.5} for name in self.seconds}

    async def beat(self, name, event, at):
        self.began.append((asyncio.get_running_loop().time(), name, event))
        await asyncio.sleep(self.seconds[name])
        if name == "broken":
            raise ZeroDivisionError

    def times(self, name):
        return [at for at, other, _ in self.began if other == name]


NUMBERS = SimpleNamespace(
    seq=9, waiting_count=lambda _: 3, dead_count=lambda _: 2, lost_count=lambda _: 1, high_water=lambda _: 7
)


@asynccontextmanager
async def beating(outlets, dice=0.25, lapses=None, clock=None):
    """Heartbeats at work on virtual time."""
    clock = clock or VirtualClock()
    hearts = Heartbeats(
        outlets,
        NUMBERS,
        clock,
        lapses or Lapses(clock, list),
        mint=lambda at: f"evt_{at}",
        reckoning=lambda: Reckoning(OFFSET),
        dice=lambda: dice,
    )
    task = asyncio.create_task(hearts.run())
    try:
        yield hearts
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


@pytest.mark.virtual_time
async def test_each_agent_beats_every_minute_in_a_phase_of_its_own():
    """The dice say when in the minute; from then on it is every 60 s."""
    for dice, expected in ((0.0, [0, 60, 120]), (0.25, [15, 75, 135]), (0.999, [59.94, 119.94])):
        start, outlets = asyncio.get_running_loop().time(), Sent(cloud=0.1)
        async with beating(outlets, dice):
            await asyncio.sleep(150)
        assert [round(at - start, 3) for at in outlets.times("cloud")] == expected


@pytest.mark.virtual_time
async def test_a_slow_destination_delays_nobody_and_is_not_sent_another_one_meanwhile():
    """It takes 100 s: of three beats it gets the first and the third."""
    outlets = Sent(slow=100, quick=0.1)
    async with beating(outlets):
        await asyncio.sleep(150)

    assert (outlets.times("quick"), outlets.times("slow")) == ([15, 75, 135], [15, 135])


@pytest.mark.virtual_time
async def test_a_defect_in_one_is_told_and_stops_nobody(caplog):
    """The others go on, and so does it."""
    outlets = Sent(broken=0, quick=0)
    with caplog.at_level(logging.ERROR):
        async with beating(outlets):
            await asyncio.sleep(80)

    assert outlets.times("broken") == outlets.times("quick") == [15, 75]
    [record] = caplog.records
    assert (record.message, record.exc_info[0]) == (
        "destination broken: a heartbeat could not be sent",
        ZeroDivisionError,
    )


class Sleeper(VirtualClock):
    """A machine whose clock goes on while it sleeps, which its programs do not."""

    asleep = 0

    def monotonic(self):
        return super().monotonic() + self.asleep


@pytest.mark.virtual_time
async def test_beats_that_were_missed_are_not_made_up_for():
    """A machine that slept for ten minutes beats once when it wakes, and then in its phase again."""
    outlets, clock = Sent(cloud=0), Sleeper()
    async with beating(outlets, clock=clock):
        await asyncio.sleep(20)
        clock.asleep = 610 * SECOND
        await asyncio.sleep(200)

    assert outlets.times("cloud") == [15, 75, 125, 185]


@pytest.mark.virtual_time
async def test_what_nobody_watched_is_told_once_and_what_lasts_each_time():
    """Intervals that were told since the last beat to this destination, and those that are not over."""
    clock = VirtualClock()
    open_now = [Lapse(5 * SECOND, None, "no answer", "plc")]
    lapses = Lapses(clock, lambda: open_now)
    outlets = Sent(cloud=0)
    async with beating(outlets, lapses=lapses):
        lapses.note(blind(SECOND, 2 * SECOND, "restart"))
        await asyncio.sleep(20)
        open_now.clear()
        lapses.note(blind(5 * SECOND, 18 * SECOND, "no answer", source="plc"))
        await asyncio.sleep(130)

    told = [
        [(stamps(each), each["reason"], each.get("source")) for each in event.data["blind_intervals"]]
        for _, _, event in outlets.began
    ]
    assert told == [
        [((1, 2), "restart", None), ((5, None), "no answer", "plc")],
        [((5, 18), "no answer", "plc")],
        [],
    ]


def stamps(told):
    """Seconds of the virtual clock."""
    instants = [told[end] and round(datetime.fromisoformat(told[end]).timestamp()) for end in ("from", "to")]
    return tuple(instant and instant - OFFSET // SECOND for instant in instants)


def blind(since, until, reason, **data: object):
    instants = {"blind.from": since, "blind.to": until}
    return Event(
        "evt_b", EventType.AGENT_BLIND, 0, "agent", Priority.JOURNAL, {"reason": reason, **data}, instants
    )


def test_what_lasts_is_asked_of_the_store_and_of_each_source():
    """Nothing can be stored; one source is down, one is up for too short a time to count, one was never down."""
    lapse = SimpleNamespace(since=3, until=4, reason="refused")
    intakes = SimpleNamespace(
        at_work={
            "down": SimpleNamespace(up=False, lapse=lambda: lapse),
            "back": SimpleNamespace(up=True, lapse=lambda: lapse),
            "well": SimpleNamespace(up=True, lapse=lambda: None),
        }
    )

    assert list(lasting(SimpleNamespace(blind_since=1), intakes)) == [
        Lapse(1, None, "store"),
        Lapse(3, None, "refused", "down"),
        Lapse(3, 4, "refused", "back"),
    ]
    assert list(lasting(SimpleNamespace(blind_since=None), SimpleNamespace(at_work={}))) == []


# --- a real store, real destinations --------------------------------------------------------------------


CLOCK = SystemClock()


def section(url, **keys: object):
    return WebhookDestination.model_validate({"url": url, "signing": {"secret": SECRET}} | keys)


@asynccontextmanager
async def house(tmp_path, configs):
    """A store and its destinations, and hearts that beat 50 times a second."""
    async with await Store.open(tmp_path / "events.db", clock=CLOCK, boot="boot") as store:
        minted = iter(range(10_000))

        def mint(_):
            return f"evt_{next(minted)}"

        outlets = Outlets(store, Identity("dresden", "line-4", store.epoch), CLOCK, lambda: 0.5, mint)
        store.on_commit = lambda _, deliveries: outlets.offer(deliveries)
        await store.sync_destinations(configs)
        outlets.address(configs)
        hearts = Heartbeats(
            outlets,
            store,
            CLOCK,
            Lapses(CLOCK, list),
            mint=mint,
            reckoning=lambda: Reckoning(CLOCK.wall() - CLOCK.monotonic()),
            dice=lambda: 0.0,
            every=SECOND // 50,
        )
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(outlets.run())]
            await asyncio.sleep(0)
            await outlets.change(configs)
            running.append(tasks.create_task(hearts.run()))
            yield store, outlets
            await outlets.stop()
            for task in running:
                task.cancel()


def beats(receiver, path):
    bodies = [json.loads(bodies[0]) for bodies in receiver.kept[path].values()]
    return [body for body in bodies if body["type"] == "agent.heartbeat"]


async def test_a_heartbeat_names_the_newest_number_and_nothing_of_it_is_kept(tmp_path):
    """Signed like every event, without a number of its own; the store is not touched by it."""
    async with WebhookReceiver() as receiver:
        configs = {
            "cloud": section(receiver.url("/cloud")),
            "room": section(receiver.url("/room"), events=["alarm.*"]),
        }
        async with house(tmp_path, configs) as (store, _):
            events = [
                Event(f"evt_x{number}", EventType.ALARM_RAISED, 0, "R1", Priority.HIGH, {})
                for number in range(3)
            ]
            await store.commit(
                Step(
                    (
                        Addressed(events[0], ("cloud",)),
                        Addressed(events[1], ("cloud",)),
                        Addressed(events[2], ()),
                    )
                )
            )
            await eventually(lambda: beats(receiver, "/cloud") and not store.waiting_count())
            await store.flush()
            async with transactions(store) as commits:
                before = len(beats(receiver, "/cloud"))
                await eventually(lambda: len(beats(receiver, "/cloud")) > before + 5)
            rows = await sql(store, "SELECT count(*) FROM event")

    beat = beats(receiver, "/cloud")[-1]["data"]
    assert (commits, rows, receiver.forged) == ([], [(3,)], [])
    assert {"seq", "previous"}.isdisjoint(beat)
    assert {name: beat[name] for name in ("site", "agent", "destination", "high_water", "newest")} == {
        "site": "dresden",
        "agent": "line-4",
        "destination": "cloud",
        "high_water": 2,
        "newest": 3,
    }
    assert [beat[name] for name in ("waiting", "dead", "given_up", "oldest_s", "blind_intervals")] == [
        *(0, 0, 0, None, []),
    ]
    assert beats(receiver, "/room") == []


async def test_only_a_destination_that_is_well_is_sent_heartbeats(tmp_path):
    """One that fails is left alone until it takes something."""
    async with WebhookReceiver() as receiver:
        receiver.behave = lambda event: 503 if event["type"] != "agent.heartbeat" else 204
        async with house(tmp_path, {"cloud": section(receiver.url("/cloud"))}) as (store, outlets):
            await eventually(lambda: beats(receiver, "/cloud"))
            events = [
                Event(f"evt_x{number}", EventType.ALARM_RAISED, 0, f"R{number}", Priority.HIGH, {})
                for number in range(4)
            ]
            await store.commit(Step(tuple(Addressed(event, ("cloud",)) for event in events)))
            await eventually(lambda: outlets.hearing() == [])
            failing = len(beats(receiver, "/cloud"))
            receiver.behave = lambda _: 204
            await eventually(lambda: len(beats(receiver, "/cloud")) > failing + 2, seconds=30)

    first, last = (beats(receiver, "/cloud")[place]["data"] for place in (0, -1))
    assert [(each["high_water"], each["newest"]) for each in (first, last)] == [(None, 0), (4, 4)]


AGENT = """
agent: {{site: dresden, name: line-4, data_dir: data}}
http: {{listen: "127.0.0.1:0"}}
destinations: {{cloud: {{url: "{url}", signing: {{secret: "{secret}"}}}}}}
sources: {{line: {{type: modbus, url: "tcp://127.0.0.1:1", tags: {{T: {{area: holding, offset: 0, type: uint16}}}}}}}}
rules: {{moves: {{tag: T, change: {{}}}}}}
"""


async def test_an_agent_beats(tmp_path):
    """The real one, whose dice said that its moment in the minute is now; its source was never there."""
    async with WebhookReceiver() as receiver:
        file = tmp_path / "agent.yaml"
        file.write_text(AGENT.format(url=receiver.url("/cloud"), secret=SECRET))
        configuration = load(file)
        configuration.agent.data_dir.mkdir()
        signals = Signals(asyncio.Event(), asyncio.Event())
        async with await Store.open(tmp_path / "data" / STORE, clock=CLOCK, boot="boot") as store:
            agent = Agent(file, configuration, store, CLOCK)
            agent.heartbeats._due = CLOCK.monotonic() + 5 * SECOND
            running = asyncio.create_task(agent.run(signals, None, "boot"))
            await eventually(lambda: beats(receiver, "/cloud") or running.done(), 90)
            signals.stop.set()
            async with asyncio.timeout(20):
                await running

    [beat] = [each["data"] for each in beats(receiver, "/cloud")]
    [lapse] = beat["blind_intervals"]
    assert (lapse["source"], lapse["to"], beat["destination"]) == ("line", None, "cloud")
