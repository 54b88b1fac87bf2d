"""The whole road from a commit to a receiver that loses half of what it is sent: store, loop and webhook as they run."""

import asyncio
import random
from contextlib import asynccontextmanager

from rigs.stores import eventually
from rigs.webhook import section
from rigs.webhook_receiver import SECRET, Deed, WebhookReceiver, holes

from agent.clock import SystemClock
from agent.delivery.body import Identity
from agent.model import Event, EventType, Priority
from agent.outlets import Outlets
from agent.store.records import Addressed, DeliveryState, EventFilter, Step
from agent.store.store import Store

CLOCK = SystemClock()
PATH = "/hooks/plant"
SUBJECTS = 12
EVENTS = 240
POISON = 7
DEEDS = [204, 204, 204, 204, 200, Deed.HANG_UP, Deed.KEEP_AND_HANG_UP, 500, 503, 429]


@asynccontextmanager
async def house(path, receiver, rng):
    """A store and its destination at work; left, everything stops where it stands."""
    config = section(
        receiver.url(PATH), signing={"secret": SECRET}, retry=["10ms"] * 20, timeout="5s", concurrency=8
    )
    async with await Store.open(path, clock=CLOCK, boot="boot") as store:
        identity = Identity("dresden", "line-4", store.epoch)
        # Dice that show little: what waits for seconds in a plant waits for milliseconds here.
        outlets = Outlets(store, identity, CLOCK, lambda: rng.random() / 100, lambda at: f"evt_notice_{at}")
        store.on_commit = lambda _, deliveries: outlets.offer(deliveries)
        await store.sync_destinations(["cmms"])
        outlets.address({"cmms": config})
        running = asyncio.create_task(outlets.run())
        await asyncio.sleep(0)
        await outlets.change({"cmms": config})
        try:
            yield store, outlets
        finally:
            running.cancel()
            await asyncio.wait([running])


def event(number):
    return Event(
        id=f"evt_{number:04d}",
        type=EventType.ALARM_CHANGED,
        at=CLOCK.monotonic(),
        subject=f"rule-{number % SUBJECTS}",
        priority=Priority.HIGH,
        data={"value": number, "text": "Größe"},
    )


async def produce(store, outlets, numbers, rng):
    """Commit events a few at a time, as readings bring them."""
    waiting = list(numbers)
    while waiting:
        count = rng.randint(1, 8)
        batch, waiting = waiting[:count], waiting[count:]
        events = [event(number) for number in batch]
        await store.commit(Step([Addressed(each, outlets.subscribers(each)) for each in events]))
        await asyncio.sleep(rng.random() / 100)


async def test_all_that_was_produced_arrives_though_half_of_it_is_lost_on_the_way(tmp_path):
    """Produced = delivered + dead-lettered, across an outage and a restart; each id once, in order, without a hole."""
    rng = random.Random(20261121)
    path = tmp_path / "events.db"
    async with WebhookReceiver() as receiver:
        receiver.behave = lambda told: 422 if told["data"]["value"] == POISON else rng.choice(DEEDS)
        async with house(path, receiver, rng) as (store, outlets):
            await produce(store, outlets, range(EVENTS // 2), rng)
            await eventually(lambda: len(receiver.kept[PATH]) > EVENTS // 4, 20)
        async with house(path, receiver, rng) as (store, outlets):
            await receiver.stop()
            await produce(store, outlets, range(EVENTS // 2, EVENTS), rng)
            await receiver.start()
            made = EVENTS
            async with asyncio.timeout(20):
                while not store.dead_count():  # poison shows itself by others passing, and by nothing else
                    await produce(store, outlets, range(made, made + SUBJECTS), rng)
                    made += SUBJECTS
            await eventually(lambda: store.waiting_count() == 0, 20)
            letters = await store.events(EventFilter(state=DeliveryState.DEAD), made)
            taken = await store.events(EventFilter(state=DeliveryState.DELIVERED), made)

    kept = receiver.kept[PATH]
    produced = {f"evt_{number:04d}" for number in range(made)}
    assert receiver.forged == []
    assert [each.stored.event.id for each in letters] == [f"evt_{POISON:04d}"]
    assert set(kept) == produced - {f"evt_{POISON:04d}"}
    assert {each.stored.event.id for each in taken} == set(kept)
    assert receiver.attempts[PATH] > len(produced), "nothing was lost on the way"
    assert all(len(set(bodies)) == 1 for bodies in kept.values()), "the same event, another body"
    arrived = [int(identity.removeprefix("evt_")) for identity in kept]
    for subject in range(SUBJECTS):
        within = [number for number in arrived if number % SUBJECTS == subject]
        assert within == sorted(within)
    assert holes(receiver.events(PATH)) == [letters[0].seq]
