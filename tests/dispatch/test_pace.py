"""How fast a destination is sent to, and what is not sent at all: limits, the drain, pauses, old events."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest
from rigs.dispatching import LOST, Outbox, Receiver, at_wall, delivery, dispatching

from agent.destinations.base import RateSection
from agent.dispatch.pace import Pace
from agent.dispatch.status import DestinationState
from agent.model import SECOND, EventType
from agent.store.records import DestinationFacts, MarkDead

pytestmark = pytest.mark.virtual_time

MINUTE, HOUR = 60, 3_600
SUBJECTS = 50


def now():
    return asyncio.get_running_loop().time()


def events(first, last):
    return [delivery(seq, f"s{seq % SUBJECTS}") for seq in range(first, last + 1)]


# --- the drain ---------------------------------------------------------------------------------------------


async def test_after_an_outage_the_drain_begins_with_one_and_widens():
    """One at a time at first, one more for each round that succeeds; never more than `concurrency`."""
    widths = []

    class Watching(Receiver):
        async def deliver(self, message):
            outcome = await super().deliver(message)
            if outcome.status == 204:
                widths.append(rig.dispatcher.status.width)
            return outcome

    receiver = Watching(lambda _: 503 if now() < HOUR else 204, latency=0.1)
    async with dispatching(receiver, concurrency=8) as rig:
        rig.offer(*events(1, 400))
        await asyncio.sleep(2 * HOUR)

    assert len(rig.outbox.delivered) == 400
    assert widths[0] == 1
    assert max(widths) == 8
    assert all(later - sooner <= 1 for sooner, later in pairwise(widths))
    assert widths.index(8) > sum(range(1, 8))  # a round of each width


async def test_a_failure_while_it_drains_halves_the_width():
    """503 without a time to come back, in the middle of the drain."""
    receiver = Receiver(latency=0.1)
    async with dispatching(receiver, concurrency=8) as rig:
        rig.offer(*events(1, 40))
        await asyncio.sleep(0.05)
        assert rig.dispatcher.status.width == 8
        receiver.behave = lambda _: 503
        await asyncio.sleep(0.1)
        assert rig.dispatcher.status.width == 1  # eight were under way, and each of them failed


async def test_a_destination_that_was_failing_when_the_agent_stopped_is_begun_with_one():
    """The restart of a fleet must not be the next outage."""
    receiver = Receiver(latency=1)
    facts = DestinationFacts(failing_since_wall=1)
    async with dispatching(receiver, Outbox(*events(1, 100)), facts=facts, concurrency=8):
        await asyncio.sleep(2.5)

    assert receiver.most_under_way <= 2


def test_a_refusal_of_one_event_is_no_reason_to_slow_down():
    """Only what is the destination's narrows it: a success widens by the inverse of the width."""
    pace = Pace(4, None)
    pace.failed()
    assert pace.width == 2
    for _ in range(2):
        pace.succeeded()
    assert pace.width in (2, 3)
    for _ in range(100):
        pace.succeeded()
    assert pace.width == 4
    for _ in range(100):
        pace.failed()
    assert pace.width == 1


# --- the limit -----------------------------------------------------------------------------------------------


async def test_no_more_than_the_limit_in_any_such_time():
    """Ten a minute: also over the edge of two minutes, and the limit is used up."""
    receiver = Receiver()
    async with dispatching(receiver, rate_limit={"events": 10, "per": "60s"}) as rig:
        rig.offer(*events(1, 95))
        await asyncio.sleep(10 * MINUTE)

    times = [each.at for each in receiver.tries]
    assert len(times) == 95
    for number, first in enumerate(times):
        assert sum(1 for each in times[number:] if each - first < 60 - 1e-6) <= 10
    assert times[-1] < 9 * MINUTE + 2


async def test_the_limit_holds_up_nobody_for_longer_than_it_must():
    """An event that comes when nothing was sent for a while goes at once."""
    receiver = Receiver()
    async with dispatching(receiver, rate_limit={"events": 1, "per": "10s"}) as rig:
        for seq in range(1, 6):
            rig.offer(delivery(seq, "a"))
            await asyncio.sleep(11)

    assert [round(each.at) for each in receiver.tries] == [0, 11, 22, 33, 44]


def test_the_limit_counts_events_and_not_requests():
    """A batch of seven leaves room for three."""
    pace = Pace(1, RateSection.model_validate({"events": 10, "per": "1s"}))
    assert pace.room(0, 100) == 10
    pace.spend(0, 7)
    assert pace.room(SECOND - 1, 100) == 3
    pace.spend(1, 3)
    assert pace.opens_at(2) == SECOND
    assert pace.room(SECOND, 100) == 7


# --- pauses ------------------------------------------------------------------------------------------------


async def test_while_it_is_paused_nothing_is_sent_and_nothing_is_lost():
    """What comes meanwhile waits; resumed, all of it is sent, in order."""
    receiver = Receiver()
    async with dispatching(receiver) as rig:
        rig.offer(*events(1, 3))
        await asyncio.sleep(1)
        rig.dispatcher.pause("anna, until somebody resumes it")
        rig.offer(*(delivery(seq, "a") for seq in range(4, 3000)))
        await asyncio.sleep(30 * 24 * HOUR)
        assert receiver.order == [1, 2, 3]
        assert rig.dispatcher.status.state is DestinationState.PAUSED
        assert rig.dispatcher.status.reason == "anna, until somebody resumes it"
        rig.dispatcher.resume()
        await asyncio.sleep(1)

    assert receiver.order == list(range(1, 3000))
    assert rig.types == []  # a person did it: nobody has to be told


async def test_a_pause_survives_a_restart():
    """What is kept of it is what it begins with."""
    receiver = Receiver()
    async with dispatching(receiver) as rig:
        rig.dispatcher.pause("anna")
    [facts] = rig.kept
    async with dispatching(receiver, Outbox(*events(1, 5)), facts=facts) as again:
        await asyncio.sleep(HOUR)
        assert receiver.order == []
        again.dispatcher.resume()
        await asyncio.sleep(1)

    assert receiver.order == [1, 2, 3, 4, 5]
    assert again.kept[-1] == DestinationFacts()


async def test_a_pause_in_an_outage_is_not_told_of_as_failing():
    """Nothing is tried, so nothing fails; resumed, it is tried at once, whatever the back-off said."""
    receiver = Receiver(lambda _: LOST)
    async with dispatching(receiver) as rig:
        rig.offer(delivery(1, "a"))
        await asyncio.sleep(30)
        rig.dispatcher.pause("anna")
        await asyncio.sleep(HOUR)
        assert EventType.DELIVERY_FAILING.value not in rig.types
        tried = len(receiver.tries)
        receiver.behave = lambda _: 204
        rig.dispatcher.resume()
        await asyncio.sleep(0.1)

    assert len(receiver.tries) == tried + 1
    assert rig.outbox.delivered == [1]


# --- what is too old ------------------------------------------------------------------------------------------


def made_at(seconds, seq, subject="a", **rest):
    """A delivery of an event that happened at this virtual second."""
    made = delivery(seq, subject, **rest)
    event = replace(made.stored.event, at=round(seconds * SECOND))
    return replace(made, stored=replace(made.stored, event=event))


async def test_what_has_waited_for_too_long_is_a_dead_letter_also_while_nothing_can_be_sent():
    """After ten minutes without a connection the first is given up, and the alarm's last word is delivered."""
    receiver = Receiver(lambda _: LOST if now() < 12 * MINUTE else 204)
    async with dispatching(receiver, max_age="10m") as rig:
        rig.offer(made_at(0, 1), made_at(0, 2, "b"))
        await asyncio.sleep(6 * MINUTE)
        rig.offer(made_at(6 * MINUTE, 3))
        await asyncio.sleep(5 * MINUTE)
        assert rig.outbox.dead == {1: "expired", 2: "expired"}
        died = [(mark.at_wall - at_wall(0)) / SECOND for mark in rig.outbox.of(MarkDead)]
        assert all(10 * MINUTE <= each <= 10 * MINUTE + 10 for each in died)
        await asyncio.sleep(10 * MINUTE)

    assert rig.outbox.delivered == [3]
    assert rig.types.count("delivery.dead") == 2


async def test_a_backlog_of_old_events_is_given_up_without_one_request():
    """After a long weekend without power: 5,000 expired ones in the store, one that is young."""
    receiver = Receiver()
    rows = [made_at(-2 * HOUR, seq, f"s{seq % 9}") for seq in range(1, 5001)]
    async with dispatching(receiver, Outbox(*rows, made_at(-60, 5001)), max_age="1h") as rig:
        await asyncio.sleep(MINUTE)

    assert receiver.order == [5001]
    assert len(rig.outbox.dead) == 5000


async def test_what_a_person_sends_again_does_not_expire():
    """Its age was known to whoever did it."""
    receiver = Receiver()
    rows = Outbox(made_at(-2 * HOUR, 1, resent=True), made_at(-2 * HOUR, 2, "b"))
    async with dispatching(receiver, rows, max_age="1h") as rig:
        await asyncio.sleep(MINUTE)

    assert (receiver.order, rig.outbox.dead) == ([1], {2: "expired"})
