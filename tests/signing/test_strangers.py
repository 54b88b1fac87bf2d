"""What we sign, strangers verify: the official libraries of Python and JavaScript, two other ed25519, Flask's tutorials."""

from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from rigs.signing_vectors import C_PUBLIC, A, B, C
from rigs.strangers import Case, verdicts
from rigs.webhook import MESSAGE, MovedClock, opened

from agent.destinations.base import Message

BODIES = (
    b'{"type":"alarm.raised","data":{"message":"Kl\xc3\xa4ranlage \xe2\x82\xac 3.0","value":1e-7,"limit":8.50}}',
    b'{"text":"line one\\nline two / \\u00e9 \xf0\x9f\x94\xa5"}',
    b"tank,site=dresden value=3.5 1614265330000000000\n",
    b"\r\n",
)


@asynccontextmanager
async def arrivals():
    """A web server of aiohttp: `port`, and every request with its raw body."""
    kept = []

    async def keep(request):
        kept.append(({name.lower(): text for name, text in request.headers.items()}, await request.read()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/{path:.*}", keep)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield site._server.sockets[0].getsockname()[1], kept
    finally:
        await runner.cleanup()


async def sent(signing, bodies=BODIES):
    """Each body as the agent's webhook destination sends it and a web server receives it."""
    async with arrivals() as (port, kept), opened(port, signing=signing) as destination:
        for number, body in enumerate(bodies):
            assert (await destination.deliver(Message(f"evt_{number}", body))).status == 204
    assert [body for _, body in kept] == list(bodies)
    return kept


HMAC = {"javascript standardwebhooks", "javascript svix", "python standardwebhooks", "python svix"}
ED25519 = {"javascript ed25519", "python cryptography"}


@pytest.mark.parametrize(
    ("signing", "keys", "strangers"),
    [
        ({"secret": A.key}, [A.key], HMAC),
        ({"secret": B.key, "previous_secrets": [A.key]}, [B.key, A.key], HMAC),
        ({"scheme": "ed25519", "key": C.key, "previous_secrets": [A.key]}, [C_PUBLIC, A.key], ED25519 | HMAC),
        ({"scheme": "hex", "secret": "ä secret", "header": "X-Hub-Signature-256", "prefix": "sha256="}, ["ä secret"], {"javascript github"}),
    ],
    ids=["hmac", "rotation", "ed25519 beside hmac", "github"],
)  # fmt: skip
async def test_what_the_agent_sends_every_stranger_accepts_and_nothing_else(signing, keys, strangers):
    """Through a real connection, with each key that a receiver may have; one byte more, and nobody does."""
    kept = await sent(signing)
    good = [Case(key, headers, body) for key in keys for headers, body in kept]
    changed = [case._replace(body=case.body + b" ") for case in good]
    answers = verdicts([*good, *changed])

    assert set().union(*answers[: len(good)]) == strangers
    assert all(all(of_case.values()) for of_case in answers[: len(good)])
    assert not any(any(of_case.values()) for of_case in answers[len(good) :])


async def test_each_attempt_is_stamped_and_signed_anew():
    """A message that was refused ten minutes ago is accepted now: libraries refuse what is older than five."""
    clock = MovedClock(ahead=-600)
    async with arrivals() as (port, kept), opened(port, clock, signing={"secret": A.key}) as destination:
        await destination.deliver(MESSAGE)
        destination.clock_offset = 0  # what it has learnt of the receiver's clock meanwhile is not the point
        clock.ahead = 0
        await destination.deliver(MESSAGE)
    old, new = verdicts([Case(A.key, headers, body) for headers, body in kept])

    assert set(old) == set(new) == HMAC
    assert (any(old.values()), all(new.values())) == (False, True)
