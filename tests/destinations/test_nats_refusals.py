"""What a real nats-server answers besides yes: each as the table of answers has it, in words that name the remedy."""

import asyncio

import pytest
import uvloop
from pydantic import ValidationError
from rigs.agent_process import quiet_port
from rigs.authority import Authority
from rigs.nats_operator import Operator
from rigs.nats_server import NatsServer
from rigs.nats_session import destination, message, once, section
from rigs.raw_server import raw_server

from agent.delivery.judge import Fault, History, judge
from agent.model import Answer, NoAnswer

HISTORY = History(dice=0.5, wall=0)
SEED = "SUAKYRHVIOREXV7EUZTBHUHL7NUMHPMAS7QMDU3GTIUWEI5LDNOXD43IZY"
PUBLIC = "UD466L6EBCM3YY5HEGHJANNTN4LSKTSUXTH7RILHCKEQMQHTBNLHJJXT"
USERS = f"""authorization {{ users = [
  {{ user: admin, password: admin }},
  {{ user: agent, password: right, permissions: {{ publish: "plant.allowed.>", subscribe: "_INBOX.>" }} }},
  {{ user: deaf, password: right, permissions: {{ subscribe: "_INBOX_deaf.>" }} }},
  {{ nkey: {PUBLIC} }}
] }}
"""
ADMIN = {"user": "admin", "password": "admin"}


@pytest.fixture
def server(tmp_path):
    with NatsServer(tmp_path, quiet_port()) as running:
        yield running


@pytest.fixture
def strict(tmp_path):
    with NatsServer(tmp_path, quiet_port(), USERS) as running:
        yield running


def fault(outcome):
    """Who has to wait for it, by the one table."""
    return judge(outcome, HISTORY).fault


async def test_a_subject_that_no_stream_takes_is_a_matter_of_configuration(server):
    """As soon as a stream takes it, it is delivered; nothing went to whoever happened to listen."""
    async with destination(server.port) as opened:
        before = await opened.deliver(message())
        await server.stream()
        after = await opened.deliver(message())

    assert before.status == 404
    assert "no stream takes the subject plant.dresden.line-4.alarm.raised" in before.said
    assert fault(before) is Fault.CONFIGURATION
    assert after.status == 200
    assert len(await server.held()) == 1


async def test_who_may_not_ask_why_waits_as_for_a_leader(strict):
    """A user that may publish and nothing else: it may be either, and five minutes are long for an election."""
    outcome = await once(strict.port, user="agent", password="right", subject="plant.allowed.{type}")

    assert (outcome.status, fault(outcome)) == (503, Fault.RECEIVER)
    assert "allow this user to publish to $JS.API.STREAM.NAMES" in outcome.said


async def test_who_listens_and_is_no_stream_does_not_make_it_delivered(server):
    """A subscriber that answers nothing is told from a dead link; one that answers something, from a stream."""
    async with server.official() as jetstream:
        client = jetstream._nc
        silent = await client.subscribe("plant.>")
        unanswered = await once(server.port, timeout="1s")
        await silent.unsubscribe()

        async def answers(heard):
            await heard.respond(b"thank you")

        await client.subscribe("plant.>", cb=answers)
        await client.flush()
        thanked = await once(server.port)

    assert isinstance(unanswered, NoAnswer)
    assert "the server is there, but no stream acknowledges plant.dresden" in unanswered.why
    assert (thanked.status, fault(thanked)) == (404, Fault.CONFIGURATION)


async def test_a_full_stream_says_nothing_against_the_event(server):
    """It waits, uncharged however long it is alone; when there is room again it is delivered."""
    await server.stream(max_msgs=1, discard="new")
    async with destination(server.port) as opened:
        first = await opened.deliver(message(1))
        full = await opened.deliver(message(2))
        async with server.official() as jetstream:
            await jetstream.purge_stream("PLANT")
        later = await opened.deliver(message(2))
    alone = judge(full, History(dice=0.5, wall=0, lone=10**15, failures=9, outage=10**15))

    assert first.status == 200
    assert full.status == 503
    assert "maximum messages exceeded" in full.said
    assert "raise its limits" in full.said
    assert not alone.charged
    assert later.status == 200


@pytest.mark.parametrize("where", ["the stream", "the server"])
async def test_an_event_that_is_too_large_is_refused_alone(tmp_path, where):
    """The connection goes on with the next; what the server would cut the connection for is not sent to it."""
    extra = "max_payload: 8000" if where == "the server" else ""
    with NatsServer(tmp_path, quiet_port(), extra) as server:
        await server.stream(**({"max_msg_size": 3000} if where == "the stream" else {}))
        async with destination(server.port) as opened:
            large = await opened.deliver(message(1, b"x" * 9000))
            small = await opened.deliver(message(2))

    assert large.status == 413
    assert fault(large) is Fault.EVENT
    assert "max_msg_size" in large.said if where == "the stream" else "max_payload" in large.said
    assert small.status == 200


async def test_another_stream_than_the_one_that_is_meant(server):
    """`stream` names it; where another takes the subject nothing is stored."""
    await server.stream("OTHER")
    outcome = await once(server.port, stream="PLANT")

    assert (outcome.status, fault(outcome)) == (404, Fault.CONFIGURATION)
    assert "correct `stream`" in outcome.said
    assert await server.held("OTHER") == []


async def test_a_server_without_jetstream(tmp_path):
    """Its leader may only be away: it is asked again like any server that is not well."""
    with NatsServer(tmp_path, quiet_port(), jetstream=False) as server:
        outcome = await once(server.port)

    assert (outcome.status, fault(outcome)) == (503, Fault.RECEIVER)
    assert "JetStream does not answer: see that it is enabled" in outcome.said


LOGINS = {
    "none": ({}, 401, "a client without a login is refused"),
    "wrong password": ({"user": "agent", "password": "wrong"}, 401, "check `user` and `password`"),
    "unknown token": ({"token": "wrong"}, 401, "check `token`"),
    "not allowed to publish": (
        {"user": "agent", "password": "right"},
        403,
        "allow it to publish to plant.dresden",
    ),
    "not allowed to hear": ({"user": "deaf", "password": "right"}, 403, "allow it to subscribe to _INBOX.>"),
}


@pytest.mark.parametrize("name", LOGINS)
async def test_a_login_that_is_refused(strict, name):
    """Told at once as a matter of configuration, without the secret."""
    keys, status, words = LOGINS[name]
    outcome = await once(strict.port, **keys)

    assert isinstance(outcome, Answer)
    assert (outcome.status, fault(outcome)) == (status, Fault.CONFIGURATION)
    assert words in outcome.said
    assert "right" not in outcome.said.split()
    assert "wrong" not in outcome.said


async def test_logins_that_are_accepted(strict):
    """A password, an inbox of its own, an NKEY; what is refused on one subject harms no other."""
    await strict.stream(login=ADMIN)
    outcomes = [
        await once(strict.port, user="agent", password="right", subject="plant.allowed.{type}"),
        await once(strict.port, message(2), user="deaf", password="right", inbox_prefix="_INBOX_deaf"),
        await once(strict.port, message(3), nkey=SEED),
    ]

    assert [outcome.status for outcome in outcomes] == [200] * 3
    assert len(await strict.held(login=ADMIN)) == 3


async def test_a_token(tmp_path):
    """The right one opens."""
    with NatsServer(tmp_path, quiet_port(), "authorization { token: right }") as server:
        await server.stream(login={"token": "right"})

        assert (await once(server.port, token="right")).status == 200
        assert (await once(server.port, token="wrong")).status == 401


async def test_a_credentials_file_is_told_from_one_of_another_account(tmp_path):
    """A token of the account and the key that belongs to it are let in; a stranger is a matter of configuration."""
    plant, elsewhere = Operator(), Operator()
    with NatsServer(tmp_path, quiet_port(), plant.configuration, jetstream=False) as server:
        accepted = await once(server.port, credentials=plant.credentials)
        refused = await once(server.port, credentials=elsewhere.credentials)

    assert "no stream takes the subject" in accepted.said, "it got that far"
    assert (refused.status, fault(refused)) == (401, Fault.CONFIGURATION)
    assert "has not expired" in refused.said


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_tls_proves_both_sides(tmp_path, loop):
    """The server's authority is known and the agent has a certificate of it; without either there is no answer."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    mine, my_key = authority.issue("agent")
    extra = f'tls {{ cert_file: "{certificate}", key_file: "{key}", ca_file: "{authority.certificate}", verify: true }}'
    ca = str(authority.certificate)
    known = {"ca": ca, "certificate": str(mine), "key": str(my_key)}
    with NatsServer(tmp_path, quiet_port(), extra) as server:
        url = f"tls://127.0.0.1:{server.port}"
        with asyncio.Runner(loop_factory=loop) as runner:
            ways = known, {"ca": ca}, None, {"ca": str(tmp_path / "nowhere.pem")}
            outcomes = [runner.run(once(server.port, servers=[url], tls=tls)) for tls in ways]
    accepted, stranger, unknown, missing = outcomes

    assert "no stream takes the subject" in accepted.said  # it got that far
    assert isinstance(stranger, NoAnswer)
    assert "TLS" in stranger.why
    assert "certificate" in stranger.why
    assert isinstance(unknown, NoAnswer)
    assert "TLS: the certificate of 127.0.0.1 is not accepted" in unknown.why
    assert isinstance(missing, NoAnswer)
    assert "nowhere.pem" in missing.why


async def test_what_listens_there_is_no_nats_server():
    """A web server that talks first, and one that waits."""

    async def web(_rig, reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async with raw_server(web) as rig:
        outcome = await once(rig.port)

    assert isinstance(outcome, NoAnswer)
    assert outcome.unsent
    assert "does not speak NATS: check `servers`" in outcome.why


async def test_a_welcome_before_the_handshake_counts_for_nothing():
    """Somebody on the way could have put it there, where nothing is encrypted yet; no login follows it."""
    seen = b""

    async def injected(_rig, reader, writer):
        nonlocal seen
        writer.write(b'INFO {"headers":true,"tls_required":true}\r\nPONG\r\n')
        seen = await reader.read()

    async with raw_server(injected) as rig:
        outcome = await once(rig.port, user="agent", password="right")

    assert isinstance(outcome, NoAnswer)
    assert outcome.unsent
    assert b"CONNECT" not in seen


async def test_a_leader_that_is_away_is_waited_for():
    """A stream takes the subject and nobody answers for it: its cluster is choosing a leader."""

    async def leaderless(_rig, reader, writer):
        writer.write(b'INFO {"headers":true}\r\n')
        while b"PING" not in await reader.readline():
            pass
        writer.write(b"PONG\r\n")
        for answer in (b"", b'{"streams":["PLANT"]}'):
            reply, length = (await reader.readline()).split()[2::2]
            await reader.readexactly(int(length) + 2)
            head = b"NATS/1.0 503\r\n\r\n" if not answer else b"NATS/1.0\r\n\r\n"
            sizes = len(head), len(head) + len(answer)
            writer.write(b"HMSG %b 1 %d %d\r\n%b%b\r\n" % (reply, *sizes, head, answer))
        await reader.read()

    async with raw_server(leaderless) as rig, asyncio.timeout(30):
        outcome = await once(rig.port)

    assert (outcome.status, fault(outcome)) == (503, Fault.RECEIVER)
    assert outcome.said == (
        "stream PLANT takes plant.dresden.line-4.alarm.raised, but has no leader just now"
    )


@pytest.mark.parametrize(
    "keys", [{"password": "x"}, {"user": "a", "password": "b", "token": "c"}, {"servers": []}]
)
def test_logins_that_contradict_each_other_are_refused_when_they_are_loaded(keys):
    """More of them stand in tests/config/bad."""
    with pytest.raises(ValidationError):
        section(4222, **keys)
