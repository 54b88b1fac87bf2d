"""What becomes of events and of their destination while it does not take them."""

import asyncio
import logging
import random
from itertools import pairwise

import pytest
from rigs.dispatching import LOST, Outbox, Receiver, at_wall, delivery, dispatching

from agent.dispatch.status import DestinationState
from agent.model import SECOND, Answer, EventType, Priority
from agent.store.records import DestinationFacts, MarkCharged

pytestmark = pytest.mark.virtual_time

MINUTE, HOUR = 60, 3600


def now():
    return asyncio.get_running_loop().time()


def down_until(end, status=204):
    """No connection before `end`."""
    return lambda _: LOST if now() < end else status


def answering(status, **headers):
    return lambda _: Answer(status, {name.replace("_", "-"): text for name, text in headers.items()}, 0.0)


async def test_an_outage_charges_nothing_and_loses_nothing():
    """Two hours: probes at most five minutes apart, then all is sent at once, in order."""
    receiver = Receiver(down_until(2 * HOUR))
    async with dispatching(receiver) as rig:
        rig.offer(*(delivery(seq, "abcd"[seq % 4]) for seq in range(1, 41)))
        await asyncio.sleep(2 * HOUR)
        probes = [each.at for each in receiver.tries]
        await asyncio.sleep(300)

    gaps = [later - sooner for sooner, later in pairwise(probes)]
    assert rig.outbox.of(MarkCharged) == []
    assert len(rig.outbox.delivered) == 40
    assert max(gaps) <= 300
    assert len([gap for gap in gaps if gap > 60]) > 10
    assert rig.links == ["cloud"]


async def test_while_it_backs_off_one_probe_at_a_time_goes_round_the_subjects():
    """Each time the next other subject's event."""
    receiver = Receiver(lambda _: LOST, latency=0.5)
    async with dispatching(receiver) as rig:
        rig.offer(delivery(1, "a"))
        await asyncio.sleep(0.6)
        rig.offer(*(delivery(seq, f"s{seq}") for seq in range(2, 6)))
        receiver.most_under_way = 0
        await asyncio.sleep(120)

    assert receiver.most_under_way == 1
    order = receiver.order[2:]
    assert all(len(set(order[n : n + 5])) == 5 for n in range(len(order) - 5))


async def test_failing_is_told_after_a_minute_and_so_is_its_end(caplog):
    """Once each: to the others, in the log, and to the store."""
    caplog.set_level(logging.INFO, "agent.dispatch")
    receiver = Receiver(down_until(10 * MINUTE))
    async with dispatching(receiver) as rig:
        rig.offer(delivery(1), delivery(2, "b"))
        await asyncio.sleep(59)
        assert (rig.types, rig.dispatcher.status.state) == ([], DestinationState.WAITING)
        await asyncio.sleep(2)
        assert (rig.types, rig.dispatcher.status.state) == (["delivery.failing"], DestinationState.FAILING)
        assert rig.kept[-1].failing_since_wall is not None
        await asyncio.sleep(HOUR)

    assert rig.types == ["delivery.failing", "delivery.recovered"]
    assert [event.subject for event in rig.told] == ["destination:cloud"] * 2
    # Whoever asks for high alone is told of both.
    assert all(Priority.HIGH in {event.priority, *event.audience} for event in rig.told)
    assert rig.kept[-1] == DestinationFacts()
    assert [record.levelname for record in caplog.records] == [
        "INFO",
        "WARNING",
        "INFO",
    ]  # waiting, failing, well
    assert rig.dispatcher.status.state is DestinationState.HEALTHY


async def test_a_short_loss_is_not_told():
    """Thirty seconds are nobody's business."""
    async with dispatching(Receiver(down_until(30))) as rig:
        rig.offer(delivery(1))
        await asyncio.sleep(HOUR)

    assert rig.told == []
    assert rig.outbox.delivered == [1]


async def test_poison_delays_others_by_less_than_a_second_and_dies_by_its_schedule():
    """It is charged because others pass; its dead letter says why, and lets its subject go on (N3)."""
    receiver = Receiver(lambda seq: 500 if seq == 1 else 204)
    async with dispatching(receiver) as rig:
        rig.offer(delivery(1, "poison"), delivery(2, "poison"))
        offered = {}
        for seq in range(3, 400):
            offered[seq] = now()
            rig.offer(delivery(seq, f"s{seq % 5}"))
            await asyncio.sleep(10)

    delays = [receiver.times(seq)[0] - at for seq, at in offered.items()]
    charges = [mark.attempt.at_wall for mark in rig.outbox.of(MarkCharged)]
    assert max(delays) < 1.0
    assert len(charges) == 3
    assert [mark.due_wall - mark.attempt.at_wall for mark in rig.outbox.of(MarkCharged)] == [
        wait * 1_000_000_000 for wait in (60, 300, 1800)
    ]
    assert "500" in rig.outbox.dead[1]
    assert 2 in rig.outbox.delivered
    assert rig.types == ["delivery.dead"]
    assert rig.told[0].data["event_seq"] == 1
    assert rig.told[0].data["event_previous"] is None


async def test_a_lone_event_that_the_receiver_fails_on_is_charged_once_an_hour():
    """Nothing else passes that could show whose fault it is; after its schedule the next has its turn."""
    receiver = Receiver(lambda seq: 500 if seq == 1 else 204)
    async with dispatching(receiver) as rig:
        rig.offer(delivery(1), delivery(2))
        await asyncio.sleep(5.5 * HOUR)

    charged = [(mark.attempt.at_wall - at_wall(0)) / 3.6e12 for mark in rig.outbox.of(MarkCharged)]
    assert len(charged) == 3
    assert all(n <= hours < n + 0.6 for n, hours in enumerate(charged, 1))
    assert 1 in rig.outbox.dead
    assert rig.outbox.delivered == [2]


async def test_a_lone_event_outlives_a_lost_link():
    """A dead link says nothing about the event: four days, and it is delivered."""
    async with dispatching(Receiver(down_until(96 * HOUR))) as rig:
        rig.offer(delivery(1))
        await asyncio.sleep(97 * HOUR)

    assert rig.outbox.delivered == [1]
    assert rig.outbox.of(MarkCharged) == []


async def test_a_link_that_flaps_for_a_month_kills_no_event():
    """Others pass all the while: what never left the agent proves nothing against the one that was to leave."""
    weather = random.Random(5)
    receiver = Receiver(lambda _: LOST if weather.random() < 0.6 else 204, latency=0.1)
    async with dispatching(receiver) as rig:
        for hour in range(30 * 24):
            rig.offer(*(delivery(5 * hour + n, f"s{n}") for n in range(1, 6)))
            await asyncio.sleep(HOUR)

    assert rig.outbox.of(MarkCharged) == []
    assert sorted(rig.outbox.delivered) == list(range(1, 5 * 30 * 24 + 1))


async def test_a_receiver_that_names_a_time_is_obeyed_to_the_second():
    """Neither a new event nor another destination's success brings it forward."""
    receiver = Receiver(answering(429, retry_after="3600"))
    async with dispatching(receiver) as rig:
        rig.offer(delivery(1))
        await asyncio.sleep(1)
        rig.offer(delivery(2, "b"))
        rig.dispatcher.way_is_back()
        await asyncio.sleep(3_590)
        assert len(receiver.tries) == 1
        receiver.behave = lambda _: 204
        await asyncio.sleep(20)

    assert receiver.tries[1].at - receiver.tries[0].at == pytest.approx(3_600, abs=0.01)
    assert sorted(rig.outbox.delivered) == [1, 2]


async def test_a_success_under_way_does_not_undo_the_time_that_was_named():
    """One of two in flight is told to come back later: so does the other's subject."""
    receiver = Receiver(lambda seq: Answer(429, {"retry-after": "60"}, 0.0) if seq == 1 else 204)
    async with dispatching(receiver) as rig:
        receiver.latency = 1.0
        rig.offer(delivery(1, "a"), delivery(2, "b"), delivery(3, "b"))
        await asyncio.sleep(50)

    assert receiver.order == [1, 2]
    assert rig.outbox.delivered == [2]


@pytest.mark.parametrize("status", [401, 403, 404, 407, 302])
async def test_a_configuration_fault_is_told_at_once_and_tried_every_five_minutes(status):
    """Uncharged, until a person has mended it."""
    receiver = Receiver(lambda _: status)
    async with dispatching(receiver) as rig:
        rig.offer(delivery(1, "a"), delivery(2, "b"))
        receiver.latency = 0.001
        await asyncio.sleep(1)
        assert rig.types == ["delivery.failing"]
        await asyncio.sleep(HOUR - 1)
        tries = [each.at for each in receiver.tries[2:]]
        receiver.behave = lambda _: 204
        await asyncio.sleep(301)

    assert len(tries) == 11
    assert all(later - sooner == pytest.approx(300, abs=0.1) for sooner, later in pairwise(tries))
    assert rig.outbox.of(MarkCharged) == []
    assert rig.types == ["delivery.failing", "delivery.recovered"]


async def test_five_different_events_refused_are_the_destinations_fault():
    """A wrong secret kills no event: told at once, every five minutes, all delivered when it is mended."""
    receiver = Receiver(lambda _: 400)
    async with dispatching(receiver) as rig:
        for seq in range(1, 5):
            rig.offer(delivery(seq, f"s{seq}"))
            await asyncio.sleep(0.1)
        assert rig.dispatcher.status.state is DestinationState.HEALTHY
        rig.offer(delivery(5, "s5"))
        await asyncio.sleep(0.1)
        assert rig.types == ["delivery.failing"]
        rig.offer(*(delivery(seq, f"s{seq}") for seq in range(6, 30)))
        await asyncio.sleep(24 * HOUR)
        tried = len(receiver.tries)
        receiver.behave = lambda _: 204
        await asyncio.sleep(HOUR)

    assert tried < 24 * 12 + 10
    assert rig.outbox.of(MarkCharged) == []
    assert sorted(rig.outbox.delivered) == list(range(1, 30))


async def test_refusals_with_a_success_between_are_their_own_fault():
    """Four before it and four after it: no five in a row."""
    refused = {*range(1, 5), *range(6, 10)}
    async with dispatching(Receiver(lambda seq: 400 if seq in refused else 204)) as rig:
        for seq in range(1, 10):
            rig.offer(delivery(seq, f"s{seq}"))
            await asyncio.sleep(0.1)

        assert rig.dispatcher.status.state is DestinationState.HEALTHY
    assert rig.told == []


async def test_four_events_refused_again_and_again_are_not_five():
    """Different ones are counted: nothing waits for the others; but a minute of it is said, with the reason."""
    receiver = Receiver(lambda _: 400 if now() < 600 else 200)
    async with dispatching(receiver) as rig:
        rig.offer(*(delivery(seq, f"s{seq}") for seq in range(1, 5)))
        await asyncio.sleep(30)
        assert rig.dispatcher.status.state is DestinationState.HEALTHY
        assert "400" in rig.dispatcher.status.reason
        await asyncio.sleep(9 * 60)

        assert len(receiver.tries) > 20
        assert rig.dispatcher.status.state is DestinationState.FAILING
        assert "400" in rig.dispatcher.status.reason
        await asyncio.sleep(10 * 60)
        assert rig.dispatcher.status.state is DestinationState.HEALTHY
        kinds = [event.type for event in rig.told if event.type != EventType.DELIVERY_DEAD]
        assert kinds == [EventType.DELIVERY_FAILING, EventType.DELIVERY_RECOVERED]


async def test_the_schedule_of_an_event_is_the_configurations():
    """`retry: [10s]`: one wait, then the dead letters."""
    async with dispatching(Receiver(lambda seq: 422 if seq == 1 else 204), retry=["10s"]) as rig:
        rig.offer(delivery(1, "a"))
        for seq in range(2, 20):
            rig.offer(delivery(seq, "b"))
            await asyncio.sleep(5)

    assert [mark.due_wall - mark.attempt.at_wall for mark in rig.outbox.of(MarkCharged)] == [10_000_000_000]
    assert set(rig.outbox.dead) == {1}


async def test_a_captive_portal_takes_nothing():
    """It answers 200 with a web page to whatever is sent over plain http."""
    receiver = Receiver(lambda _: Answer(200, {}, 0.0, "<!doctype html>") if now() < 100 else 200)
    async with dispatching(receiver, url="http://192.0.2.1/x", signing="none") as rig:
        rig.offer(delivery(1))
        await asyncio.sleep(90)
        assert rig.outbox.delivered == []
        await asyncio.sleep(60)

    assert rig.outbox.delivered == [1]


async def test_who_enables_a_destination_sees_at_once_what_comes_of_it():
    """Whatever it was waiting for when it was disabled."""
    receiver = Receiver(lambda seq: {1: 401, 2: 410}[seq])
    async with dispatching(receiver) as rig:
        rig.offer(delivery(1, "a"), delivery(2, "b"))
        await asyncio.sleep(1)
        assert rig.dispatcher.status.state is DestinationState.DISABLED
        receiver.behave = lambda _: 204
        rig.dispatcher.enable()
        await asyncio.sleep(1)

    assert sorted(rig.outbox.delivered) == [1, 2]


async def test_a_destination_that_wants_nothing_more_rests_until_it_is_enabled():
    """What was under way together says so once; the events are kept."""
    receiver = Receiver(lambda _: 410, latency=0.1)
    async with dispatching(receiver) as rig:
        rig.offer(*(delivery(seq, f"s{seq}") for seq in range(1, 9)))
        await asyncio.sleep(0.2)
        rig.offer(delivery(9, "s9"))
        await asyncio.sleep(24 * HOUR)
        assert len(receiver.tries) == 8
        assert rig.types == ["delivery.disabled"]
        assert rig.dispatcher.status.state is DestinationState.DISABLED
        assert "410" in rig.kept[-1].disabled
        receiver.behave = lambda _: 204
        rig.dispatcher.enable()
        await asyncio.sleep(1)

    assert sorted(rig.outbox.delivered) == list(range(1, 10))
    assert rig.kept[-1].disabled is None


async def test_disabled_survives_a_restart():
    """Nothing is tried."""
    facts = DestinationFacts(disabled="the receiver wants nothing more")
    async with dispatching(outbox=Outbox(delivery(1)), facts=facts) as rig:
        await asyncio.sleep(HOUR)
        assert rig.receiver.tries == []
        rig.dispatcher.enable()
        await asyncio.sleep(1)

    assert rig.outbox.delivered == [1]


async def test_failing_survives_a_restart():
    """It is tried at once, told no second time, and its recovery is told."""
    facts = DestinationFacts(failing_since_wall=at_wall(-HOUR))
    async with dispatching(Receiver(down_until(100)), Outbox(delivery(1)), facts=facts) as rig:
        assert len(rig.receiver.tries) == 1
        assert rig.dispatcher.status.for_s == HOUR
        await asyncio.sleep(HOUR)

    assert rig.types == ["delivery.recovered"]


async def test_a_crash_of_ours_stops_no_other_event(caplog):
    """An exception and an event that has no JSON: told with a traceback once each, then dead by their schedule."""
    receiver = Receiver(lambda seq: ValueError("bug") if seq == 1 else 204)
    async with dispatching(receiver) as rig:
        rig.offer(delivery(1, "a"), delivery(2, "b", data={"value": 1 << 80}))
        for seq in range(3, 300):
            rig.offer(delivery(seq, "c"))
            await asyncio.sleep(10)

    assert set(rig.outbox.dead) == {1, 2}
    assert "crash: ValueError" in rig.outbox.dead[1]
    assert rig.outbox.delivered == list(range(3, 300))
    assert [record.exc_info is not None for record in caplog.records if record.levelname == "ERROR"] == [
        True,
        True,
    ]


async def test_a_new_event_need_not_wait_for_a_long_back_off():
    """It is itself tried within 15 s, once in five minutes: a fleet must not storm (N4)."""
    receiver = Receiver(down_until(24 * HOUR))
    async with dispatching(receiver, dice=lambda: 0.99) as rig:
        rig.offer(*(delivery(seq, f"s{seq}") for seq in range(1, 6)))
        await asyncio.sleep(2 * HOUR)  # by now it waits 297 s between two probes
        await asyncio.sleep(receiver.tries[-1].at + 300 - now())
        before = len(receiver.tries)
        rig.offer(delivery(6, "new"))
        await asyncio.sleep(15)
        assert receiver.order[before:] == [6]
        for seq in range(7, 20):
            rig.offer(delivery(seq, "new"))
            await asyncio.sleep(15)

    assert len(receiver.tries) - before == 1


async def test_it_is_the_new_event_that_is_tried_before_its_time():
    """Also a quiet one, behind thirty alarms that were never tried."""
    receiver = Receiver(down_until(24 * HOUR))
    async with dispatching(receiver, dice=lambda: 0.99) as rig:
        rig.offer(delivery(1, "first"))
        await asyncio.sleep(2 * HOUR)
        await asyncio.sleep(receiver.tries[-1].at + 1 - now())
        rig.offer(*(delivery(seq, f"s{seq}") for seq in range(2, 32)))  # one of them goes within 15 s
        await asyncio.sleep(320)
        await asyncio.sleep(receiver.tries[-1].at + 20 - now())
        before = len(receiver.tries)
        rig.offer(delivery(32, "new", priority=Priority.LOW))
        await asyncio.sleep(15)

    assert len({each.seq for each in receiver.tries}) < 10
    assert receiver.order[before:] == [32]


async def test_a_link_that_is_back_elsewhere_wakes_it_within_five_seconds():
    """When it lost its link too; else it waits for its time."""
    receiver = Receiver(down_until(2 * HOUR))
    async with dispatching(receiver, dice=lambda: 0.99) as rig:
        rig.offer(delivery(1))
        await asyncio.sleep(2 * HOUR + 1)
        assert rig.outbox.delivered == []
        rig.dispatcher.way_is_back()
        await asyncio.sleep(5)

        assert rig.outbox.delivered == [1]


async def test_events_about_deliveries_make_none_of_their_own():
    """Neither by failing nor by dying: two destinations must not tell each other for ever."""
    receiver = Receiver(lambda _: LOST)
    async with dispatching(receiver) as rig:
        rig.offer(delivery(1, "destination:other", kind=EventType.DELIVERY_FAILING))
        await asyncio.sleep(HOUR)
        receiver.behave = lambda _: Answer(400, {"webhook-delivery": "abort-message"}, 0.0)
        await asyncio.sleep(HOUR)

    assert rig.told == []
    assert set(rig.outbox.dead) == {1}


async def test_thirty_days_of_outage_end_with_everything_delivered():
    """N5: with events all the while, a chattering one and alarms; none is charged, and the alarms come first."""
    receiver = Receiver(down_until(30 * 24 * HOUR), latency=0.01)
    async with dispatching(receiver) as rig:
        for hour in range(30 * 24):
            at = round(now() * SECOND)
            rig.offer(
                delivery(2 * hour + 1, f"chattering{hour % 3}", priority=Priority.LOW, at=at),
                delivery(2 * hour + 2, f"s{hour % 50}", at=at),
            )
            await asyncio.sleep(HOUR)
        await asyncio.sleep(HOUR)

    order = rig.outbox.delivered
    assert sorted(order) == list(range(1, 2 * 30 * 24 + 1))
    assert rig.outbox.dead == {}
    assert rig.outbox.of(MarkCharged) == []
    assert sum(seq % 2 for seq in order[:720]) < 720 / 4


@pytest.mark.parametrize("hand", ["enable", "resume"])
async def test_what_was_refused_is_tried_at_once_when_a_person_has_mended_it(hand):
    """It would have waited for its own schedule, half an hour in the end; status had said for how long."""
    receiver = Receiver(lambda _: 400)
    async with dispatching(receiver) as rig:
        rig.offer(delivery(1, "a"), delivery(2, "b"), delivery(3, "a"))
        await asyncio.sleep(90)
        waits = rig.dispatcher.status.retry_in_s
        receiver.behave = lambda _: 204
        await asyncio.sleep(5)
        before = list(rig.outbox.delivered)
        getattr(rig.dispatcher, hand)()
        await asyncio.sleep(1)

    assert waits > 20
    assert before == []
    assert sorted(rig.outbox.delivered) == [1, 2, 3]
