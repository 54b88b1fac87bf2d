"""What a real nats-server refuses to a relay, and consumers that would lose messages: each with what mends it."""

import asyncio
import json

import pytest
from pydantic import ValidationError
from rigs.agent_process import quiet_port
from rigs.authority import Authority
from rigs.nats_operator import Operator
from rigs.nats_relay import CONSUMER, STREAM, NatsRelay, section
from rigs.nats_server import NatsServer
from rigs.raw_server import raw_server
from rigs.relay_session import running, until

from agent.inbound.nats.reasons import permissions, to_type

SEED = "SUAKYRHVIOREXV7EUZTBHUHL7NUMHPMAS7QMDU3GTIUWEI5LDNOXD43IZY"
PUBLIC = "UD466L6EBCM3YY5HEGHJANNTN4LSKTSUXTH7RILHCKEQMQHTBNLHJJXT"
INFO, NEXT = (f"$JS.API.CONSUMER.{what}.{STREAM}.{CONSUMER}" for what in ("INFO", "MSG.NEXT"))
ACK, CREATE = f"$JS.ACK.{STREAM}.{CONSUMER}.>", f"$JS.API.CONSUMER.CREATE.{STREAM}.{CONSUMER}"
NAMES = "$JS.API.STREAM.NAMES"
ADMIN = {"user": "admin", "password": "admin"}


def may(*subjects: str) -> str:
    """A server's configuration: the agent may publish to these, and has its own inboxes."""
    publish = json.dumps(subjects)
    agent = f'{{ publish: {publish}, subscribe: "_INBOX_line4.>" }}'
    return (
        "authorization { users = [ { user: admin, password: admin }, "
        f"{{ nkey: {PUBLIC} }}, {{ user: agent, password: right, permissions: {agent} }} ] }}"
    )


def agent(port, **more: object):
    return section(port, **({"user": "agent", "password": "right", "inbox_prefix": "_INBOX_line4"} | more))


async def refused(config) -> str:
    """A session that must not last; the error's words."""
    async with running(config) as session:
        return await session.error()


async def test_what_is_said_to_be_needed_is_enough(tmp_path):
    """With the permissions that a refusal names, and a consumer that somebody has made, messages are taken."""
    async with NatsRelay(tmp_path, may(INFO, NEXT, ACK), ADMIN) as relay:
        config = agent(relay.port)
        await relay.consumer()
        await relay.put(b"0")
        async with running(config) as session:
            await session.until(lambda: session.taken)
            async with asyncio.timeout(30):
                while await relay.acknowledged() < 1:
                    await asyncio.sleep(0.01)

    assert all(each in permissions(config) for each in (INFO, NEXT, ACK, "_INBOX_line4.>"))


@pytest.mark.parametrize(
    ("allowed", "missing"), [((), INFO), ((INFO,), NEXT), ((INFO, NEXT), f"$JS.ACK.{STREAM}.{CONSUMER}.")]
)
async def test_what_may_not_be_done_is_named_with_all_that_is_needed(tmp_path, allowed, missing):
    """At the first question, at the first pull, at the first acknowledgement, which nobody would miss else."""
    async with NatsRelay(tmp_path, may("elsewhere", *allowed), ADMIN) as relay:
        await relay.consumer()
        await relay.put(b"0")
        why = await refused(agent(relay.port))

    assert f"127.0.0.1:{relay.port}: user 'agent' may not do this" in why
    assert f'Permissions Violation for Publish to "{missing}' in why
    assert f"its user needs to publish to {INFO}, {NEXT} and {ACK}, and to subscribe to _INBOX_line4.>" in why


@pytest.mark.parametrize("subject", [None, "orders.new"])
async def test_who_may_not_make_the_consumer_is_told_what_to_type(tmp_path, subject):
    """Or what to allow: with that, it is made."""
    needed = f"{CREATE}.{subject}" if subject else CREATE
    async with NatsRelay(tmp_path, may(INFO), ADMIN) as relay:
        config = agent(relay.port, subject=subject)
        why = await refused(config)
        assert f"has no consumer {CONSUMER}, and this user may not make it" in why
        assert f"allow it to publish to {needed}, or type `{to_type(config)}`" in why
        relay.server.kill()
        relay.server.configure(may(INFO, NEXT, ACK, needed))
        relay.server.start()
        async with running(config) as session:
            await relay.put(b"0")
            await session.until(lambda: session.taken)


def test_what_is_to_be_typed_makes_the_consumer_that_is_needed():
    """In the words of the official command line, with the filter that the file names."""
    line = to_type(section(4222, subject="orders.>"))

    assert line == (
        f"nats consumer add {STREAM} {CONSUMER} --pull --deliver=all --ack=explicit --wait=10s "
        "--max-deliver=-1 --filter 'orders.>' --defaults"
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ack_policy": "none"}, "has the ack policy none, by which messages are lost: name another"),
        ({"ack_policy": "all"}, "has the ack policy all"),
        ({"deliver_subject": "out"}, "pushes its messages"),
        (
            {"headers_only": True},
            f"hands out headers without bodies: type `nats consumer edit {STREAM} {CONSUMER} --no-headers-only`",
        ),
        (
            {"max_deliver": 5},
            f"gives a message up after 5 attempts: type `nats consumer edit {STREAM} {CONSUMER} --max-deliver=-1`",
        ),
        ({"filter_subject": "orders.old"}, "takes orders.old, not orders.new: correct `subject`, or type"),
        ({}, "takes all subjects, not orders.new"),
    ],
)
async def test_a_consumer_that_would_lose_messages_is_refused(tmp_path, settings, words):
    """It is left as it is; nothing is taken from it."""
    async with NatsRelay(tmp_path) as relay:
        await relay.consumer(**settings)
        before = (await relay.info()).config
        why = await refused(section(relay.port, subject="orders.new"))

        assert (await relay.info()).config == before
    assert f"127.0.0.1:{relay.port}: the consumer {CONSUMER} of the stream {STREAM} {words}" in why


async def test_a_stream_that_is_not_there_is_named_beside_those_that_are(tmp_path):
    """Whoever may not ask for them is told that much; where there is none, how to make one."""
    async with NatsRelay(tmp_path, may(INFO.replace(STREAM, "ORDER"), "x"), ADMIN) as relay:
        await relay.server.stream("ALARMS", ("alarms.>",), login=ADMIN)
        known = await refused(section(relay.port, stream="ORDER", nkey=SEED))
        hidden = await refused(agent(relay.port, stream="ORDER"))
        async with relay.official() as jetstream:
            await jetstream.delete_stream("ALARMS")
            await jetstream.delete_stream(STREAM)
        none = await refused(section(relay.port, nkey=SEED))

    assert (
        f"there is no stream ORDER; the account of this user has ALARMS, {STREAM}: correct `stream`" in known
    )
    assert "there is no stream ORDER in the account of this user: correct `stream`" in hidden
    assert "has none: make it with `nats stream add`" in none


ACCOUNTS = """accounts {
  WITH: { jetstream: enabled, users: [ { user: admin, password: admin } ] }
  WITHOUT: { users: [ { user: agent, password: right } ] }
}"""


async def test_an_account_without_jetstream(tmp_path):
    """Though the server has it."""
    async with NatsRelay(tmp_path, ACCOUNTS, ADMIN) as relay:
        why = await refused(section(relay.port, user="agent", password="right"))

    assert "enable JetStream for the account of this user" in why


async def test_a_server_without_jetstream(tmp_path):
    """Nobody answers."""
    with NatsServer(tmp_path, quiet_port(), jetstream=False) as server:
        why = await refused(section(server.port))

    assert "JetStream does not answer: see that it is enabled at the server" in why


async def test_a_login_that_is_refused_is_named_and_not_told(tmp_path):
    """A wrong password, another account's credentials."""
    plant, elsewhere = Operator(), Operator()
    async with NatsRelay(tmp_path, may(INFO), ADMIN) as relay:
        password = await refused(agent(relay.port, password="geheim"))
    with NatsServer(tmp_path, quiet_port(), plant.configuration, jetstream=False) as server:
        known = await refused(section(server.port, credentials=plant.credentials))
        stranger = await refused(section(server.port, credentials=elsewhere.credentials))

    assert "user 'agent' is refused (Authorization Violation): check `user` and `password`" in password
    assert "geheim" not in password
    assert "JetStream does not answer" in known, "it got that far"
    assert "check that the account knows this user" in stranger


async def test_tls_and_an_nkey(tmp_path):
    """Messages come over it; a server whose authority is unknown is not believed."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    extra = f'tls {{ cert_file: "{certificate}", key_file: "{key}" }}\nauthorization {{ users = [ {{ nkey: {PUBLIC} }} ] }}'
    with NatsServer(tmp_path, quiet_port(), extra) as server:
        place = {"servers": [f"tls://127.0.0.1:{server.port}"], "nkey": SEED}
        believed = await refused(section(server.port, tls={"ca": str(authority.certificate)}, **place))
        unknown = await refused(section(server.port, **place))

    assert f"there is no stream {STREAM}, the account of this user has none" in believed, "it got that far"
    assert "TLS: the certificate of 127.0.0.1 is not accepted" in unknown


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (b"409 Leadership Change", None),
        (b"409 Batch Completed", None),
        (b"404 No Messages", None),
        (b"100 Idle Heartbeat", None),
        (b"503", "it was deleted, or its cluster has no leader just now"),
        (b"409 Exceeded MaxWaiting", "see that each agent has a `consumer` of its own"),
        (b"400 Bad Request", f"see `nats consumer info {STREAM} {CONSUMER}`"),
    ],
)
async def test_what_a_server_says_of_a_pull(status, words):
    """It is asked anew, or the session ends with what to do."""
    asked = []

    async def server(_rig, reader, writer):
        await greeted(reader, writer)
        for each in (status, b""):
            reply = await question(reader)
            asked.append(reply)
            say(writer, reply, each)

    async with raw_server(server) as rig, running(section(rig.port, timeout="10s")) as session:
        if words:
            why = await session.error()
            assert f"hands out nothing ({status.decode()}): " in why
            assert words in why
        elif status.startswith(b"100"):
            await session.until(lambda: session.answers == 2)
            assert len(asked) == 1
        else:
            await until(lambda: len(asked) == 2)


async def test_a_word_about_an_older_pull_means_nothing():
    """The new one stands, and is not asked again."""
    asked = []

    async def server(_rig, reader, writer):
        await greeted(reader, writer)
        asked.append(await question(reader))
        say(writer, asked[0], b"409 Batch Completed")
        asked.append(await question(reader))
        say(writer, asked[0], b"409 Consumer Deleted")
        for _ in range(5):
            say(writer, asked[1], b"100 Idle Heartbeat")
            await asyncio.sleep(0.02)
        asked.append(await question(reader))

    async with raw_server(server) as rig, running(section(rig.port, timeout="10s")) as session:
        await session.until(lambda: session.answers >= 6)

    assert len(asked) == 2


async def greeted(reader, writer):
    """Welcome a client, and tell it of a consumer without limits."""
    writer.write(b'INFO {"headers":true}\r\n')
    while b"PING" not in await reader.readuntil(b"\r\n"):
        pass
    writer.write(b"PONG\r\n")
    say(writer, await question(reader), b"", b'{"config":{"ack_policy":"explicit"},"num_ack_pending":0}')


async def question(reader):
    """Wait for a question; where and under which number the answer is awaited."""
    line = b""
    while not line.startswith(b"HPUB"):
        line = await reader.readuntil(b"\r\n")
    _, subject, reply, _, length = line.split()
    await reader.readexactly(int(length) + 2)
    return reply, 2 if b"MSG.NEXT" in subject else 1


def say(writer, where, status, payload=b""):
    head = b"NATS/1.0 %b\r\n\r\n" % status if status else b"NATS/1.0\r\n\r\n"
    writer.write(b"HMSG %b %d %d %d\r\n%b%b\r\n" % (*where, len(head), len(head + payload), head, payload))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"stream": "a b"}, "expected the name of a stream"),
        ({"consumer": "line.4"}, "expected the name of a consumer, such as line4"),
        ({"subject": "orders..new"}, "expected a subject such as"),
        ({"subject": "orders.>.new"}, "expected a subject such as"),
        ({"subject": "orders.*new"}, "expected a subject such as"),
        ({"user": "a", "password": "b", "token": "c"}, "different ways to log in"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_loaded(keys, words):
    """Names that no server takes, and logins that contradict each other."""
    with pytest.raises(ValidationError, match=words):
        section(4222, **keys)


@pytest.mark.parametrize("subject", [">", "orders", "orders.*.new", "orders.>", "*", "*.>"])
def test_subjects_that_a_stream_can_be_asked_for(subject):
    """With wildcards where NATS has them."""
    assert section(4222, subject=subject).subject == subject
