"""What is sent when: order within a subject, subjects side by side, each event once."""

import asyncio
import random

import pytest
from rigs.dispatching import LOST, NAME, Outbox, Receiver, at_wall, delivery, dispatching

from agent.dispatch.room import MEMORY, PAGE
from agent.errors import StoreUnavailable
from agent.store.records import MarkDelivered

pytestmark = pytest.mark.virtual_time


def in_order(receiver):
    """The first attempts of each subject, in order of their number."""
    subjects = {each.subject for each in receiver.tries}
    return all(
        numbers == sorted(numbers)
        for subject in subjects
        for numbers in [
            list(dict.fromkeys(t.seq for t in receiver.tries if t.subject == subject and not t.late))
        ]
    )


async def test_a_new_event_is_sent_at_once_and_noted():
    """Handed over in memory, no read of the store."""
    async with dispatching() as rig:
        reads = rig.outbox.reads
        rig.offer(delivery(1))
        await asyncio.sleep(0.01)

    assert [(mark.destination, mark.seq, type(mark)) for mark in rig.outbox.marks] == [
        (NAME, 1, MarkDelivered)
    ]
    assert rig.outbox.reads == reads


async def test_subjects_go_side_by_side_and_each_in_order():
    """Three subjects of three events take as long as three events."""
    receiver = Receiver(latency=1.0)
    async with dispatching(receiver) as rig:
        rig.offer(*(delivery(seq, "abc"[seq % 3]) for seq in range(1, 10)))
        await asyncio.sleep(2.9)
        assert len(rig.outbox.delivered) == 6
        await asyncio.sleep(0.2)

    assert len(rig.outbox.delivered) == 9
    assert receiver.most_under_way == 3
    assert in_order(receiver)


async def test_strict_order_is_one_at_a_time():
    """Whatever the subject; a refused event holds all behind it."""
    receiver = Receiver(lambda seq: 400 if seq == 2 and len(receiver.times(2)) < 2 else 204, latency=0.1)
    async with dispatching(receiver, order="strict") as rig:
        rig.offer(*(delivery(seq, f"s{seq}") for seq in range(1, 6)))
        await asyncio.sleep(61)

    assert receiver.order == [1, 2, 2, 3, 4, 5]
    assert receiver.most_under_way == 1


async def test_no_more_are_under_way_than_allowed():
    """And no fewer, while enough wait."""
    receiver = Receiver(latency=1.0)
    async with dispatching(receiver, concurrency=5) as rig:
        rig.offer(*(delivery(seq, f"s{seq}") for seq in range(1, 21)))
        await asyncio.sleep(4.1)

    assert receiver.most_under_way == 5
    assert len(rig.outbox.delivered) == 20


async def test_what_is_read_from_the_store_goes_side_by_side_too():
    """All workers find work, although only one was called."""
    waiting = [delivery(seq, f"s{seq}") for seq in range(1, 17)]
    async with dispatching(Receiver(latency=1.0), Outbox(*waiting)) as rig:
        await asyncio.sleep(2.1)

    assert rig.receiver.most_under_way == 8
    assert len(rig.outbox.delivered) == 16


async def test_a_retrying_event_holds_its_subject_and_no_other():
    """The second event of the refused one's subject waits behind it."""
    receiver = Receiver(lambda seq: 422 if seq == 1 and len(receiver.times(1)) == 1 else 204)
    async with dispatching(receiver) as rig:
        rig.offer(delivery(1, "a"), delivery(2, "a"), delivery(3, "b"))
        await asyncio.sleep(59)
        assert rig.outbox.delivered == [3]
        await asyncio.sleep(2)

    assert rig.outbox.delivered == [3, 1, 2]


async def test_what_the_store_holds_is_read_from_the_beginning():
    """In pages; and what is handed over meanwhile is sent once."""
    waiting = [delivery(seq, f"s{seq % 7}") for seq in range(1, 3 * PAGE)]
    async with dispatching(Receiver(latency=0.001), Outbox(*waiting, lazy=True)) as rig:
        rig.offer(*(delivery(seq, "new") for seq in range(3 * PAGE, 3 * PAGE + 50)))
        await asyncio.sleep(5)

    assert sorted(rig.receiver.order) == list(range(1, 3 * PAGE + 50))
    assert in_order(rig.receiver)


@pytest.mark.parametrize("seed", range(5))
async def test_behind_or_not_every_event_is_sent_once(seed):
    """Bursts beyond memory, marks that lie uncommitted, a receiver that comes and goes: none lost, none twice."""
    dice = random.Random(seed)
    receiver = Receiver(lambda _: LOST if dice.random() < 0.01 else 204, latency=0.002)
    async with dispatching(receiver, Outbox(lazy=True), dice=dice.random) as rig:
        seq, most = 0, 0
        for _ in range(40):
            burst = range(seq + 1, seq + 1 + dice.randrange(400))
            # One subject of many has half of all events.
            rig.offer(*(delivery(n, "flood" if dice.random() < 0.5 else f"s{n % 90}") for n in burst))
            seq = burst.stop - 1
            most = max(most, rig.dispatcher.status.in_memory)
            await asyncio.sleep(dice.random())
        await asyncio.sleep(600)

    assert sorted(rig.outbox.delivered) == list(range(1, seq + 1))
    assert len(receiver.tries) - len(rig.outbox.delivered) < len(receiver.tries) / 20
    assert in_order(receiver)
    assert most <= MEMORY + PAGE


async def test_a_flood_behind_a_refused_event_holds_up_no_other_subject():
    """It has its share of memory; the rest of it waits in the store, and comes in order (N3)."""
    receiver = Receiver(lambda seq: 422 if seq == 1 and len(receiver.times(1)) < 3 else 204)
    async with dispatching(receiver) as rig:
        rig.offer(*(delivery(seq, "chattering") for seq in range(1, 3_001)))
        assert rig.dispatcher.status.in_memory <= PAGE
        rig.offer(delivery(3_001, "alarm"))
        await asyncio.sleep(0.5)
        assert rig.outbox.delivered == [3_001]
        assert rig.dispatcher.status.in_memory <= PAGE
        rig.offer(delivery(3_002, "chattering"))
        await asyncio.sleep(3_600)

    assert rig.outbox.delivered == [3_001, *range(1, 3_001), 3_002]


async def test_memory_is_bounded_while_nothing_is_taken():
    """What does not fit stays in the store, and comes in its turn."""
    receiver = Receiver(lambda _: LOST)
    async with dispatching(receiver) as rig:
        rig.offer(*(delivery(seq, f"s{seq}") for seq in range(1, 2 * MEMORY)))
        await asyncio.sleep(60)
        assert MEMORY / 2 < rig.dispatcher.status.in_memory <= MEMORY
        receiver.behave = lambda _: 204
        await asyncio.sleep(60)

    assert sorted(rig.outbox.delivered) == list(range(1, 2 * MEMORY))


async def test_what_was_charged_before_a_restart_waits_for_its_time():
    """Charges and due times are the store's; only its own subject waits."""
    waiting = [delivery(1, "a", charged=2, due_wall=at_wall(300)), delivery(2, "a"), delivery(3, "b")]
    async with dispatching(outbox=Outbox(*waiting)) as rig:
        await asyncio.sleep(299)
        assert rig.outbox.delivered == [3]
        await asyncio.sleep(2)

    assert rig.outbox.delivered == [3, 1, 2]


async def test_a_due_time_after_a_clock_that_stepped_is_not_believed():
    """Written when the clock was ten years ahead: it waits for the longest of its waits, no more."""
    outbox = Outbox(delivery(1, charged=1, due_wall=at_wall(10 * 365 * 86_400)))
    async with dispatching(outbox=outbox) as rig:
        await asyncio.sleep(1_801)

    assert rig.outbox.delivered == [1]


async def test_a_store_that_cannot_be_read_is_asked_again():
    """Nothing is missed."""
    outbox = Outbox(delivery(1), delivery(2))
    outbox.failures = [StoreUnavailable("disk"), StoreUnavailable("disk")]
    async with dispatching(outbox=outbox) as rig:
        await asyncio.sleep(3)

    assert rig.outbox.delivered == [1, 2]


async def test_an_event_that_a_person_sends_again_is_late_and_holds_up_nothing():
    """Refused again, it stands beside the live events of its subject."""
    receiver = Receiver(lambda seq: 400 if seq == 1 else 204)
    async with dispatching(receiver) as rig:
        rig.offer(delivery(2, "a"))
        await asyncio.sleep(0.1)
        rig.offer(delivery(1, "a", resent=True))
        await asyncio.sleep(0.1)
        rig.offer(delivery(3, "a"))
        await asyncio.sleep(0.1)

    assert rig.outbox.delivered == [2, 3]
    assert [each.late for each in receiver.tries] == [False, True, False]


async def test_stopping_gives_what_is_under_way_a_moment():
    """What is answered within it is noted, nothing new begins, the rest stays pending."""
    receiver = Receiver(latency=1.0)
    async with dispatching(receiver, concurrency=2) as rig:
        rig.offer(*(delivery(seq, f"s{seq}") for seq in range(1, 6)))
        await asyncio.sleep(0.1)
        await rig.dispatcher.stop()
        assert rig.outbox.delivered == [1, 2]
        await asyncio.sleep(60)

    assert len(receiver.tries) == 2


async def test_stopping_waits_for_nobody_for_ever():
    """A receiver that never answers has three seconds."""
    async with dispatching(Receiver(latency=1_000)) as rig:
        rig.offer(delivery(1))
        await asyncio.sleep(0.1)
        began = asyncio.get_running_loop().time()
        await rig.dispatcher.stop()

        assert asyncio.get_running_loop().time() - began == pytest.approx(3.0)
    assert rig.outbox.marks == []
