"""Every row of the answer table, from a real HTTP server through the real client, the dispatcher and its judge.

Each says what becomes of the event and of its destination (design: delivery, "What an answer means").
"""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from rigs.authority import Authority
from rigs.dispatching import Outbox, delivery, dispatching
from rigs.http_proxy import http_proxy
from rigs.raw_server import answers, raw_server
from rigs.token_endpoint import token_endpoint
from rigs.virtual_time import VirtualClock
from rigs.webhook import SECRET, opened

from agent.dispatch.status import DestinationState
from agent.model import SECOND
from agent.store.records import MarkCharged

DATE = "Sat, 21 Nov 2026 08:00:00 GMT"
HTML = b"\xef\xbb\xbf \r\n<!DOCTYPE html><title>Hotel</title>"
HOUR = 3600
BACK_OFF = 0.5  # of the dice that all tests here throw: half of the first second
MENDING = 300


@dataclass(frozen=True)
class Outcome:
    """What became of one event and its destination.

    `event`: delivered, waits, or why it is dead. `waits`: seconds of the destination; None: it is well.
    """

    event: str
    state: DestinationState = DestinationState.HEALTHY
    waits: float | None = None
    told: tuple[str, ...] = ()


DELIVERED = Outcome("delivered")
BACKS_OFF = Outcome("waits", DestinationState.WAITING, BACK_OFF)
REFUSED = Outcome("waits")
MEND = Outcome("waits", DestinationState.FAILING, MENDING, ("delivery.failing",))
DISABLED = Outcome("waits", DestinationState.DISABLED, told=("delivery.disabled",))
DEAD = Outcome(
    "the receiver asked not to be sent this again (the receiver answered {})", told=("delivery.dead",)
)


def throttled(seconds):
    return Outcome("waits", DestinationState.WAITING, seconds)


def dead(status):
    return Outcome(DEAD.event.format(status), told=DEAD.told)


ROWS = {
    # 2xx
    **{f"{status}": ((status,), {}, DELIVERED) for status in (200, 201, 202, 204, 299)},
    "a page of the receiver's own": ((200, b"{} <html>"), {}, DELIVERED),
    "captive portal": ((200, HTML), {}, BACKS_OFF),
    "captive portal, in capitals": ((200, b"<HTML>"), {}, BACKS_OFF),
    # It cannot now.
    **{f"{status}": ((status,), {}, BACKS_OFF) for status in (408, 500, 501, 502, 503, 504, 507, 599)},
    "500 with a time": ((500,), {"Retry_After": "120"}, BACKS_OFF),
    # It names the time to come back.
    "429": ((429,), {}, BACKS_OFF),
    "429, seconds": ((429,), {"Retry_After": "120"}, throttled(120)),
    "429, a fraction": ((429,), {"Retry_After": "120.1"}, throttled(121)),
    "429, garbage": ((429,), {"Retry_After": "soon"}, BACKS_OFF),
    "429, at once": ((429,), {"Retry_After": "0"}, BACKS_OFF),
    "429, beyond a day": ((429,), {"Retry_After": "1000000"}, throttled(24 * HOUR)),
    "503, seconds": ((503,), {"Retry_After": "7"}, throttled(7)),
    "503, a date by its own clock": (
        (503,),
        {"Date": DATE, "Retry_After": "Sat, 21 Nov 2026 08:02:00 GMT"},
        throttled(120),
    ),
    "503, a date gone by": (
        (503,),
        {"Date": DATE, "Retry_After": "Sat, 21 Nov 2026 07:59:00 GMT"},
        BACKS_OFF,
    ),
    "503, a date beyond a day": (
        (503,),
        {"Date": DATE, "Retry_After": "Sat, 28 Nov 2026 08:00:00 GMT"},
        throttled(24 * HOUR),
    ),
    # A person has to mend it.
    **{f"{status}": ((status,), {}, MEND) for status in (401, 403, 404, 407)},
    **{
        f"{status}": ((status,), {"Location": "/elsewhere"}, MEND)
        for status in (300, 301, 302, 303, 304, 307, 308)
    },
    # It wants nothing more.
    "410": ((410,), {}, DISABLED),
    **{
        f"disable, {status}": ((status,), {"Webhook_Delivery": "disable"}, DISABLED)
        for status in (200, 400, 404, 500)
    },
    # It does not want this one.
    **{
        f"abort, {status}": ((status,), {"Webhook_Delivery": "abort-message"}, dead(status))
        for status in (400, 401, 500)
    },
    "abort, 204": ((204,), {"Webhook_Delivery": "abort-message"}, DELIVERED),
    **{
        f"{status}": ((status,), {}, REFUSED)
        for status in (400, 402, 405, 406, 409, 411, 413, 415, 418, 422, 499)
    },
}
SECTION = {"signing": {"secret": SECRET}}


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def dispatched(url, *deliveries, **more: object):
    """A dispatcher whose receiver is the real client of a webhook."""
    section = SECTION | more
    async with (
        opened(url, VirtualClock(), **section) as destination,
        dispatching(destination, Outbox(*deliveries), dice=lambda: 0.5, url=url, **section) as rig,
    ):
        yield rig


async def outcome_of(url, expected, **more: object):
    """What became of the first attempt for one event; `expected` says when all is there that is to come."""
    async with dispatched(url, delivery(1), **more) as rig:
        health = rig.dispatcher.health
        await until(
            lambda: rig.outbox.marks or health.outage or health.refusal or health.disabled is not None
        )
        await until(lambda: len(rig.types) >= len(expected.told))
        event = "waits"
        if rig.outbox.delivered:
            event = "delivered"
        elif rig.outbox.dead:
            event = rig.outbox.dead[1]
        assert not rig.outbox.of(MarkCharged)
        assert (event == "waits") is (rig.dispatcher.status.in_memory == 1)
        waits = None if health.outage is None else (health.outage.gate - health.outage.since) / SECOND
        return Outcome(
            event, rig.dispatcher.status.state, waits, tuple(rig.types)
        ), rig.dispatcher.status.reason


@pytest.mark.parametrize("name", ROWS)
async def test_a_row_of_the_table(name):
    """What the event and the destination come to; one attempt, and nobody connects elsewhere."""
    said, headers, expected = ROWS[name]
    async with raw_server(answers(*said, **headers)) as server:
        outcome, _ = await outcome_of(f"http://127.0.0.1:{server.port}/hooks", expected)

        assert outcome == expected
        assert (server.connections, len(server.requests)) == (1, 1)


async def test_over_https_a_web_page_is_the_receivers(tmp_path):
    """Nobody else can have answered."""
    authority = Authority(tmp_path)
    tls = {"ca": str(authority.certificate)}
    async with raw_server(answers(200, HTML), authority.issue("server")) as server:
        outcome, _ = await outcome_of(f"https://127.0.0.1:{server.port}/", DELIVERED, tls=tls)

    assert outcome == DELIVERED


async def hangs_up(rig, reader, writer):
    await rig.request(reader)


async def test_no_answer_backs_off_with_the_step_as_the_reason(free_port):
    """Refused, and hung up: the event keeps its place, uncharged."""
    port = free_port()
    refused = await outcome_of(f"http://127.0.0.1:{port}/x?key=c4n4ry", BACKS_OFF)
    async with raw_server(hangs_up) as server:
        gone = await outcome_of(f"http://127.0.0.1:{server.port}/", BACKS_OFF)

    assert refused == (
        BACKS_OFF,
        f"connect: 127.0.0.1:{port}: Connection refused: check that it runs, and the port",
    )
    assert gone == (BACKS_OFF, "the receiver closed the connection before it answered")


async def test_what_fails_beside_the_receiver():
    """A proxy that is down or refuses, a token that is refused, a key that is none of ours."""
    section = {"url": "https://127.0.0.1:9/"}
    reasons = []
    for status, expected in ((502, BACKS_OFF), (403, MEND), (407, MEND)):
        said = f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()
        async with http_proxy(answer=said) as proxy:
            outcome, reason = await outcome_of(section["url"], expected, proxy={"url": proxy.url})
            assert outcome == expected
            reasons.append(reason)
    async with token_endpoint() as endpoint:
        oauth2 = endpoint.oauth2 | {"client_secret": "wrong"}
        outcome, reason = await outcome_of(section["url"], MEND, auth={"oauth2": oauth2})
        assert outcome == MEND
        reasons.append(reason)
    outcome, reason = await outcome_of(section["url"], MEND, tls={"certificate": "none.pem"})
    assert outcome == MEND

    assert [text.partition(":")[0] for text in reasons] == [
        "the proxy 127.0.0.1",
        "the proxy 127.0.0.1",
        "the proxy wants credentials (407)",
        "no token from 127.0.0.1",
    ]
    assert reason.startswith("the file none.pem cannot be used (")


async def test_five_different_events_refused_in_a_row_are_the_destinations_fault():
    """A wrong secret, say: none is charged, a person is told at once, five minutes until the next attempt."""
    events = [delivery(number, f"subject {number}") for number in range(1, 8)]
    async with (
        raw_server(answers(400)) as server,
        dispatched(f"http://127.0.0.1:{server.port}/", *events, concurrency=1) as rig,
    ):
        await until(lambda: rig.types)
        status = rig.dispatcher.status

        assert rig.types == ["delivery.failing"]
        assert (status.state, status.in_memory) == (DestinationState.FAILING, 7)
        assert 290 <= status.retry_in_s <= MENDING
        assert "so it was with the 4 events before: check `signing` and `url`" in status.reason
        assert rig.outbox.marks == []
        assert len(server.requests) == 5


@pytest.mark.parametrize("status", [400, 500])
async def test_poison_shows_itself_by_others_passing(status):
    """Charged then, by its own schedule, and dead in the end with the reason; the others have passed at once."""

    async def picky(rig, reader, writer):
        while True:
            request = await rig.request(reader)
            said = f"{status} X" if b'"subject":"poison"' in request else "204 X"
            writer.write(f"HTTP/1.1 {said}\r\nContent-Length: 0\r\n\r\n".encode())

    events = [delivery(1, "poison"), *(delivery(number, f"subject {number}") for number in range(2, 9))]
    async with raw_server(picky) as server:
        url = f"http://127.0.0.1:{server.port}/"
        retry = {"retry": ["10ms", "10ms"]}
        async with dispatched(url, *events[:4], **retry) as rig:
            for offered in events[4:]:
                before = len(server.requests)
                rig.offer(offered)
                await until(lambda before=before: len(server.requests) > before)
            await until(lambda: rig.outbox.dead or feed(rig))

    assert rig.outbox.dead == {
        1: f"given up after 3 attempts of its own; the last: the receiver answered {status}"
    }
    assert len(rig.outbox.of(MarkCharged)) == 2


def feed(rig):
    """One more that passes, so that the poison is seen."""
    number = max(rig.outbox.rows | dict.fromkeys(rig.outbox.delivered)) + 1
    rig.offer(delivery(number, f"subject {number}"))


async def test_after_an_outage_the_first_2xx_says_that_it_has_recovered():
    """It was told that it fails; then that it takes events again."""
    said = iter([401, 204])

    async def mended(rig, reader, writer):
        while True:
            await rig.request(reader)
            writer.write(f"HTTP/1.1 {next(said)} X\r\nContent-Length: 0\r\n\r\n".encode())

    async with (
        raw_server(mended) as server,
        dispatched(f"http://127.0.0.1:{server.port}/", delivery(1)) as rig,
    ):
        await until(lambda: rig.types)
        rig.dispatcher.enable()  # as the operator does who has mended it
        await until(lambda: rig.outbox.delivered)
        await until(lambda: len(rig.types) == 2)

    assert rig.types == ["delivery.failing", "delivery.recovered"]
