"""OAuth 2.0 client credentials against a real authorization server: fetched once, kept, renewed; its failures are its own."""

import asyncio
import logging

import pytest
from aiohttp import web
from rigs.raw_server import answers, raw_server
from rigs.token_endpoint import SECRET, token_endpoint
from rigs.webhook import MESSAGE, MovedClock, opened

from agent.model import SECOND, Answer, Blocked, NoAnswer


class PatientClock(MovedClock):
    """Its monotonic clock moves too."""

    def __init__(self):
        super().__init__()
        self.later = 0.0

    def monotonic(self):
        return super().monotonic() + round(self.later * SECOND)


async def deliver(endpoint, count=1, clock=None, **more: object):
    """So many messages one after the other; the statuses that came back."""
    auth = {"oauth2": endpoint.oauth2 | more}
    async with opened(endpoint.port, clock, auth=auth) as destination:
        return [await destination.deliver(MESSAGE) for _ in range(count)]


def statuses(outcomes):
    return [outcome.status for outcome in outcomes]


@pytest.mark.parametrize("client_auth", ["client_secret_basic", "client_secret_post"])
async def test_one_token_serves_all_messages(client_auth):
    """Asked for once, with credentials that hold colons, blanks and percent signs; sent as a bearer token."""
    async with token_endpoint() as endpoint:
        outcomes = await deliver(endpoint, 3, client_auth=client_auth, scope="events:write", audience="cmms")

    assert statuses(outcomes) == [204] * 3
    assert len(endpoint.asked) == 1
    assert endpoint.asked[0]["grant_type"] == "client_credentials"
    assert (endpoint.asked[0]["scope"], endpoint.asked[0]["audience"]) == ("events:write", "cmms")
    assert ("client_secret" in endpoint.asked[0]) is (client_auth == "client_secret_post")


async def test_attempts_at_once_wait_for_one_request():
    """Eight in flight, one token."""
    async with token_endpoint() as endpoint:
        endpoint.delay = 0.1
        async with opened(endpoint.port, auth={"oauth2": endpoint.oauth2}) as destination:
            outcomes = await asyncio.gather(*(destination.deliver(MESSAGE) for _ in range(8)))

    assert statuses(outcomes) == [204] * 8
    assert len(endpoint.asked) == 1


async def test_a_failure_is_told_to_all_who_waited():
    """An endpoint that is down is not knocked at eight times in a row."""
    async with token_endpoint() as endpoint:
        endpoint.delay, endpoint.behave = 0.1, lambda: web.Response(status=503)
        async with opened(endpoint.port, auth={"oauth2": endpoint.oauth2}) as destination:
            outcomes = await asyncio.gather(*(destination.deliver(MESSAGE) for _ in range(8)))

    assert len({outcome.why for outcome in outcomes}) == 1
    assert len(endpoint.asked) == 1


async def test_who_waited_for_a_cancelled_request_makes_its_own():
    """The attempt that fetched was given up; the others are not."""
    async with token_endpoint() as endpoint:
        endpoint.delay = 0.2
        async with opened(endpoint.port, auth={"oauth2": endpoint.oauth2}) as destination:
            first, *others = (asyncio.create_task(destination.deliver(MESSAGE)) for _ in range(3))
            async with asyncio.timeout(30):
                while not endpoint.asked:
                    await asyncio.sleep(0.005)
            first.cancel()
            outcomes = await asyncio.gather(*others)

    assert statuses(outcomes) == [204] * 2
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize(
    ("expires_in", "kept", "renewed"),
    [(3600, 3530, 3545), ("3600", 3530, 3545), (100, 85, 95), (None, 200, 301), (10**9, 80_000, 86_401)],
)
async def test_a_token_is_renewed_shortly_before_it_expires(expires_in, kept, renewed):
    """By the monotonic clock: a minute before, of a short one a tenth; one that names no end is kept for minutes."""
    clock = PatientClock()
    async with token_endpoint() as endpoint:
        endpoint.expires_in = expires_in
        async with opened(endpoint.port, clock, auth={"oauth2": endpoint.oauth2}) as destination:
            asked = []
            for later in (0, kept, renewed):
                clock.later = later
                assert (await destination.deliver(MESSAGE)).status == 204
                asked.append(len(endpoint.asked))

    assert asked == [1, 1, 2]


async def test_a_token_that_was_kept_and_is_refused_is_renewed_once():
    """The receiver's 401 costs no attempt; the new token is kept."""
    async with (
        token_endpoint() as endpoint,
        opened(endpoint.port, auth={"oauth2": endpoint.oauth2}) as destination,
    ):
        first = await destination.deliver(MESSAGE)
        endpoint.good.clear()  # the receiver's keys were changed
        renewed = [await destination.deliver(MESSAGE) for _ in range(2)]

    assert statuses([first, *renewed]) == [204, 204, 204]
    assert endpoint.shown == [f"Bearer t{number}-c4n4ry" for number in (1, 1, 2, 2)]


async def test_a_new_token_that_is_refused_is_the_receivers_answer():
    """No second request for it within the attempt, and a new token at the next."""
    async with token_endpoint() as endpoint:
        endpoint.expires_in = 3600
        async with raw_server(answers(401)) as server:
            auth = {"oauth2": endpoint.oauth2}
            async with opened(server.port, auth=auth) as destination:
                outcomes = [await destination.deliver(MESSAGE) for _ in range(2)]

    assert statuses(outcomes) == [401, 401]
    assert len(server.requests) == 3  # one; then that with the token that was kept, and one with a new one
    assert len(endpoint.asked) == 2


REFUSED = Blocked.CONFIGURATION
DOWN = Blocked.WEATHER


def says(status, **content):
    return lambda: web.json_response(content, status=status)


@pytest.mark.parametrize(
    ("behave", "blocked", "why"),
    [
        (
            says(401, error="invalid_client"),
            REFUSED,
            "it answered 401: invalid_client, check client_id, client_secret",
        ),
        (says(400, error="invalid_scope"), REFUSED, "it answered 400: invalid_scope, check scope"),
        (says(400, error=SECRET), REFUSED, "it answered 400: check token_url, client_id and client_secret"),
        (
            lambda: web.Response(status=404),
            REFUSED,
            "it answered 404: check token_url, client_id and client_secret",
        ),
        (
            lambda: web.Response(text="<html>"),
            REFUSED,
            "it answered 200 without a bearer token in JSON: check token_url",
        ),
        (says(200, access_token="x", token_type="mac"), REFUSED, "without a bearer token"),
        (says(200, access_token="a\r\nb: c"), REFUSED, "without a bearer token"),
        (says(200, token_type="bearer"), REFUSED, "without a bearer token"),
        (
            lambda: web.Response(status=302, headers={"Location": "/x"}),
            REFUSED,
            "a redirect, which is never followed",
        ),
        (lambda: web.Response(status=500), DOWN, "it answered 500"),
        (lambda: web.Response(status=429), DOWN, "it answered 429"),
        (lambda: web.Response(body=b"[" * 200_000), REFUSED, "without a bearer token"),
    ],
)
async def test_what_the_endpoint_refuses_is_said_of_the_endpoint(behave, blocked, why, caplog):
    """Nothing is sent to the receiver, nothing charged; no secret, whatever the endpoint repeats."""
    caplog.set_level(logging.DEBUG)
    async with token_endpoint() as endpoint:
        endpoint.behave = behave
        [outcome] = await deliver(endpoint)

    assert isinstance(outcome, NoAnswer)
    assert outcome.why.startswith(f"no token from 127.0.0.1:{endpoint.port} (auth: oauth2): ")
    assert why in outcome.why
    assert (outcome.blocked, outcome.unsent) == (blocked, True)
    assert endpoint.shown == []
    assert "c4n4ry" not in outcome.why + caplog.text


async def test_an_endpoint_that_is_not_there_or_silent_is_named(free_port):
    """With the step; the attempt ends in time."""

    async def silent(rig, reader, writer):
        await reader.read(1)
        await asyncio.sleep(60)

    async with raw_server(answers()) as receiver, raw_server(silent) as hung:
        gone = free_port()
        whys = []
        for port in (gone, hung.port):
            oauth2 = {"token_url": f"http://127.0.0.1:{port}/", "client_id": "a", "client_secret": "b"}
            async with opened(receiver.port, auth={"oauth2": oauth2}, timeout="1s") as destination:
                outcome = await destination.deliver(MESSAGE)
                assert (outcome.blocked, outcome.unsent) == (DOWN, True)
                whys.append(outcome.why)

    assert whys == [
        f"no token from 127.0.0.1:{gone} (auth: oauth2): connect: 127.0.0.1:{gone}: Connection refused: check that it runs, and the port",
        f"no token from 127.0.0.1:{hung.port} (auth: oauth2): no answer within 1 s",
    ]
    assert receiver.connections == 0


async def test_after_a_failure_the_next_attempt_asks_again():
    """The endpoint is back: nobody has to do anything."""
    async with token_endpoint() as endpoint:
        endpoint.behave = lambda: web.Response(status=503)
        async with opened(endpoint.port, auth={"oauth2": endpoint.oauth2}) as destination:
            failed = await destination.deliver(MESSAGE)
            endpoint.behave = None
            done = await destination.deliver(MESSAGE)

    assert isinstance(failed, NoAnswer)
    assert isinstance(done, Answer)
    assert done.status == 204


async def test_what_is_shown_has_no_token():
    """`send-test` prints the headers; a token is not fetched for that."""
    async with (
        token_endpoint() as endpoint,
        opened(endpoint.port, auth={"oauth2": endpoint.oauth2}) as destination,
    ):
        shown = destination.headers(MESSAGE)

    assert shown["Authorization"] == f"Bearer <a token from 127.0.0.1:{endpoint.port}>"
    assert endpoint.asked == []
