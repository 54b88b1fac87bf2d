"""The pitfalls of paho-mqtt that this source is built around, each shown here not to bite."""

import asyncio
import ssl
import threading

import pytest
from rigs.authority import Authority
from rigs.mqtt_packets import ACCEPTED, PUBACK, SUBSCRIBE, burst, fake_broker, publish, read, suback
from rigs.mqtt_session import Session, source, subscribed

from agent.errors import SourceError
from agent.sources.mqtt.topics import Topics


class UnexpectedError(Exception):
    """A bug."""


async def test_an_exception_in_a_callback_is_seen(broker, monkeypatch):
    """In paho's own thread it would end the reading unseen, with is_connected() still true (pitfall 3d.1)."""

    def fail(*_: object, **__: object) -> None:
        raise UnexpectedError

    async with Session(source(broker.port)) as session:
        await subscribed(session)
        monkeypatch.setattr(Topics, "decode", fail)
        await asyncio.to_thread(broker.publish, ("t", "1"))
        assert isinstance(await session.error(), UnexpectedError)


async def test_an_exception_of_emit_is_seen_and_nothing_is_acknowledged(broker):
    """A bug behind `emit` ends the session as itself; the message comes again."""

    async def fail(batch):
        raise UnexpectedError

    async with Session(source(broker.port)) as session:
        await subscribed(session)
        session.emit = fail
        await asyncio.to_thread(broker.publish, ("t", "1"))
        assert isinstance(await session.error(), UnexpectedError)
    async with Session(source(broker.port)) as session:
        await session.until(lambda: session.values == [1])


async def test_no_acknowledgement_before_emit_returned(broker, protocol):
    """A session that is killed while `emit` runs leaves its messages at the broker (pitfall 3d.2)."""

    async def hang(batch):
        hanging.set()
        await asyncio.Event().wait()

    config = source(broker.port, protocol=protocol)
    hanging = asyncio.Event()
    async with Session(config) as session:
        await subscribed(session)
        session.emit = hang
        await asyncio.to_thread(broker.publish, ("t", "1"), ("t", "2"))
        await hanging.wait()
    async with Session(config) as session:
        await session.until(lambda: session.values == [1, 2])
        await asyncio.to_thread(broker.publish, ("t", "3"))
        await session.until(lambda: len(session.readings) == 3)
    async with Session(config) as session:
        await subscribed(session)
        await asyncio.to_thread(broker.publish, ("t", "4"))
        await session.until(lambda: bool(session.readings))
        assert session.values == [4], "what was taken was acknowledged"


async def test_acknowledgements_stay_on_their_connection():
    """A message id means something else on the next connection: what was pending is dropped with it (3d.2)."""
    sent: list[int] = []
    connections = 0

    async def serve(reader, writer):
        nonlocal connections
        connections += 1
        first = connections == 1
        await read(reader)
        writer.write(ACCEPTED + (publish("t", b"1", mid=7) if first else b""))
        await read(reader)
        if first:
            await received.wait()
            return
        try:
            while True:
                sent.append((await read(reader))[0])
        finally:
            gone.set()

    async def hang(batch):
        received.set()
        await asyncio.Event().wait()

    received, gone = asyncio.Event(), asyncio.Event()
    async with fake_broker(serve) as port:
        async with Session(source(port)) as session:
            session.emit = hang
            assert "the connection was lost" in str(await session.error())
        async with Session(source(port)) as session:
            await session.until(lambda: session.up)
        await gone.wait()
    assert PUBACK not in sent


async def test_a_message_sent_with_qos_2_is_not_confirmed_before_it_is_stored(broker, protocol):
    """paho.mqtt.python#382: it would confirm it before it shows it, and a kill would lose it (pitfall 3d.3).

    Subscribed with QoS 1 the broker sends it as QoS 1.
    """

    async def hang(batch):
        hanging.set()
        await asyncio.Event().wait()

    hanging = asyncio.Event()
    async with Session(source(broker.port, protocol=protocol)) as session:
        await subscribed(session)
        session.emit = hang
        await asyncio.to_thread(lambda: broker.publish(("t", "1"), qos=2))
        await hanging.wait()
    async with Session(source(broker.port, protocol=protocol)) as session:
        await session.until(lambda: session.values == [1])


async def test_a_refused_subscription_is_noticed():
    """0x80 in a SUBACK raises nothing in paho: the tags of that topic are bad, the others go on (3d.4)."""

    async def serve(reader, writer):
        await read(reader)
        writer.write(ACCEPTED)
        kind, body = await read(reader)
        assert kind == SUBSCRIBE
        writer.write(suback(body, 0x01, 0x80) + publish("free", b"1", mid=1))
        await read(reader)
        await reader.read()

    async with fake_broker(serve) as port:
        tags = {"A": {"topic": "free"}, "B": {"topic": "secret"}, "C": {"topic": "secret"}}
        async with Session(source(port, tags)) as session:
            await session.until(lambda: len(session.readings) == 3)
    by_tag = {one.tag: one for one in session.readings}
    assert by_tag["A"].value == 1
    assert by_tag["B"].value is by_tag["C"].value is None
    assert "the subscription to secret is refused" in by_tag["C"].reason
    assert (
        "allow client_id 'edge-relay-test' to read it in the broker's access control list"
        in by_tag["C"].reason
    )


async def test_paho_never_reconnects_by_itself():
    """telegraf#18787: one owner of reconnecting, which is the supervisor (at most 30 s, not paho's 120 s, 3d.5).

    One connection lost is one session ended, with no thread of paho's. telegraf#18466: no ceiling of ten minutes.
    """
    connections = 0

    async def serve(reader, writer):
        nonlocal connections
        connections += 1
        await read(reader)
        writer.write(ACCEPTED)

    async with fake_broker(serve) as port, Session(source(port)) as session:
        assert isinstance(await session.error(), SourceError)
        await asyncio.sleep(1.2)
        assert connections == 1
        assert not [one for one in threading.enumerate() if "paho" in one.name or "mqtt" in one.name]


async def test_a_full_queue_drops_nothing_and_acknowledges_nothing(broker):
    """Other wrappers acknowledge what enters their queue, and drop what no longer fits (pitfall 3d.6)."""

    async def hang(batch):
        await asyncio.Event().wait()

    async with Session(source(broker.port)) as session:
        await subscribed(session)
        session.emit = hang
        await burst(broker.port, "t", [b"%d" % n for n in range(1_000)])
    async with Session(source(broker.port)) as session:
        await session.until(lambda: len(session.readings) >= 1_000)
        assert session.values == list(range(1_000))


async def test_a_retained_message_is_a_value_of_unknown_age(broker, protocol):
    """It starts a session, it is no change; neither is it on the next connection (pitfall 3d.7)."""
    await asyncio.to_thread(lambda: broker.publish(("t", "1"), retain=True))
    for value in (1, 2):
        async with Session(source(broker.port, protocol=protocol)) as session:
            await session.until(lambda: bool(session.readings))
            assert (session.values, session.readings[0].baseline) == ([value], True)
            await asyncio.to_thread(lambda: broker.publish(("t", "2"), retain=True))
            await session.until(lambda: len(session.readings) == 2)
            assert not session.readings[1].baseline, "live, although the broker keeps it"


@pytest.mark.parametrize("count", [1, 250])
async def test_bytes_that_tls_holds_back_are_read(tmp_path, count):
    """Many packets come in one TLS record; the selector tells of the first only."""
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))

    async def serve(reader, writer):
        await read(reader)
        writer.write(ACCEPTED)
        _, body = await read(reader)
        pongs = b"\xd0\x00" * 20
        messages = b"".join(publish("t", b"%d" % n) for n in range(count))
        writer.write(suback(body, 0x01) + pongs + messages)
        await reader.read()

    async with fake_broker(serve, ssl=context) as port:
        config = source(port, url=f"mqtts://127.0.0.1:{port}", tls={"ca": str(authority.certificate)}, qos=0)
        async with Session(config) as session:
            await session.until(lambda: session.values == list(range(count)), 2)
