"""What a person is told when the broker cannot be reached or refuses: the name, the cause, the remedy."""

import asyncio
import base64
import datetime as dt
import hashlib
import json
import socket
import subprocess
from pathlib import Path

import pytest
from rigs.authority import Authority
from rigs.mosquitto import Mosquitto
from rigs.mqtt_packets import ACCEPTED, fake_broker, packet, publish, read, suback
from rigs.mqtt_session import Session, source, subscribed

from agent.errors import SourceError
from agent.metrics import ITEMS_ALIVE
from agent.model import Quality
from agent.sources.mqtt import source as mqtt_source

DYNAMIC_SECURITY = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))


async def told(config) -> str:
    """Run a session that cannot work and give what it says."""
    async with Session(config) as session:
        error = await session.error()
        assert isinstance(error, SourceError)
        assert str(error).startswith(("MQTT broker ", "the file "))
        assert not session.readings
        return str(error)


def listener(authority: Authority, files: tuple, extra: str = "") -> str:
    return f"cafile {authority.certificate}\ncertfile {files[0]}\nkeyfile {files[1]}\n{extra}\n"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def tls_broker(tmp_path, free_port, authority):
    """A broker with a good certificate."""
    with Mosquitto(tmp_path, free_port(), listener(authority, authority.issue("server"))) as broker:
        yield broker


def secure(broker: Mosquitto, **keys: object):
    return source(broker.port, **{"url": f"mqtts://127.0.0.1:{broker.port}"} | keys)


async def test_a_trusted_broker_is_talked_to(tls_broker, authority, protocol):
    """The good case of everything below."""
    async with Session(
        secure(tls_broker, tls={"ca": str(authority.certificate)}, protocol=protocol)
    ) as session:
        await subscribed(session)


async def test_the_wrong_authority_is_named(tls_broker, tmp_path):
    """A broker that somebody else signed is not talked to."""
    other = Authority(tmp_path, "other").certificate
    why = await told(secure(tls_broker, tls={"ca": str(other)}))

    assert "its certificate is refused" in why
    assert f"not signed by the authority in {other} (tls: ca:)" in why


async def test_without_an_authority_only_the_systems_are_trusted(tls_broker):
    """Verification is never off."""
    assert "name the PEM file of its authority as tls: {ca: FILE}" in await told(secure(tls_broker))


@pytest.mark.parametrize(
    ("issued", "why"),
    [
        ({"host": "broker.plant"}, "write url with a name that the certificate holds"),
        ({"ends_in": -dt.timedelta(days=1)}, "certificate has expired: renew it at the broker"),
    ],
)
async def test_a_certificate_for_another_host_or_time_is_refused(tmp_path, free_port, authority, issued, why):
    """Each with what is wrong about it."""
    files = authority.issue("server", **issued)
    with Mosquitto(tmp_path, free_port(), listener(authority, files)) as broker:
        assert why in await told(secure(broker, tls={"ca": str(authority.certificate)}))


async def test_a_certificate_file_that_cannot_be_used_is_named(tls_broker, authority, tmp_path):
    """A missing file, a file of another kind, a key of another certificate."""
    ca = str(authority.certificate)
    certificate, key = map(str, authority.issue("client"))
    _, other_key = map(str, authority.issue("other"))

    assert f"the file {tmp_path}/none.pem cannot be used" in await told(
        secure(tls_broker, tls={"ca": f"{tmp_path}/none.pem"})
    )
    assert f"the file {key} cannot be used" in await told(secure(tls_broker, tls={"ca": key}))
    assert f"the file {other_key} cannot be used" in await told(
        secure(tls_broker, tls={"ca": ca, "certificate": certificate, "key": other_key})
    )


@pytest.mark.parametrize("version", ["tlsv1.2", "tlsv1.3"])
async def test_a_client_certificate_opens_a_broker_that_asks_for_one(tmp_path, free_port, authority, version):
    """Without one, or with a stranger's, the reason points at the certificate (TLS 1.3 tells it late)."""
    extra = f"require_certificate true\ntls_version {version}"
    ca = str(authority.certificate)
    certificate, key = map(str, authority.issue("client"))
    stranger, stranger_key = map(str, Authority(tmp_path, "strangers").issue("stranger"))
    with Mosquitto(tmp_path, free_port(), listener(authority, authority.issue("server"), extra)) as broker:
        async with Session(secure(broker, tls={"ca": ca, "certificate": certificate, "key": key})) as session:
            await subscribed(session)
        assert "client certificate" in await told(secure(broker, tls={"ca": ca}))
        why = await told(secure(broker, tls={"ca": ca, "certificate": stranger, "key": stranger_key}))
        assert "certificate in tls: certificate:" in why


async def test_a_key_with_a_password_is_refused(tls_broker, authority):
    """A daemon has nobody to ask."""
    certificate, key = map(str, authority.issue("client", password="canary"))
    why = await told(
        secure(tls_broker, tls={"ca": str(authority.certificate), "certificate": certificate, "key": key})
    )

    assert f"the file {key} cannot be used" in why
    assert "the key without a password" in why


async def test_tls_where_there_is_none_and_none_where_there_is(broker, tls_broker, authority):
    """The usual mix-up of 1883 and 8883."""
    assert "check that this is the broker's TLS port" in await told(secure(broker))
    assert "whether the port expects TLS (mqtts://)" in await told(source(tls_broker.port))


@pytest.fixture
def guarded_broker(tmp_path, free_port):
    """A broker with one user, relay."""
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(
        ["mosquitto_passwd", "-b", str(passwords), "relay", "right"], check=True, capture_output=True
    )
    with Mosquitto(tmp_path, free_port(), f"allow_anonymous false\npassword_file {passwords}") as running:
        yield running


async def test_a_password_opens_the_broker_and_a_wrong_one_is_told_without_it(guarded_broker, protocol):
    """The reason names the user, never the password."""
    port = guarded_broker.port
    async with Session(source(port, protocol=protocol, user="relay", password="right")) as session:
        await subscribed(session)
    why = await told(source(port, protocol=protocol, user="relay", password="canary"))

    assert "user 'relay' is refused (Not authorized): check user and password" in why
    assert "canary" not in why
    assert "a client without user and password is refused" in await told(source(port, protocol=protocol))


async def test_an_unknown_host_a_closed_port_and_a_silent_one(free_port):
    """Three ways of not being there."""
    port = free_port()

    assert "the name no-such-host.invalid is not found" in await told(
        source(1, url="mqtt://no-such-host.invalid")
    )
    assert "is not found" in await told(source(1, url=f"mqtt://{'a' * 70}.invalid"))
    assert "connection refused: check that the broker is running, and the port" in await told(source(port))
    with socket.create_server(("127.0.0.1", port)):
        why = await told(source(port, timeout="1s"))
        assert "it did not answer within 1 s: check that this is the broker's port" in why


async def test_a_host_that_swallows_packets_is_given_up_in_time(free_port):
    """A connection that is neither made nor refused: a full backlog drops the SYN, as a firewall does."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port), backlog=0), socket.create_connection(("127.0.0.1", port)):
        assert "no answer within 1 s: check address and port" in await told(source(port, timeout="1s"))


async def test_a_broker_without_the_version_is_told_how_to_be_met():
    """CONNACK 1 is a refusal, not an invitation to try an older protocol."""

    async def serve(reader, writer):
        await read(reader)
        writer.write(b"\x20\x02\x00\x01")
        await reader.read()

    async with fake_broker(serve) as port:
        why = await told(source(port, protocol="5"))
        assert 'it does not speak MQTT 5: write protocol: "3.1.1"' in why
        assert "check that it speaks MQTT 3.1.1" in await told(source(port))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"\xf0\x00", "it sent something that is not MQTT 3.1.1"),
        (b"\x30\x01\x00", "it sent something that is not MQTT 3.1.1"),
        (publish(b"\xff\xfe", b"1"), "it sent a topic that is not UTF-8"),
        (packet(0x90, b"\x00\x09\x01"), ""),
        (
            b"",
            "the connection was lost (if this repeats every few seconds, another client uses the client_id",
        ),
    ],
)
async def test_a_broker_that_talks_nonsense_ends_the_session_in_words(said, why):
    """Garbage is weather, not a bug; a SUBACK that nobody asked for is nothing."""

    async def serve(reader, writer):
        await read(reader)
        writer.write(ACCEPTED)
        _, body = await read(reader)
        writer.write(suback(body, 0x01) + said)
        if not why:
            writer.write(publish("t", b"1"))
            await reader.read()

    async with fake_broker(serve) as port:
        if why:
            async with Session(source(port)) as session:
                assert why in str(await session.error())
        else:
            async with Session(source(port)) as session:
                await session.until(lambda: session.values == [1])


async def test_a_broker_that_answers_no_subscription_is_given_up():
    """It took the session and then said nothing more."""

    async def serve(reader, writer):
        await read(reader)
        writer.write(ACCEPTED)
        await reader.read()

    async with fake_broker(serve) as port, Session(source(port, timeout="1s")) as session:
        assert "no answer to a subscription within 1 s" in str(await session.error())


def dynamic_security(allowed: list[str]) -> str:
    """A configuration of mosquitto's plugin that refuses in the SUBACK; its acl_file never does."""
    access = {
        "publishClientSend": True,
        "publishClientReceive": True,
        "subscribe": False,
        "unsubscribe": True,
    }
    salt = b"0123456789ab"
    password = hashlib.pbkdf2_hmac("sha512", b"right", salt, 101)
    return json.dumps(
        {
            "defaultACLAccess": access,
            "clients": [
                {
                    "username": "relay",
                    "password": base64.b64encode(password).decode(),
                    "salt": base64.b64encode(salt).decode(),
                    "iterations": 101,
                    "roles": [{"rolename": "reader"}],
                }
            ],
            "roles": [
                {
                    "rolename": "reader",
                    "acls": [{"acltype": "subscribeLiteral", "topic": one, "allow": True} for one in allowed],
                }
            ],
        }
    )


async def test_a_topic_that_the_access_list_forbids_is_bad_and_says_whom_to_allow(
    tmp_path, free_port, protocol
):
    """With a real broker, in both versions; the other topics go on."""
    security = tmp_path / "security.json"
    security.write_text(dynamic_security(["free"]))
    extra = f"allow_anonymous false\nplugin {DYNAMIC_SECURITY}\nplugin_opt_config_file {security}\n"
    tags = {"A": {"topic": "free"}, "B": {"topic": "secret"}}
    with Mosquitto(tmp_path, free_port(), extra) as broker:
        config = source(broker.port, tags, protocol=protocol, user="relay", password="right")
        async with Session(config) as session:
            await session.until(lambda: bool(session.readings))
            await session.until(lambda: ITEMS_ALIVE.labels("broker")._value.get() == 1)
            await asyncio.to_thread(
                broker.publish, ("free", "1"), auth={"username": "relay", "password": "right"}
            )
            await session.until(lambda: len(session.readings) == 2)
    refused, allowed = session.readings
    assert (refused.tag, refused.quality) == ("B", Quality.BAD)
    assert "the subscription to secret is refused" in refused.reason
    assert "allow user 'relay' to read it in the broker's access control list" in refused.reason
    assert (allowed.tag, allowed.value) == ("A", 1)


async def test_a_refused_topic_is_asked_for_again(monkeypatch):
    """The remedy takes effect by itself, and a refusal that lasts is told once."""
    monkeypatch.setattr(mqtt_source, "_ASK_AGAIN", 0.02)

    async def serve(reader, writer):
        await read(reader)
        writer.write(ACCEPTED)
        for code in (0x80, 0x80, 0x80, 0x01):
            _, body = await read(reader)
            writer.write(suback(body, code))
        writer.write(publish("t", b"1"))
        await reader.read()

    async with fake_broker(serve) as port, Session(source(port)) as session:
        await session.until(lambda: session.values == [None, 1])
        await subscribed(session)


async def test_a_wildcard_that_is_allowed_at_last_is_bad_no_longer(monkeypatch):
    """No message comes under the name as it is written, so the answer itself has to take the reason back."""
    monkeypatch.setattr(mqtt_source, "_ASK_AGAIN", 0.02)

    async def serve(reader, writer):
        await read(reader)
        writer.write(ACCEPTED)
        for code in (0x80, 0x01):
            _, body = await read(reader)
            writer.write(suback(body, code))
        await reader.read()

    tags = {"A{1}": {"topic": "plant/+"}}
    async with fake_broker(serve) as port, Session(source(port, tags)) as session:
        await session.until(lambda: len(session.readings) == 2)

    assert [(one.tag, one.value) for one in session.readings] == [("A{1}", None)] * 2
    assert [one.quality for one in session.readings] == [Quality.BAD, Quality.UNCERTAIN]
