"""Produced = delivered + dead-lettered + declared gaps, exactly: over a full store and kill -9 of the real agent."""

import json

import pytest
from rigs.agent_process import AgentProcess, quiet_port, until
from rigs.webhook_receiver import SECRET, WebhookReceiver

from agent.cli import main

pytestmark = pytest.mark.timeout(300)  # 15 s on an idle machine

TAGS = [f"T{number}" for number in range(20)]
LONG = "x" * 40_000  # so that the smallest store is full within seconds
CONFIGURATION = """
agent: {{site: dresden, name: line-4, data_dir: data}}
http: {{listen: "127.0.0.1:0"}}
store: {{max_size: 50MB, samples: {{keep: 0s}}}}
destinations:
  cloud: {{url: {cloud}, signing: {{secret: "${{env:CLOUD_SECRET}}"}}}}
  audit: {{url: {audit}, signing: {{secret: "${{env:CLOUD_SECRET}}"}}, events: [delivery.*, store.*]}}
sources:
  line: {{type: simulated, every: 20ms, tags: {{{tags}}}}}
rules:
  moves: {{for_each: [{names}], tag: "{{each}}", change: {{}}, message: {long}}}
"""


def configuration(cloud, audit):
    tags = ", ".join(f"{name}: {{signal: square, period: 40ms}}" for name in TAGS)
    return CONFIGURATION.format(cloud=cloud, audit=audit, tags=tags, names=", ".join(TAGS), long=LONG)


def poisoned(receiver):
    """One event in forty is wanted by nobody; but no word about deliveries is: it would die in silence."""

    def behave(event):
        refused = event["type"] == "tag.changed" and event["data"]["seq"] % 40 == 0
        receiver.headers = {"webhook-delivery": "abort-message"} if refused else {}
        return 422 if refused else 204

    return behave


def numbers(events, newest):
    return {event["data"]["seq"] for event in events if event["data"]["seq"] <= newest}


def log(receiver, path, file):
    """What a receiver has, as it keeps it: whatever came, and twice if it came twice."""
    file.write_bytes(b"".join(body + b"\n" for bodies in receiver.kept[path].values() for body in bodies))
    return str(file)


def ledger(capsys, *words: str):
    status = main(["ledger", "--json", *words])
    [stream] = json.loads(capsys.readouterr().out)["streams"]
    return status, stream


class Sides:
    """What each side says of the events up to `newest`, by their numbers."""

    def __init__(self, cloud, audit, newest):
        told = audit.events("/audit")
        of_deliveries = [event for event in told if event["type"].startswith("delivery.")]
        about_it = [event for event in of_deliveries if event["data"]["destination"] == "cloud"]
        self.received = numbers(cloud.events("/cloud"), newest)
        self.addressed = set(range(1, newest + 1)) - numbers(about_it, newest)
        self.dead = {event["data"]["event_seq"] for event in about_it if event["type"] == "delivery.dead"}
        self.gone = {
            seq
            for event in told
            if event["type"] == "store.overflow"
            for first, last in event["data"]["seqs"]
            for seq in range(first, last + 1)
        }
        self.missing = self.addressed - self.received - self.dead - self.gone


async def full(agent, lost):
    """Wait until the store has given up so many events of the cloud's more; give how many it has by then."""

    async def given_up():
        status = await agent.status()
        now = ((status or {}).get("store", {}).get("room", {}).get("lost") or {}).get("cloud", 0)
        return now if now > lost + 200 else None

    return await until(given_up, agent.log)


async def settled(agent):
    """The agent's own account, once nothing waits."""

    async def nothing_waits():
        status = await agent.status()
        return status if status and not status["store"]["waiting"] else None

    return await until(nothing_waits, agent.log)


async def test_every_event_is_delivered_dead_or_declared(tmp_path, capsys):
    """A dead destination fills the store again and again, with a kill -9 each time; the log and the account agree to the one."""
    port = quiet_port()
    async with WebhookReceiver() as audit, AgentProcess(tmp_path / "a", CLOUD_SECRET=SECRET) as agent:
        cloud = WebhookReceiver(port)
        cloud.behave = poisoned(cloud)
        agent.write(all=configuration(cloud.url("/cloud"), audit.url("/audit")))
        lost = 0
        for _ in range(2):
            await agent.start()
            lost = await full(agent, lost)
            await agent.kill()
        await agent.start()
        status, _, errors = await agent.command("pause", "source:line", "1h")
        assert (status, errors) == (0, "")
        async with cloud:
            account = await settled(agent)
            newest = account["store"]["seq"]
            # The last dead letters are told a moment after they are made.
            await until(lambda: not Sides(cloud, audit, newest).missing, agent.log)
            await agent.kill()

    sides = Sides(cloud, audit, newest)
    received, dead, gone = sides.received, sides.dead, sides.gone
    assert (sides.missing, (received | dead | gone) - sides.addressed) == (set(), set())
    assert (len(gone), not cloud.forged) == (account["store"]["room"]["lost"]["cloud"], True)
    assert (len(received) > 300, len(dead - gone) > 5, len(gone - received) > 200) == (True, True, True)

    # The receiver's side alone: its own log, and what others were told of it.
    mine, others = (
        log(cloud, "/cloud", tmp_path / "cloud.jsonl"),
        log(audit, "/audit", tmp_path / "audit.jsonl"),
    )
    status, stream = ledger(capsys, mine, "--beside", others, "--destination", "cloud")
    assert (status, stream["holes"]) == (0, [])
    assert stream["received"] == len(cloud.events("/cloud"))
    assert sum(each["count"] for each in stream["declared"]) == len((gone | dead) - received)
    # What it loses itself is no declared gap.
    alone = received - dead - gone
    victim = next(event["data"] for event in cloud.events("/cloud") if event["data"]["seq"] in alone)
    lines = (tmp_path / "cloud.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "cloud.jsonl").write_bytes(
        b"".join(line for line in lines if victim["id"].encode() not in line)
    )
    status, stream = ledger(capsys, mine, "--beside", others, "--destination", "cloud")
    assert (status, [hole["last"] for hole in stream["holes"]]) == (1, [victim["seq"]])
