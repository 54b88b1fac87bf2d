"""Wildcards, odd payloads and kept messages with a real broker."""

import asyncio
import logging

import pytest
from rigs.mqtt_packets import ACCEPTED, PUBACK, fake_broker, publish, read, suback
from rigs.mqtt_session import Session, eventually, source, subscribed

from agent.model import Quality
from agent.sources.aside import Aside, Unread, aside
from agent.sources.mqtt.patterns import Pattern
from agent.sources.mqtt.subscriptions import filters_of

COMPRESSORS = {
    "COMP{1}.CURRENT": {"topic": "plant/+/telemetry", "value": "$.a"},
    "COMP{1}.STATE": {"topic": "plant/+/telemetry", "value": "/state", "type": "bool"},
    "RAW.{1}": {"topic": "raw/#", "payload": "binary", "type": "int16", "at": 1, "scale": 0.1},
}


@pytest.fixture(autouse=True)
def nothing_set_aside(monkeypatch):
    """What other tests left there."""
    monkeypatch.setattr("agent.sources.aside._BY_SOURCE", {})


async def test_topics_become_tags_as_they_come(broker, protocol):
    """Also those of a machine that is new since the session began; packed bytes beside JSON."""
    async with Session(source(broker.port, COMPRESSORS, protocol=protocol)) as session:
        await subscribed(session)
        await asyncio.to_thread(
            broker.publish,
            ("plant/7/telemetry", '{"a": 21.5, "state": "ON"}'),
            ("plant/8/telemetry", '{"a": 3, "state": 0}'),
            ("raw/hall/tt1", b"\x55\x00\xd7"),
        )
        await session.until(lambda: len(session.readings) == 5)

    assert [(one.tag, one.value, one.baseline) for one in session.readings] == [
        ("COMP7.CURRENT", 21.5, True),
        ("COMP7.STATE", True, True),
        ("COMP8.CURRENT", 3, True),
        ("COMP8.STATE", False, True),
        ("RAW.hall.tt1", 21.5, True),
    ]


async def test_a_refused_wildcard_is_told_of_the_tag_as_it_is_written():
    """Which names it would have made, nobody knows yet; the others go on."""

    async def serve(reader, writer):
        await read(reader)
        writer.write(ACCEPTED)
        _, body = await read(reader)
        writer.write(suback(body, 0x01, 0x80) + publish("plant/1", b"1", mid=1))
        await reader.read()

    tags = {"A{1}": {"topic": "plant/+"}, "B.{1}": {"topic": "other/#"}}
    async with fake_broker(serve) as port, Session(source(port, tags)) as session:
        await session.until(lambda: len(session.readings) == 2)

    assert {one.tag: one.value for one in session.readings} == {"A1": 1, "B.{1}": None}


async def test_copies_through_two_subscriptions_are_acknowledged_and_read_once():
    """MQTT 3.1.1, 3.3.5: a broker may send one for each; a copy that is not acknowledged would fill the window."""
    acknowledged = []

    async def serve(reader, writer):
        await read(reader)
        writer.write(ACCEPTED)
        _, body = await read(reader)
        copies = b"".join(publish("p/1", b"7", mid=mid) for mid in (1, 2)) + publish("p/1", b"8", mid=3)
        writer.write(suback(body, 1, 1) + copies)
        while True:
            kind, body = await read(reader)
            if kind == PUBACK:
                acknowledged.append(int.from_bytes(body[:2], "big"))

    tags = {"A{1}": {"topic": "p/+"}, "B": {"topic": "p/1"}}
    async with fake_broker(serve) as port, Session(source(port, tags)) as session:
        await eventually(lambda: len(acknowledged) == 3)

    assert [(one.tag, one.value) for one in session.readings] == [("B", 7), ("A1", 7), ("B", 8), ("A1", 8)]
    assert acknowledged == [1, 2, 3]


async def test_mosquitto_sends_overlapping_subscriptions_once_or_twice_and_is_read_once(broker, protocol):
    """Whatever the broker does; the value that follows is not taken for a copy."""
    tags = {"A{1}": {"topic": "p/+/t"}, "B{1}": {"topic": "p/1/+"}, "END": {"topic": "end"}}
    async with Session(source(broker.port, tags, protocol=protocol)) as session:
        await subscribed(session)
        await asyncio.to_thread(broker.publish, ("p/1/t", "1"), ("p/1/t", "2"), ("p/1/t", "1"), ("end", "0"))
        await session.until(lambda: any(one.tag == "END" for one in session.readings))

    assert [one.value for one in session.readings if one.tag == "A1"] == [1, 2, 1]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("baseline", [("T1", 1, True), ("T1", 2, False)]),
        ("use", [("T1", 1, True), ("T1", 2, False)]),
        ("ignore", [("T1", 2, True)]),
    ],
)
async def test_what_the_broker_had_kept(broker, protocol, policy, expected):
    """Retained messages come with the subscription, through wildcards as well."""
    await asyncio.to_thread(broker.publish, ("t/1", "1"), retain=True)
    tags = {"T{1}": {"topic": "t/+"}}
    async with Session(source(broker.port, tags, protocol=protocol, retained=policy)) as session:
        await subscribed(session)
        await asyncio.to_thread(broker.publish, ("t/1", "2"))
        await session.until(lambda: session.values[-1:] == [2])

    assert [(one.tag, one.value, one.baseline) for one in session.readings] == expected


async def test_a_wildcard_of_an_earlier_configuration_is_left(broker):
    """The kept session remembers it, and only the broker knows it: every filter it may have been is left."""
    old = {"OLD.{1}.{2}": {"topic": "old/+/#"}, "T": {"topic": "t"}}
    async with Session(source(broker.port, old)) as session:
        await subscribed(session)
    await asyncio.to_thread(broker.publish, ("old/1/a", "1"), ("t", "2"))
    async with Session(source(broker.port)) as session:
        await session.until(lambda: session.values == [2])
        await session.until(lambda: "Received UNSUBSCRIBE" in broker.log.read_text())
        await asyncio.to_thread(broker.publish, ("t", "3"))
        await session.until(lambda: session.values == [2, 3])
        await asyncio.to_thread(broker.publish, ("old/2/b", "1"), ("t", "4"))
        await session.until(lambda: session.values == [2, 3, 4])
    sent = [line for line in broker.log.read_text().splitlines() if "Sending PUBLISH to edge-relay" in line]

    assert [line for line in sent if "'old/1/a'" in line]
    assert not [line for line in sent if "'old/2/b'" in line]


async def test_what_is_left_is_never_what_is_wanted(broker):
    """`#` does not match topics that begin with $, so one of these is no reason to leave it."""
    async with Session(source(broker.port, {"OLD.{1}": {"topic": "$plant/#"}})) as session:
        await subscribed(session)
    await asyncio.to_thread(broker.publish, ("$plant/x", "1"))
    async with Session(source(broker.port, {"ALL.{1}": {"topic": "#"}})) as session:
        await session.until(lambda: "Received UNSUBSCRIBE" in broker.log.read_text())
        await asyncio.to_thread(broker.publish, ("$plant/y", "2"), ("a/b", "3"))
        await session.until(lambda: session.values == [3])


@pytest.mark.parametrize("topic", ["a", "a/b", "a//c", "a/b/c/d/e"])
def test_every_filter_that_may_have_brought_a_topic_is_left(topic):
    """Each matches it, none is missing, and the topic itself comes first."""
    filters = filters_of(topic)
    depth = topic.count("/") + 1

    assert filters[0] == topic
    assert len(set(filters)) == len(filters) == 2**depth + 2 ** (depth + 1) - 1
    assert all(Pattern("X", one).matches(topic) for one in filters)
    assert filters_of("/".join("abcdef")) == ["a/b/c/d/e/f"], "deep ones would be too many"


async def test_what_cannot_be_read_is_set_aside_and_stalls_nothing(broker, protocol, caplog):
    """telegraf#13476: a payload that failed to parse never released its slot, and the consumer stalled.

    Here it is acknowledged (the window of one message goes on), kept with the reason, and its bytes
    are shown to whoever asks, not in the log.
    """
    caplog.set_level(logging.DEBUG)
    tags = {"A": {"topic": "a", "value": "$.v"}, "B": {"topic": "b", "payload": "binary", "type": "float32"}}
    async with Session(source(broker.port, tags, protocol=protocol)) as session:
        await subscribed(session)
        await asyncio.to_thread(
            broker.publish,
            ("a", '{"v": canary}'),
            ("a", '{"token": "canary"}'),
            ("b", b"\xff\x00"),
            ("a", '{"v": null}'),
            ("a", '{"v": 5}'),
        )
        await session.until(lambda: session.values[-1:] == [5])
    async with Session(source(broker.port, tags, protocol=protocol)) as again:
        await subscribed(again)
        await asyncio.to_thread(broker.publish, ("b", b""), ("a", '{"v": 6}'))
        await again.until(lambda: 6 in again.values)

    assert again.values == [None, 6], "what could not be read was acknowledged, it does not come again"
    assert [one.quality for one in session.readings] == [Quality.BAD] * 4 + [Quality.GOOD]
    assert "canary" not in caplog.text + "".join(one.reason for one in session.readings)
    kept = aside("broker").status(again.readings[-1].received)
    assert kept["total"] == 4
    assert [(one["place"], one["count"], one["payload"]) for one in kept["last"]] == [
        ("b", 2, ""),
        ("a", 2, '{"token": "canary"}'),
    ]
    assert kept["last"][1]["reason"] == "A: no value on a: $.v: no 'v' in it: the object there has 'token'"
    assert kept["last"][0]["ago_s"] == 0


def test_what_is_set_aside_is_bounded():
    """A topic that repeats itself pushes no other out; of many topics the last are kept."""
    kept = Aside()
    for n in range(1_000):
        kept.put("same", Unread(n, "why", "x"))
        kept.put(f"topic {n}", Unread(n, "why", "x"))
    last = kept.status(1_000)["last"]

    assert len(last) == 20
    assert (last[1]["place"], last[1]["count"]) == ("same", 1_000)
    assert kept.status(1_000)["total"] == 2_000
