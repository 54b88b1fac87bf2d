"""What comes when nothing waited is seen to in time as well; what is too old is given up, and nothing else is."""

import asyncio
from dataclasses import replace

import pytest
from rigs.dispatching import LOST, Outbox, Receiver, delivery, dispatching

from agent.destinations.base import BatchSection, DestinationSection
from agent.model import SECOND, Answer
from agent.stamps import Standing
from agent.store.records import MarkDead

pytestmark = pytest.mark.virtual_time

MINUTE, HOUR = 60, 3_600


class Batching(DestinationSection):
    """A destination of no kind in particular that takes batches."""

    batch: BatchSection = BatchSection(max_events=10)

    @property
    def batching(self):
        return self.batch


class Taking:
    """Takes requests with whatever is in them."""

    clock_offset = 0
    utc_offset = None

    async def deliver(self, message):
        return Answer(204 if message.events else 400, {}, 0.0)


def now():
    return asyncio.get_running_loop().time()


def made_at(seconds, seq, subject="a", *, boot=None, **rest):
    """A delivery of an event that happened at this virtual second; of another `boot`, on a clock of its own."""
    made = delivery(seq, subject, **rest)
    stored = replace(made.stored, event=replace(made.stored.event, at=round(seconds * SECOND)))
    return replace(made, stored=stored if boot is None else replace(stored, boot=boot))


async def test_an_event_that_comes_while_the_limit_is_used_up_goes_when_it_opens():
    """One a minute, and nothing waited when the first was sent."""
    receiver = Receiver()
    async with dispatching(receiver, rate_limit={"events": 1, "per": "60s"}) as rig:
        rig.offer(delivery(1))
        await asyncio.sleep(1)
        rig.offer(delivery(2, "b"))
        await asyncio.sleep(HOUR)

    assert [round(each.at) for each in receiver.tries] == [0, 60]


async def test_an_event_that_comes_in_an_outage_of_which_nothing_is_left_goes_when_its_gate_opens():
    """All that failed has expired; what came next is tried five minutes after the last answer, not never."""
    receiver = Receiver(lambda _: 401 if now() < MINUTE else 204)
    async with dispatching(receiver, max_age="2m") as rig:
        rig.offer(made_at(0, 1))
        await asyncio.sleep(4 * MINUTE)
        assert set(rig.outbox.dead) == {1}
        rig.offer(made_at(4 * MINUTE, 2))
        await asyncio.sleep(HOUR)

    assert [round(each.at) for each in receiver.tries] == [0, 5 * MINUTE]
    assert rig.outbox.delivered == [2]


async def test_what_comes_while_it_is_paused_expires_in_time():
    """Nothing waited when it was paused."""
    async with dispatching(max_age="10m") as rig:
        rig.dispatcher.pause("anna")
        await asyncio.sleep(MINUTE)
        rig.offer(made_at(MINUTE, 1))
        await asyncio.sleep(11 * MINUTE)
        [died] = rig.outbox.of(MarkDead)

    assert died.reason == "expired"


@pytest.mark.parametrize(
    ("young", "order"),
    [
        (made_at(-2 * HOUR, 1, resent=True), "strict"),
        (made_at(20 * 365 * 24 * HOUR, 1, boot="of a clock that was years ahead"), "subject"),
    ],
    ids=["sent again", "clock"],
)
async def test_what_is_too_old_is_given_up_behind_one_that_is_not(young, order, monkeypatch):
    """They would go together in one request: the one is sent, the other is not, and the loop goes on."""
    monkeypatch.setattr("rigs.dispatching.DestinationSection", Batching)
    outbox = Outbox(young, made_at(-2 * HOUR, 2), made_at(-MINUTE, 3))
    async with dispatching(Taking(), outbox, max_age="1h", order=order) as rig:
        await asyncio.sleep(MINUTE)

    assert rig.outbox.delivered == [1, 3]
    assert rig.outbox.dead == {2: "expired"}


async def test_what_a_wrong_clock_stamped_before_a_restart_is_not_taken_for_old():
    """Its clock stood in 1970: how long it has waited is only known from the start on."""
    made = made_at(0, 1, boot="with an empty battery")
    made = replace(made, stored=replace(made.stored, offset=0, standing=Standing.WRONG))
    receiver = Receiver(lambda _: LOST)
    async with dispatching(receiver, Outbox(made), max_age="1h") as rig:
        await asyncio.sleep(0.9 * HOUR)
        assert receiver.tries
        assert not rig.outbox.dead
        await asyncio.sleep(0.2 * HOUR)

    assert rig.outbox.dead == {1: "expired"}
