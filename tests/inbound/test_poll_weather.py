"""What a polling endpoint, and whatever stands before it, may answer: none of it is taken for messages."""

import asyncio
import gzip
import re
import traceback

import pytest
from aiohttp import web
from rigs.census import census, settled
from rigs.poll_relay import answer, poll_relay, says
from rigs.poll_turns import section
from rigs.relay_session import running

ENTRY = {"id": "m", "eventType": "t", "payload": {}, "timestamp": "2026-11-21T08:00:00Z"}
ANSWER = answer(ENTRY, iterator="it 0/1", done=True).encode()
CANARY = "canary-4711"


async def never_ends(request):
    """Send an answer that is whole but for its end."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(ANSWER)
    await asyncio.Event().wait()


async def a_byte_at_a_time(request):
    """Send it slowly: something always comes."""
    response = web.StreamResponse(headers={"Content-Length": str(len(ANSWER))})
    await response.prepare(request)
    for number in range(len(ANSWER)):
        await response.write(ANSWER[number : number + 1])
        await asyncio.sleep(0.1)
    return response


async def dies_in_mid_answer(request):
    """Send half of it."""
    response = web.StreamResponse(headers={"Content-Length": str(len(ANSWER))})
    await response.prepare(request)
    await response.write(ANSWER[: len(ANSWER) // 2])
    request.transport.close()
    return response


async def dies_in_mid_chunk(request):
    """The same with an answer whose length nobody knows, at an end that would do as JSON."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(ANSWER)
    request.transport.close()
    return response


async def hangs_up(request):
    """Send nothing."""
    request.transport.abort()
    return web.Response()


async def never_answers(request):
    """Send nothing, and stay."""
    await asyncio.Event().wait()


async def floods(request):
    """Send more than anybody would keep, for as long as it is read."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(bytes(65_536))


PORTAL = "<!DOCTYPE html><html><body>Welcome! Accept our terms.</body></html>"
WEATHER = {
    "a portal": (
        says(body=PORTAL, Content_Type="text/html"),
        "nested too deeply: check `url`, and whether a portal",
    ),
    "nothing at all": (says(), "it is not JSON"),
    "another program's JSON": (says(body='{"status":"ok"}'), "no data, iterator and done"),
    "Svix's second version": (says(body='{"data":[{"offset":1}],"done":true}'), "second version"),
    "a status of 204": (says(204), "it answered 204: check `url`"),
    "a redirect": (says(302, Location="/elsewhere"), "it answered 302, a redirect, which is never followed"),
    "a bad question": (says(400, '{"code":"validation"}'), "it answered 400: check `url`"),
    "no token": (says(401), "it answered 401: check `token`"),
    "another's token": (says(403), "it answered 403: check `token`"),
    "another address": (says(404), "it answered 404: check `url`"),
    "an endpoint that was deleted": (says(410), "it answered 410: check `url`"),
    "too often, with no time": (says(429), "it answered 429: look at the relay"),
    "a wait of nothing": (says(503, Retry_After="0"), "it answered 503: look at the relay"),
    "a wait that nobody can read": (says(503, Retry_After="later"), "it answered 503"),
    "an error with a wait": (says(500, Retry_After="7"), "it answered 500"),
    "a gateway": (says(502, PORTAL), "it answered 502: look at the relay"),
    "a compressed answer": (says(body=gzip.compress(ANSWER), Content_Encoding="gzip"), "compressed"),
    "no end": (never_ends, "no whole answer within 1 s: check that it runs"),
    "a byte at a time": (a_byte_at_a_time, "no whole answer within 1 s"),
    "no answer": (never_answers, "no whole answer within 1 s"),
    "half an answer": (dies_in_mid_answer, "the answer broke off: look at the relay"),
    "a chunk less": (dies_in_mid_chunk, "the answer broke off"),
    "a hang-up": (hangs_up, "the relay closed the connection before it answered"),
    "a header without end": (says(body=ANSWER, X="x" * 20_000), "the answer is not HTTP"),
    "a flood": (floods, "one message alone is an answer of more than 16,000,000 bytes"),
}


@pytest.mark.parametrize("name", WEATHER)
async def test_weather_ends_the_session_with_its_cause_and_remedy(name, caplog):
    """Nothing is taken and nothing acknowledged; the relay is named, its query and the token are not."""
    caplog.set_level("DEBUG", "agent")
    behaviour, why = WEATHER[name]
    async with poll_relay(token=CANARY) as relay:
        before = census()
        relay.put(b"1")
        relay.next_answers = [behaviour] * 4
        patience = {} if "within 1 s" not in why else {"timeout": "1s"}
        config = section(relay, url=f"{relay.url}?key={CANARY}", token=CANARY, **patience)
        async with running(config) as session:
            said = await session.error()
            error = session.task.exception()
        await settled(before)

    assert said.startswith(f"127.0.0.1:{relay.port}: ")
    assert why in said
    assert re.search(r"\b(check|look|take|raise)\b", said), said
    assert not session.taken
    assert not session.answers
    assert {"iterator" in each.query for each in relay.asked} == {False}
    assert not re.search(f"{CANARY}|terms", "".join(traceback.format_exception(error)) + caplog.text)


async def test_a_token_that_is_missing_is_asked_for():
    """Whoever has written none is told to."""
    async with poll_relay() as relay, running(section(relay, token=None)) as session:
        said = await session.error()

    assert "it answered 401: check `token`, the relay asks for one" in said


@pytest.mark.parametrize("name", ["half an answer", "a chunk less", "a hang-up", "a portal"])
async def test_after_weather_the_next_session_is_given_the_same(name):
    """What was lost on the way was not acknowledged."""
    async with poll_relay() as relay:
        relay.put(b"1")
        async with running(section(relay)) as session:
            await session.until(lambda: session.taken)
            await session.cancel()
            relay.put(b"2")
            relay.next_answers = [WEATHER[name][0]] * 2
            session.begin(section(relay))
            await session.error()
            relay.next_answers = []
            session.begin(section(relay))
            await session.until(lambda: len(session.taken) > 1)

    assert session.bodies == [b"1", b"2"]
