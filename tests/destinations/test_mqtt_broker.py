"""Events to a real MQTT broker: at least once each, acknowledged, refused in words, whatever the broker does."""

import asyncio
import hashlib
import json
from base64 import b64encode
from collections import Counter

import pytest
from pydantic import TypeAdapter
from rigs import mqtt_packets
from rigs.agent_process import quiet_port
from rigs.authority import Authority
from rigs.broker_kinds import subscriber
from rigs.census import census, disconnected, settled
from rigs.dispatching import NAME, OFFSET, Outbox, dispatching
from rigs.mosquitto import Mosquitto
from rigs.mqtt_session import eventually
from rigs.nats_session import PLANT, Slow, message
from rigs.raw_server import raw_server

from agent.clock import SystemClock
from agent.delivery.judge import Fault, History, judge
from agent.destinations import open_destination
from agent.destinations.config import DestinationConfig
from agent.model import Answer, Event, EventType, NoAnswer, Priority
from agent.store.records import Delivery, Stored

_SECTION = TypeAdapter(DestinationConfig)
DELIVERED = 200
# Who failed while others passed waits by its own schedule: a minute, which no test has.
AT_ONCE = ["100ms"] * 20


@pytest.fixture
def broker(tmp_path):
    with Mosquitto(tmp_path, quiet_port()) as running:
        yield running


def destination(port, **keys):
    basis = {"type": "mqtt", "url": f"mqtt://127.0.0.1:{port}", "timeout": "2s"}
    return open_destination("plant", _SECTION.validate_python(basis | keys), SystemClock(), PLANT)


async def once(port, sent=None, **keys):
    async with destination(port, **keys) as opened:
        return await opened.deliver(sent or message())


def fault(outcome):
    return judge(outcome, History(dice=0.5, wall=0)).fault


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_an_event_arrives_on_its_topic_and_is_delivered_when_it_is_acknowledged(broker, protocol):
    """The body byte for byte; MQTT 5 also says its id and its type of content."""
    topic = "plant/{site}/{agent}/{rule}/{tag}/{priority}/{type}"
    with subscriber(broker.port, topic="plant/dresden/line-4/R1/TT101/high/alarm/raised") as arrived:
        outcome = await once(broker.port, protocol=protocol, topic=topic)
        await eventually(lambda: arrived)

    assert (outcome.status, outcome.said) == (DELIVERED, "")
    told = {"webhook-id": "evt_1"} if protocol == "5" else {}
    assert arrived == [(told, b'{"a":1}')]


async def test_the_last_event_is_retained_where_it_is_asked_for(broker):
    """Whoever subscribes later has it; without `retain` nobody has."""
    await once(broker.port, message(1), topic="kept", retain=True)
    await once(broker.port, message(2), topic="gone")
    await once(broker.port, message(3, b"three"), topic="kept", retain=True)
    with subscriber(broker.port) as arrived:
        await eventually(lambda: arrived)
        await once(broker.port, message(4), topic="last")
        await eventually(lambda: len(arrived) == 2)

    assert [told["webhook-id"] for told, _ in arrived] == ["evt_3", "evt_4"]


RESTRICTED = "allow_anonymous false\npassword_file {0}/passwords\nacl_file {0}/acl\n"
ACL = "user agent\ntopic write plant/#\n"


@pytest.fixture
def strict(tmp_path):
    (tmp_path / "acl").write_text(ACL)
    (tmp_path / "passwords").write_text(_password("agent", "right"))
    for name in ("acl", "passwords"):
        (tmp_path / name).chmod(0o600)
    with Mosquitto(tmp_path, quiet_port(), RESTRICTED.format(tmp_path)) as running:
        yield running


def _password(user, password):
    """A line of mosquitto's password file: PBKDF2 with SHA-512 (`$7$`)."""
    salt = b"twelve bytes"
    made = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    return f"{user}:$7$101${b64encode(salt).decode()}${b64encode(made).decode()}\n"


async def test_what_the_broker_does_not_allow_is_told_in_words(strict):
    """A login is 401, a topic 403: both at once a matter of configuration, without the password."""
    right = {"user": "agent", "password": "right"}
    wrong = await once(strict.port, user="agent", password="wrong4711")
    nobody = await once(strict.port)
    allowed = await once(strict.port, **right)
    forbidden = await once(strict.port, topic="elsewhere/{type}", **right)

    assert [each.status for each in (wrong, nobody, allowed, forbidden)] == [401, 401, DELIVERED, 403]
    assert {fault(each) for each in (wrong, nobody, forbidden)} == {Fault.CONFIGURATION}
    assert "check user and password" in wrong.said
    assert "wrong4711" not in wrong.said
    assert "the broker refuses elsewhere/alarm/raised (Not authorized): allow user 'agent'" in forbidden.said


async def test_mqtt_3_has_no_word_for_a_forbidden_topic(strict):
    """The limit that the key `protocol` warns of: the broker acknowledges, and throws the event away."""
    right = {"user": "agent", "password": "right", "protocol": "3.1.1"}

    assert (await once(strict.port, topic="elsewhere/{type}", **right)).status == DELIVERED


async def test_limits_of_the_broker_are_kept(tmp_path):
    """What is larger than it takes is not sent, where it would cut the connection; the next one goes on."""
    with Mosquitto(tmp_path, quiet_port(), "max_packet_size 4000") as broker:
        async with destination(broker.port) as opened:
            large = await opened.deliver(message(1, b"x" * 5000))
            small = await opened.deliver(message(2))

    assert (large.status, small.status) == (413, DELIVERED)
    assert fault(large) is Fault.EVENT


@pytest.mark.parametrize(("line", "keys"), [("max_qos 0", {}), ("retain_available false", {"retain": True})])
async def test_a_broker_that_cannot_do_what_is_asked_for(tmp_path, line, keys):
    """It says so when it is connected to; without that word events would vanish."""
    with Mosquitto(tmp_path, quiet_port(), line) as broker:
        outcome = await once(broker.port, **keys)

    assert isinstance(outcome, Answer)
    assert fault(outcome) is Fault.CONFIGURATION


async def test_tls_with_certificates_on_both_sides(tmp_path):
    """As the source of the same broker has it."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("broker")
    mine, my_key = authority.issue("agent")
    lines = (
        f"cafile {authority.certificate}\ncertfile {certificate}\nkeyfile {key}\nrequire_certificate true\n"
    )
    known = {"ca": str(authority.certificate), "certificate": str(mine), "key": str(my_key)}
    with Mosquitto(tmp_path, quiet_port(), lines) as broker:
        url = f"mqtts://127.0.0.1:{broker.port}"
        accepted = await once(broker.port, url=url, tls=known)
        stranger = await once(broker.port, url=url, tls={"ca": str(authority.certificate)})

    assert accepted.status == DELIVERED
    assert isinstance(stranger, NoAnswer)
    assert "client certificate" in stranger.why


async def test_a_broker_that_hangs_is_noticed_within_the_attempt(broker):
    """Nothing is left of that connection, and the next attempt has one of its own."""
    before = census()
    async with destination(broker.port, timeout="1s") as opened:
        await opened.deliver(message(1))
        broker.freeze()
        hung = await opened.deliver(message(2))
        await disconnected(broker.port)
        broker.thaw()
        again = await opened.deliver(message(2))
    await settled(before)

    assert isinstance(hung, NoAnswer)
    assert "no answer within 1 s" in hung.why
    assert not hung.unsent
    assert again.status == DELIVERED


async def test_nothing_is_published_again_that_nobody_counts():
    """After a connection was lost with an event on it, the next one carries what is delivered then and no more."""
    connections: list[list[bytes]] = []

    async def loses_the_first(rig, reader, writer):
        connections.append([])
        await mqtt_packets.read(reader)
        writer.write(b"\x20\x03\x00\x00\x00")
        while True:
            kind, body = await mqtt_packets.read(reader)
            if kind != mqtt_packets.PUBLISH:
                continue
            connections[-1].append(body)
            if len(connections) == 1:
                return
            topic = int.from_bytes(body[:2], "big")
            writer.write(mqtt_packets.packet(0x40, body[2 + topic : 4 + topic]))

    async with raw_server(loses_the_first) as rig, destination(rig.port) as opened:
        lost = await opened.deliver(message(1, b"one"))
        taken = await opened.deliver(message(2, b"two"))

    assert isinstance(lost, NoAnswer)
    assert not lost.unsent
    assert taken.status == DELIVERED
    assert [[body[-3:] for body in sent] for sent in connections] == [[b"one"], [b"two"]]


def _delivery(seq):
    rule = f"R{seq % 7}"
    event = Event(f"evt_{seq}", EventType.ALARM_RAISED, 0, rule, Priority.HIGH, {"subject": rule}, rule=rule)
    return Delivery(NAME, Stored(seq, event, "boot", OFFSET), seq - 1 or None)


async def test_a_broker_that_restarts_in_the_middle_of_500_events_has_given_each_to_its_subscriber(tmp_path):
    """At least once each, the first time in order within its rule; the subscriber's session is kept."""
    lines = f"persistence true\npersistence_location {tmp_path}/\n"
    outbox = Outbox(*map(_delivery, range(1, 501)))
    with Mosquitto(tmp_path, quiet_port(), lines) as broker:
        kept = subscriber(broker.port, client_id="historian", topic="plant/#", session=3600)
        with kept as arrived:
            async with (
                destination(broker.port, topic="plant/{rule}") as opened,
                dispatching(Slow(opened), outbox, retry=AT_ONCE) as rig,
            ):
                await eventually(lambda: len(outbox.delivered) > 100, 20)
                broker.stop()
                await eventually(lambda: rig.dispatcher.health.outage is not None, 20)
                broker.start()
                await eventually(lambda: len(outbox.delivered) == 500, 30)
            await eventually(lambda: len({told["webhook-id"] for told, _ in arrived}) == 500, 30)
    ids = Counter(told["webhook-id"] for told, _ in arrived)

    assert set(ids) == {f"evt_{seq}" for seq in range(1, 501)}
    assert not outbox.dead
    by_rule: dict[str, list[int]] = {}
    for _, body in arrived:
        data = json.loads(body)["data"]
        seen = by_rule.setdefault(data["rule"], [])
        if data["seq"] not in seen:
            seen.append(data["seq"])
    assert all(numbers == sorted(numbers) for numbers in by_rule.values())


async def test_that_nobody_subscribes_is_told_once(broker, caplog):
    """A broker keeps nothing for consumers that never came: it says so with MQTT 5, and a person has to know."""
    caplog.set_level("INFO")
    async with destination(broker.port) as opened:
        for number in (1, 2, 3):
            await opened.deliver(message(number))
        with subscriber(broker.port):
            await opened.deliver(message(4))

    [told] = [record.message for record in caplog.records]
    assert told == (
        "destination plant: the broker takes events on plant/dresden/line-4/alarm/raised, "
        "and nobody subscribes to them: it keeps none"
    )


async def test_a_bug_ends_the_attempt_with_its_traceback_and_not_as_weather(broker, monkeypatch):
    """Whatever fails beside the connection is raised where the attempt is, and judged there."""
    async with destination(broker.port) as opened:
        await opened.deliver(message(1))

        def broken(*_):
            raise ZeroDivisionError

        monkeypatch.setattr(opened._session._client, "on_publish", broken)
        with pytest.raises(ZeroDivisionError):
            await opened.deliver(message(2))
        await asyncio.sleep(0)
        again = await opened.deliver(message(2))

    assert again.status == DELIVERED
