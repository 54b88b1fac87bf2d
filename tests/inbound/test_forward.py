"""`forward`: a service of the plant is handed messages as their senders wrote them, in order, until it has them."""

import asyncio

import pytest
from rigs.local_service import LocalService
from rigs.sending_on import house, order
from rigs.signed import signed_hex
from rigs.stores import eventually
from rigs.webhook import section
from rigs.webhook_receiver import SECRET, WebhookReceiver
from standardwebhooks.webhooks import Webhook

from agent.incoming.message import Arrived
from agent.store.records import MarkDelivered, Selection

NAME = "cloud/orders"
QUICK = ["100ms"]


def forwards(service, **more):
    return {"orders": {"forward": {"url": service.url, "retry": QUICK, **more}}}


async def test_a_message_arrives_as_its_sender_wrote_it(tmp_path):
    """Bytes and headers are the sender's, so that the service can verify him itself; an id is beside."""
    beside = {"x-own": "7", "Connection": "close", "authorization": "Bearer canary", "cookie": "canary"}
    odd = {"x-odd": "two\r\nx-lines: 1", "x odd": "1", "content-type": "application/json; v=2", "te": "gzip"}
    async with LocalService() as service, house(tmp_path / "a.db", forwards(service)) as parts:
        message = order(1)
        await parts.take(Arrived(message.body, {**message.headers, **beside, **odd}))
        assert await parts.told(1) == [("inbound.done", "msg_1", "")]
        [asked] = service.asked
        assert asked.body == message.body
        Webhook(SECRET).verify(asked.body, asked.headers)
        theirs = set(message.headers) | {"x-own", "content-type"}
        ours = {"host", "user-agent", "accept", "accept-encoding", "content-length", "edge-relay-message"}
        assert set(asked.headers) == theirs | ours
        assert (asked.headers["content-type"], asked.headers["x-own"]) == ("application/json; v=2", "7")
        assert asked.headers["edge-relay-message"].startswith("evt_")


async def test_a_sender_who_signs_nothing_but_the_body_is_passed_on_too(tmp_path):
    """GitHub's way: its signature and its bytes; no id and no time of ours that it has not signed."""
    verify = {"scheme": "hex", "secret": "hunter2hunter2hunter2", "header": "X-Hub-Signature-256"} | {
        "prefix": "sha256="
    }
    async with (
        LocalService() as service,
        house(tmp_path / "a.db", forwards(service), verify=verify) as parts,
    ):
        await parts.take(signed_hex(b'{"action":"opened"}', "hunter2hunter2hunter2"))
        await parts.told(1)
        [asked] = service.asked
        assert asked.headers["x-hub-signature-256"].startswith("sha256=")
        assert not [name for name in asked.headers if name.startswith("webhook-")]
        assert asked.headers["content-type"] == "application/json"


async def test_what_the_file_says_of_the_service_is_said_to_it(tmp_path):
    """Method, credentials and headers are the file's, and no sender's of the same name takes their place."""
    told = {"method": "PUT", "auth": {"bearer": "of-the-file"}, "headers": {"X-Api-Key": "of-the-file"}}
    async with LocalService() as service, house(tmp_path / "a.db", forwards(service, **told)) as parts:
        message = order(1)
        await parts.take(Arrived(message.body, {**message.headers, "x-api-key": "of-the-sender"}))
        await parts.told(1)
        [asked] = service.asked
        assert (asked.headers["authorization"], asked.headers["x-api-key"]) == (
            "Bearer of-the-file",
            "of-the-file",
        )


async def test_order_is_kept_whatever_fails_in_between(tmp_path):
    """A service that answers 503 or hangs up is asked for the same message again, and for no other before it."""
    async with LocalService() as service, house(tmp_path / "a.db", forwards(service)) as parts:
        faults = {"msg_3": [503, None], "msg_7": [None]}
        service.behave = lambda identity: faults[identity].pop() if faults.get(identity) else 204
        await parts.take(*map(order, range(10)))
        told = await parts.told(10)
        assert service.taken == [f"msg_{number}" for number in range(10)]
        assert [identity for _, identity, _ in told] == service.taken
        asked = [each.identity for each in service.asked]
        assert asked == sorted(asked), "nothing was passed by another"
        assert len({each.headers["edge-relay-message"] for each in service.asked}) == 10
        assert len(asked) == 13


async def test_a_service_that_is_down_loses_nothing(tmp_path):
    """It is tried again like any destination, over a restart; then it gets all of it."""
    path = tmp_path / "a.db"
    async with LocalService() as service:
        routes = forwards(service)
        await service.stop()
        async with house(path, routes) as parts:
            await parts.take(order(1), order(2))
            await eventually(lambda: parts.outlets.status()[NAME]["failures"] > 1)
            assert parts.outlets.status()[NAME]["state"] == "waiting"
        async with house(path, routes) as parts:
            await parts.take(order(3))
            await service.start()
            await parts.told(3)
            assert service.taken == ["msg_1", "msg_2", "msg_3"]


async def test_what_is_refused_for_good_lets_the_others_pass(tmp_path):
    """A 400 counts by the route's own schedule; a dead letter is told once, with its reason; sent again, as done."""
    async with LocalService() as service, house(tmp_path / "a.db", forwards(service)) as parts:
        service.behave = lambda identity: 400 if identity == "msg_1" else 204
        await parts.take(order(1), order(2))
        [failed, done] = await parts.told(2)
        assert failed[:2] == ("inbound.failed", "msg_1")
        assert "given up after 2 attempts of its own; the last: the receiver answered 400" in failed[2]
        assert done == ("inbound.done", "msg_2", "")
        again = Selection(destination=NAME)
        await parts.store.letters.resend(again)
        await eventually(lambda: parts.store.dead_count(NAME) == 1)
        await eventually(lambda: not parts.sent._ended)
        assert await parts.told(2) == [failed, done], "one that dies again is told no second time"
        service.behave = lambda identity: 204
        await parts.store.letters.resend(again)
        assert await parts.told(3) == [failed, done, ("inbound.done", "msg_1", "")]
        await parts.store.letters.replay(_all_of(NAME))
        await eventually(lambda: len(service.taken) == 4)
        await parts.empty(NAME)
    async with house(tmp_path / "a.db", forwards(service)) as parts:
        await asyncio.sleep(0.3)
        assert len(await parts.outcomes()) == 3, "one that was replayed is told no second time"


def _all_of(name):
    from agent.store.orders import Replay  # noqa: PLC0415 - one use

    return Replay(name, None, None, 0, None)


async def test_a_service_that_refuses_everything_kills_nothing(tmp_path):
    """Five in a row are its own fault, or the file's: what follows waits."""
    async with LocalService() as service, house(tmp_path / "a.db", forwards(service)) as parts:
        service.behave = lambda identity: 422
        await parts.take(*map(order, range(7)))
        await eventually(
            lambda: "so it was with the 4 events before" in parts.outlets.status()[NAME]["reason"]
        )
        assert (len(await parts.told(4)), parts.store.waiting_count(NAME)) == (4, 3)


@pytest.mark.parametrize("events", [["inbound.*"], ["inbound.message"], []])
async def test_a_message_goes_where_its_route_says_and_nowhere_else(tmp_path, events):
    """A destination of the file gets what became of it, if it asks for that, and never the message."""
    async with LocalService() as service, WebhookReceiver() as office:
        more = {"office": section(office.url("/office"), signing={"secret": SECRET}, events=events)}
        async with house(tmp_path / "a.db", forwards(service), more=more) as parts:
            await parts.take(order(1))
            await parts.told(1)
            await parts.empty("office")
            kinds = {event["type"] for event in office.events("/office")}
            assert kinds == (set() if events == ["inbound.message"] else {"inbound.done"})
            assert parts.outlets.hearing() == ([] if events else ["office"])
            assert len(service.asked) == 1


# --- one outcome for each end ---------------------------------------------------------------------------


async def test_an_end_that_was_not_told_is_told_at_the_next_start_and_once(tmp_path):
    """Killed after the service had it and before it was told: told then; killed after that: not again."""
    path = tmp_path / "a.db"
    async with LocalService() as service:
        service.behave = lambda identity: 400 if identity == "msg_2" else 204
        routes = forwards(service)
        async with house(path, routes, telling=False) as parts:
            await parts.take(order(1), order(2), order(3))
            await parts.empty(NAME)
            assert await parts.outcomes() == []
        async with house(path, routes) as parts:
            assert {each[:2] for each in await parts.told(3)} == {
                ("inbound.done", "msg_1"),
                ("inbound.failed", "msg_2"),
                ("inbound.done", "msg_3"),
            }
            service.behave = lambda identity: 204
            parts.store.on_ended = lambda mark: None  # killed again, before this one could be told
            await parts.store.letters.resend(Selection(destination=NAME))
            await eventually(lambda: "msg_2" in service.taken)
            await parts.empty(NAME)
        async with house(path, routes) as parts:
            assert (await parts.told(4))[3] == ("inbound.done", "msg_2", "")
        async with house(path, routes) as parts:
            await asyncio.sleep(0.3)
            assert len(await parts.outcomes()) == 4


async def test_a_route_that_is_gone_leaves_dead_letters_that_are_told(tmp_path):
    """What waited for its service failed, with the reason."""
    path = tmp_path / "a.db"
    async with LocalService() as service:
        routes = forwards(service)
        await service.stop()
        async with house(path, routes) as parts:
            await parts.take(order(1))
        async with house(path, {}) as parts:
            assert await parts.told(1) == [("inbound.failed", "msg_1", "destination_removed")]
            assert parts.store.dead_count(NAME) == 1


async def test_what_there_is_no_room_for_is_told_as_failed(tmp_path):
    """An event that was evicted has no delivery any more: its message is not on its way for ever."""
    async with LocalService() as service:
        routes = forwards(service)
        await service.stop()
        async with house(tmp_path / "a.db", routes) as parts:
            await parts.take(order(1), order(2))
            connection = parts.store._turns.connection
            await connection.execute("DELETE FROM delivery WHERE seq = 1")
            await connection.commit()
            parts.sent.look()
            [(kind, identity, why)] = await parts.told(1)
            assert (kind, identity) == ("inbound.failed", "msg_1")
            assert "for want of room" in why


async def test_many_ends_share_a_commit(tmp_path):
    """At hundreds of messages a second, who tells of them must not look and commit for each."""
    async with LocalService() as service, house(tmp_path / "a.db", forwards(service)) as parts:
        looked, look = [], parts.store.inbox.sent

        async def counted(seqs):
            looked.append(len(seqs))
            return await look(seqs)

        parts.store.inbox.sent = counted
        for number in range(50):
            parts.sent.note(MarkDelivered(NAME, 1_000 + number, 0))
            await asyncio.sleep(0.001)
        await eventually(lambda: not parts.sent._ended)
        assert sum(looked) == 50
        assert len(looked) < 15
