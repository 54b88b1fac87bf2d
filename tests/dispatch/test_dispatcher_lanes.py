"""Lanes at work: what a live alarm, the urgent past and the rest see of a long backlog, on virtual time."""

import asyncio

import pytest
from rigs.dispatching import LOST, Outbox, Receiver, delivery, dispatching

from agent.dispatch.room import MEMORY
from agent.model import SECOND, Priority
from agent.store.records import MarkCharged

pytestmark = pytest.mark.virtual_time

HOUR = 3_600
LOW, HIGH, CRITICAL = Priority.LOW, Priority.HIGH, Priority.CRITICAL
PAST = -1  # made before the agent started


def now():
    return asyncio.get_running_loop().time()


def history(many, subjects=300):
    """So many events of the past, every third of them urgent."""
    for seq in range(1, many + 1):
        subject = seq % subjects
        yield delivery(seq, f"s{subject}", priority=LOW if subject % 3 else HIGH, at=PAST)


def shares_of_the_rest(order, urgent, width):
    """The least and the most of the rest among so many sends in a row, while both wait."""
    last = max(place for place, seq in enumerate(order) if seq in urgent)
    parts = [order[at : at + width] for at in range(100, last - width, width)]
    shares = [sum(seq not in urgent for seq in part) for part in parts]
    return min(shares), max(shares)


async def test_the_urgent_past_goes_before_the_rest_which_has_its_fifth():
    """Read in that order too, although every part of it is beyond memory."""
    rows = list(history(4 * MEMORY))
    urgent = {row.stored.seq for row in rows if row.stored.event.priority is HIGH}
    async with dispatching(Receiver(latency=0.01), Outbox(*rows), concurrency=1) as rig:
        await asyncio.sleep(HOUR)

    assert sorted(rig.outbox.delivered) == list(range(1, len(rows) + 1))
    least, most = shares_of_the_rest(rig.outbox.delivered, urgent, 50)
    assert least >= 10
    assert most <= 12


async def test_a_live_alarm_goes_before_all_that_waits():
    """Of a subject that nobody knew, of one that waits in the store, and of one that is being sent."""
    receiver = Receiver(latency=0.1)
    async with dispatching(receiver, Outbox(*history(2 * MEMORY)), concurrency=1) as rig:
        seq, late = 2 * MEMORY, []
        await asyncio.sleep(1)
        for turn in range(30):
            seq += 1
            rig.offer(delivery(seq, f"new{turn}", priority=CRITICAL, at=round(now() * SECOND)))
            offered = now()
            await asyncio.sleep(1.05)
            late.append(receiver.times(seq)[0] - offered)
        before = [row for row in rig.outbox.rows.values() if row.stored.event.subject == "s299"]
        rig.offer(delivery(seq + 1, "s299", priority=CRITICAL, at=round(now() * SECOND)))
        at = len(receiver.order)
        await asyncio.sleep(0.1 * len(before) * 1.5 + 1)

    assert max(late) < 0.25
    sent = [each for each in receiver.order[at:] if each in {row.stored.seq for row in before} | {seq + 1}]
    assert sent == [*(row.stored.seq for row in before), seq + 1]


async def test_without_lanes_all_goes_in_the_order_in_which_it_happened():
    """`lanes: off`: a live alarm waits for its turn like everything else."""
    receiver = Receiver(latency=0.1)
    async with dispatching(receiver, Outbox(*history(600, 601)), concurrency=1, lanes="off") as rig:
        await asyncio.sleep(1)
        rig.offer(delivery(601, "new", priority=CRITICAL, at=round(now() * SECOND)))
        await asyncio.sleep(HOUR)

    assert receiver.order == list(range(1, 602))


async def test_two_thousand_refused_events_keep_out_no_alarm():
    """They hold their part of memory for an hour; alarms pass through theirs."""
    receiver = Receiver(lambda seq: 422 if seq % 4 else 204)
    outbox = Outbox(*(delivery(seq, f"s{seq}", priority=LOW, at=PAST) for seq in range(1, 3 * MEMORY)))
    async with dispatching(receiver, outbox, retry=["10h"]) as rig:
        await asyncio.sleep(10)
        assert not rig.outbox.dead
        tried = len(receiver.tries)
        await asyncio.sleep(60)
        assert len(receiver.tries) == tried  # what may be held is held
        late = []
        for seq in range(3 * MEMORY, 3 * MEMORY + 2_400, 4):
            rig.offer(delivery(seq, f"alarm{seq}", priority=CRITICAL, at=round(now() * SECOND)))
            offered = now()
            await asyncio.sleep(0.1)
            late.append(receiver.times(seq)[0] - offered)

    assert max(late) < 0.05


async def test_a_receiver_faster_than_the_store_still_sees_the_rest():
    """What is read is sent at once: the rest is read in between, not when all else is over."""
    rows = list(history(2 * MEMORY))
    urgent = {row.stored.seq for row in rows if row.stored.event.priority is HIGH}
    async with dispatching(outbox=Outbox(*rows), concurrency=1) as rig:
        await asyncio.sleep(HOUR)

    assert shares_of_the_rest(rig.outbox.delivered, urgent, 500)[0] >= 100


@pytest.mark.parametrize("priority", [LOW, CRITICAL])
@pytest.mark.parametrize("dice", [0.01, 0.5, 0.999])
async def test_one_event_that_is_answered_500_delays_no_other(priority, dice):
    """It is dead-lettered after its schedule, also when it is the only alarm, and can be sent again (issue 5)."""
    receiver = Receiver(lambda seq: 500 if seq == 1 else 200)
    async with dispatching(receiver, dice=lambda: dice) as rig:
        rig.offer(delivery(1, "poison", priority=priority, at=round(now() * SECOND)))
        offered = {}
        for seq in range(2, 2_502):
            offered[seq] = now()
            rig.offer(delivery(seq, f"s{seq % 40}", priority=LOW, at=round(now() * SECOND)))
            await asyncio.sleep(1)
        assert rig.outbox.delivered == list(offered)
        assert max(receiver.times(seq)[0] - offered[seq] for seq in offered) < 1.0
        assert [mark.due_wall - mark.attempt.at_wall for mark in rig.outbox.of(MarkCharged)] == [
            60 * SECOND,
            300 * SECOND,
            1_800 * SECOND,
        ]
        assert set(rig.outbox.dead) == {1}

        receiver.behave = lambda _: 204
        rig.offer(delivery(1, "poison", priority=priority, at=0, resent=True))
        await asyncio.sleep(1)
        assert rig.outbox.delivered[-1] == 1
        assert receiver.tries[-1].late


async def test_after_an_outage_what_was_live_is_history():
    """An alarm of this minute does not wait behind those of the outage."""
    receiver = Receiver(lambda _: LOST if now() < HOUR else 204, latency=0.1)
    async with dispatching(receiver, concurrency=1) as rig:
        for seq in range(1, 301):
            rig.offer(delivery(seq, f"s{seq}", priority=CRITICAL, at=round(now() * SECOND)))
            await asyncio.sleep(1)
        while not rig.outbox.delivered:
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        rig.offer(delivery(301, "live", priority=HIGH, at=round(now() * SECOND)))
        offered = now()
        await asyncio.sleep(1)
        assert len(rig.outbox.delivered) < 100

    assert receiver.times(301)[0] - offered < 0.25


async def test_after_a_moments_failure_an_alarm_is_in_its_lane_again():
    """It was behind all the others while nothing was taken, not behind the history of three days."""
    receiver = Receiver(
        lambda seq: 503 if seq > MEMORY and len(receiver.times(seq)) < 2 else 204, latency=0.1
    )
    rows = [delivery(seq, f"s{seq % 500}", priority=LOW, at=PAST) for seq in range(1, MEMORY + 1)]
    async with dispatching(receiver, Outbox(*rows), concurrency=1) as rig:
        await asyncio.sleep(1)
        rig.offer(delivery(MEMORY + 1, "live", priority=HIGH, at=round(now() * SECOND)))
        offered = now()
        await asyncio.sleep(5)

    first, second = receiver.times(MEMORY + 1)
    assert first - offered < 0.25
    assert second - first < 2
