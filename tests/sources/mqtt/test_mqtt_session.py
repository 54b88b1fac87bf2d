"""A session with a real broker: what arrives, in which order, and what is acknowledged."""

import asyncio

import pytest
from rigs.mosquitto import Mosquitto
from rigs.mqtt_packets import burst
from rigs.mqtt_session import Session, source, subscribed

from agent.errors import StoreUnavailable
from agent.metrics import ITEMS_ALIVE, ITEMS_WANTED
from agent.model import Link, Quality
from agent.sources.mqtt import source as mqtt_source


@pytest.mark.parametrize("qos", [0, 1])
async def test_values_arrive_in_order_after_the_link(broker, protocol, qos):
    """The broker's answer makes the link; the first value of each tag is a start."""
    tags = {
        "A": {"topic": "a"},
        "B": {"topic": "b", "value": "$.x", "time": "$.ts"},
        "C": {"topic": "b", "value": "$.y"},
    }
    async with Session(source(broker.port, tags, protocol=protocol, qos=qos)) as session:
        await subscribed(session)
        await asyncio.to_thread(
            broker.publish, ("a", "1"), ("b", '{"x": 2.5, "y": true, "ts": 1}'), ("a", "text"), qos=qos
        )
        await session.until(lambda: len(session.readings) == 4)

    assert session.seen[0] == Link("broker", up=True, at=session.seen[0].at)
    assert [(one.tag, one.value, one.source_time, one.baseline) for one in session.readings] == [
        ("A", 1, None, True),
        ("B", 2.5, 1_000_000_000, True),
        ("C", True, None, True),
        ("A", "text", None, False),
    ]
    assert ITEMS_WANTED.labels("broker")._value.get() == 3
    assert ITEMS_ALIVE.labels("broker")._value.get() == 0


async def test_a_broken_payload_is_bad_and_stalls_nothing(broker):
    """telegraf#13476: it is acknowledged like any other, and what follows arrives."""
    async with Session(source(broker.port, {"T": {"topic": "t", "value": "$.a"}})) as session:
        await subscribed(session)
        await asyncio.to_thread(broker.publish, *[("t", "}{")] * 50, ("t", b"\xff"), ("t", '{"a": 1}'))
        await session.until(lambda: len(session.readings) == 52)

    assert {one.quality for one in session.readings[:51]} == {Quality.BAD}
    assert session.readings[0].reason.startswith("T: no value on t: the payload is not JSON")
    assert (session.values[-1], session.readings[-1].quality) == (1, Quality.GOOD)
    async with Session(source(broker.port, {"T": {"topic": "t", "value": "$.a"}})) as again:
        await subscribed(again)
        await asyncio.to_thread(broker.publish, ("t", '{"a": 2}'))
        await again.until(lambda: bool(again.readings))
        assert again.values == [2]


async def test_messages_of_an_absence_are_waiting(broker, protocol):
    """A kept session: what was published while the agent was away arrives, once and in order."""
    config = source(broker.port, protocol=protocol)
    async with Session(config) as session:
        await subscribed(session)
    await asyncio.to_thread(broker.publish, *[("t", str(n)) for n in range(50)])
    async with Session(config) as session:
        await session.until(lambda: len(session.readings) >= 50)
        await subscribed(session)
        assert session.values == list(range(50))


async def test_without_a_kept_session_an_absence_is_lost(broker, protocol):
    """The twin of the test above."""
    config = source(broker.port, protocol=protocol, keep_session=False)
    async with Session(config) as session:
        await subscribed(session)
    await asyncio.to_thread(broker.publish, ("t", "1"))
    async with Session(config) as session:
        await subscribed(session)
        await asyncio.to_thread(broker.publish, ("t", "2"))
        await session.until(lambda: bool(session.readings))
        assert session.values == [2]


async def test_a_refused_batch_is_offered_again_and_nothing_is_lost(broker, protocol, monkeypatch):
    """While the store takes nothing, messages stay unacknowledged, in order."""
    monkeypatch.setattr(mqtt_source, "_OFFER_AGAIN", 0.05)
    async with Session(source(broker.port, protocol=protocol)) as session:
        await subscribed(session)
        refused = 0

        async def refuse(batch):
            nonlocal refused
            refused += 1
            raise StoreUnavailable("full disk")

        session.emit = refuse
        await asyncio.to_thread(broker.publish, *[("t", str(n)) for n in range(100)])
        await session.until(lambda: refused >= 3)
        assert session.values == []
        session.emit = session.keep
        await session.until(lambda: len(session.readings) >= 100)

    assert session.values == list(range(100))


async def test_what_the_store_refused_until_the_end_comes_again(broker, protocol):
    """A session that ends while the store takes nothing acknowledged nothing."""

    async def refuse(batch):
        raise StoreUnavailable("full disk")

    config = source(broker.port, protocol=protocol)
    async with Session(config) as session:
        await subscribed(session)
        session.emit = refuse
        await asyncio.to_thread(broker.publish, *[("t", str(n)) for n in range(10)])
    async with Session(config) as session:
        await session.until(lambda: len(session.readings) >= 10)
        assert session.values == list(range(10))


async def test_ten_thousand_messages_at_once_keep_their_order(tmp_path, free_port):
    """A burst is read in batches; the queue between socket and store stays bounded."""
    with Mosquitto(tmp_path, free_port(), "max_queued_messages 0\nmax_inflight_messages 0") as broker:
        async with Session(source(broker.port)) as session:
            await subscribed(session)
            await burst(broker.port, "t", [b"%d" % n for n in range(10_000)])
            await session.until(lambda: len(session.readings) >= 10_000, 20)

    assert session.values == list(range(10_000))
    assert max(map(len, session.batches)) <= 1_100


async def test_a_slow_store_makes_the_broker_wait(tmp_path, free_port):
    """With no window at the broker (3.1.1) the socket is left unread; nothing is lost, nothing grows."""
    with Mosquitto(tmp_path, free_port(), "max_queued_messages 0\nmax_inflight_messages 0") as broker:
        async with Session(source(broker.port)) as session:
            await subscribed(session)

            async def slow(batch):
                await asyncio.sleep(0.1)
                await session.keep(batch)

            session.emit = slow
            await burst(broker.port, "t", [b"%d" % n for n in range(5_000)])
            await session.until(lambda: len(session.readings) >= 5_000, 20)

    assert session.values == list(range(5_000))
    assert max(map(len, session.batches)) <= 1_100


async def test_a_store_that_takes_nothing_costs_old_qos_0_messages_and_not_the_link(broker, monkeypatch):
    """QoS 0 promises nothing: the oldest are dropped, the newest stay, and so does the connection."""
    monkeypatch.setattr(mqtt_source, "_STALLED", 0.2)
    taking = asyncio.Event()
    async with Session(source(broker.port, qos=0)) as session:
        await subscribed(session)

        async def hang(batch):
            await taking.wait()
            await session.keep(batch)

        session.emit = hang
        for start in range(0, 4_000, 500):
            await burst(broker.port, "t", [b"%d" % n for n in range(start, start + 500)], qos=0)
            await asyncio.sleep(0.1)
        taking.set()
        await session.until(lambda: session.values[-1:] == [3_999])

    assert session.values == sorted(session.values)
    assert len(session.values) < 2_500


async def test_a_topic_of_an_earlier_configuration_is_left(tmp_path, free_port):
    """Its messages are acknowledged (else they fill the window), its subscription ended."""
    with Mosquitto(tmp_path, free_port(), "max_inflight_messages 1") as broker:
        async with Session(source(broker.port, {"OLD": {"topic": "old"}, "T": {"topic": "t"}})) as session:
            await subscribed(session)
        await asyncio.to_thread(broker.publish, ("old", "1"), ("t", "2"))
        async with Session(source(broker.port)) as session:
            await session.until(lambda: session.values == [2])
            await session.until(lambda: "UNSUBSCRIBE from edge-relay-test" in broker.log.read_text())
            await asyncio.to_thread(broker.publish, ("old", "3"), ("t", "4"))
            await session.until(lambda: session.values == [2, 4])


async def test_a_hundred_topics_are_subscribed_in_small_packets(broker):
    """Some brokers take eight topics a packet and hang up on more."""
    tags = {f"T{n}": {"topic": f"plant/{n}"} for n in range(100)}
    async with Session(source(broker.port, tags)) as session:
        await subscribed(session)
        await asyncio.to_thread(broker.publish, ("plant/0", "1"), ("plant/99", "2"))
        await session.until(lambda: [one.tag for one in session.readings] == ["T0", "T99"])
    assert broker.log.read_text().count("Received SUBSCRIBE from") == 13
