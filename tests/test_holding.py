"""Destinations held back by hand: what is for them waits, also over a restart, and is sent in order afterwards."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from rigs.stores import HandClock, Rebooted, eventually
from rigs.webhook import MovedClock, section
from rigs.webhook_receiver import SECRET, WebhookReceiver

from agent import fallback
from agent.delivery.body import Identity
from agent.desk import UnknownError
from agent.holding import Holding
from agent.model import SECOND, Event, EventType, Priority
from agent.outlets import Outlets
from agent.store.records import Addressed, DestinationFacts, Step
from agent.store.store import Store
from agent.web.orders import ImpossibleError

MINUTE = 60 * SECOND
YEAR = 365 * 86_400 * SECOND
CLOCK = MovedClock()
SOON = 30.0  # seconds, on the slowest machine


@asynccontextmanager
async def house(path, receiver, **of_cloud: object):
    """A store and its destinations at work; left, everything stops where it stands."""
    names = ("cloud", "room")
    configs = {name: section(receiver.url(f"/{name}"), signing={"secret": SECRET}) for name in names}
    configs["cloud"] = section(receiver.url("/cloud"), signing={"secret": SECRET}, **of_cloud)
    async with await Store.open(path, clock=CLOCK, boot="boot") as store:
        identity = Identity("dresden", "line-4", store.epoch)
        outlets = Outlets(store, identity, CLOCK, lambda: 0.5, lambda at: f"evt_notice_{at}")
        store.on_commit = lambda _, deliveries: outlets.offer(deliveries)
        await store.sync_destinations(names)
        running = asyncio.create_task(outlets.run())
        await asyncio.sleep(0)
        await outlets.change(configs)
        try:
            yield store, outlets
        finally:
            running.cancel()
            await asyncio.wait([running])


async def commit(store, *numbers: int, to=("cloud", "room"), ago=0):
    """Events of one subject, for both unless told; the room has them when the cloud would."""
    for number in numbers:
        at = CLOCK.monotonic() - ago
        made = Event(f"evt_{number}", EventType.ALARM_CHANGED, at, "R1", Priority.HIGH, {"value": number})
        await store.commit(Step([Addressed(made, to)]))


def values(receiver, path):
    return [event["data"]["value"] for event in receiver.events(path)]


async def test_what_is_for_a_paused_destination_waits_and_comes_in_order(tmp_path):
    """Nothing is sent there, the others go on, a reload and an end without goodbye change nothing, nothing is lost."""
    path = tmp_path / "events.db"
    async with WebhookReceiver() as receiver:
        async with house(path, receiver) as (store, outlets):
            await commit(store, 1)
            await eventually(lambda: values(receiver, "/cloud") == [1], SOON)
            why = await outlets.holding.pause("cloud", None, "anna (root)", "their database moves")
            assert why.startswith("by anna (root) since 20")
            assert why.endswith("Z: their database moves")
            assert (await store.destination_facts())["cloud"].paused == why, "on disk before anybody is told"
            await commit(store, 2, 3)
            await eventually(lambda: values(receiver, "/room") == [1, 2, 3], SOON)
            assert outlets.status()["cloud"]["state"] == "paused"
            assert outlets.status()["cloud"]["reason"] == why
            assert outlets.problems() == [], "somebody wants it so"
        async with house(path, receiver) as (store, outlets):
            await outlets.change({})  # a reload that replaces both
            await outlets.change(
                {
                    name: section(receiver.url(f"/{name}"), signing={"secret": SECRET}, timeout="9s")
                    for name in ("cloud", "room")
                }
            )
            await commit(store, 4)
            await eventually(lambda: values(receiver, "/room") == [1, 2, 3, 4], SOON)
            assert values(receiver, "/cloud") == [1]
            [warning] = outlets.holding.warnings()
            assert warning == (
                f"destination cloud is paused {why}; events that wait: 3; "
                "`edge-relay resume destination:cloud` sends them"
            )
            outlets.holding.look()
            assert await outlets.holding.resume("cloud") == {"state": "healthy", "reason": "", "waited": 3}
            await eventually(lambda: values(receiver, "/cloud") == [1, 2, 3, 4], SOON)
            assert [len(bodies) for bodies in receiver.kept["/cloud"].values()] == [1] * 4
            assert outlets.holding.warnings() == []
        async with house(path, receiver) as (store, outlets):
            assert outlets.status()["cloud"]["state"] == "healthy", "the end of the pause is kept as well"


async def test_a_disabled_destination_is_enabled_and_a_paused_one_resumed(tmp_path):
    """Whoever takes the wrong one of the two is told the right one; both may be at once."""
    async with WebhookReceiver() as receiver, house(tmp_path / "events.db", receiver) as (_, outlets):
        holding, health = outlets.holding, outlets.dispatcher("cloud").health
        for order in (holding.resume, holding.enable):
            with pytest.raises(UnknownError, match="no destination clod: did you mean `cloud`"):
                await order("clod")
        with pytest.raises(UnknownError, match="did you mean `cloud`"):
            await holding.pause("clod", None, "anna", "")
        with pytest.raises(
            ImpossibleError, match=r"^destination cloud is not paused: there is nothing to resume$"
        ):
            await holding.resume("cloud")
        assert (await holding.enable("cloud"))["state"] == "healthy"
        health.disable("it said 410")
        with pytest.raises(ImpossibleError, match="not paused but disabled: it said 410; `edge-relay enable"):
            await holding.resume("cloud")
        await holding.pause("cloud", MINUTE, "anna", "")
        assert (await holding.enable("cloud"))["state"] == "paused"
        with pytest.raises(ImpossibleError, match=r"not disabled but paused by anna .* `edge-relay resume"):
            await holding.enable("cloud")
        health.disable("it said 410")
        assert (await holding.resume("cloud"))["state"] == "disabled"


@pytest.mark.parametrize(
    ("lasts", "gone", "ends"),
    [
        (10 * MINUTE, 4 * MINUTE, 6 * MINUTE),
        (10 * MINUTE, 11 * MINUTE, 0),
        (10 * MINUTE, -YEAR, 10 * MINUTE),
        (None, YEAR, None),
    ],
    ids=["the rest", "over", "the clock fell back", "without end"],
)
async def test_what_is_left_of_a_pause_after_a_restart(lasts, gone, ends):
    """Never more than the whole of it, whatever the clock says."""
    clock, resumed, kept = HandClock(), [], {}
    dispatcher = SimpleNamespace(
        health=SimpleNamespace(paused="why"),
        pause=lambda why: kept.update(facts=DestinationFacts(paused=why)),
        resume=lambda: resumed.append(clock.instant),
    )

    async def on_disk(_):
        pass

    first = Holding(None, clock, lambda _: dispatcher, on_disk)
    await first.pause("cloud", lasts, "anna", "")
    facts = first.with_pause("cloud", kept["facts"])
    clock = Rebooted(clock.wall() + gone)
    began = clock.instant
    second = Holding(None, clock, lambda _: dispatcher, on_disk)
    second.take_up("cloud", facts)
    assert second.with_pause("cloud", facts) == facts, "what is kept does not change by a restart"
    for length in (0, 6 * MINUTE - 1, 6 * MINUTE, 10 * MINUTE - 1, 10 * MINUTE, 5 * YEAR):
        clock.instant = began + length
        second.look()

    assert resumed == ([] if ends is None else [began + ends])


async def test_a_second_pause_replaces_the_first_one():
    """Also one without an end."""
    clock, resumed = HandClock(), []
    dispatcher = SimpleNamespace(
        health=SimpleNamespace(paused="why"), pause=lambda _: None, resume=lambda: resumed.append("cloud")
    )

    async def on_disk(_):
        pass

    holding = Holding(None, clock, lambda _: dispatcher, on_disk)
    await holding.pause("cloud", MINUTE, "anna", "")
    await holding.pause("cloud", None, "anna", "")
    clock.instant += YEAR
    holding.look()
    assert resumed == []
    await holding.pause("cloud", MINUTE, "anna", "")
    clock.instant += MINUTE
    holding.look()
    holding.look()
    assert resumed == ["cloud"]


async def test_a_paused_destination_falls_back_as_well(tmp_path, monkeypatch):
    """What is late by now goes to the other, under the same id, and to the first one when it is resumed."""
    monkeypatch.setattr(fallback, "_LOOK_EVERY_S", 0.02)
    way = {"to": "room", "after": "10m"}
    async with (
        WebhookReceiver() as receiver,
        house(tmp_path / "events.db", receiver, fallback=way) as (store, outlets),
    ):
        await outlets.holding.pause("cloud", None, "anna", "")
        await commit(store, 1, to=("cloud",), ago=11 * MINUTE)
        await commit(store, 2, to=("cloud",), ago=9 * MINUTE)
        await eventually(lambda: values(receiver, "/room") == [1], SOON)
        [told] = receiver.events("/room")
        assert (told["data"]["id"], told["data"]["late"]) == ("evt_1", True)
        await outlets.holding.resume("cloud")
        await eventually(lambda: values(receiver, "/cloud") == [1, 2], SOON)
        assert all("late" not in event["data"] for event in receiver.events("/cloud"))
        assert values(receiver, "/room") == [1]


async def test_a_pause_ends_by_itself_and_the_events_go(tmp_path, monkeypatch):
    """With nobody there, and also when the agent was started anew meanwhile: its end is kept with it."""
    path = tmp_path / "events.db"
    async with WebhookReceiver() as receiver:
        async with house(path, receiver) as (store, outlets):
            await outlets.holding.pause("cloud", 4 * MINUTE, "anna", "")
            await commit(store, 1)
            await eventually(lambda: values(receiver, "/room") == [1], SOON)
            outlets.holding.look()
            assert outlets.status()["cloud"]["state"] == "paused"
        monkeypatch.setattr(CLOCK, "ahead", 4 * 60)
        async with house(path, receiver) as (_, outlets):
            await eventually(lambda: values(receiver, "/cloud") == [1], SOON)
            assert outlets.status()["cloud"]["state"] == "healthy"
