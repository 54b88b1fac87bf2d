"""What is refused is told once, bounded whoever sends it, and is taken later where that harms nobody."""

import asyncio

import pytest
from rigs.reception import house
from rigs.signed import OTHER

from agent.errors import StoreUnavailable
from agent.incoming.message import Arrived
from agent.model import SECOND
from agent.store.records import Step

ORDER = {"type": "order", "forward": {"url": "http://127.0.0.1:1/"}}
SET = {"type": "set", "write": {"tag": "T"}}


async def outcomes(way):
    return [(each.received.identity, each.received.outcome) for each in await way.store.inbox.newest(99)]


async def test_what_is_only_sent_on_is_taken_when_it_is_sent_again(tmp_path):
    """The engineer adds the route that was missing, and has the sender send the same message once more."""
    async with house(tmp_path / "events.db") as way:
        order = way.message("order", "msg_1")
        way.relay(set=SET)
        await way.accept(order)
        assert await outcomes(way) == [("msg_1", "rejected")]
        way.relay(order=ORDER)
        await way.accept(order, order)
        await way.accept(order)
        assert await outcomes(way) == [("msg_1", "")]
        assert len(await way.events("cloud/order")) == 1


async def test_one_relay_says_nothing_of_what_another_has_a_route_for(tmp_path):
    """A service that sends everything to all its endpoints: one refuses it, the other acts on it, once."""
    async with house(tmp_path / "events.db") as way:
        message = way.message()
        way.relay("second", order=ORDER)
        await way.accept(message)
        way.relay("first", set=SET)
        await way.accept(message)
        await way.accept(message)
        assert [each.relay for each in way.acting] == ["first"]
        assert await outcomes(way) == [("msg_1", "")]


async def test_what_a_machine_was_refused_stays_refused(tmp_path):
    """Its sender was told so, and may have asked for something else since; a relay may hold it back and play it later."""
    async with house(tmp_path / "events.db") as way:
        old = way.message()
        way.clock.instant += 61 * SECOND
        await way.accept(old)
        assert await outcomes(way) == [("msg_1", "rejected")]
        way.relay(set={**SET, "max_age": "1h"})
        await way.accept(old)
        assert way.acting == []
        first, second = await way.events()
        assert (first.data["outcome"], second.data["outcome"]) == ("rejected", "repeated")
        assert "send it anew, with an id of its own" in second.data["reason"]


async def test_a_repeated_id_names_the_relay_by_which_it_came_first(tmp_path):
    """Two senders that count their messages both have a message 1; whoever reads the outcome sees why."""
    async with house(tmp_path / "events.db") as way:
        await way.accept(way.message())
        way.relay("second")
        await way.accept(way.message())
        [told] = await way.events()
        assert " by relay cloud: under way" in told.data["reason"]


async def test_what_was_offered_to_the_disk_is_acted_on_although_its_relay_is_stopped(tmp_path):
    """A reload that changes the relay at that moment must not leave a command lying until the next start."""
    async with house(tmp_path / "events.db") as way:
        for number in range(40):
            task = asyncio.create_task(way.accept(way.message("set", f"msg_{number}"), cursor=b"1"))
            for _ in range(number):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        await way.store.commit(Step())
        stored = [each.received.identity for each in await way.store.inbox.unsettled()]
        assert stored == [each.identity for each in way.acting if each.identity in stored]
        assert 0 < len(stored) < 40


async def test_what_was_counted_and_not_stored_is_counted_anew(tmp_path, monkeypatch):
    """A disk that fails in the middle of a batch: the first refusal that is stored is told."""
    async with house(tmp_path / "events.db") as way:
        strange = way.message(key=OTHER)
        bare = Arrived(b"{}", raw=False)
        one = way.store.audit.one
        asked = []

        async def fails_once(key):
            asked.append(key)
            if len(asked) == 2:
                raise StoreUnavailable("the disk fails")
            return await one(key)

        monkeypatch.setattr(way.store.audit, "one", fails_once)
        with pytest.raises(StoreUnavailable):
            await way.accept(strange, bare)
        await way.accept(strange, bare)
        assert [count for _, count in await way.audit()] == [1, 1]
        assert len(await way.events()) == 2


async def test_what_nobody_has_signed_is_told_once_an_hour(tmp_path):
    """`verify: none`: whoever knows the address of the channel must not fill the outbox, nor the memory."""
    async with house(tmp_path / "events.db") as way:
        way.relay(verify="none", order=ORDER)
        await way.accept(*(Arrived(b'{"type": "x%d"}' % n, raw=False, relay_id=f"{n}") for n in range(30)))
        assert len(await way.events()) == 1
        assert [count for _, count in await way.audit()] == [30]
        assert await way.store.inbox.newest(9) == []
