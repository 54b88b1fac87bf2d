"""One attempt at a receiver that answers: what goes out, what is taken of the answer, what is learnt."""

import asyncio
import gzip
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from rigs.raw_server import answers, raw_server
from rigs.webhook import MESSAGE, SECRET, MovedClock, opened
from standardwebhooks.webhooks import Webhook

from agent.delivery.signing import sign_hex
from agent.destinations.base import Message
from agent.model import Answer

LIBRARY = Webhook(SECRET)
EXCERPT = 2048


def sent(request):
    """A request taken apart: its first line, its headers by lower-case name, its body."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    pairs = (header.partition(":") for header in headers)
    return line, {name.lower(): text.strip() for name, _, text in pairs}, body


async def request_of(path="/hooks/plant", message=MESSAGE, **config: object):
    """What a destination of this configuration sends for a message."""
    async with (
        raw_server(answers()) as server,
        opened(f"http://127.0.0.1:{server.port}{path}", **config) as destination,
    ):
        assert isinstance(await destination.deliver(message), Answer)
    [request] = server.requests
    return sent(request)


@asynccontextmanager
async def web_server(post):
    """A real web server; gives its port."""
    app = web.Application()
    app.router.add_post("/hooks/plant", post)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("status", [200, 201, 202, 204, 400, 401, 404, 408, 410, 429, 500, 503, 599])
async def test_a_web_server_can_verify_and_its_answer_is_taken(status):
    """The specification's library accepts the signature; status, headers and body come back."""
    refused = []

    async def post(request):
        try:
            LIBRARY.verify(await request.read(), dict(request.headers))
        except ValueError as error:
            refused.append(error)
        return web.Response(status=status, headers={"Webhook-Delivery": "x"}, text="Größe")

    async with web_server(post) as port, opened(port) as destination:
        outcome = await destination.deliver(MESSAGE)

    assert refused == []
    assert isinstance(outcome, Answer)
    assert (outcome.status, outcome.headers.get("webhook-delivery")) == (status, "x")
    assert outcome.excerpt == ("" if status == 204 else "Größe")
    assert 0 < outcome.latency < 5


async def test_the_request_is_a_signed_post_of_exactly_the_body():
    """Path and query as they are written; JSON; no compressed answer wanted."""
    line, headers, body = await request_of("/hooks/plant?key=a%20b&x=1")

    assert line == "POST /hooks/plant?key=a%20b&x=1 HTTP/1.1"
    assert body == MESSAGE.body
    assert headers["content-type"] == "application/json"
    assert headers["content-length"] == str(len(body))
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"].startswith("edge-relay/")
    assert headers["webhook-id"] == MESSAGE.id
    assert LIBRARY.verify(body, headers) == {"type": "agent.test"}


async def test_while_the_secret_is_changed_both_verify():
    """`previous_secrets`: a receiver that has one of the two accepts."""
    new = "whsec_" + "bmV3" * 8

    _, headers, body = await request_of(signing={"secret": new, "previous_secrets": [SECRET]})

    assert Webhook(new).verify(body, headers) == LIBRARY.verify(body, headers)


@pytest.mark.parametrize("prefix", ["", "sha256="])
async def test_a_hex_signature_covers_the_body_alone(prefix):
    """GitHub's way: the header, the prefix, the key as it is written; no other signature."""
    signing = {"scheme": "hex", "secret": "whsec_literal", "header": "X-Hub-Signature-256", "prefix": prefix}

    _, headers, body = await request_of(signing=signing)

    assert headers["x-hub-signature-256"] == prefix + sign_hex(b"whsec_literal", body)
    assert "webhook-signature" not in headers


async def test_without_signing_there_is_no_signature():
    """Id and time are sent all the same: receivers deduplicate by them."""
    _, headers, _ = await request_of(signing="none")

    assert "webhook-signature" not in headers
    assert headers["webhook-id"] == MESSAGE.id
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 5


async def test_headers_of_the_configuration_are_sent():
    """A bearer token, own headers, and one of ours replaced, however it is spelt."""
    _, headers, _ = await request_of(
        auth={"bearer": "t0ken"}, headers={"X-Plant": "dresden", "content-TYPE": "text/plain"}
    )

    assert headers["authorization"] == "Bearer t0ken"
    assert headers["x-plant"] == "dresden"
    assert headers["content-type"] == "text/plain"


async def test_what_is_shown_is_what_is_sent():
    """`send-test` prints the headers of an attempt before it makes it."""
    config = {"auth": {"bearer": "t0ken"}, "headers": {"X-Plant": "dresden"}}
    async with opened("https://cmms.example.com/", **config) as destination:
        shown = destination.headers(MESSAGE)

    _, headers, _ = await request_of(**config)

    assert set(headers) - {name.lower() for name in shown} == {"host", "accept", "content-length"}
    assert headers["authorization"] == shown["Authorization"]


async def test_each_attempt_is_stamped_and_signed_anew():
    """C3: id and body are the same an hour later, time and signature are not, and it verifies then."""
    clock = MovedClock(ahead=-3600)
    async with raw_server(answers()) as server, opened(server.port, clock) as destination:
        await destination.deliver(MESSAGE)
        clock.ahead = 0
        await destination.deliver(MESSAGE)
    (_, first, body), (_, second, again) = map(sent, server.requests)

    assert (first["webhook-id"], body) == (second["webhook-id"], again)
    assert 3599 <= int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) <= 3605
    assert first["webhook-signature"] != second["webhook-signature"]
    assert LIBRARY.verify(again, second)


@pytest.mark.parametrize("hours", [-1, 1, 24 * 365 * 2])
async def test_after_one_answer_the_stamp_is_of_the_receivers_clock(hours, caplog):
    """C2: within five seconds of its `Date`, wherever our clock stands; said once, shown."""
    date = format_datetime(datetime.now(UTC), usegmt=True)
    clock = MovedClock(ahead=-hours * 3600)
    async with raw_server(answers(401, Date=date)) as server, opened(server.port, clock) as destination:
        for _ in range(3):
            await destination.deliver(MESSAGE)
        offset = destination.clock_offset / 1e9
    stamps = [int(headers["webhook-timestamp"]) - time.time() for _, headers, _ in map(sent, server.requests)]

    assert abs(stamps[0] + hours * 3600) < 5
    assert all(abs(stamp) < 5 for stamp in stamps[1:])
    assert abs(offset - hours * 3600) < 5
    assert [record.levelname for record in caplog.records if "clock" in record.message] == ["WARNING"]


async def test_when_the_clock_is_mended_the_offset_is_forgotten():
    """The next `Date` is believed as the first was."""
    clock = MovedClock(ahead=-600)
    dates = iter([datetime.now(UTC), datetime.now(UTC) + timedelta(seconds=1)])

    async def post(request):
        return web.Response(headers={"Date": format_datetime(next(dates), usegmt=True)})

    async with web_server(post) as port, opened(port, clock) as destination:
        await destination.deliver(MESSAGE)
        learnt = destination.clock_offset
        clock.ahead = 0
        await destination.deliver(MESSAGE)

        assert learnt > 0
        assert destination.clock_offset == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status):
    """X4: nothing connects to where it leads; the answer is the outcome."""
    async with raw_server(answers()) as elsewhere:
        location = f"http://127.0.0.1:{elsewhere.port}/hooks"
        async with (
            raw_server(answers(status, Location=location)) as server,
            opened(server.port) as destination,
        ):
            outcome = await destination.deliver(MESSAGE)

        assert (outcome.status, outcome.headers["location"]) == (status, location)
        assert (server.connections, elsewhere.connections) == (1, 0)


async def test_no_cookie_is_kept():
    """Each delivery stands for itself."""
    async with raw_server(answers(Set_Cookie="session=1")) as server, opened(server.port) as destination:
        await destination.deliver(MESSAGE)
        await destination.deliver(MESSAGE)

    assert ["cookie" in headers for _, headers, _ in map(sent, server.requests)] == [False, False]


async def test_the_environment_names_no_proxy(monkeypatch):
    """What is not in the configuration plays no part."""
    async with raw_server(answers()) as proxy, raw_server(answers()) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "")
        async with opened(server.port) as destination:
            await destination.deliver(MESSAGE)

        assert (server.connections, proxy.connections) == (1, 0)


@pytest.mark.parametrize("length", [0, 100, EXCERPT - 1, EXCERPT])
async def test_one_connection_is_used_again_and_again(length):
    """An answer that was read to its end leaves the connection as it was."""
    async with raw_server(answers(200, b"x" * length)) as server, opened(server.port) as destination:
        for _ in range(20):
            assert len((await destination.deliver(MESSAGE)).excerpt) == length

        assert (server.connections, len(server.requests)) == (1, 20)


async def test_of_a_huge_answer_two_kilobytes_are_read():
    """It never ends, and costs neither time nor memory: its connection is closed."""
    written = 0

    async def flood(rig, reader, writer):
        nonlocal written
        await rig.request(reader)
        writer.write(b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"z" * 65_536 + b"\r\n")
            written += 65_536
            await writer.drain()

    async with raw_server(flood) as server, opened(server.port) as destination:
        outcome = await asyncio.wait_for(destination.deliver(MESSAGE), 5)
        async with asyncio.timeout(30):
            while server.open:
                await asyncio.sleep(0.005)

    assert (outcome.status, outcome.excerpt) == (500, "z" * EXCERPT)
    assert written < 50_000_000


async def test_a_compressed_answer_is_not_unpacked():
    """A kilobyte could become a gigabyte."""
    bomb = gzip.compress(bytes(100_000_000), mtime=0)[:EXCERPT]
    async with (
        raw_server(answers(200, bomb, Content_Encoding="gzip")) as server,
        opened(server.port) as destination,
    ):
        outcome = await destination.deliver(MESSAGE)

    assert outcome.excerpt == bomb.decode(errors="replace")


async def test_a_body_that_trickles_ends_with_the_attempt():
    """A byte a second for ever (N1): the status was given, and that is the answer."""

    async def trickle(rig, reader, writer):
        await rig.request(reader)
        writer.write(b"HTTP/1.1 202 X\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"z")
            await asyncio.sleep(0.2)

    began = time.monotonic()
    async with raw_server(trickle) as server, opened(server.port, timeout="1s") as destination:
        outcome = await destination.deliver(MESSAGE)

    assert outcome.status == 202
    assert 2 <= len(outcome.excerpt) <= 6
    assert 0.9 < time.monotonic() - began < 3


async def test_a_body_that_breaks_off_has_its_status():
    """The receiver said 2xx before the line broke; sending it again would be a duplicate for nothing."""

    async def break_off(rig, reader, writer):
        await rig.request(reader)
        writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\npart")
        await writer.drain()
        writer.transport.abort()

    async with raw_server(break_off) as server, opened(server.port) as destination:
        outcome = await destination.deliver(MESSAGE)

    assert outcome.status == 200
    assert "part".startswith(outcome.excerpt)


async def test_a_body_of_many_kilobytes_arrives_whole():
    """Nothing of ours is cut."""
    body = b'"' + "°".encode() * 100_000 + b'"'

    _, headers, received = await request_of(message=Message("evt_big", body))

    assert received == body
    assert LIBRARY.verify(received, headers) == "°" * 100_000
