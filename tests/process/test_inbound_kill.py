"""kill -9 of the real agent while the cloud asks it to write, to shelve and to hand on, by a relay that misbehaves."""

import asyncio
import os
import random
from collections import Counter
from datetime import UTC, datetime
from itertools import count

import pytest
from aiohttp import web
from rigs.agent_process import AgentProcess, until
from rigs.bad_poll_relay import BadPollRelay
from rigs.modbus_server import ModbusServer
from rigs.signed import OTHER, SECRET, body_of, headers
from rigs.webhook_receiver import SECRET as CLOUD_SECRET
from rigs.webhook_receiver import WebhookReceiver
from standardwebhooks.webhooks import Webhook

pytestmark = pytest.mark.timeout(
    300 + 5 * int(os.environ.get("EDGE_RELAY_KILLS", "0"))
)  # 15 s on an idle machine

KILLS = int(os.environ.get("EDGE_RELAY_KILLS", "10"))
AGENTS = 2  # side by side, each killed its share
OFFSET = 100

AGENT = """
agent: {{site: dresden, name: line-{line}, data_dir: data, clock: trusted}}
http: {{listen: "127.0.0.1:0"}}
destinations:
  cloud:
    url: {cloud}
    signing: {{secret: "${{env:CLOUD_SECRET}}"}}
    retry: [{waits}]
sources:
  plc:
    type: modbus
    url: tcp://127.0.0.1:{plc}
    poll_every: 50ms
    tags:
      level: {{area: holding, offset: 1, type: uint16}}
      speed: {{area: holding, offset: {offset}, type: uint16, write: {{min: 1, max: 60000, at_most_every: 0s}}}}
rules:
  high: {{tag: level, high: 50000}}
inbound:
  cloud:
    type: poll
    url: {relay}
    token: "${{env:RELAY_TOKEN}}"
    every: 1s
    verify: {{secret: "${{env:SENDER_SECRET}}"}}
    routes:
      orders: {{type: order.*, forward: {{url: "{mes}", retry: [{waits}]}}}}
      speed: {{type: speed.set, max_age: 30m, write: {{tag: speed}}}}
      shelve: {{type: alarm.shelve, max_age: 30m, shelve: {{rule: high}}}}
      unshelve: {{type: alarm.unshelve, max_age: 30m, unshelve: {{rule: high}}}}
"""
WAITS = ", ".join(["200ms"] * 20)


class Mes:
    """The service of a plant: keeps every order that it has answered with 2xx, and some that it has not."""

    def __init__(self, dice):
        self.kept = Counter()
        self.forged = 0
        self._dice = dice
        self._webhook = Webhook(SECRET)

    async def take(self, request):
        body = await request.read()
        stamped = dict(request.headers) | {"webhook-timestamp": request.headers["webhook-timestamp"]}
        self._webhook.verify(body, stamped)
        fault = self._dice.random()
        if fault < 0.05:
            return web.Response(status=503)
        self.kept[request.headers["webhook-id"]] += 1
        if fault < 0.1:
            request.transport.abort()
        return web.Response(status=204)


class Sender:
    """Posts to a relay: orders, values and shelves, and what nobody may ask for."""

    def __init__(self, relay, dice):
        self.sent = {}
        self._relay, self._dice, self._numbers = relay, dice, count(1)

    def post(self):
        number = next(self._numbers)
        kind = self._dice.choice(
            ["order.created", "order.created", "speed.set", "alarm.shelve", "alarm.unshelve"]
        )
        now = datetime.now(UTC)
        data = {"value": number, "by": f"p{number}", "reason": "test", "until": "1h"}
        body = body_of({"type": kind, "timestamp": now.isoformat(), "data": data})
        forged = self._dice.random() < 0.1
        identity = f"forged_{number}" if forged else f"msg_{number}"
        self._relay.put(body, headers(body, identity, int(now.timestamp()), OTHER if forged else SECRET))
        self.sent[identity] = (kind, number)

    async def keep_posting(self):
        while True:
            self.post()
            await asyncio.sleep(0.05)


async def test_kills_while_messages_come_in(tmp_path):
    """Nothing is lost that the relay keeps; no write and no shelf is made twice; each message has one outcome."""
    dice = random.Random(6)
    async with WebhookReceiver() as receiver:
        lines = [one_line(line, tmp_path / f"a{line}", receiver, dice) for line in range(AGENTS)]
        unknown = await asyncio.gather(*lines)
    assert sum(unknown) > 0, "no kill has found a write under way"
    assert not receiver.forged


async def one_line(line, folder, receiver, dice):
    path, mes, runner = f"/line{line}", Mes(dice), None
    relay = BadPollRelay(dice, per_answer=50)
    application = web.Application()
    application.router.add_post("/orders", mes.take)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    await relay.start()
    secrets = {"CLOUD_SECRET": CLOUD_SECRET, "SENDER_SECRET": SECRET, "RELAY_TOKEN": relay.token}
    try:
        async with ModbusServer() as plc, AgentProcess(folder, **secrets) as agent:
            plc.behave = unhurried(dice)
            orders = f"http://127.0.0.1:{runner.addresses[0][1]}/orders"
            agent.write(
                agent=AGENT.format(
                    line=line,
                    cloud=receiver.url(path),
                    waits=WAITS,
                    plc=plc.port,
                    offset=OFFSET,
                    relay=relay.url,
                    mes=orders,
                )
            )
            sender = Sender(relay, dice)
            posting = asyncio.create_task(sender.keep_posting())
            await kill_again_and_again(agent, dice)
            posting.cancel()
            relay.calm = True
            await agent.start()
            await until(
                lambda: told(receiver, path) >= genuine(sender),
                lambda: missing(agent, receiver, path, sender),
                within=90 + KILLS,
            )
            await agent.stop()
            return prove(receiver.events(path), sender, mes, plc)
    finally:
        await relay.stop()
        await runner.cleanup()


def unhurried(dice):
    """A machine that takes a value at once and its time to say so: kills find writes under way."""

    async def behave(exchange):
        frame = exchange.frame(exchange.pdu())
        if exchange.writes:
            await asyncio.sleep(dice.uniform(0, 0.2))
        await exchange.send(frame)

    return behave


async def kill_again_and_again(agent, dice):
    """At random moments: some while it starts, most while it works."""
    for _ in range(KILLS // AGENTS):
        if dice.random() < 0.25:
            await agent.spawn()
            await asyncio.sleep(dice.uniform(0.2, 1.0))
        else:
            await agent.start()
            await asyncio.sleep(dice.uniform(0, 1.5))
        await agent.kill()


def outcomes(events):
    """By message, its outcomes; repeats are no outcome of their own."""
    found = {}
    for event in events:
        data = event["data"]
        if event["type"].startswith("inbound.") and data["outcome"] != "repeated":
            found.setdefault(data["message_id"], []).append(data)
    return found


def told(receiver, path):
    return {name for name in outcomes(receiver.events(path)) if str(name).startswith("msg_")}


def genuine(sender):
    return {name for name in sender.sent if name.startswith("msg_")}


def missing(agent, receiver, path, sender):
    left = genuine(sender) - told(receiver, path)
    return f"{len(left)} of {len(sender.sent)} have no outcome, such as {sorted(left)[:5]}; {agent.log()}"


def prove(events, sender, mes, plc):
    known = outcomes(events)
    written = Counter(exchange.count for exchange in plc.writes if exchange.start == OFFSET)
    by_kind = Counter()
    for name in genuine(sender):
        kind, number = sender.sent[name]
        ends = [data["outcome"] for data in known[name]]
        by_kind[kind, ends[0]] += 1
        if kind == "order.created":
            assert set(ends) == {"done"}
            assert mes.kept[name] >= 1, "an order is lost"
            continue
        assert len(ends) == 1, f"{name} has the outcomes {known[name]}"
        if kind == "speed.set":
            assert written[number] == (1 if ends == ["done"] else written[number]), f"{name}: {ends}"
            assert written[number] <= (0 if ends == ["rejected"] else 1), (
                f"{name} was written {written[number]} times"
            )
    assert sum(written.values()) == len(written), "no value was written twice"
    people = Counter(
        event["data"]["by"]
        for event in events
        if event["type"] in {"alarm.shelved", "alarm.unshelved"} and "by" in event["data"]
    )
    assert max(people.values()) == 1, "no shelf was made twice"
    assert not any(name.startswith("forged") for name in mes.kept)
    assert not any(sender.sent[name][1] in written for name in sender.sent if name.startswith("forged"))
    print(
        f"{len(sender.sent)} messages, {len(plc.writes)} writes, {sum(mes.kept.values())} orders taken; {dict(by_kind)}"
    )
    for kind in ("order.created", "speed.set", "alarm.shelve"):
        assert by_kind[kind, "done"] > 0
    return by_kind["speed.set", "unknown"]
