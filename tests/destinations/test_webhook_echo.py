"""What a receiver says back of a request: dead letters show it, and no credential of the agent may stand in it (X2)."""

import base64
import json

import pytest
from rigs.raw_server import answers, raw_server
from rigs.token_endpoint import token_endpoint
from rigs.webhook import MESSAGE, opened

TOKEN = "c4n4ry-token-4711"
PASSWORD = "c4n4ry-öffne"
BASIC = base64.b64encode(f"line-4:{PASSWORD}".encode()).decode()
ROOM = "c4n4ry-room/B000/XXXX"


async def echo(rig, reader, writer):
    """What frameworks do in their debugging mode, and gateways with what they do not route."""
    head, _, body = (await rig.request(reader)).partition(b"\r\n\r\n")
    named = json.dumps({"headers": head.decode(), "who": f"line-4:{PASSWORD}"}, ensure_ascii=False).encode()
    said = b"no good: " + head + b"\r\n\r\n" + named + body
    writer.write(b"HTTP/1.1 400 X\r\nContent-Length: %d\r\n\r\n" % len(said) + said)
    await reader.read()


def hides(text):
    return not any(each in text for each in (TOKEN, PASSWORD, BASIC, ROOM, "c4n4ry"))


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ({"auth": {"bearer": TOKEN}}, "/hooks"),
        ({"auth": {"basic": {"user": "line-4", "password": PASSWORD}}}, "/hooks"),
        ({"headers": {"X-Api-Key": TOKEN}}, "/hooks"),
        ({"headers": {"Authorization": f"Token {TOKEN}"}}, "/hooks"),
        ({}, f"/hooks?key={TOKEN}&room=2"),
        ({}, f"/hooks?code={TOKEN}%3D%3D"),
    ],
    ids=["bearer", "basic", "header", "authorization", "query", "escaped query"],
)
async def test_what_it_says_back_of_a_credential_is_covered(section, path):
    """What else it says stays, for that is what a person needs."""
    async with (
        raw_server(echo) as server,
        opened(f"http://127.0.0.1:{server.port}{path}", **section) as destination,
    ):
        answer = await destination.deliver(MESSAGE)

    assert b"c4n4ry" in server.requests[0] or BASIC.encode() in server.requests[0]
    if "basic" not in str(section):
        answer = answer.__class__(answer.status, {}, 0.0, answer.excerpt.replace(PASSWORD, ""))
    assert hides(answer.excerpt)
    assert answer.excerpt.startswith("no good: POST /hooks")
    assert "(not shown)" in answer.excerpt
    assert "Content-Type: application/json" in answer.excerpt


async def test_words_that_a_person_needs_stay():
    """What is a word in the address, and in the answer, is no key."""
    said = b'{"code":"not found","message":"bucket \\"plant\\" of dresden not found in application/json"}'
    async with (
        raw_server(answers(404, said)) as server,
        opened(
            f"http://127.0.0.1:{server.port}/api/v2/write?bucket=plant&org=dresden",
            headers={"Content-Type": "application/json"},
        ) as destination,
    ):
        answer = await destination.deliver(MESSAGE)

    assert answer.excerpt == said.decode()


async def test_what_a_proxy_says_back_of_its_own_is_covered():
    """Over plain HTTP it answers in the receiver's place."""
    async with raw_server(echo) as proxy:
        way = {"url": f"http://127.0.0.1:{proxy.port}", "user": "line-4", "password": PASSWORD}
        async with opened("http://192.0.2.1/hooks", proxy=way) as destination:
            answer = await destination.deliver(MESSAGE)

    assert BASIC.encode() in proxy.requests[0]
    assert hides(answer.excerpt)
    assert "(not shown)" in answer.excerpt


async def test_an_address_that_is_a_secret_is_covered(tmp_path, monkeypatch):
    """A chat room's: the path opens it."""
    async with raw_server(echo) as server:
        monkeypatch.setenv("ROOM_URL", f"http://127.0.0.1:{server.port}/services/{ROOM}?n=1")
        async with opened("${env:ROOM_URL}") as destination:
            answer = await destination.deliver(MESSAGE)

    assert ROOM.encode() in server.requests[0]
    assert ROOM not in answer.excerpt


async def test_a_token_that_was_fetched_is_covered():
    """Nobody has written it anywhere; it opens the receiver all the same."""
    async with token_endpoint() as endpoint, raw_server(echo) as server:
        url = f"http://127.0.0.1:{server.port}/hooks"
        async with opened(url, auth={"oauth2": endpoint.oauth2}) as destination:
            answer = await destination.deliver(MESSAGE)
    [token] = endpoint.good

    assert token.encode() in server.requests[0]
    assert token.removeprefix("Bearer ") not in answer.excerpt
    assert "(not shown)" in answer.excerpt
