"""The real agent between a relay and a service of the plant: operated, changed, and killed at random moments."""

import base64
import json
import os
import random
import time
from collections import Counter

import pytest
from rigs.agent_process import AgentProcess, until
from rigs.local_service import LocalService
from rigs.poll_relay import TOKEN, poll_relay
from rigs.signed import headers
from rigs.webhook_receiver import SECRET, WebhookReceiver

pytestmark = pytest.mark.timeout(900)  # 15 s on an idle machine

KILLS = int(os.environ.get("EDGE_RELAY_KILLS", "5"))
EACH = 25  # messages between two kills
AGENT = """
agent: {{site: dresden, name: line-4, data_dir: data}}
http: {{listen: "127.0.0.1:0"}}
destinations:
  office: {{url: "{office}", signing: {{secret: "${{env:CLOUD_SECRET}}"}}, events: [inbound.*]}}
inbound:
  cloud:
    type: poll
    url: {relay}
    token: "${{env:TOKEN}}"
    verify: {{secret: "${{env:CLOUD_SECRET}}"}}
    routes: {routes}
"""
ROUTE = '{{orders: {{forward: {{url: "{url}", retry: [100ms]}}}}}}'
OFFICE = "/office"


class Plant:
    """A relay, a service, an office that is told, and the agent between them."""

    def __init__(self, relay, service, office, agent) -> None:
        self.relay, self.service, self.office, self.agent = relay, service, office, agent
        self.sent = 0

    def configure(self, routes=None):
        routes = ROUTE.format(url=self.service.url) if routes is None else routes
        url = self.office.url(OFFICE)
        self.agent.write(agent=AGENT.format(office=url, relay=self.relay.url, routes=routes))

    def post(self, many=1):
        """The cloud posts so many messages."""
        for _ in range(many):
            body = json.dumps({"type": "order.created", "data": {"order": self.sent}}).encode()
            stamp = int(time.time())
            self.relay.put(body, headers(body, f"msg_{self.sent}", stamp, SECRET))
            self.sent += 1

    def told(self, kind):
        """The ids of messages of which an end of this kind was told, in order."""
        return [event["data"]["message_id"] for event in self.office.of_type(OFFICE, f"inbound.{kind}")]

    async def run(self, *words, status=0):
        """A command; its output."""
        got, output, errors = await self.agent.command(*words)
        assert got == status, errors
        return output

    async def destination(self, name="cloud/orders"):
        return (await self.agent.status())["destinations"].get(name)


async def plant(folder, work):
    async with (
        poll_relay(holds=5, per_answer=20) as relay,
        LocalService() as service,
        WebhookReceiver() as office,
        AgentProcess(folder / "agent", CLOUD_SECRET=SECRET, TOKEN=TOKEN) as agent,
    ):
        parts = Plant(relay, service, office, agent)
        parts.configure()
        await work(parts)


async def test_a_person_operates_the_destination_of_a_route(tmp_path):
    """Its name has a `/`: paused, resumed, listed, shown, sent again and replayed like any other."""

    async def work(parts):
        agent, service = parts.agent, parts.service
        await agent.start()
        await parts.run("pause", "destination:cloud/orders", "--reason", "MES moves")
        parts.post(2)
        await until(lambda: parts.relay.taken == 2, agent.log)
        assert "MES moves" in await parts.run("status")
        assert (await parts.destination())["waiting"] == 2
        service.behave = lambda identity: 400 if identity == "msg_0" else 204
        await parts.run("resume", "destination:cloud/orders")
        await until(lambda: parts.told("failed") == ["msg_0"], agent.log)
        await until(lambda: parts.told("done") == ["msg_1"], agent.log)
        [letter] = json.loads(
            await parts.run("deadletters", "list", "--destination", "cloud/orders", "--json")
        )
        shown = await parts.run("deadletters", "show", "cloud/orders", str(letter["seq"]))
        assert '"order": 0' in shown
        assert "answered 400" in shown
        service.behave = lambda identity: 204
        await parts.run("deadletters", "resend", "--destination", "cloud/orders", "--yes")
        await until(lambda: parts.told("done") == ["msg_1", "msg_0"], agent.log)
        await parts.run("replay", "--since", "1h", "--destination", "cloud/orders", "--yes")
        await until(lambda: Counter(service.taken) == {"msg_0": 2, "msg_1": 2}, agent.log)
        service.behave = lambda identity: 410
        parts.post()
        await until(lambda: service.asked[-1].identity == "msg_2", agent.log)
        service.behave = lambda identity: 204
        await parts.run("enable", "destination:cloud/orders")
        await until(lambda: "msg_2" in parts.told("done"), agent.log)
        wrong = (await agent.command("send-test", "cloud/orders"))[2]
        assert "there is no destination cloud/orders" in wrong

    await plant(tmp_path, work)


async def test_a_reload_moves_a_service_and_takes_a_route_away(tmp_path):
    """What waits goes to the new address; what waits for a route that is gone has failed, and is told so."""

    async def work(parts):
        agent, service = parts.agent, parts.service
        await service.stop()
        await agent.start()
        parts.post(3)
        await until(lambda: parts.relay.taken == 3, agent.log)
        service.port = 0
        await service.start()
        parts.configure()
        assert "relay" in await parts.run("reload")
        await until(lambda: parts.told("done") == ["msg_0", "msg_1", "msg_2"], agent.log)
        assert service.taken == ["msg_0", "msg_1", "msg_2"]
        await service.stop()
        parts.post(2)
        await until(lambda: parts.relay.taken == 5, agent.log)
        parts.configure('{others: {type: none, forward: {url: "http://127.0.0.1:1/"}}}')
        await parts.run("reload")
        # At once, and not when the store is next looked through, a minute after the start.
        await until(lambda: parts.told("failed") == ["msg_3", "msg_4"], agent.log, within=30)
        assert await parts.destination() is None
        [reason] = {event["data"]["reason"] for event in parts.office.of_type(OFFICE, "inbound.failed")}
        assert reason == "destination_removed"

    await plant(tmp_path, work)


async def test_a_kill_at_any_moment_loses_no_message_and_tells_each_end_once(tmp_path):
    """At least once each, the same id, in order; one outcome, whatever came between it and the service's word."""
    dice = random.Random(6)

    async def work(parts):
        agent, service = parts.agent, parts.service
        service.behave = lambda identity: dice.choice([503, None]) if dice.random() < 0.03 else 204
        for _ in range(KILLS):
            parts.post(EACH)
            before = len(service.asked)
            await agent.spawn()
            await until(lambda: len(service.asked) > before or agent.ended, agent.log)  # noqa: B023 - awaited here
            some = before + dice.randrange(EACH)
            await until(lambda: len(service.asked) > some or len(set(service.taken)) == parts.sent, agent.log)  # noqa: B023 - as above
            await agent.kill()
        await agent.start()
        await until(lambda: len(parts.told("done")) >= parts.sent, agent.log)
        every = [f"msg_{number}" for number in range(parts.sent)]
        assert sorted(parts.told("done")) == sorted(every), "one outcome each"
        assert list(dict.fromkeys(service.taken)) == every, "each, and in order"
        repeated = len(service.taken) - len(every)
        print(f"{len(every)} messages, {KILLS} kills, {repeated} repeated")
        assert repeated > 0, "the kills did leave it in doubt"
        posted = {entry["headers"]["webhook-id"]: entry for entry in parts.relay.entries}
        for asked in service.asked:
            entry = posted[asked.identity]
            assert asked.body == base64.b64decode(entry["bodyB"])
            assert asked.headers.items() >= entry["headers"].items()
        ids = {(asked.identity, asked.headers["edge-relay-message"]) for asked in service.asked}
        assert len(ids) == len(every), "one id on every attempt"
        assert parts.told("failed") == []

    await plant(tmp_path, work)
