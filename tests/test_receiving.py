"""When `accept` returns, every message is on disk once, or refused for good and told so; then it is acted on."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rigs.reception import Section, house
from rigs.signed import OTHER, SECRET
from rigs.stores import HandClock, refusing_disk

from agent.errors import StoreUnavailable
from agent.incoming.message import Arrived
from agent.model import SECOND, EventType
from agent.relays import terms
from agent.store import inbox
from agent.store.records import EventFilter

DAY = 86_400 * SECOND


async def test_what_is_taken_is_on_disk_with_its_cursor_and_then_acted_on(tmp_path):
    """One transaction: the rows, the event that carries a message, and where the relay stands."""
    path = tmp_path / "events.db"
    async with house(path) as way:
        order = way.message("order", "msg_2")
        await way.accept(way.message(), order, cursor=b"7")
        assert [each.identity for each in way.acting] == ["msg_1"]
        assert await way.events() == []
    async with house(path) as way:
        assert (await way.store.states())["inbound/cloud"] == b"7"
        assert [each.received.identity for each in await way.store.inbox.unsettled()] == ["msg_1"]
        [carried] = await way.events("cloud/order")
        assert carried.type is EventType.INBOUND_MESSAGE
        assert carried.data["headers"]["webhook-signature"] == order.headers["webhook-signature"]
        [(_, row)] = (await way.store.inbox.sent([1])).items()
        assert row.received.identity == "msg_2"


@pytest.mark.parametrize("later", [0, 40 * DAY, -40 * DAY])
async def test_what_was_seen_is_taken_no_second_time(tmp_path, later):
    """Not in one batch, not by another relay, not after a restart, not after the clock jumped by weeks."""
    path = tmp_path / "events.db"
    async with house(path) as way:
        first = way.message()
        await way.accept(first, first)
        await way.accept(first)
        way.terms = terms("second", Section)
        await way.accept(first)
        assert len(way.acting) == 1
    clock = HandClock()
    clock.instant += later
    async with house(path, clock) as way:
        await way.store.prune(0)
        await way.accept(first)
        assert way.acting == []
        told = await way.events()
        assert {each.type for each in told} == {EventType.INBOUND_REJECTED}
        assert {each.data["message_id"] for each in told} == {"msg_1"}


async def test_what_is_forgotten_is_not_taken_either(tmp_path, monkeypatch):
    """A clock that ran away took the memory with it; what was signed before is refused, what comes now is not."""
    monkeypatch.setattr(inbox, "REMEMBERED", 0)
    async with house(tmp_path / "events.db") as way:
        await way.accept(way.message(key=SECRET))
        old = way.message("set", "msg_1")
        await way.store.commit(_settle(way.acting))
        way.clock.instant += SECOND
        await way.store.prune(0)
        assert await way.store.inbox.newest(9) == []
        await way.accept(old, way.message("set", "msg_2"))
        assert [each.identity for each in way.acting] == ["msg_1", "msg_2"]
        [refused] = await way.events()
        assert "may have been seen" in refused.data["reason"]


def _settle(received):
    from agent.outcomes import Outcome, settled  # noqa: PLC0415 - one use
    from agent.store.records import Step  # noqa: PLC0415 - same

    return Step(inbox=[each for one in received for each in settled(one, Outcome("done"), audit=False)])


async def test_a_known_sender_is_told_of_each_refusal_and_a_stranger_once_an_hour(tmp_path):
    """Whoever knows the address of a relay must not fill the outbox; the audit counts them."""
    path = tmp_path / "events.db"
    async with house(path) as way:
        await way.accept(*(way.message("other", f"msg_{n}") for n in range(3)))
        assert [each.data["message_id"] for each in await way.events()] == ["msg_0", "msg_1", "msg_2"]
        strangers = [way.message("set", f"x_{n}", key=OTHER) for n in range(50)]
        await way.accept(*strangers[:20])
        assert len(await way.events()) == 4
    async with house(path) as way:
        await way.accept(*strangers[20:])
        assert len(await way.events()) == 4
        assert [count for _, count in await way.audit()] == [3, 50]
        way.clock.instant += 3600 * SECOND
        await way.accept(strangers[0])
        assert [count for _, count in await way.audit()] == [3, 50, 1]
        assert len(await way.events()) == 5
        assert await way.store.inbox.newest(100) != []


async def test_a_disk_that_takes_nothing_takes_nothing(tmp_path):
    """Offered again, all of it is taken once, counted once and told."""
    async with house(tmp_path / "events.db") as way:
        batch = [way.message(), way.message("order", "msg_2"), way.message("set", "msg_3", key=OTHER)]
        with refusing_disk(), pytest.raises(StoreUnavailable):
            await way.accept(*batch, cursor=b"1")
        assert way.acting == []
        way.clock.instant += 2 * SECOND
        await way.accept(*batch, cursor=b"1")
        assert [each.identity for each in way.acting] == ["msg_1"]
        assert [count for _, count in await way.audit()] == [1]
        assert len(await way.events()) == len(await way.events("cloud/order")) == 1


async def test_relays_side_by_side_take_a_message_once(tmp_path):
    """Two relays hand over the same at the same moment."""
    async with house(tmp_path / "events.db") as way:
        batch = [way.message("set", f"msg_{n}") for n in range(20)]
        async with asyncio.TaskGroup() as tasks:
            for part in (batch, batch[::-1], batch[5:]):
                tasks.create_task(way.accept(*part))
        assert sorted(each.identity for each in way.acting) == sorted(f"msg_{n}" for n in range(20))


async def test_a_service_that_takes_nothing_holds_up_the_relay_and_loses_nothing(tmp_path, monkeypatch):
    """What cannot be taken stays with the relay; people are told why."""
    monkeypatch.setattr("agent.receiving._MOST_WAITING", 3)
    monkeypatch.setattr("agent.receiving._LOOK_AGAIN_S", 0.001)
    async with house(tmp_path / "events.db") as way:
        await way.accept(*(way.message("order", f"msg_{n}") for n in range(3)))
        taking = asyncio.create_task(way.accept(way.message("order", "msg_9")))
        while not way.reception.held:
            await asyncio.sleep(0)
        assert "cloud/order" in way.reception.held["cloud"]
        assert not taking.done()
        monkeypatch.setattr("agent.receiving._MOST_WAITING", 9)
        await taking
        assert way.reception.held == {}
        assert len(await way.events("cloud/order")) == 4


@settings(max_examples=20)
@given(st.data())
def test_any_order_of_repeats_restarts_and_failures_takes_each_once(tmp_path_factory, data):
    """Nothing is lost that a relay offers until it is taken, and nothing is acted on twice."""
    folder = tmp_path_factory.mktemp("any")

    async def story():
        acted, clock = [], HandClock()
        offered = data.draw(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=8))
        for batch in offered:
            async with house(folder / "events.db", clock) as way:
                await way.accept(*(way.message("set", f"msg_{n}") for n in batch))
                acted += [each.identity for each in way.acting]
                clock.instant += data.draw(st.integers(0, 3)) * SECOND
        assert sorted(acted) == sorted({f"msg_{n}" for batch in offered for n in batch})

    asyncio.run(story())


async def test_nobody_else_is_sent_what_came_in(tmp_path):
    """A message goes to the service of its route, not to whoever subscribes to everything."""
    async with house(tmp_path / "events.db") as way:
        await way.accept(way.message("order"), Arrived(b"{}", raw=False))
        kinds = [each.stored.event.type for each in await way.store.events(EventFilter(), 9)]
        assert kinds == [EventType.INBOUND_MESSAGE, EventType.INBOUND_REJECTED]
        assert [each.type for each in await way.events()] == [EventType.INBOUND_REJECTED]


async def test_a_horizon_in_the_future_does_not_close_the_plant_for_years(tmp_path):
    """A damaged store was rescued with a wrong clock: with a right one, what is made in this run is taken."""
    async with house(tmp_path / "events.db") as way:
        way.store.inbox.horizon = way.now + 40 * 365 * 86_400
        old = way.message()
        await way.accept(old)
        assert way.acting == []
        way.clock.instant += 2 * SECOND
        await way.accept(old, way.message("set", "msg_2"))
        assert [each.identity for each in way.acting] == ["msg_2"]
