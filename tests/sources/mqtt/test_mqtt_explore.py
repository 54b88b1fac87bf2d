"""What the commands of the commissioning day see of a broker: beside the running agent, and without a word."""

import asyncio
import contextlib
import json
import re
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.census import census, settled
from rigs.mqtt_packets import ACCEPTED, burst, fake_broker, publish, read, suback
from rigs.mqtt_session import Session, source, subscribed
from rigs.sparkplug_edge import DATASET, DOUBLE, INT32, NODE, STRING, EdgeNode

from agent.clock import SystemClock
from agent.codec.json_path import find, parse_path
from agent.errors import SourceError
from agent.model import MILLISECOND, SECOND, Quality
from agent.sources.exploring import Expected, MistypedError, Scope
from agent.sources.mqtt import explore
from agent.sources.mqtt.decode import Message
from agent.sources.mqtt.explore_leaves import MOST_LEAVES, leaves
from agent.sources.mqtt.explore_metrics import Metrics
from agent.sources.mqtt.sparkplug_config import SparkplugSource

CLOCK = SystemClock()
OURS = re.compile(r"Received (?:PUBLISH|PUBREL) from edge-relay-test")
KEPT = re.compile(r" as edge-relay-test-\w+ \(p\d, c0")  # a session that the broker is to keep
SHORT = 300 * MILLISECOND


@pytest.fixture
def broker(broker):
    """Here nothing that is asked of a broker makes us publish, now or by a will, or leaves a session there: its log shows it."""
    yield broker
    log = broker.log.read_text()
    assert "Received SUBSCRIBE from edge-relay-test" in log
    assert not OURS.search(log)
    assert not KEPT.search(log)
    assert "will message" not in log.replace("No will message", "").lower()


async def all_of(iterator):
    return [one async for one in iterator]


def look(config, *tags: str):
    return explore.look(config, CLOCK, tags or tuple(config.tags), patience=SHORT)


def browse(config, start: str = "", **scope: object):
    return explore.browse(config, CLOCK, Scope(**{"start": start, "listen": SHORT} | scope))


# read


async def test_every_tag_is_looked_at_once(broker, protocol):
    """Retained values come at once, with payload and time; what nobody publishes is said after the wait."""
    stamp = 1_795_246_200
    tags = {
        "PLAIN": {"topic": "plain"},
        "DEEP": {"topic": "deep", "value": "$.a.b[1]", "time": "$.ts"},
        "WRONG": {"topic": "deep", "value": "$.nowhere"},
        "SILENT": {"topic": "silent"},
    }
    deep = json.dumps({"ts": stamp, "a": {"b": [1, 2.5]}, "more": "x" * 100})
    await asyncio.to_thread(broker.publish, ("plain", "21.5"), ("deep", deep), retain=True)

    looks = {one.reading.tag: one for one in await all_of(look(source(broker.port, tags, protocol=protocol)))}

    plain, wrong, silent = (looks[tag] for tag in ("PLAIN", "WRONG", "SILENT"))
    assert (plain.reading.value, plain.reading.quality, plain.reading.baseline) == (21.5, Quality.GOOD, True)
    assert (plain.place, plain.raw, plain.latency) == ("plain", "21.5", None)
    assert (looks["DEEP"].reading.value, looks["DEEP"].reading.source_time) == (2.5, stamp * SECOND)
    assert looks["DEEP"].raw == deep[:60]
    assert wrong.reading.quality is Quality.BAD
    assert "no 'nowhere' in it" in wrong.reading.reason
    assert silent.reading.reason == "nothing was published on silent within 0.3 s"
    assert silent.raw == ""


async def test_what_the_source_ignores_is_said_to_have_come(broker):
    """`retained: ignore` drops what the broker kept; nobody is told then that nothing was published."""
    tags = {"KEPT": {"topic": "kept"}, "SILENT": {"topic": "silent"}}
    await asyncio.to_thread(broker.publish, ("kept", "21.5"), retain=True)
    looks = await all_of(look(source(broker.port, tags, retained="ignore")))
    why = {one.reading.tag: one.reading.reason for one in looks}

    assert why["KEPT"].startswith(
        "only what the broker had retained came on kept within 0.3 s, and this source has"
    )
    assert why["SILENT"] == "nothing was published on silent within 0.3 s"


async def test_only_the_tags_that_are_asked_for_are_waited_for(broker):
    """`read PLAIN` does not wait for the silent ones."""
    config = source(broker.port, {"PLAIN": {"topic": "plain"}, "SILENT": {"topic": "silent"}})
    await asyncio.to_thread(broker.publish, ("plain", "1"), retain=True)
    begun = time.monotonic()
    looks = await all_of(explore.look(config, CLOCK, ["PLAIN"], patience=60 * SECOND))

    assert [one.reading.value for one in looks] == [1]
    assert time.monotonic() - begun < 5


async def test_a_topic_that_the_broker_refuses_is_bad_alone():
    """paho#382's neighbour: a refused SUBACK never raises; the tag says whom to allow what."""

    async def refuse_one(reader, writer):
        await read(reader)
        writer.write(ACCEPTED)
        writer.write(suback((await read(reader))[1], 0x80, 0x00) + publish("open", b"7"))
        await reader.read()

    tags = {"SECRET": {"topic": "secret"}, "OPEN": {"topic": "open"}}
    async with fake_broker(refuse_one) as port:
        secret, open_ = await all_of(look(source(port, tags)))

    assert "the subscription to secret is refused" in secret.reading.reason
    assert secret.reading.quality is Quality.BAD
    assert open_.reading.value == 7


async def test_the_running_agent_keeps_its_session_and_its_messages(broker, protocol):
    """NModbus4#152's like in MQTT: a second client of the same id would throw the agent out."""
    config = source(broker.port, protocol=protocol)
    async with Session(config) as agent:
        await subscribed(agent)
        for _ in range(2):
            await asyncio.gather(all_of(look(config)), all_of(browse(config)))
        await asyncio.to_thread(broker.publish, ("t", "1"))
        await agent.until(lambda: agent.values == [1])

    await asyncio.to_thread(broker.publish, ("t", "2"))  # kept for the agent, which is away
    await asyncio.gather(all_of(look(config)), all_of(browse(config)))
    async with Session(config) as agent:
        await agent.until(lambda: agent.values == [2])


# browse


async def test_all_that_is_published_is_found(broker, protocol):
    """Each value of each topic with the path that leads to it, and the time that belongs to it."""
    now = int(time.time())
    nested = {
        "ts": now,
        "temp": 21.5,
        "on": True,
        "unit": "°C",
        "none": None,
        "list": [{"a.b": 1}, {"a.b": 2}],
        "inner": {"timestamp": f"{now}000", "x": 3},
        "odd": {"time": 7, "year": 2026},
    }
    messages = [
        ("plant/1/tele", json.dumps(nested)),
        ("plant/2", b"21.5"),
        ("plant/3", b"ON"),
        ("plant/4", b"\xff\x00\x01"),
        ("plant/5", b"{oops"),
    ]
    await asyncio.to_thread(broker.publish, *messages, retain=True)

    found = await all_of(browse(source(broker.port, protocol=protocol)))

    tele = {"topic": "plant/1/tele", "time": "$.ts"}
    assert {one.name: (one.type, one.value, one.tag) for one in found if one.tag} == {
        "plant.1.tele.temp": ("number", 21.5, tele | {"value": "$.temp"}),
        "plant.1.tele.on": ("true or false", True, tele | {"value": "$.on"}),
        "plant.1.tele.unit": ("text", "°C", tele | {"value": "$.unit"}),
        "plant.1.tele.list.0.a_b": ("number", 1, tele | {"value": "$.list[0]['a.b']"}),
        "plant.1.tele.list.1.a_b": ("number", 2, tele | {"value": "$.list[1]['a.b']"}),
        "plant.1.tele.inner.x": ("number", 3, tele | {"value": "$.inner.x", "time": "$.inner.timestamp"}),
        "plant.1.tele.odd.time": ("number", 7, tele | {"value": "$.odd.time"}),
        "plant.1.tele.odd.year": ("number", 2026, tele | {"value": "$.odd.year"}),
        "plant.2": ("number", 21.5, {"topic": "plant/2"}),
        "plant.3": ("text", "ON", {"topic": "plant/3"}),
    }
    notes = {one.place: (one.type, one.note) for one in found if not one.tag}
    assert notes.pop("plant/1/tele $.none") == ("null", "null in this message; retained")
    assert notes.pop("plant/4")[0] == "binary"
    assert notes.pop("plant/5")[1].startswith("the payload is not JSON")
    assert notes == {}
    assert all("retained" in one.note for one in found)


async def test_what_is_found_can_be_read_as_it_is_written(broker):
    """The sections that browse writes are a configuration that reads the very values that it showed."""
    payloads = [
        ("a/1", '{"it\'s": {"a/b~c": [1.5]}, "": 2, "both\\"\'": 3}'),
        ("a/2", "4"),
        ("a/3", '"five"'),
    ]
    await asyncio.to_thread(broker.publish, *payloads, retain=True)
    found = [one for one in await all_of(browse(source(broker.port))) if one.tag]
    config = source(broker.port, {one.name: dict(one.tag) for one in found})

    looks = {one.reading.tag: one.reading.value for one in await all_of(look(config))}

    assert looks == {one.name: one.value for one in found}
    assert set(looks.values()) == {1.5, 2, 3, 4, "five"}


async def test_topics_are_found_as_they_are_published(broker):
    """What is live is told while browse still listens, once, though it comes again; another field of it too."""
    config = source(broker.port)
    found = []
    async with contextlib.aclosing(browse(config, "live/#", listen=60 * SECOND, limit=3)) as walk:
        waiting = asyncio.create_task(all_of(walk))
        while "live/#" not in broker.log.read_text():
            await asyncio.sleep(0.01)
        await asyncio.to_thread(
            broker.publish, ("other", "0"), ("live/1", '{"x": 1}'), ("live/1", '{"x": 2}')
        )
        await asyncio.to_thread(broker.publish, ("live/1", '{"x": 3, "y": 4}'), ("live/2", "5"))
        found = await waiting

    assert [(one.place, one.value) for one in found] == [("live/1 $.x", 1), ("live/1 $.y", 4), ("live/2", 5)]
    assert not any("retained" in one.note for one in found)


async def test_the_broker_speaks_of_itself_only_if_it_is_asked(broker):
    """`$SYS` is no plant; named as the start it is shown."""
    assert await all_of(browse(source(broker.port))) == []
    everything = await all_of(browse(source(broker.port), "$SYS/broker/#"))
    assert any(one.place == "$SYS/broker/version" for one in everything)


async def test_a_busy_broker_does_not_hold_browse_up(broker):
    """It ends when its time is over, though messages come faster than they are read."""
    stop = asyncio.Event()

    async def flood():
        while not stop.is_set():
            await burst(broker.port, "busy", [b"1"] * 500, qos=0)

    flooding = asyncio.create_task(flood())
    begun = time.monotonic()
    found = await all_of(browse(source(broker.port)))
    took = time.monotonic() - begun
    stop.set()
    await flooding

    assert [one.value for one in found] == [1]
    assert took < 5


async def test_a_broker_that_refuses_everything_is_asked_for_less():
    """Many brokers refuse `#`: the message says what to name instead."""

    async def refuse(reader, writer):
        await read(reader)
        writer.write(ACCEPTED)
        writer.write(suback((await read(reader))[1], 0x80))
        await reader.read()

    async with fake_broker(refuse) as port:
        with pytest.raises(SourceError, match=r"subscription to # is refused.*name a narrower start"):
            await all_of(browse(source(port)))
        with pytest.raises(SourceError, match=r"subscription to plant/x is refused") as error:
            await all_of(browse(source(port), "plant/x"))
        assert "narrower" not in str(error.value)


async def test_whatever_ends_it_nothing_is_left(broker, free_port):
    """A broker that dies, a caller that stops, nobody there: an error in words, and no socket or task stays."""
    config = source(broker.port)
    await asyncio.to_thread(broker.publish, ("a", "1"), ("b", "2"), retain=True)
    await all_of(browse(config))
    before = census()

    async with contextlib.aclosing(browse(config, listen=60 * SECOND)) as walk:
        assert (await anext(walk)).value == 1
    waiting = asyncio.create_task(all_of(explore.look(config, CLOCK, ["T"], patience=60 * SECOND)))
    while "\tt (QoS 0)" not in broker.log.read_text():
        await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait([waiting])
    async with contextlib.aclosing(browse(config, listen=60 * SECOND)) as walk:
        await anext(walk)
        broker.kill()
        with pytest.raises(SourceError, match="the connection was lost"):
            await all_of(walk)
    with pytest.raises(SourceError, match="connection refused"):
        await all_of(browse(source(free_port())))

    await settled(before)


async def test_browse_marks_what_is_read_already(broker):
    """By topic and path, however the path is written; other values of the message are new."""
    tags = {"PLAIN": {"topic": "plain"}, "DEEP": {"topic": "deep", "value": "$.a.b"}}
    deep = json.dumps({"a": {"b": 1, "c": 2}})
    await asyncio.to_thread(broker.publish, ("plain", "21.5"), ("deep", deep), retain=True)
    found = await all_of(browse(source(broker.port, tags)))

    assert {one.place: one.read_as for one in found} == {
        "plain": "PLAIN",
        "deep $.a.b": "DEEP",
        "deep $.a.c": "",
    }


# probe


async def test_a_topic_is_tried_out(broker):
    """Every value of the next message, the time as well; what the display shows is marked."""
    payload = json.dumps({"ts": int(time.time()), "temp": 21.4998, "set": 21.5, "mode": "AUTO"})
    await asyncio.to_thread(broker.publish, ("plant/1", payload), retain=True)
    config = source(broker.port)

    found = await all_of(explore.probe(config, CLOCK, "plant/+", Expected(21.5, 0.05), patience=SHORT))

    assert [(one.place, one.matches) for one in found] == [
        ("plant/1 $.ts", False),
        ("plant/1 $.temp", True),
        ("plant/1 $.set", True),
        ("plant/1 $.mode", False),
    ]
    assert found[0].note == "the message's time; retained"
    assert found[1].tag == {"topic": "plant/1", "value": "$.temp", "time": "$.ts"}
    (silence,) = await all_of(explore.probe(config, CLOCK, "nowhere", None, patience=SHORT))
    assert (silence.name, silence.note) == ("", "nothing was published on nowhere within 0.3 s")


# Wildcards, other payloads, Sparkplug


async def test_a_tag_that_a_wildcard_makes_is_looked_at(broker):
    """`read COMP7.CURRENT`, though only COMP{1}.CURRENT is written."""
    tags = {"COMP{1}.CURRENT": {"topic": "plant/+/tele", "value": "$.a"}}
    await asyncio.to_thread(
        broker.publish, ("plant/7/tele", '{"a": 7}'), ("plant/8/tele", '{"a": 8}'), retain=True
    )
    looks = await all_of(look(source(broker.port, tags), "COMP7.CURRENT", "COMP9.CURRENT"))

    assert [(one.reading.tag, one.reading.value, one.place) for one in looks] == [
        ("COMP7.CURRENT", 7, "plant/7/tele"),
        ("COMP9.CURRENT", None, "plant/+/tele"),
    ]


async def test_found_tags_say_what_the_source_does_not(broker):
    """Where the source says what all payloads are, a tag that is something else says so itself."""
    await asyncio.to_thread(broker.publish, ("a", '{"x": 1}'), ("b", "ON"), retain=True)
    found = await all_of(browse(source(broker.port, {"T": {"topic": "t"}}, payload="json")))
    assert [dict(one.tag) for one in found] == [
        {"topic": "a", "value": "$.x"},
        {"topic": "b", "payload": "plain"},
    ]


@pytest.mark.parametrize(
    ("payload", "tag"),
    [
        (struct.pack(">f", 21.4998), {"type": "float32"}),
        (struct.pack("<f", 21.4998), {"type": "float32", "byte_order": "DCBA"}),
        (b"\x00\x80" + struct.pack(">d", 21.4998), {"type": "float64", "at": 2}),
        (struct.pack("<h", -215) + b"AB", {"type": "int16", "byte_order": "BADC"}),
    ],
)
async def test_packed_bytes_are_tried_in_every_way(broker, payload, tag):
    """What the display shows decides; the tag reads that very value; what hardly makes sense is marked so."""
    await asyncio.to_thread(broker.publish, ("raw", payload), retain=True)
    shown = -215 if "int16" in tag.values() else 21.5
    config = source(broker.port)
    _, *found = await all_of(explore.probe(config, CLOCK, "raw", Expected(shown, 0.05), patience=SHORT))

    assert dict(found[0].tag) == {"topic": "raw", "payload": "binary"} | tag
    assert [one.name for one in found if one.matches] == ["raw"]
    assert any(one.doubtful for one in found)
    (looked,) = await all_of(look(source(broker.port, {"T": dict(found[0].tag)})))
    assert looked.reading.value == found[0].value


def sparkplug(broker, **tags: dict):
    section = {"type": "mqtt", "url": f"mqtt://127.0.0.1:{broker.port}", "client_id": "edge-relay-test"}
    tags = tags or {"T1": {"device": "Plant1/Edge1/Press", "metric": "Temp/T1"}}
    return SparkplugSource.model_validate(section | {"payload": "sparkplug_b", "tags": tags})


async def while_listening(broker, subscribed_to: str, iterator, *messages):
    """Publish once the broker has the subscription: birth certificates are not retained."""
    waiting = asyncio.create_task(all_of(iterator))
    while f"\t{subscribed_to} (QoS 0)" not in broker.log.read_text():
        await asyncio.sleep(0.01)
    await asyncio.to_thread(broker.publish, *messages)
    return await waiting


@pytest.fixture
def edge():
    metrics = {"Temp/T1": (DOUBLE, 21.4998), "Mode": (STRING, "AUTO"), "Set": (DATASET, None)}
    return EdgeNode({NODE: {"Load": (INT32, -5)}, "Press": metrics})


async def test_the_metrics_of_edge_nodes_are_found(broker, edge):
    """By name, type and device, as birth certificates tell them; data without one has no names, and is told."""
    stranger = EdgeNode({"X": {"Y": (INT32, 1)}}, name="Plant1/Edge2")
    stranger.births()
    messages = [
        *edge.births(),
        edge.data("Press", {"Mode": "HAND"}),
        stranger.data("X", {"Y": 2}),
        edge.ndeath(),
    ]

    found = await while_listening(broker, "spBv1.0/#", browse(sparkplug(broker)), *messages)

    press = {"device": "Plant1/Edge1/Press"}
    assert [(one.name, one.place, one.type, one.value, one.tag) for one in found if one.name] == [
        (
            "Plant1.Edge1.Load",
            "Plant1/Edge1 Load",
            "Int32",
            -5,
            {"device": "Plant1/Edge1", "metric": "Load"},
        ),
        (
            "Plant1.Edge1.Press.Temp.T1",
            "Plant1/Edge1/Press Temp/T1",
            "Double",
            21.4998,
            press | {"metric": "Temp/T1"},
        ),
        ("Plant1.Edge1.Press.Mode", "Plant1/Edge1/Press Mode", "String", "AUTO", press | {"metric": "Mode"}),
        ("Plant1.Edge1.Press.Set", "Plant1/Edge1/Press Set", "type 16", None, press | {"metric": "Set"}),
    ]
    (remark,) = [one for one in found if not one.name]
    assert remark.place == "spBv1.0/Plant1/DDATA/Edge2/X"
    assert remark.note.startswith("numbers without names")
    assert sparkplug(broker, **{one.name: dict(one.tag) for one in found if one.name})


async def test_a_device_is_tried_out(broker, edge):
    """By its name as tags have it; another kind of source is told what it needs."""
    asked = explore.probe(
        sparkplug(broker), CLOCK, "Plant1/Edge1/Press", Expected(21.5, 0.05), patience=5 * SECOND
    )
    found = await while_listening(broker, "spBv1.0/Plant1/+/Edge1/Press", asked, *edge.births())
    assert [one.place for one in found if one.matches] == ["Plant1/Edge1/Press Temp/T1"]

    await asyncio.to_thread(broker.publish, *edge.births(), retain=True)
    found = await all_of(browse(source(broker.port)))
    assert {one.note for one in found if one.value is not None} == {
        "for a source with payload: sparkplug_b; retained"
    }
    with pytest.raises(MistypedError, match="expected GROUP/EDGE NODE/DEVICE"):
        await all_of(explore.probe(sparkplug(broker), CLOCK, "Press", None))


async def test_metrics_are_looked_at_if_they_are_born_meanwhile(broker, edge):
    """`read` asks no edge node for anything: the broker's log shows that no rebirth is requested."""
    born = await while_listening(broker, "spBv1.0/Plant1/+/Edge1/#", look(sparkplug(broker)), *edge.births())
    assert [one.reading.value for one in born] == [21.4998]

    (unborn,) = await all_of(look(sparkplug(broker)))
    assert unborn.reading.quality is Quality.BAD
    assert unborn.reading.reason.startswith(
        "no birth certificate came on spBv1.0/Plant1/+/Edge1/# within 0.3 s: an edge node sends one when it connects"
    )


@given(st.binary())
def test_no_message_of_an_edge_node_raises(payload):
    """Whatever is published below spBv1.0."""
    for topic in ("spBv1.0/g/NBIRTH/n", "spBv1.0/g/DDATA/n/d", "spBv1.0/STATE/host", "spBv1.0/"):
        list(Metrics().found(Message(topic, payload, retained=False, received=0)))


# What stands in a payload

DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
).filter(lambda document: isinstance(document, dict | list))


@given(DOCUMENTS)
def test_every_path_leads_back_to_its_value(document):
    """Whatever names and nesting a publisher thinks of, the written path is read as it was meant."""
    for leaf in leaves(json.dumps(document).encode(), 0):
        assert find(document, parse_path(leaf.path)) == leaf.value


@given(st.binary())
def test_no_payload_raises(payload):
    """Anything may be published; something is said of all of it."""
    assert all(leaf.value is not None or leaf.note for leaf in leaves(payload, 0))


@pytest.mark.parametrize(
    ("payload", "shown", "remark"),
    [
        (b"[" * 900 + b"1" + b"]" * 900, 1, None),
        (json.dumps(list(range(1000))).encode(), 32, "an array of 1,000: the first 32 are shown"),
        (
            json.dumps({str(at): at for at in range(5000)}).encode(),
            MOST_LEAVES,
            "the message holds more: the first 1,000 values are shown",
        ),
        (b'{"x": "' + b"a" * 5000 + b'"}', 1, None),
    ],
    ids=["deep", "array", "wide", "long"],
)
def test_a_large_payload_is_cut(payload, shown, remark):
    """A picture or a log in a message does not flood the table; what is left out is said."""
    found = leaves(payload, 0)

    assert len([leaf for leaf in found if leaf.type]) == shown
    assert [leaf.note for leaf in found if not leaf.type] == ([remark] if remark else [])
