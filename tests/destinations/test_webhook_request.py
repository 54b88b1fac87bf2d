"""What goes out: the method, the body as it is or compressed, its type, who the agent is; and several events at once."""

import asyncio
import gzip
import io
import json

import pytest
from flask import Flask, request
from rigs.dispatching import Outbox, delivery, dispatching
from rigs.flask_receiver import served
from rigs.raw_server import answers, raw_server
from rigs.webhook import MESSAGE, SECRET, opened
from standardwebhooks.webhooks import Webhook

from agent.delivery.signing import sign_hex
from agent.destinations.base import Message
from agent.model import Answer

LIBRARY = Webhook(SECRET)
LARGE = Message("evt_large", json.dumps({"type": "agent.test", "data": ["Größe"] * 100}).encode())


async def settled(condition):
    """Wait until it holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def request_of(message=MESSAGE, **config: object):
    """What a destination of this configuration sends: first line, headers by lower-case name, body."""
    async with raw_server(answers()) as server, opened(server.port, **config) as destination:
        assert isinstance(await destination.deliver(message), Answer)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    return line, {name.lower(): text for name, _, text in (field.partition(": ") for field in fields)}, body


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_the_method_is_the_configurations(method):
    """With the same body and signature."""
    line, headers, body = await request_of(method=method)

    assert line == f"{method} /hooks/plant HTTP/1.1"
    assert LIBRARY.verify(body, headers) == {"type": "agent.test"}


async def test_a_compressed_body_is_signed_as_it_is_unpacked():
    """Frameworks and gateways unpack before the application sees it; the same bytes each time."""
    _, headers, body = await request_of(LARGE, compress="gzip")
    _, again, repeated = await request_of(LARGE, compress="gzip")

    assert headers["content-encoding"] == again["content-encoding"] == "gzip"
    assert int(headers["content-length"]) == len(body) < len(LARGE.body) / 5
    assert body == repeated
    assert gzip.decompress(body) == LARGE.body
    assert LIBRARY.verify(gzip.decompress(body), headers)


async def test_a_large_batch_is_compressed_elsewhere():
    """On a thread, to the same bytes as on the loop."""
    long = Message("evt_long", LARGE.body * 100)

    _, headers, body = await request_of(long, compress="gzip")

    assert body == gzip.compress(long.body, 6, mtime=0)
    assert headers["content-encoding"] == "gzip"


async def test_a_hex_signature_of_a_compressed_body_is_too():
    """GitHub's way: over what it unpacks."""
    signing = {"scheme": "hex", "secret": "x", "header": "X-Signature"}

    _, headers, body = await request_of(LARGE, compress="gzip", signing=signing)

    assert headers["x-signature"] == sign_hex(b"x", gzip.decompress(body))


async def test_what_compression_would_make_larger_is_sent_as_it_is():
    """A heartbeat, a test."""
    _, headers, body = await request_of(MESSAGE, compress="gzip")

    assert body == MESSAGE.body
    assert "content-encoding" not in headers


async def test_a_framework_behind_a_gateway_that_unpacks_verifies():
    """A middleware in front of the Flask application, as Express and aiohttp have it built in: all fits."""
    app, seen = Flask("receiver"), []

    @app.post("/hooks/plant")
    def receive() -> tuple[str, int]:
        seen.append(LIBRARY.verify(request.get_data(), dict(request.headers)))
        return "", 204

    def unpacking(environ, start_response):
        if environ.get("HTTP_CONTENT_ENCODING") == "gzip":
            body = gzip.decompress(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return app(environ, start_response)

    with served(unpacking) as port:
        async with opened(port, compress="gzip") as destination:
            outcome = await destination.deliver(LARGE)

    assert outcome.status == 204
    assert seen == [json.loads(LARGE.body)]


async def test_the_content_type_is_the_formats_unless_a_header_says_otherwise():
    """CloudEvents, line protocol: whoever writes the body knows what it is."""
    text = Message("evt_text", b"level,site=d value=7", "text/plain; charset=utf-8")

    _, of_the_format, _ = await request_of(text)
    _, of_the_header, _ = await request_of(text, headers={"content-TYPE": "application/x-influx"})

    assert of_the_format["content-type"] == "text/plain; charset=utf-8"
    assert of_the_header["content-type"] == "application/x-influx"


async def test_a_user_and_a_password():
    """RFC 7617, in UTF-8."""
    _, headers, _ = await request_of(auth={"basic": {"user": "Anlage", "password": "Größe:1"}})

    assert headers["authorization"] == "Basic QW5sYWdlOkdyw7bDn2U6MQ=="


async def test_several_events_go_in_one_request_that_verifies():
    """Under an id of their own; each member is what it would be alone."""
    section = {
        "signing": {"secret": SECRET},
        "batch": {"max_events": 3, "max_wait": "0s"},
        "compress": "gzip",
    }
    outbox = Outbox(*(delivery(number, f"subject {number}") for number in (1, 2, 3)))
    async with raw_server(answers()) as server:
        url = f"http://127.0.0.1:{server.port}/hooks/plant"
        async with (
            opened(url, **section) as destination,
            dispatching(destination, outbox, url=url, **section),
        ):
            await settled(lambda: len(outbox.delivered) == 3)
    [request] = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    headers = {
        name.lower(): text for name, _, text in (line.partition(": ") for line in head.decode().split("\r\n"))
    }
    batch = LIBRARY.verify(gzip.decompress(body), headers)

    assert headers["webhook-id"].startswith("bat_")
    assert batch["type"] == "batch"
    assert [event["data"]["seq"] for event in batch["data"]["events"]] == [1, 2, 3]
