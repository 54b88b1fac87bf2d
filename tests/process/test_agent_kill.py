"""kill -9 of the real agent under load: the ground truth is what was published, each value with its time."""

import asyncio
import contextlib
import json
import os
import random
import time
from datetime import datetime

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from rigs.agent_process import AgentProcess, quiet_port, until
from rigs.modbus_server import ModbusServer
from rigs.mosquitto import Mosquitto
from rigs.opcua_server import Line
from rigs.webhook_receiver import SECRET, Deed, WebhookReceiver, holes

pytestmark = pytest.mark.timeout(
    300 + 5 * int(os.environ.get("EDGE_RELAY_KILLS", "0"))
)  # 15 s on an idle machine

KILLS = int(os.environ.get("EDGE_RELAY_KILLS", "14"))
AGENTS = 2  # side by side, each killed its share
TAGS = 4
EVERY_S = 0.07  # a value of each tag
OWN_WAITS = ", ".join(["200ms"] * 20)

AGENT = """
agent: {{site: dresden, name: line-{line}, data_dir: data}}
http: {{listen: "127.0.0.1:0"}}
destinations:
  cloud:
    url: {url}
    signing: {{secret: "${{env:CLOUD_SECRET}}"}}
    retry: [{waits}]
sources:
  broker:
    type: mqtt
    url: mqtt://127.0.0.1:{broker}
    client_id: edge-relay-{line}
    tags:
{mqtt_tags}
  plc:
    type: modbus
    url: tcp://127.0.0.1:{plc}
    poll_every: 20ms
    tags: {{R: {{area: holding, offset: 1, type: uint16}}}}
rules:
  R-high: {{tag: R, high: 50}}
{mqtt_rules}
"""


class SlowLine(Line):
    """What the agent sends takes its time: a kill finds values that are stored and not acknowledged."""

    async def _pump(self, reader, writer, *, back):
        while data := await reader.read(65536):
            if not back:
                await asyncio.sleep(0.05)
            writer.write(data)
        raise ConnectionResetError


def configuration(line, broker, plc, url):
    names = [f"M{number}" for number in range(TAGS)]
    # On a slow machine the broker's queue grows older than 30 s, and history moves no alarm (design: sources).
    place = "value: $.v, time: $.t, stale_after: 10m"
    tags = [f"      {name}: {{topic: line{line}/{name}, {place}}}" for name in names]
    rules = [f"  {name}-high: {{tag: {name}, high: 10}}" for name in names]
    return AGENT.format(
        line=line,
        broker=broker.port,
        plc=plc.port,
        url=url,
        waits=OWN_WAITS,
        mqtt_tags="\n".join(tags),
        mqtt_rules="\n".join(rules),
    )


def lossy(dice):
    """Most is taken; the rest fails in each way that leaves the agent in doubt."""
    faults = [503, Deed.HANG_UP, Deed.KEEP_AND_HANG_UP]
    return lambda event: 204 if dice.random() > 0.03 else dice.choice(faults)


@contextlib.contextmanager
def publisher(broker):
    client = Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


async def cross(client, line, published):
    """Let every tag cross its limit up, down, up, ... for ever; what was published, by rule."""
    value = 0
    while True:
        value = 20 - value
        for number in range(TAGS):
            stamp = time.time_ns() // 1_000_000  # the values of a tag are more than a millisecond apart
            client.publish(f"line{line}/M{number}", json.dumps({"v": value, "t": stamp}), qos=1)
            published.setdefault(f"M{number}-high", []).append((value, stamp))
        await asyncio.sleep(EVERY_S)


async def swing(plc, dice):
    while True:
        plc.added = 100 - plc.added
        await asyncio.sleep(dice.uniform(0.02, 0.2))


async def kill_again_and_again(agent, dice):
    """At random moments: some while it starts, most while it works."""
    for _ in range(KILLS // AGENTS):
        if dice.random() < 0.25:
            await agent.spawn()
            await asyncio.sleep(dice.uniform(0.2, 0.5))
        else:
            await agent.start()
            await asyncio.sleep(dice.uniform(0, 0.5))
        await agent.kill()


async def test_kill(tmp_path):
    """Fifty kills: every crossing makes its one event, none twice, none without a number, none lost."""
    dice = random.Random(11)
    async with WebhookReceiver() as receiver:
        receiver.behave = lossy(dice)
        with Mosquitto(tmp_path, quiet_port(), "max_queued_messages 0") as broker:
            lines = [one_line(line, tmp_path / f"a{line}", broker, receiver, dice) for line in range(AGENTS)]
            await asyncio.gather(*lines)
    assert not receiver.forged


async def one_line(line, folder, broker, receiver, dice):
    path, published = f"/line{line}", {}
    async with (
        ModbusServer() as plc,
        SlowLine(broker.port) as way,
        AgentProcess(folder, CLOUD_SECRET=SECRET) as agent,
    ):
        agent.write(agent=configuration(line, way, plc, receiver.url(path)))
        await agent.start()
        subscribed = f"Sending SUBACK to edge-relay-{line}"
        await until(
            lambda: subscribed in broker.log.read_text(), agent.log
        )  # from now on it keeps everything
        with publisher(broker) as client:
            load = [
                asyncio.create_task(cross(client, line, published)),
                asyncio.create_task(swing(plc, dice)),
            ]
            await asyncio.sleep(0.5)
            await agent.kill()
            await kill_again_and_again(agent, dice)
            for task in load:
                task.cancel()
            await until(lambda: not client._out_messages, "the broker has everything")
        await agent.start()
        await drained(agent, receiver, path, published)
        await agent.stop()
        prove(receiver, path, published)


async def drained(agent, receiver, path, published):
    wanted = sum(map(len, published.values()))

    def arrived():
        return sum(event["data"].get("rule") in published for event in receiver.events(path))

    await until(lambda: arrived() >= wanted, lambda: f"{arrived()} of {wanted}; {agent.log()}")
    await until(lambda: nothing_waits(agent), agent.log)


async def nothing_waits(agent):
    status = await agent.status()
    return status is not None and status["store"]["waiting"] == 0


def prove(receiver, path, published):
    kept, events = receiver.kept[path].values(), receiver.events(path)
    for bodies in kept:
        assert set(bodies) == {bodies[0]}, "one webhook-id, one content"
    assert max(map(len, kept)) > 1, "the kills and the receiver did repeat something"
    starts = [event for event in events if event["type"] == "agent.started"]
    print(f"{len(events)} events, {sum(map(len, kept)) - len(events)} repeated, {len(starts)} starts told")
    assert len({event["data"]["epoch"] for event in events}) == 1
    numbers = [event["data"]["seq"] for event in events]
    assert numbers == list(range(1, len(numbers) + 1))
    assert holes(events) == []
    rules = {event["data"]["rule"] for event in events if event["type"].startswith("alarm.")}
    assert rules == {"R-high", *published}, "no communication alarm, all others"
    for rule in rules:
        alternate([event for event in events if event["data"].get("rule") == rule])
    for rule, values in published.items():
        told = [event for event in events if event["data"].get("rule") == rule]
        assert [(event["type"], milliseconds(event["data"]["source_time"])) for event in told] == [
            ("alarm.raised" if value else "alarm.returned", stamp) for value, stamp in values
        ]


def alternate(events):
    """Raised, returned, raised, ...: each pair one occurrence of its own."""
    kinds = ["alarm.raised", "alarm.returned"] * len(events)
    assert [event["type"] for event in events] == kinds[: len(events)]
    occurrences = [event["data"]["occurrence"] for event in events]
    assert occurrences[1::2] == occurrences[: len(occurrences) // 2 * 2 : 2]
    assert len(set(occurrences[::2])) == len(occurrences[::2])


def milliseconds(stamp):
    return round(datetime.fromisoformat(stamp).timestamp() * 1000)
