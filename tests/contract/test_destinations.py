"""What every destination does with one attempt (`agent.destinations.base`), over every kind and signature."""

import asyncio
import re
import time
from contextlib import asynccontextmanager
from typing import get_args

import pytest
from rigs.authority import Authority
from rigs.census import census, disconnected, settled
from rigs.deaf import deaf_port
from rigs.destination_kinds import CANARY, KINDS, WEBHOOKS, hangs_up, refuses_tls, resets, silent

from agent.clock import SystemClock
from agent.destinations import open_destination
from agent.destinations.base import Message
from agent.destinations.config import DestinationConfig
from agent.model import Answer, NoAnswer
from agent.signing.config import Signing

MESSAGE = Message("evt_contract", '{"type":"agent.test","where":"Kläranlage"}'.encode())
IN_TIME = 15.0  # seconds; an attempt that waits in vain may take one, fifty after the other would take fifty
PATIENT = {"timeout": "10s"}  # where an answer, or its end, is to come: on a slow machine too
CANCELLED_WITHIN = 1.0  # seconds
CYCLES = 30

of_every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
of_http = pytest.mark.parametrize("kind", WEBHOOKS.values(), ids=WEBHOOKS)


def test_every_kind_of_the_configuration_is_under_contract():
    """A destination that can be configured stands in the table, a webhook with each way of signing."""
    union = get_args(get_args(DestinationConfig)[0])
    configurable = {get_args(section.model_fields["type"].annotation)[0] for section in union}
    schemes = {tagged.__metadata__[0].tag for tagged in get_args(get_args(Signing)[0])}

    assert configurable == {kind.type for kind in KINDS.values()}
    assert schemes == {kind.scheme for kind in KINDS.values()}


@asynccontextmanager
async def opened(kind, place, **more: object):
    async with open_destination("cmms", kind.config(place, **more), SystemClock()) as destination:
        yield destination


async def attempt(kind, place, **more: object):
    """One attempt, which must end in time, and after which nothing is left."""
    before = census()
    async with asyncio.timeout(IN_TIME):
        async with opened(kind, place, **more) as destination:
            outcome = await destination.deliver(MESSAGE)
    await settled(before)
    return outcome


@of_every_kind
async def test_what_arrives_is_the_body_and_genuine(kind):
    """Byte for byte, once, under its id; accepted by an independent receiver, and not if it is changed."""
    async with kind.receiver(204) as receiver, opened(kind, receiver.port, **PATIENT) as destination:
        outcome = await destination.deliver(MESSAGE)

        [request] = await kind.requests(receiver, 1)

    assert isinstance(outcome, Answer)
    assert kind.read(request) == (MESSAGE.id, MESSAGE.body)
    assert kind.is_genuine(request)
    assert kind.scheme == "none" or not kind.is_genuine(request, body=MESSAGE.body + b" ")


@of_every_kind
async def test_a_second_attempt_is_the_same_message(kind):
    """The same id and the same body, and genuine too."""
    async with kind.receiver(503) as receiver, opened(kind, receiver.port, **PATIENT) as destination:
        for _ in range(2):
            await destination.deliver(MESSAGE)
        requests = list(await kind.requests(receiver, 2))

    assert [kind.read(request) for request in requests] == [(MESSAGE.id, MESSAGE.body)] * 2
    assert all(kind.is_genuine(request) for request in requests)


@of_http
@pytest.mark.parametrize("status", [200, 202, 204, 400, 401, 404, 410, 413, 429, 500, 503])
async def test_an_answer_is_handed_on_as_it_is(kind, status):
    """Whatever it says; what it means is judged elsewhere, and nothing is tried again here."""
    async with kind.receiver(status) as receiver:
        outcome = await attempt(kind, receiver.port)

    assert isinstance(outcome, Answer)
    assert outcome.status == status
    assert 0 < outcome.latency < IN_TIME
    assert len(receiver.requests) == 1


@of_http
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(kind, status):
    """Nobody connects to where it leads."""
    async with kind.receiver(204) as elsewhere:

        async def redirects(rig, reader, writer):
            await rig.request(reader)
            place = f"http://127.0.0.1:{elsewhere.port}/"
            writer.write(f"HTTP/1.1 {status} X\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode())
            await reader.read()

        async with kind.receiver(redirects) as receiver:
            outcome = await attempt(kind, receiver.port)

    assert isinstance(outcome, Answer)
    assert outcome.status == status
    assert elsewhere.connections == 0


@asynccontextmanager
async def _behaving(kind, folder, behaviour):
    async with kind.receiver(behaviour) as receiver:
        yield receiver.port


@asynccontextmanager
async def _nobody_listens(kind, folder):
    async with kind.receiver(204) as receiver:
        port = receiver.port
    yield port


@asynccontextmanager
async def _packets_are_dropped(kind, folder):
    with deaf_port() as port:
        yield port


@asynccontextmanager
async def _the_name_is_unknown(kind, folder):
    yield "http://no-such-receiver.invalid"  # RFC 2606: never resolves


@asynccontextmanager
async def _nobody_vouches_for_it(kind, folder):
    async with kind.receiver(204, Authority(folder).issue("server")) as receiver:
        yield f"https://127.0.0.1:{receiver.port}"


@asynccontextmanager
async def _it_speaks_no_tls(kind, folder):
    async with kind.receiver(refuses_tls) as receiver:
        yield f"https://127.0.0.1:{receiver.port}"


NO_ANSWER = {
    "silent": (lambda *where: _behaving(*where, silent), "no answer within 1 s"),
    "hangs up": (lambda *where: _behaving(*where, hangs_up), "closed the connection"),
    "resets": (lambda *where: _behaving(*where, resets), "connection broke|closed the connection"),
    "refused": (_nobody_listens, r"connect: 127\.0\.0\.1:\d+"),
    "packets dropped": (_packets_are_dropped, "no answer within 1 s"),
    "unknown name": (_the_name_is_unknown, "DNS: no-such-receiver.invalid"),
    "unknown certificate": (_nobody_vouches_for_it, "TLS: the certificate of 127.0.0.1"),
    "no TLS": (_it_speaks_no_tls, r"TLS: no secure connection with 127\.0\.0\.1:\d+"),
}


@of_every_kind
@pytest.mark.parametrize("name", NO_ANSWER)
async def test_no_answer_is_a_value_that_names_the_step(kind, name, tmp_path, caplog):
    """In time, with nothing left behind; no secret in the words or in a log."""
    caplog.set_level("DEBUG")
    where, step = NO_ANSWER[name]
    step = kind.steps.get(name, step)
    async with where(kind, tmp_path) as place:
        outcome = await attempt(kind, place, **({} if "within 1 s" in step else PATIENT))

    assert isinstance(outcome, NoAnswer)
    assert re.search(step, outcome.why), outcome.why
    assert CANARY not in outcome.why + caplog.text


@of_every_kind
async def test_an_idle_connection_that_the_receiver_closed_costs_no_attempt(kind):
    """It is let go of as soon as its end is seen; the next message has a new one."""
    async with (
        kind.receiver(kind.answers_once) as receiver,
        opened(kind, receiver.port, **PATIENT) as destination,
    ):
        for _ in range(10):
            outcome = await destination.deliver(MESSAGE)
            assert isinstance(outcome, Answer), outcome
            await disconnected(receiver.port)


async def _at_once(kind, task, receiver):
    pass


async def _in_its_first_steps(kind, task, receiver):
    for _ in range(3):
        await asyncio.sleep(0)


async def _while_it_waits(kind, task, receiver):
    async with asyncio.timeout(IN_TIME):
        while not receiver.requests:
            await asyncio.sleep(0.001)


@of_every_kind
@pytest.mark.parametrize("moment", [_at_once, _in_its_first_steps, _while_it_waits])
async def test_cancelled_at_any_moment_it_leaves_nothing(kind, moment):
    """At once; the client stays usable, and keeps no socket of the attempt (that of all is closed at the end)."""
    async with kind.receiver(silent) as receiver:
        before = census()
        async with opened(kind, receiver.port, **PATIENT) as destination:
            task = asyncio.create_task(destination.deliver(MESSAGE))
            await moment(kind, task, receiver)
            await _cancel(task)
            if not kind.keeps_connection:
                await settled(before)
        await settled(before)


@of_every_kind
async def test_cancelled_while_it_connects_it_leaves_nothing(kind):
    """Nobody answers the first packet; the attempt does not wait for that."""
    before = census()
    with deaf_port() as port:
        async with opened(kind, port, **PATIENT) as destination:
            task = asyncio.create_task(destination.deliver(MESSAGE))
            for _ in range(20):
                await asyncio.sleep(0)
            await _cancel(task)
    await settled(before)


async def _cancel(task):
    task.cancel()
    await asyncio.wait({task}, timeout=CANCELLED_WITHIN)
    assert task.cancelled(), task


@of_every_kind
async def test_opened_and_closed_many_times_it_leaves_nothing(kind):
    """Thirty clients, one message each: the counts are what they were."""
    async with kind.receiver(204) as receiver:
        before = census()
        for _ in range(CYCLES):
            async with opened(kind, receiver.port, **PATIENT) as destination:
                await destination.deliver(MESSAGE)
        await settled(before)


@of_every_kind
async def test_many_at_once_all_arrive_once_over_no_more_connections_than_allowed(kind):
    """Two hundred at once, four connections: every message has its own answer."""
    messages = [Message(f"evt_{number}", b"%d" % number) for number in range(200)]
    allowed = {"concurrency": 4, "timeout": "30s"}
    async with kind.receiver(204) as receiver, opened(kind, receiver.port, **allowed) as destination:
        outcomes = await asyncio.gather(*map(destination.deliver, messages))
        requests = list(await kind.requests(receiver, 200))
        connections = receiver.connections

    assert {type(outcome) for outcome in outcomes} == {Answer}
    assert sorted(map(kind.read, requests)) == sorted((message.id, message.body) for message in messages)
    assert all(map(kind.is_genuine, requests))
    assert 0 < connections <= 4


@of_every_kind
async def test_many_at_once_to_a_receiver_that_hangs_all_end_in_time(kind):
    """Who waits for a free connection waits within its attempt; a cancelled one harms no other."""
    async with kind.receiver(silent) as receiver:
        before = census()
        async with opened(kind, receiver.port, concurrency=4, timeout="2s") as destination:
            began = time.monotonic()
            tasks = [asyncio.create_task(destination.deliver(MESSAGE)) for _ in range(50)]
            await asyncio.sleep(0)
            for task in tasks[::10]:
                await _cancel(task)
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            took = time.monotonic() - began
        await settled(before)

    assert sum(isinstance(outcome, NoAnswer) for outcome in outcomes) == 45
    assert took < IN_TIME
