"""`POST /in/CHANNEL` of a real relay: who may, what is kept, and every bound."""

import asyncio
import base64
import json
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from rigs.relay_process import POLL, POST, RelayProcess, until
from rigs.stores import HandClock
from standardwebhooks.webhooks import Webhook

from agent.relay.channel import Channel
from agent.relay.config import ChannelSection
from agent.relay.taking import Taker
from agent.store.mailbox import Mailbox
from agent.store.mailbox_rows import Message

CHANNELS = """a: rate: {messages: 100000}
open:
small: max_body: 5kB
slow: rate: {messages: 2, per: 1h}
last: rate: {messages: 5, per: 1h}
full: max_size: 100kB, max_body: 100kB
all: max_size: 1GB, rate: {messages: 100000}
"""


@pytest.fixture(scope="module")
def relay(tmp_path_factory):
    with RelayProcess(tmp_path_factory.mktemp("relay")) as process:
        process.write(CHANNELS, ", max_size: 10MB")
        text = process.file.read_text()
        process.file.write_text(text.replace(f"open: {{post_token: {POST}", "open: {post_token: none"))
        yield process.start()


def test_what_comes_out_is_what_went_in_byte_for_byte(relay):
    """Bytes that are no JSON, no UTF-8, compressed: as they are on the wire, with the sender's headers."""
    body = b"\x00\xff{\r\n" + bytes(range(256))
    stored = relay.post(body, Content_Encoding="gzip", X_Signature="sha256=abc")

    assert (stored.status, list(stored.json)) == (202, ["id"])
    [message] = [each for each in relay.drain() if each["id"] == stored.json["id"]]
    assert base64.b64decode(message["bodyB"]) == body
    assert message["payload"] is None
    assert message["eventType"] == ""
    assert message["headers"]["content-encoding"] == "gzip"
    assert message["headers"]["x-signature"] == "sha256=abc"


def test_a_signed_message_still_verifies(relay):
    """Posted as the reference library signs it, verified by it from the raw bytes and the headers that come out."""
    hook = Webhook("whsec_" + base64.b64encode(b"k" * 32).decode())
    body = '{"type": "order.created",  "data": {"n": 12345678901234567890123}}'
    now = time.time()
    moment = datetime.fromtimestamp(int(now), UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now)),
        "webhook-signature": hook.sign("msg_1", moment, body),
    }
    stored = relay.ask("/in/a", body.encode(), POST, **headers)

    [message] = [each for each in relay.drain() if each["id"] == stored.json["id"]]
    assert hook.verify(base64.b64decode(message["bodyB"]), message["headers"])["type"] == "order.created"
    assert message["eventType"] == "order.created"
    assert b'"n": 12345678901234567890123' in relay.poll(limit=250).content  # the payload as it is written


def test_credentials_and_the_connections_own_headers_go_no_further(relay):
    """Authorization, Cookie, hop-by-hop and what Connection names; the token of the query appears nowhere."""
    head = (
        f"POST /in/a/any/thing?token={POST} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nCookie: a=b\r\n"
        "Authorization: Basic bm9ib2R5\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-Two: 2\r\nX-Two: 3\r\n\r\n1"
    )
    answer = relay.send(head.encode())

    [message] = [each for each in relay.drain() if each["id"].encode() in answer]
    assert message["headers"]["x-two"] == "2, 3"
    assert not {"authorization", "cookie", "connection", "x-hop"} & message["headers"].keys()
    assert POST not in json.dumps(message)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/in/a", {"Authorization": f"Bearer {POST}"}, 202),
        ("/in/a", {"Authorization": "Basic " + base64.b64encode(f"user:{POST}".encode()).decode()}, 202),
        (f"/in/a?token={POST}", {}, 202),
        ("/in/open", {}, 202),
        ("/in/a", {}, 401),
        ("/in/nobody", {}, 401),
        ("/in/a", {"Authorization": f"Bearer {POLL}"}, 403),
        ("/in/a", {"Authorization": "Basic nonsense"}, 401),
        ("/in/a", {"Authorization": "Basic \xff\xfe"}, 401),
        ("/in/a?token=", {}, 401),
        ("/in/a?token=" + POST[:-1], {}, 403),
        (f"/in/nobody?token={POST}", {}, 403),
        ("/in/a%2F..?token=x", {}, 403),
    ],
)
def test_who_may_post(relay, path, headers, status):
    """Bearer, the password of basic auth, or the query; a channel that is none answers as a wrong token does."""
    assert relay.ask(path, b"1", **headers).status == status


def test_a_channel_that_does_not_exist_cannot_be_told_from_a_wrong_token(relay):
    """The same bytes."""
    assert relay.post(token="wrong").content == relay.post(channel="nobody", token="wrong").content
    assert relay.post(token=None).content == relay.post(channel="nobody", token=None).content


def test_a_body_too_large_is_refused_by_its_announcement_and_by_its_bytes(relay):
    """At the bound it is taken; one more, announced or chunked, is not."""
    assert relay.post(b"x" * 5_000, "small").status == 202
    assert relay.post(b"x" * 5_001, "small").status == 413
    announced = (
        f"POST /in/small HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {POST}\r\nContent-Length: 5001\r\n\r\n"
    )
    assert b"too_large" in relay.send(announced.encode())  # nothing of it was sent
    with relay.raw() as connection:
        head = f"POST /in/small HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {POST}\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + b"1389\r\n" + b"x" * 5001 + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    assert len(relay.drain("small")) == 1


def test_headers_have_a_bound_as_well(relay):
    """They are kept with the message, and no bound of its body holds them."""
    few = "".join(f"X-{number}: {'y' * 7_000}\r\n" for number in range(4))
    head = f"POST /in/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {POST}\r\nContent-Length: 0\r\n"

    assert b" 202 " in relay.send(f"{head}{few}\r\n".encode())
    assert b"headers_too_large" in relay.send(f"{head}{few}X-More: {'y' * 5_000}\r\n\r\n".encode())


def test_strangers_who_are_slow_on_an_open_channel_do_not_fill_the_memory_of_all(relay):
    """What one channel may be reading has a bound: it is told to come again, the others are taken."""
    head = b"POST /in/open HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx"
    with ExitStack() as stack:
        slow = [stack.enter_context(relay.raw()) for _ in range(20)]
        for connection in slow:
            connection.sendall(head)
        until(lambda: relay.post(b"x" * 1000, "open", None).status == 503, relay.text)
        assert relay.post().status == 202

    until(lambda: relay.post(b"x" * 900_000, "open", None).status == 202, relay.text)


def test_all_that_is_being_read_has_a_bound_whatever_the_channel(relay):
    """Three channels may not read at once what each may alone; when they are done there is room again."""
    head = f"HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {POST}\r\nContent-Length: 1000000\r\n\r\nx"
    with ExitStack() as stack:
        for channel in ("a", "all", "open"):
            for _ in range(19):
                stack.enter_context(relay.raw()).sendall(f"POST /in/{channel} {head}".encode())
        until(lambda: relay.post(b"x" * 1_000_000, "last").status == 503, relay.text)

        refused = [relay.post(b"x" * 1_000_000, "last").status for _ in range(5)]

    assert refused == [503] * 5  # which costs nothing of its rate
    until(lambda: relay.post(b"x" * 900_000, "last").status == 202, relay.text)


async def test_what_waits_to_be_written_counts_as_in_memory(tmp_path):
    """While the disk is slow, a sender that went away leaves its message in memory: the next are told to come again."""
    mailbox = await Mailbox.open(tmp_path / "m.db", {"a": 1_000_000_000}, 1_000_000_000, HandClock())
    box, slow = mailbox.boxes["a"], asyncio.Event()
    channel = Channel(box, ChannelSection(post_token="none", poll_token=POLL))
    app = web.Application()
    app.router.add_post("/in/{channel}", Taker({"a": channel}, mailbox, HandClock()).take)
    mailbox._turns.add(slow.wait)
    large = Message("msg", 1, b"{}", bytes(1_000_000))
    posting = [asyncio.create_task(mailbox.put(box, large)) for _ in range(50)]
    async with asyncio.timeout(30), TestClient(TestServer(app)) as client:
        assert (await client.post("/in/a", data=b"1")).status == 503
        slow.set()
        await asyncio.gather(*posting)
        assert (await client.post("/in/a", data=b"1")).status == 202
    await mailbox.close()


def test_a_body_that_is_no_http_is_refused_quietly(relay):
    """Broken chunks are 400; a request that is none is 400; neither is a traceback in the log."""
    head = f"POST /in/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {POST}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    long = b"POST /in/a HTTP/1.1\r\nHost: x\r\nX-Long: " + b"y" * 100_000 + b"\r\n\r\n"
    many = b"".join(b"X-%d: 1\r\n" % number for number in range(500))
    for request in (
        head + b"zz\r\n",
        f"NONSENSE /in/a?token={POST}\x01 HTTP/9\r\n\r\n".encode(),
        long,
        b"POST /in/a HTTP/1.1\r\nHost: x\r\n" + many + b"\r\n",
    ):
        assert relay.send(request).split()[1] in (b"400", b"431")

    assert "Traceback" not in relay.text()
    assert POST not in relay.text()


def test_who_posts_too_fast_is_told_when_to_come_again(relay):
    """Two an hour: the third is to wait about half an hour, and a refusal costs nothing of the bucket."""
    answers = [relay.post(channel="slow") for _ in range(4)]

    assert [answer.status for answer in answers] == [202, 202, 429, 429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 1800
    assert answers[-1].json["code"] == "rate"
    assert relay.metric("refused_total", channel="slow", reason="rate") == 2


def test_a_full_channel_keeps_what_waits_and_the_sender_keeps_the_rest(relay):
    """429 with Retry-After until the plant has taken something; what it took makes room, what waits never goes."""
    body = b"x" * 30_000
    answers = [relay.post(body, "full") for _ in range(4)]
    assert [answer.status for answer in answers] == [202, 202, 202, 429]
    assert (answers[3].json["code"], answers[3].headers["Retry-After"]) == ("channel_full", "60")
    health = relay.health()
    assert health.status == 503
    assert "channel full takes nothing more: 3 messages wait" in health.json["problems"][0]
    kept = [answer.json["id"] for answer in answers[:3]]

    first = relay.poll("full", limit=1).json
    second = relay.poll("full", limit=1, iterator=first["iterator"])
    assert second.ids == kept[1:2]

    deadline = time.monotonic() + 30
    while (taken := relay.post(body, "full")).status == 429:
        assert time.monotonic() < deadline
    assert [each["id"] for each in relay.drain("full")] == [*kept[1:], taken.json["id"]]
    assert relay.health().status == 200


def test_a_full_relay_refuses_and_what_any_plant_took_makes_room(relay):
    """507 while all that is kept is wanted; the file stays within its bound."""
    body = b"x" * 900_000
    statuses = [relay.post(body, "all").status for _ in range(14)]
    taken = statuses.count(202)
    assert statuses == [202] * taken + [507] * (14 - taken)
    assert 8 <= taken <= 11
    assert relay.post(b"1").status in (202, 507)

    iterator = ""
    for _ in range(5):
        iterator = relay.poll("all", limit=1, iterator=iterator).json["iterator"]
    relay.poll("all", limit=1, iterator=iterator)
    deadline = time.monotonic() + 30
    while relay.post(body, "all").status == 507:
        assert time.monotonic() < deadline
    assert len(relay.drain("all")) >= taken - 5
    relay.poll("all", iterator=relay.poll("all", limit=250).json["iterator"])
    assert relay.metric("store_used_bytes") < 11_000_000


def test_a_sender_that_goes_away_leaves_nothing_behind(relay):
    """Half a body is no message."""
    before = len(relay.drain("small"))
    with relay.raw() as connection:
        head = f"POST /in/small HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {POST}\r\nContent-Length: 100\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 50)
        connection.shutdown(socket.SHUT_RDWR)

    assert relay.post(b"whole", "small").status == 202
    assert len(relay.drain("small")) == before + 1
    assert "Traceback" not in relay.text()


def test_other_paths_say_where_to_go(relay):
    """404 and 405 as JSON."""
    assert (relay.ask("/").status, relay.ask("/in/a", token=POST).status) == (404, 405)
    assert "/in/CHANNEL" in relay.ask("/").json["detail"]
