"""Messages of a real nats-server: each at least once, in order, acknowledged when taken, whatever the server does."""

import asyncio
import logging
import re

import pytest
from rigs.nats_relay import ACK_WAIT, CONSUMER, STREAM, NatsRelay, section
from rigs.relay_session import Session, running

from agent.inbound.base import LARGEST_BODY

MANY = 10_000


@pytest.fixture
def relay(tmp_path):
    relay = NatsRelay(tmp_path)
    with relay.server:
        asyncio.run(relay.make())
        yield relay


def numbers(session):
    """The messages by their first appearance."""
    return list(dict.fromkeys(map(int, session.bodies)))


async def test_the_consumer_is_made_when_there_is_none(relay):
    """Durable, pulled, from the first message on, acknowledged one by one, given up never; and bound to from then on."""
    await relay.put(b"before", b"not ours", subject="orders.old")
    await relay.put(b"ours")
    async with running(section(relay.port, subject="orders.new")) as session:
        await session.until(lambda: session.taken)
        made = await relay.info()
    async with running(section(relay.port, subject="orders.new")) as again:
        await relay.put(b"more")
        await again.until(lambda: again.taken)

    assert (session.bodies, again.bodies) == ([b"ours"], [b"more"])
    assert made.config.durable_name == CONSUMER
    assert made.config.deliver_subject is None
    assert (made.config.deliver_policy, made.config.ack_policy) == ("all", "explicit")
    assert (made.config.max_deliver, made.config.filter_subject) == (-1, "orders.new")
    assert (await relay.info()).created == made.created


async def test_what_a_message_says_of_itself(relay):
    """Its bytes, its headers by lower-case names, and what its publisher calls it, or else its place in the stream."""
    told = {"Nats-Msg-Id": "evt_1", "Webhook-Signature": "v1,a= v1a,b=", "ce-type": "order.created"}
    async with running(section(relay.port)) as session:
        await relay.put(b"\xff\x00\r\n", headers=told)
        await relay.put(b"")
        await session.until(lambda: len(session.taken) == 2)
    first, second = session.taken

    assert (first.body, first.raw, first.relay_id, first.type) == (
        b"\xff\x00\r\n",
        True,
        "evt_1",
        "order.created",
    )
    assert first.headers == {name.lower(): value for name, value in told.items()}
    assert (second.body, dict(second.headers), second.relay_id, second.type) == (b"", {}, f"{STREAM}:2", "")


async def test_a_server_that_is_killed_in_the_middle_of_10000_messages_loses_none(relay):
    """Twice, with messages under way; back on the same disk all of them come, in order.

    Some come again: what was acknowledged a server writes to its disk a while later.
    """
    await relay.consumer()
    await relay.begun(MANY)
    session = Session()
    for enough in (3000, 6000):
        session.begin(section(relay.port, timeout="15s"))
        await session.until(lambda enough=enough: len(session.taken) >= enough)
        relay.server.kill()
        assert re.search(
            f"127.0.0.1:{relay.port}: the (server closed|connection broke)", await session.error()
        )
        relay.server.start()
    session.begin(section(relay.port))
    await session.until(lambda: len(numbers(session)) == MANY)
    await until_acknowledged(relay, MANY)
    await session.cancel()

    assert numbers(session) == list(range(MANY))


async def until_acknowledged(relay, count):
    async with asyncio.timeout(30):
        while await relay.acknowledged() < count:
            await asyncio.sleep(0.01)


async def test_what_a_killed_session_had_comes_before_what_is_newer(relay, caplog):
    """An older command does not follow a newer one: the next session waits for what the server will give again."""
    caplog.set_level(logging.INFO)
    await relay.consumer()
    session = Session()
    session.begin(section(relay.port))
    await session.until(lambda: session.answers)
    session.gate.clear()
    await relay.begun(5)
    await session.until(lambda: session.offers)
    await session.cancel()
    await relay.put(b"5", b"6")
    session.gate.set()
    session.begin(section(relay.port))
    await session.until(lambda: len(numbers(session)) == 7)
    await session.cancel()

    assert numbers(session) == list(range(7))
    assert "messages were given to an earlier session and come again, in 2.1 s, first" in caplog.text


async def test_what_takes_long_to_store_is_not_handed_out_again(relay):
    """While the agent takes its time, the messages stay its own: those that it has, and those that wait behind them."""
    await relay.consumer()
    async with running(section(relay.port)) as session:
        await session.until(lambda: session.answers)
        session.gate.clear()
        await relay.put(b"0")
        await session.until(lambda: session.offers)
        await relay.put(b"1", b"2")
        await asyncio.sleep(1.5 * ACK_WAIT)
        pending = await relay.info()
        session.gate.set()
        await session.until(lambda: len(session.taken) == 3)
        await until_acknowledged(relay, 3)
        info = await relay.info()
        timers = [each for each in asyncio.get_running_loop()._scheduled if not each.cancelled()]

    assert (pending.num_ack_pending, pending.num_redelivered) == (3, 0)
    assert "_InProgress" not in str(timers), "what is taken is in progress no more"
    assert (info.num_ack_pending, info.delivered.consumer_seq) == (0, 3)
    assert session.bodies == [b"0", b"1", b"2"]


async def test_a_consumer_that_is_deleted_is_made_anew(relay):
    """The session says so; the next one makes it, and what was taken before comes again."""
    session = Session()
    session.begin(section(relay.port))
    await relay.put(b"0")
    await session.until(lambda: session.taken)
    async with relay.official() as jetstream:
        await jetstream.delete_consumer(STREAM, CONSUMER)
    why = await session.error()
    await relay.put(b"1")
    session.begin(section(relay.port))
    await session.until(lambda: len(session.taken) == 3)
    await session.cancel()

    assert f"127.0.0.1:{relay.port}" in why
    assert f"the consumer {CONSUMER} of the stream {STREAM} hands out nothing (409 Consumer Deleted)" in why
    assert "made anew" in why
    assert session.bodies == [b"0", b"0", b"1"]


async def test_what_the_consumer_allows_is_kept_to(relay):
    """Messages at once, bytes at once, and how long a question stands: it is asked again when that is over."""
    await relay.consumer(max_batch=2, max_bytes=50_000, max_expires=300_000_000)
    async with running(section(relay.port)) as session:
        await session.until(lambda: session.answers >= 6)
        await relay.put(*[b"x" * 20_000] * 5)
        await session.until(lambda: len(session.taken) == 5)


@pytest.mark.parametrize("size", [LARGEST_BODY + 1, (1 << 23) + 1], ids=["kept", "read over"])
async def test_a_message_that_is_too_large_is_given_up_and_told(tmp_path, size):
    """It would come for ever; those before and after it are taken. What is as large as may be, is taken too."""
    async with NatsRelay(tmp_path, "max_payload: 16MB") as relay:
        bodies = [b"0", b"x" * LARGEST_BODY, b"x" * size, b"x" * LARGEST_BODY, b"1"]
        await relay.put(*bodies)
        async with running(section(relay.port, timeout="10s")) as session:
            await session.until(lambda: len(session.taken) == 5)
            await until_acknowledged(relay, 5)
            info = await relay.info()

    assert session.bodies == [body if len(body) != size else b"" for body in bodies]
    assert (info.num_ack_pending, info.num_redelivered) == (0, 0)
    [told] = [message.unusable for message in session.taken if message.unusable]
    assert f"message 3 of the stream {STREAM} has {size:,} bytes, at most 5,000,000 are taken" in told
    assert f"`nats stream get {STREAM} 3`" in told


async def test_a_relay_that_has_nothing_is_asked_seldom(relay):
    """With the timeout that is meant for plants one question stands, and for a second nothing goes to and fro."""
    async with running(section(relay.port, timeout="15s")) as session:
        await session.until(lambda: session.answers)
        await until_asked(relay)
        await asyncio.sleep(1)
        assert session.answers == 1
        assert (await relay.info()).num_waiting == 1
        await relay.put(b"0")
        await session.until(lambda: session.taken)


async def test_a_server_that_goes_is_noticed_at_once(relay):
    """Long before it would be missed."""
    async with running(section(relay.port, timeout="60s")) as session:
        await session.until(lambda: session.answers)
        await until_asked(relay)
        relay.server.kill()
        why = await session.error()

    assert re.search(f"127.0.0.1:{relay.port}: the (server closed|connection broke)", why)


async def until_asked(relay):
    async with asyncio.timeout(30):
        while not (await relay.info()).num_waiting:
            await asyncio.sleep(0.01)
