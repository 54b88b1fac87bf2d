"""What is refused is told once, bounded whoever sends it, and is taken later where that harms nobody."""

import asyncio
from dataclasses import replace

import pytest
from rigs.reception import house
from rigs.signed import OTHER, SECRET

from agent.errors import StoreUnavailable
from agent.incoming.message import Arrived
from agent.model import SECOND
from agent.signing.config import StandardSigning
from agent.store.limits import Usage
from agent.store.messages import AuditFilter

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


async def test_what_was_too_old_to_be_sent_on_is_taken_with_another_age(tmp_path):
    """The engineer allows more, and has it sent again; its route is the same."""
    async with house(tmp_path / "events.db") as way:
        way.relay(order={**ORDER, "max_age": "10s"})
        order = way.message("order", "msg_1")
        way.clock.instant += 60 * SECOND
        await way.accept(order)
        assert await outcomes(way) == [("msg_1", "rejected")]
        way.relay(order={**ORDER, "max_age": "1h"})
        await way.accept(order)
        assert await outcomes(way) == [("msg_1", "")]


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


async def test_what_was_offered_to_the_disk_is_acted_on_although_its_relay_is_stopped(tmp_path, monkeypatch):
    """A reload that changes the relay at that moment must not leave a command lying until the next start."""
    async with house(tmp_path / "events.db") as way:
        offered = asyncio.Event()
        add = way.pipeline.add

        async def adding(beside):
            offered.set()
            await add(beside)

        monkeypatch.setattr(way.pipeline, "add", adding)
        taking = asyncio.create_task(way.accept(way.message(), cursor=b"1"))
        await offered.wait()
        taking.cancel()
        await asyncio.wait([taking])
        assert taking.cancelled()
        assert [each.identity for each in way.acting] == ["msg_1"]
        assert await outcomes(way) == [("msg_1", "")]


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


async def test_refusals_share_a_line_with_their_like_alone(tmp_path):
    """Of one relay, one key, one reason, one action; it is as young as the last of them."""
    async with house(tmp_path / "events.db") as way:
        way.relay(set=SET, order=ORDER, verify=StandardSigning(secret=OTHER, previous_secrets=[SECRET]))
        began = way.clock.wall()
        for number in range(2):
            await way.accept(way.message("x", f"a{number}"), way.message("x", f"b{number}", key=OTHER))
            await way.accept(way.message("set", f"c{number}", at=9), way.message("order", f"d{number}", at=9))
            way.clock.instant += SECOND
        way.relay("second", set=SET)
        await way.accept(way.message("x", "e"))
        lines = await way.store.audit.newest(AuditFilter(), 99)
        told = {(each.relay, each.sender, each.action, each.reason[:8]): each.count for each in lines}
        assert list(told.values()) == [2, 2, 2, 2, 1]
        assert {each.at_wall for each in lines[:4]} == {began + SECOND}
        assert [each.identity for each in lines] == ["a1", "b1", "c1", "d1", "e"]


async def test_a_large_message_is_looked_at_beside_the_loop(tmp_path):
    """Whoever sends megabytes with many signatures holds up no rule: the loop has its turns meanwhile."""
    async with house(tmp_path / "events.db") as way:
        body = b" " * 5_000_000
        signatures = " ".join(["v1," + "A" * 44] * 64)
        stamp = {"webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": signatures}
        taking = asyncio.create_task(way.accept(Arrived(body, stamp), way.message()))
        turns = 0
        while not taking.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert turns > 10
        assert [each.identity for each in way.acting] == ["msg_1"]


async def test_nothing_is_taken_while_the_store_is_nearly_full(tmp_path, monkeypatch):
    """What stays with the relay is not lost; what is told of it would be."""
    monkeypatch.setattr("agent.receiving._LOOK_AGAIN_S", 0.001)
    async with house(tmp_path / "events.db") as way:
        way.store.room.usage = Usage(50_000_000, 50_000_000, 50_000_000)
        taking = asyncio.create_task(way.accept(way.message()))
        while not way.reception.held:
            await asyncio.sleep(0)
        assert "store.max_size" in way.reception.held["cloud"]
        way.store.room.usage = Usage(50_000_000, 0, 0)
        await taking
        assert len(way.acting) == 1


async def test_what_is_sent_on_holds_no_key_of_the_road(tmp_path):
    """Headers of the connection, and credentials for the relay, are not handed on; a part has its own type."""
    async with house(tmp_path / "events.db") as way:
        way.relay(order=ORDER)
        message = way.message("order", "msg_1")
        headers = {**message.headers, "Authorization": "canary", "cookie": "canary", "x-tenant": "a"}
        await way.accept(replace(message, headers=headers))
        [carried] = await way.events("cloud/order")
        assert carried.data["headers"] == {**message.headers, "x-tenant": "a"}
        publish = {"publish": {"source": "broker", "topic": "t", "payload": "/data"}}
        way.relay(order=publish)
        await way.accept(way.message("order", "msg_2"))
        carried = (await way.events("cloud/order"))[-1]
        assert carried.data["headers"] == {"content-type": "application/json"}
        way.relay(verify="none", order=ORDER)
        await way.accept(Arrived(b'{"type": "order"}', raw=False))
        assert (await way.events("cloud/order"))[-1].data["message_id"] is None
