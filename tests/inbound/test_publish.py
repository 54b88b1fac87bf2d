"""`publish`: a topic of the plant's own broker is told what came in, acknowledged, and again until it is."""

import asyncio

import pytest
from rigs.agent_process import quiet_port
from rigs.broker_kinds import subscriber
from rigs.mosquitto import Mosquitto
from rigs.sending_on import house, order
from rigs.stores import eventually

from agent.codec.json_path import parse_path
from agent.incoming.message import Arrived, Part, Wrong, part
from agent.sources.mqtt.config import MqttSource

TOPIC = "plant/orders"
NAME = "cloud/orders"


@pytest.fixture
def broker(tmp_path):
    with Mosquitto(tmp_path, quiet_port()) as running:
        yield running


def plant(broker, **more):
    """The sources of a configuration."""
    written = {"type": "mqtt", "url": f"mqtt://127.0.0.1:{broker.port}", "client_id": "line-4"}
    return {"broker": MqttSource.model_validate(written | {"tags": {"x": {"topic": "x"}}} | more)}


def publishes(**more):
    return {"orders": {"publish": {"source": "broker", "topic": TOPIC, **more}}}


async def test_a_message_is_published_as_its_sender_wrote_it(tmp_path, broker):
    """All of it, in order, acknowledged; with MQTT 5 the sender's headers stand beside it, so he can be verified."""
    sources = plant(broker, protocol="5")
    async with house(tmp_path / "a.db", publishes(), sources=sources) as parts:
        with subscriber(broker.port, topic=TOPIC) as arrived:
            messages = [order(number) for number in range(3)]
            await parts.take(*messages)
            assert [each[0] for each in await parts.told(3)] == ["inbound.done"] * 3
            await eventually(lambda: len(arrived) == 3)
            assert [body for _, body in arrived] == [each.body for each in messages]
            told, _ = arrived[0]
            assert told.items() >= {"webhook-id": "msg_0"}.items()
            assert told["webhook-signature"] == messages[0].headers["webhook-signature"]
            assert told["edge-relay-message"].startswith("evt_")
        assert "line-4-cloud-orders" in broker.log.read_text(), "the source keeps its own client id"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"data": {"v": "Rezept 7 \xc3\xa4"}}', Part("Rezept 7 ä".encode(), "text/plain; charset=utf-8")),
        (b'{"data": {"v": 21.5}}', Part(b"21.5", "application/json")),
        (b'{"data": {"v": true}}', Part(b"true", "application/json")),
        (b'{"data": {"v": null}}', Part(b"null", "application/json")),
        (b'{"data": {"v": {"a": [1, 2]}}}', Part(b'{"a":[1,2]}', "application/json")),
        (b'{"data": {}}', Wrong),
        (b"[1]", Wrong),
        (b"no JSON", Wrong),
    ],
)
def test_what_of_a_message_is_a_payload(body, expected):
    """A text as it is, anything else as JSON; what leads nowhere is said to."""
    from agent.incoming.screening import document_of  # noqa: PLC0415 - one use

    found = part(document_of(body), parse_path("/data/v"))
    assert found == expected or (expected is Wrong and isinstance(found, Wrong))


async def test_a_part_is_published_and_what_has_none_is_refused_at_the_door(tmp_path, broker):
    """Nothing is stored to be sent that no attempt could ever send: its sender learns so at once."""
    async with house(tmp_path / "a.db", publishes(payload="/data/order"), sources=plant(broker)) as parts:
        with subscriber(broker.port, topic=TOPIC) as arrived:
            await parts.take(order(7))
            await eventually(lambda: arrived)
            assert arrived[0][1] == b"7"
        await parts.told(1)
        less = order(8)
        parts.relays["cloud"] = parts.relays["cloud"].model_copy(update={"verify": "none"})
        await parts.take(Arrived(b'{"type": "order.created", "data": {}}', less.headers, relay_id="msg_8"))
        [_, (kind, identity, why)] = await parts.told(2)
        assert (kind, identity) == ("inbound.rejected", "msg_8")
        assert why.startswith("/data/order: ")
        assert parts.store.waiting_count(NAME) == parts.store.dead_count(NAME) == 0


async def test_a_broker_that_is_away_gets_all_of_it_afterwards(tmp_path, broker):
    """QoS 1: what was not acknowledged is published again, in order, and told as done once."""
    async with house(tmp_path / "a.db", publishes(), sources=plant(broker)) as parts:
        await parts.take(order(0))
        await parts.told(1)
        broker.kill()
        await parts.take(order(1), order(2))
        await eventually(lambda: parts.outlets.status()[NAME]["failures"] > 0)
        broker.start()
        with subscriber(broker.port, topic=TOPIC) as arrived:
            assert [each[1] for each in await parts.told(3)] == ["msg_0", "msg_1", "msg_2"]
            await eventually(lambda: order(2).body in [body for _, body in arrived])
        assert parts.store.waiting_count(NAME) == 0


@pytest.mark.parametrize("qos", [0, 1])
async def test_the_last_message_is_kept_where_it_is_asked_for(tmp_path, broker, qos):
    """`retain`: whoever subscribes later has it; also at QoS 0, which nobody acknowledges."""
    async with house(tmp_path / "a.db", publishes(retain=True, qos=qos), sources=plant(broker)) as parts:
        await parts.take(order(1), order(2))
        await parts.told(2)
        with subscriber(broker.port, topic=TOPIC) as arrived:
            await eventually(lambda: arrived)
            assert arrived[0][1] == order(2).body
        await asyncio.sleep(0)
        assert f"q{qos}, r1" in broker.log.read_text()
