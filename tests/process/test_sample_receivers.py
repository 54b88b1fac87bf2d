"""The receivers that customers copy: each verifies, keeps each event once, survives kill -9, and proves it by its log."""

import asyncio
import contextlib
import json
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
from rigs.agent_process import until
from rigs.sample_receivers import PROGRAMS, SampleReceiver
from rigs.webhook_receiver import SECRET
from standardwebhooks.webhooks import Webhook

from agent.cli import main
from agent.clock import SystemClock
from agent.delivery.body import Identity
from agent.destinations.webhook.config import WebhookDestination
from agent.heartbeat import Heartbeats, Lapses
from agent.model import SECOND, Event, EventType, Priority
from agent.outlets import Outlets
from agent.stamps import Reckoning
from agent.store.records import Addressed, Step
from agent.store.store import Store

CLOCK = SystemClock()


def body_of(seq, previous, **data: object):
    fields = {"id": f"evt_{seq}", "site": "dresden", "agent": "line-4", "epoch": "e1", "seq": seq}
    event = {
        "type": "alarm.raised",
        "timestamp": "2026-11-21T08:00:03.120Z",
        "data": {**fields, "previous": previous, "unit": "°C", **data},
    }
    return json.dumps(event, ensure_ascii=False).encode()


def batch_of(*bodies: bytes):
    return (
        b'{"type":"batch","timestamp":"2026-11-21T08:00:03Z","data":{"events":['
        + b",\n".join(bodies)
        + b"]}}"
    )


def signed(body, at=0, identity="evt_x", change=lambda headers: headers):
    """A request as an independent library signs it, `at` seconds from now."""
    stamp = int(time.time()) + at
    signature = Webhook(SECRET).sign(identity, datetime.fromtimestamp(stamp, UTC), body.decode())
    headers = {"webhook-id": identity, "webhook-timestamp": str(stamp), "webhook-signature": signature}
    return change(headers), body


ONE, TWO, THREE, FIVE = body_of(1, None), body_of(2, 1), body_of(3, 2), body_of(5, 4)


def play():
    """Requests and how they are answered, in order; signed now, for a stamp is good for five minutes."""
    return {
        "an event": (signed(ONE), 204),
        "the same again": (signed(ONE), 204),
        "a batch of it and two others": (signed(batch_of(ONE, TWO, THREE)), 204),
        "one of them again": (signed(THREE), 204),
        "a batch of what is known": (signed(batch_of(TWO, THREE)), 204),
        "another secret": (
            signed(FIVE, change=lambda headers: {**headers, "webhook-signature": "v1,AAAA"}),
            401,
        ),
        "the signature of another id": (
            signed(FIVE, change=lambda headers: {**headers, "webhook-id": "evt_y"}),
            401,
        ),
        "another body": ((signed(FIVE)[0], ONE), 401),
        "ten minutes old": (signed(FIVE, -600), 401),
        "ten minutes ahead": (signed(FIVE, 600), 401),
        "no time": (signed(FIVE, change=lambda headers: {**headers, "webhook-timestamp": "now"}), 401),
        "no signature": (({}, FIVE), 401),
        "signed, and no JSON": (signed(b"<html>"), 400),
        "signed, and no event": (signed(b"[]"), 400),
        "one good signature of three": (
            signed(
                FIVE,
                change=lambda headers: {
                    **headers,
                    "webhook-signature": f"v1,AAAA v1a,BBBB {headers['webhook-signature']}",
                },
            ),
            204,
        ),
    }


KEPT = [ONE, batch_of(ONE, TWO, THREE).replace(b"\n", b" "), FIVE]


@pytest.mark.parametrize("language", PROGRAMS)
async def test_each_request_is_answered_and_kept_as_it_should_be(language, tmp_path):
    """What is new is kept as it came, once; strangers and old requests are sent away; a hole is said at once."""
    async with SampleReceiver(language, tmp_path) as receiver, aiohttp.ClientSession() as session:

        async def post(headers, body):
            async with session.post(receiver.url, data=body, headers=headers) as answer:
                return answer.status

        played = play()
        answers = {name: await post(*request) for name, (request, _) in played.items()}
        assert answers == {name: status for name, (_, status) in played.items()}
        assert receiver.lines == KEPT

        await receiver.kill()
        with receiver.log.open("ab") as log:
            log.write(TWO[:40])  # a kill in the middle of a line
        await receiver.start()
        assert [await post(*signed(body)) for body in (THREE, FIVE, body_of(4, 3))] == [204] * 3
        assert receiver.lines == [*KEPT, body_of(4, 3)]
        await receiver.kill()

    assert receiver.said == ["5: 4 did not come before it"]


@asynccontextmanager
async def sending(tmp_path, receivers):
    """A real store and its destinations, which send in batches, and hearts that beat ten times a second."""
    configs = {
        name: WebhookDestination.model_validate(
            {
                "url": receiver.url,
                "signing": {"secret": SECRET},
                "batch": {"max_events": 7, "max_wait": "10ms"},
            }
        )
        for name, receiver in receivers.items()
    }
    async with await Store.open(tmp_path / "events.db", clock=CLOCK, boot="boot") as store:
        minted = iter(range(1_000_000))

        def mint(_):
            return f"evt_{next(minted):08x}"

        outlets = Outlets(store, Identity("dresden", "line-4", store.epoch), CLOCK, lambda: 0.1, mint)
        store.on_commit = lambda _, deliveries: outlets.offer(deliveries)
        await store.sync_destinations(configs)
        outlets.address(configs)
        hearts = Heartbeats(
            *(outlets, store, CLOCK, Lapses(CLOCK, list)),
            mint=mint,
            reckoning=lambda: Reckoning(CLOCK.wall() - CLOCK.monotonic()),
            dice=lambda: 0.0,
            every=SECOND // 10,
        )
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(outlets.run())]
            await asyncio.sleep(0)
            await outlets.change(configs)
            running.append(tasks.create_task(hearts.run()))

            async def make(count, names):
                at = CLOCK.monotonic()
                events = [
                    Event(
                        mint(at),
                        EventType.ALARM_RAISED,
                        at,
                        f"R{number % 5}",
                        Priority.HIGH,
                        {"value": number},
                    )
                    for number in range(count)
                ]
                await store.commit(Step(tuple(Addressed(event, names) for event in events)))

            yield store, make
            await outlets.stop()
            for task in running:
                task.cancel()


def ledger(capsys, *words: str):
    status = main(["ledger", "--json", *words])
    return status, json.loads(capsys.readouterr().out)


async def test_their_logs_prove_that_nothing_was_lost_though_they_were_killed(tmp_path, capsys):
    """Three kills -9 while batches come: each log is complete up to the agent's own newest number."""
    async with contextlib.AsyncExitStack() as stack:
        receivers = {
            language: await stack.enter_async_context(SampleReceiver(language, tmp_path))
            for language in PROGRAMS
        }
        store, make = await stack.enter_async_context(sending(tmp_path, receivers))
        for _ in range(3):
            await make(60, ("py", "js"))
            await make(1, ())
            before = {name: len(receiver.lines) for name, receiver in receivers.items()}
            for name, receiver in receivers.items():
                await until(lambda: len(receiver.lines) > before[name], "something came")  # noqa: B023 - awaited here
                await receiver.kill()
                await receiver.start()
        await until(lambda: not store.waiting_count(), "all is delivered")
        newest = {name: store.high_water(name) for name in receivers}
        await until(
            lambda: all(
                f'"high_water":{newest[name]}'.encode() in receivers[name].log.read_bytes() for name in newest
            ),
            "a heartbeat names the newest number",
        )

    for name, receiver in receivers.items():
        status, found = ledger(capsys, str(receiver.log))
        [stream] = found["streams"]
        assert (status, stream["complete"], stream["destination"], stream["last"]) == (
            0,
            True,
            name,
            newest[name],
        )
        assert stream["received"] >= 180
    # A line that nobody kept is named, whatever came after it.
    victim = receivers["py"].log
    lines = victim.read_bytes().splitlines()
    lost, numbers = next(
        (line, missing) for line in lines[2:] if (missing := numbers_in(line) - numbers_but(lines, line))
    )
    victim.write_bytes(b"\n".join(line for line in lines if line != lost))
    status, found = ledger(capsys, str(victim))
    holes = found["streams"][0]["holes"]
    named = {number for hole in holes for number in range(hole["first"], hole["last"] + 1)}
    assert (status, {hole["last"] for hole in holes} <= numbers <= named) == (1, True)
    assert not named & numbers_but(lines, lost)


def numbers_but(lines, left_out):
    return set().union(*(numbers_in(line) for line in lines if line != left_out))


def numbers_in(line):
    return {each["data"]["seq"] for each in events_in(line) if "seq" in each["data"]}


def events_in(line):
    whole = json.loads(line)
    return whole["data"]["events"] if whole["type"] == "batch" else [whole]
