"""Dispatch as a whole: random weather, replaced dispatchers, two destinations that tell of each other.

What each answer does is in `tests/dispatch`; here everything happens at once, on virtual time.
"""

import asyncio
import random
from collections import defaultdict
from itertools import count

import pytest
from rigs.dispatching import LOST, NAME, Outbox, Receiver, at_wall, delivery, dispatching
from rigs.virtual_time import VirtualClock

from agent.delivery.body import Identity
from agent.delivery.subscription import Subscription, subscribers
from agent.destinations.base import DestinationSection
from agent.dispatch.health import House
from agent.dispatch.loop import Dispatcher
from agent.model import Answer, EventType
from agent.store.records import Delivery, DestinationFacts, Stored

pytestmark = pytest.mark.virtual_time

DAY = 86_400
HOUR = 3_600
ANSWERS = [
    204,
    204,
    204,
    500,
    400,
    429,
    404,
    LOST,
    ValueError("ours"),
    Answer(429, {"retry-after": "3"}, 0.1),
]


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_the_receiver_answers_nothing_is_lost_doubled_or_overtaken(seed):
    """Bursts, any answer, enabling and waking at any time: then one calm day ends it all."""
    dice = random.Random(seed)
    receiver = Receiver(lambda _: dice.choice(ANSWERS), latency=0.3)
    order, concurrency = dice.choice(["subject", "strict"]), dice.choice([1, 2, 8])
    made, subjects = count(1), defaultdict(list)
    async with dispatching(
        receiver, dice=dice.random, order=order, concurrency=concurrency, retry=["1h"] * 20
    ) as rig:
        for _ in range(60):
            for _ in range(dice.randrange(8)):
                seq, subject = next(made), f"s{dice.randrange(5)}"
                subjects[subject].append(seq)
                rig.offer(delivery(seq, subject))
            await asyncio.sleep(dice.random() * dice.choice([0.1, 10, 200]))
            if dice.random() < 0.1:
                rig.dispatcher.enable()
            if dice.random() < 0.1:
                rig.dispatcher.way_is_back()
        receiver.behave = lambda _: 204
        await asyncio.sleep(DAY)
        delivered = rig.outbox.delivered

    assert sorted(delivered) == sorted(seq for numbers in subjects.values() for seq in numbers)
    assert {
        name: [seq for seq in delivered if seq in numbers] for name, numbers in subjects.items()
    } == subjects
    assert receiver.most_under_way <= (1 if order == "strict" else concurrency)


async def test_several_subjects_that_wait_for_their_times_are_each_tried_then():
    """The instant waited for was another subject's: taking that one must not put the clock to sleep."""
    outbox = Outbox(*(delivery(seq, f"s{seq}", charged=1, due_wall=at_wall(10 * seq)) for seq in (1, 2, 3)))
    async with dispatching(outbox=outbox, retry=["1h"]) as rig:
        await asyncio.sleep(HOUR)

    assert [round(attempt.at) for attempt in rig.receiver.tries] == [10, 20, 30]


async def test_a_time_to_wait_behind_a_delivered_event_is_kept():
    """After a restart the second of a subject may have been charged, and the first is sent once more."""
    outbox = Outbox(delivery(1), delivery(2, charged=1, due_wall=at_wall(30)))
    async with dispatching(outbox=outbox) as rig:
        await asyncio.sleep(HOUR)

    assert [(attempt.seq, round(attempt.at)) for attempt in rig.receiver.tries] == [(1, 0), (2, 30)]


async def test_after_an_outage_all_lanes_are_used_again():
    """One probe at a time while it lasts; the first success opens the way to as many as are allowed."""
    receiver = Receiver(lambda _: LOST, latency=1)
    async with dispatching(receiver) as rig:
        rig.offer(*(delivery(seq, f"s{seq}") for seq in range(1, 100)))
        await asyncio.sleep(60)
        assert receiver.most_under_way == 8  # of the first moment
        receiver.most_under_way = 0
        await asyncio.sleep(600)
        assert receiver.most_under_way == 1
        receiver.behave = lambda _: 204
        await asyncio.sleep(200)

        assert receiver.most_under_way == 8
        assert len(rig.outbox.delivered) == 99


@pytest.mark.parametrize("seed", range(3))
async def test_a_dispatcher_that_is_replaced_loses_and_doubles_nothing(seed):
    """Reload after reload, with something under way, behind, and committed while none is at work."""
    dice = random.Random(seed)
    outbox = Outbox()
    made = count(1)
    receiver = Receiver(latency=0.2)
    for _ in range(6):
        async with dispatching(receiver, outbox, concurrency=dice.choice([1, 4, 64])) as rig:
            for _ in range(dice.choice([3, 40, 2200])):
                rig.offer(delivery(seq := next(made), f"s{seq % 70}"))
            await asyncio.sleep(dice.random() * 5)
            await rig.dispatcher.stop()
        for _ in range(dice.randrange(5)):  # committed between two dispatchers: in the store alone
            seq = next(made)
            outbox.rows[seq] = delivery(seq, f"s{seq % 70}")
    async with dispatching(receiver, outbox, concurrency=64):
        await asyncio.sleep(HOUR)

    assert sorted(receiver.order) == list(range(1, next(made)))
    assert not outbox.rows


class Pair:
    """Two destinations in one house: what one's health makes is addressed to the other, as the pipeline does."""

    def __init__(self, a, b):
        self.made = count(1)
        self.told = []
        self.boxes = {"a": _Box(), "b": _Box()}
        self.facts = {}
        house = House(
            Identity("dresden", "line-4", "epoch"),
            VirtualClock(),
            random.Random(3).random,
            lambda _: f"evt_{next(self.made)}",
            self.announce,
            self.facts.__setitem__,
            self.way_is_back,
        )
        section = DestinationSection.model_validate({})
        self.at_work = {
            name: Dispatcher(name, section, receiver, self.boxes[name], house, DestinationFacts())
            for name, receiver in (("a", a), ("b", b))
        }

    def announce(self, event):
        self.told.append(event)
        number = len(self.told) + 1_000
        for name in subscribers(event, {"a": Subscription(), "b": Subscription()}):
            self.hand(name, Delivery(name, Stored(number, event, "boot", 0), None))

    def hand(self, name, each):
        self.boxes[name].rows[each.stored.seq] = each
        self.at_work[name].offer(each)

    def way_is_back(self, name):
        for other, dispatcher in self.at_work.items():
            if other != name:
                dispatcher.way_is_back()

    async def run(self, seconds):
        tasks = [asyncio.create_task(dispatcher.run()) for dispatcher in self.at_work.values()]
        await asyncio.sleep(0.01)
        for name in self.at_work:
            self.hand(name, delivery(1, "x"))
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Box(Outbox):
    """As the rig's, under any name."""

    async def waiting(self, _, *asked):
        return await super().waiting(NAME, *asked)


class Plain(Receiver):
    """Takes events that name no subject."""

    async def deliver(self, message):
        await asyncio.sleep(0)
        done = self.behave(message)
        return Answer(done, {}, 0.0) if isinstance(done, int) else done


async def test_only_the_other_destination_is_told():
    """That one fails, and that it recovered: the one that works has it at once, the one concerned never."""
    end = asyncio.get_running_loop().time() + 600
    a = Plain(lambda _: LOST if asyncio.get_running_loop().time() < end else 204)
    pair = Pair(a, Plain())
    await pair.run(HOUR)

    assert [event.type for event in pair.told] == [EventType.DELIVERY_FAILING, EventType.DELIVERY_RECOVERED]
    assert {event.subject for event in pair.told} == {"destination:a"}
    assert len(pair.boxes["a"].delivered) == 1
    assert len(pair.boxes["b"].delivered) == 3


async def test_two_that_fail_together_tell_each_other_once_and_wake_each_other():
    """A shared loss of a day: two events in all, and seconds after one is back so is the other."""
    loop, back = asyncio.get_running_loop(), {}
    end = loop.time() + DAY

    def lost_until_the_end(name):
        def behave(_):
            if loop.time() < end:
                return LOST
            back.setdefault(name, loop.time())
            return 204

        return behave

    pair = Pair(Plain(lost_until_the_end("a")), Plain(lost_until_the_end("b")))
    await pair.run(DAY + HOUR)

    kinds = sorted(event.type for event in pair.told)
    assert kinds == [EventType.DELIVERY_FAILING] * 2 + [EventType.DELIVERY_RECOVERED] * 2
    assert abs(back["a"] - back["b"]) <= 5


async def test_a_captive_portal_takes_nothing():
    """Over plain http a web page with status 200 is no receiver; what it answered to waits."""

    class Section(DestinationSection):
        @property
        def plain_http(self):
            return True

    answers = iter([Answer(200, {}, 0.1, "\ufeff <!DOCTYPE html><h1>Hotel</h1>"), Answer(200, {}, 0.1, "ok")])
    async with dispatching(Receiver(lambda _: next(answers))) as rig:
        rig.dispatcher._sending._section = Section()
        rig.offer(delivery(1))
        await asyncio.sleep(0.01)
        assert rig.outbox.delivered == []
        assert "captive portal" in rig.dispatcher.status.reason
        await asyncio.sleep(HOUR)

    assert rig.outbox.delivered == [1]
