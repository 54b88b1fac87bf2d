"""Events into a stream of a real nats-server: once each, in order, acknowledged, whatever the server does."""

import json
import time
from collections import Counter

import pytest
from rigs.agent_process import quiet_port
from rigs.census import census, disconnected, settled
from rigs.dispatching import NAME, OFFSET, Outbox, dispatching
from rigs.mqtt_session import eventually
from rigs.nats_server import NatsServer
from rigs.nats_session import Slow, destination, message, once

from agent.model import Answer, Event, EventType, NoAnswer, Priority
from agent.store.records import Delivery, Stored

DELIVERED = 200
# Who failed while others passed waits by its own schedule: a minute, which no test has.
AT_ONCE = ["100ms"] * 20


@pytest.fixture
def server(tmp_path):
    with NatsServer(tmp_path, quiet_port()) as running:
        yield running


async def test_an_event_stands_in_the_stream_under_its_id(server):
    """On the subject that its rule, tag and type make; with its own type of content."""
    await server.stream()
    outcome = await once(
        server.port, subject="plant.{site}.{agent}.{rule}.{tag}.{priority}.{type}", stream="PLANT"
    )

    assert isinstance(outcome, Answer)
    assert (outcome.status, outcome.said) == (DELIVERED, "")
    [held] = await server.held()
    assert held.subject == "plant.dresden.line-4.R1.TT101.high.alarm.raised"
    assert held.data == b'{"a":1}'
    assert held.headers["Nats-Msg-Id"] == "evt_1"
    assert held.headers["Content-Type"] == "application/json"
    assert not [name for name in held.headers if "signature" in name]


async def test_the_same_event_twice_is_one_message(server):
    """Also over another connection, and also after the server was killed: an id within the window is known."""
    await server.stream(duplicate_window=120)
    async with destination(server.port) as opened:
        outcomes = [await opened.deliver(message()), await opened.deliver(message())]
    outcomes.append(await once(server.port))
    server.kill()
    server.start()
    outcomes.append(await once(server.port))
    outcomes.append(await once(server.port, message(2)))

    assert [outcome.status for outcome in outcomes] == [DELIVERED] * 5
    assert [held.headers["Nats-Msg-Id"] for held in await server.held()] == ["evt_1", "evt_2"]


def _delivery(seq):
    """Number `seq`, of one of seven rules."""
    rule = f"R{seq % 7}"
    event = Event(
        f"evt_{seq}", EventType.ALARM_RAISED, 0, rule, Priority.HIGH, {"subject": rule}, rule=rule, tag="TT"
    )
    return Delivery(NAME, Stored(seq, event, "boot", OFFSET), seq - 1 or None)


async def test_a_server_that_is_killed_in_the_middle_of_500_events_holds_each_once_and_in_order(server):
    """Killed with events on their way, back on the same disk: nothing missing, nothing twice, no rule overtaken."""
    await server.stream()
    outbox = Outbox(*map(_delivery, range(1, 501)))
    async with destination(server.port, subject="plant.{rule}") as opened:
        slow = Slow(opened)
        async with dispatching(slow, outbox, retry=AT_ONCE) as rig:
            for after in (100, 300):
                await eventually(lambda after=after: len(outbox.delivered) > after and slow.under_way, 20)
                server.kill()
                await eventually(lambda: rig.dispatcher.health.outage is not None, 20)
                server.start()
            await eventually(lambda: len(outbox.delivered) == 500, 30)
    held = await server.held()

    assert Counter(each.headers["Nats-Msg-Id"] for each in held) == Counter(
        f"evt_{seq}" for seq in range(1, 501)
    )
    by_rule: dict[str, list[int]] = {}
    for each in held:
        by_rule.setdefault(each.subject, []).append(json.loads(each.data)["data"]["seq"])
    assert sorted(by_rule) == [f"plant.R{number}" for number in range(7)]
    assert all(numbers == sorted(numbers) for numbers in by_rule.values())
    assert not outbox.dead
    assert slow.failed > 0, "nothing was on its way when the server was killed"


async def test_a_server_that_hangs_is_noticed_within_the_attempt_and_let_go_of(server):
    """A half-open link looks the same; the next attempt has a connection of its own, and nothing is sent twice."""
    await server.stream()
    before = census()
    async with destination(server.port, timeout="1s") as opened:
        await opened.deliver(message(1))
        server.freeze()
        began = time.monotonic()
        hung = await opened.deliver(message(2))
        took = time.monotonic() - began
        await disconnected(server.port)
        server.thaw()
        again = await opened.deliver(message(2))
    await settled(before)

    assert isinstance(hung, NoAnswer)
    assert "the server or the link to it is dead" in hung.why
    assert not hung.unsent, "it may have arrived"
    assert took < 5
    assert again.status == DELIVERED
    assert [held.headers["Nats-Msg-Id"] for held in await server.held()] == ["evt_1", "evt_2"]


async def test_nothing_is_kept_back_while_there_is_no_server(server):
    """What could not be sent was not sent: no buffer lets it go behind the agent's back when the server is back."""
    await server.stream()
    async with destination(server.port) as opened:
        await opened.deliver(message(1))
        server.kill()
        await disconnected(server.port)
        lost = [await opened.deliver(message(number)) for number in (2, 3)]
        server.start()
        await opened.deliver(message(4))
        held = [each.headers["Nats-Msg-Id"] for each in await server.held()]

    assert [(type(each), each.unsent) for each in lost] == [(NoAnswer, True)] * 2
    assert held == ["evt_1", "evt_4"]


async def test_another_server_of_the_cluster_takes_over(server):
    """Whichever of them is tried first; with one that is not there, the other is used in the same attempt."""
    await server.stream()
    dead = f"nats://127.0.0.1:{quiet_port()}"
    alive = f"nats://127.0.0.1:{server.port}"

    for servers in ([dead, alive], [alive, dead]):
        outcome = await once(server.port, servers=servers)
        assert isinstance(outcome, Answer), outcome
    refused = await once(server.port, servers=[dead, dead])
    assert isinstance(refused, NoAnswer)
    assert refused.unsent
    assert refused.why.count("connection refused: check that the server is running") == 2
