"""Several events in one request: how they are put together, and what is said against a batch."""

import asyncio
import json
import random
from itertools import count, pairwise

import pytest
from rigs import dispatching as rig_of
from rigs.dispatching import LOST, OFFSET, Outbox, Receiver, delivery, dispatching

from agent.delivery.batch import Split, batch_id, split
from agent.delivery.judge import Crash
from agent.destinations.base import BatchSection, DestinationSection
from agent.model import Answer, Blocked, Event, EventType, NoAnswer, Priority
from agent.stamps import Reckoning
from agent.store.records import MarkCharged

pytestmark = pytest.mark.virtual_time

HOUR = 3_600


class Batching(DestinationSection):
    """A destination of no kind in particular that takes batches."""

    batch: BatchSection = BatchSection()

    @property
    def batching(self):
        return self.batch


class Batches(Receiver):
    """Answers what `behave(numbers)` says of a request with these events."""

    def __init__(self, behave=lambda _: 204, latency=0.0):
        super().__init__(behave, latency)
        self.requests = []

    async def deliver(self, message):
        body = json.loads(message.body)
        assert body["type"] == "batch"
        numbers = [json.loads(json.dumps(each))["data"]["seq"] for each in body["data"]["events"]]
        now = asyncio.get_running_loop().time()
        self.requests.append((now, message.id, numbers))
        await asyncio.sleep(self.latency)
        done = self.behave(numbers)
        if isinstance(done, Exception):
            raise done
        return Answer(done, {}, self.latency) if isinstance(done, int) else done

    @property
    def sizes(self):
        return [len(numbers) for _, _, numbers in self.requests]


@pytest.fixture(autouse=True)
def _batching(monkeypatch):
    monkeypatch.setattr(rig_of, "DestinationSection", Batching)


def batch(events=4, wait="1s"):
    return {"max_events": events, "max_wait": wait}


async def test_what_comes_together_goes_together():
    """As many as are allowed in one request, in their order, under an id of its own."""
    receiver = Batches()
    async with dispatching(receiver, batch=batch()) as rig:
        rig.offer(*(delivery(seq, "ab"[seq % 2]) for seq in range(1, 9)))
        await asyncio.sleep(0.5)

    assert receiver.sizes == [4, 4]
    assert sorted(rig.outbox.delivered) == list(range(1, 9))
    assert receiver.requests[0][1] != receiver.requests[1][1]
    for subject in (0, 1):
        mine = [seq for _, _, numbers in receiver.requests for seq in numbers if seq % 2 == subject]
        assert mine == sorted(mine)


async def test_a_few_wait_for_others_no_longer_than_allowed():
    """Two events of which the first has waited for `max_wait` go as they are."""
    receiver = Batches()
    async with dispatching(receiver, batch=batch(100, "3s")) as rig:
        rig.offer(delivery(1, "a"))
        await asyncio.sleep(2)
        rig.offer(delivery(2, "b"))
        await asyncio.sleep(10)
        rig.offer(delivery(3, "a"))
        await asyncio.sleep(10)

    (first, _, one), (second, _, two) = receiver.requests
    assert (one, two) == ([1, 2], [3])
    assert first == pytest.approx(3, abs=0.1)
    assert second == pytest.approx(15, abs=0.1)


async def test_a_heartbeat_comes_in_the_form_of_a_batch():
    """Whoever takes batches need not know another form for the one that is never kept."""
    receiver = Batches()
    async with dispatching(receiver, batch=batch()) as rig:
        event = Event("evt_beat", EventType.AGENT_HEARTBEAT, 0, "agent", Priority.JOURNAL, {"seq": 7})
        await rig.dispatcher.beat(event, Reckoning(OFFSET))

    assert receiver.sizes == [1]


async def test_a_backlog_does_not_wait():
    """What is read from the store goes at once, full requests first."""
    receiver = Batches()
    outbox = Outbox(*(delivery(seq, f"s{seq % 7}") for seq in range(1, 51)))
    async with dispatching(receiver, outbox, batch=batch(20, "60s"), concurrency=1):
        await asyncio.sleep(1)

    assert receiver.sizes == [20, 20, 10]


@pytest.mark.parametrize("refusal", [400, 409, 413, 415, 422])
async def test_a_refused_batch_is_split_until_the_one_stands_alone(refusal):
    """One of sixteen is poison: the others arrive at once, it alone is charged and given up."""
    receiver = Batches(lambda numbers: refusal if 11 in numbers else 204)
    more = count(100)
    async with dispatching(receiver, batch=batch(16, "0s"), retry=["1m", "5m"]) as rig:
        rig.offer(*(delivery(seq, f"s{seq}") for seq in range(1, 17)))
        await asyncio.sleep(2)
        assert sorted(rig.outbox.delivered) == [seq for seq in range(1, 17) if seq != 11]
        for _ in range(60):
            rig.offer(delivery(next(more), "t"))
            await asyncio.sleep(30)

    assert set(rig.outbox.dead) == {11}
    assert {mark.seq for mark in rig.outbox.of(MarkCharged)} == {11}
    assert rig.types.count("delivery.dead") == 1


async def test_a_batch_too_large_is_split_and_charges_nobody():
    """413 for more than three: everything arrives, in order, nothing is charged."""
    receiver = Batches(lambda numbers: 413 if len(numbers) > 3 else 204)
    async with dispatching(receiver, batch=batch(32, "0s"), concurrency=1) as rig:
        rig.offer(*(delivery(seq, "a") for seq in range(1, 101)))
        await asyncio.sleep(60)

    assert rig.outbox.delivered == list(range(1, 101))
    assert rig.outbox.of(MarkCharged) == []


async def test_an_outage_takes_no_batch_apart():
    """No connection is no word against its members: when it is back they go together."""
    back = 10 * HOUR

    def behave(_):
        return LOST if asyncio.get_running_loop().time() < back else 204

    receiver = Batches(behave)
    async with dispatching(receiver, batch=batch(50, "0s"), concurrency=1) as rig:
        rig.offer(*(delivery(seq, f"s{seq % 3}") for seq in range(1, 101)))
        await asyncio.sleep(back + 600)

    assert receiver.sizes[-2:] == [50, 50]
    assert len(rig.outbox.delivered) == 100


async def test_a_batch_too_large_for_the_receivers_time_is_split():
    """No answer in time for more than three: it must not be sent as it is for ever."""
    receiver = Batches(lambda numbers: NoAnswer("timeout") if len(numbers) > 3 else 204)
    async with dispatching(receiver, batch=batch(16, "0s"), concurrency=1) as rig:
        rig.offer(*(delivery(seq, "a") for seq in range(1, 17)))
        await asyncio.sleep(HOUR)

    assert rig.outbox.delivered == list(range(1, 17))
    assert rig.outbox.of(MarkCharged) == []


@pytest.mark.parametrize("failure", [500, NoAnswer("the connection was closed")])
async def test_a_receiver_that_fails_on_one_event_of_a_batch_is_found_out(failure):
    """Whenever the one is in it: it ends up alone, and dies alone."""
    receiver = Batches(lambda numbers: failure if 7 in numbers else 204)
    more = count(100)
    async with dispatching(receiver, batch=batch(16, "0s"), retry=["1m", "5m"]) as rig:
        rig.offer(*(delivery(seq, f"s{seq}") for seq in range(1, 17)))
        for _ in range(120):
            rig.offer(delivery(next(more), "t"))
            await asyncio.sleep(30)

    assert set(rig.outbox.dead) == {7}
    assert set(range(1, 17)) - {7} <= set(rig.outbox.delivered)


async def test_one_that_cannot_be_written_holds_up_nobody():
    """Our own failure on one event: the others of its batch are sent without it."""
    receiver = Batches()
    async with dispatching(receiver, batch=batch(8, "0s"), retry=["1m"]) as rig:
        odd = delivery(5, "s5", data={"number": 2**70})
        rig.offer(*(odd if seq == 5 else delivery(seq, f"s{seq}") for seq in range(1, 9)))
        await asyncio.sleep(2)
        assert sorted(rig.outbox.delivered) == [1, 2, 3, 4, 6, 7, 8]
        for seq in range(9, 30):
            rig.offer(delivery(seq, "t"))
            await asyncio.sleep(60)

    assert set(rig.outbox.dead) == {5}


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_is_answered_nothing_is_lost_doubled_or_overtaken(seed):
    """Random weather over batches: everything arrives once, in order within its subject."""
    dice = random.Random(seed)
    answers = [204, 204, 204, 500, 503, 400, 413, 429, LOST, ValueError("ours"), Answer(400, {}, 0.1)]
    receiver = Batches(lambda _: dice.choice(answers), latency=0.2)
    subjects = {}
    made = count(1)
    async with dispatching(
        receiver,
        dice=dice.random,
        batch=batch(dice.choice([2, 7, 30]), dice.choice(["0s", "1s", "5s"])),
        concurrency=dice.choice([1, 3]),
        order=dice.choice(["subject", "strict"]),
        retry=["1h"] * 20,
    ) as rig:
        for _ in range(40):
            for _ in range(dice.randrange(12)):
                seq = next(made)
                subjects[seq] = f"s{dice.randrange(4)}"
                rig.offer(delivery(seq, subjects[seq]))
            await asyncio.sleep(dice.random() * dice.choice([0.1, 10, 200]))
        receiver.behave = lambda _: 204
        await asyncio.sleep(24 * HOUR)

    delivered = rig.outbox.delivered
    assert sorted(delivered) == sorted(subjects)
    for subject in set(subjects.values()):
        mine = [seq for seq in delivered if subjects[seq] == subject]
        assert all(first < second for first, second in pairwise(mine))


def test_the_id_of_a_batch_is_that_of_its_members_in_their_order():
    """The same request again has the same id; it has no dot, which would break the signed content."""
    assert batch_id(["evt_1", "evt_2"]) == batch_id(["evt_1", "evt_2"])
    assert len({batch_id(ids) for ids in (["evt_1"], ["evt_1", "evt_2"], ["evt_2", "evt_1"])}) == 3
    assert "." not in batch_id(["evt_1"])


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Answer(400, {}, 0), Split.NOW),
        (Answer(413, {}, 0), Split.NOW),
        (Answer(422, {}, 0), Split.NOW),
        (Answer(404, {"webhook-delivery": "abort-message"}, 0), Split.NOW),
        (Crash("bug"), Split.NOW),
        (Answer(500, {}, 0), Split.LATER),
        (Answer(507, {}, 0), Split.LATER),
        (Answer(502, {}, 0), Split.NO),
        (Answer(503, {}, 0), Split.NO),
        (Answer(504, {}, 0), Split.NO),
        (Answer(401, {}, 0), Split.NO),
        (Answer(429, {}, 0), Split.NO),
        (Answer(409, {}, 0), Split.NOW),
        (Answer(415, {}, 0), Split.NOW),
        (Answer(302, {}, 0), Split.NO),
        (NoAnswer("connect", unsent=True), Split.NO),
        (NoAnswer("proxy", blocked=Blocked.WEATHER), Split.NO),
        (NoAnswer("timeout"), Split.LATER),
    ],
)
def test_what_takes_a_batch_apart(outcome, expected):
    """What may be the fault of one member; the way, the credentials and the pace are none of theirs."""
    assert split(outcome) is expected
