"""The sample configuration against real servers, each of which and each two of which go away for ten seconds.

`make faults` takes away every two of them; as one of all tests it takes two such pairs.

Two plants run side by side: one that stays and one that goes away. Each agent has what its scenario
stops in the one, and the rest in the other.
"""

import asyncio
import contextlib
import itertools
import json
import math
import os
import time
from functools import partial
from pathlib import Path
from typing import Self

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from rigs.agent_process import ROOT, AgentProcess, quiet_port, until
from rigs.authority import Authority
from rigs.modbus_server import ModbusServer
from rigs.mosquitto import Mosquitto
from rigs.opcua_server import PASSWORD, OpcUaServer
from rigs.webhook_receiver import SECRET, WebhookReceiver, holes

pytestmark = pytest.mark.timeout(300)  # 40 s on an idle machine

KINDS = ("plc-line1", "boiler", "shop-floor", "receiver")
PAIRS = [*itertools.combinations(KINDS, 2)]
SCENARIOS = [*itertools.combinations(KINDS, 1), *(PAIRS if "EDGE_RELAY_LOSSES" in os.environ else PAIRS[::4])]
OUTAGE_S = 10
BACK_WITHIN_S = 35  # the longest back-off is 30 s
LEAST_READINGS = {
    "plc-line1": 20,
    "boiler": 6,
    "shop-floor": 6,
}  # in an outage; 50, 20 and 20 when undisturbed
COMMUNICATION = ("plc-line1.communication", "boiler-comm", "shop-floor.communication")
ALARMS = {"R1-temperature": "high_high", "boiler-steam": "high_high", "COMP1-current": "high"}


class Plant:
    """A PLC, a boiler, a broker with a compressor behind it, and the receiver of a CMMS."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        folder.mkdir()
        certificate = authority.issue(folder.name)
        self.plc = ModbusServer(port=quiet_port())
        self.boiler = OpcUaServer(quiet_port(), folder)
        self.broker = Mosquitto(
            folder,
            quiet_port(),
            f"certfile {certificate[0]}\nkeyfile {certificate[1]}\n"
            f"persistence true\npersistence_location {folder}/\nlistener {(inside := quiet_port())} 127.0.0.1",
        )
        self.receiver = WebhookReceiver(quiet_port(), certificate)
        self.high = self.away = False
        self._compressor = Client(CallbackAPIVersion.VERSION2)
        self._compressor.reconnect_delay_set(1, 1)
        self._inside = inside

    async def __aenter__(self) -> Self:
        self._opened = contextlib.AsyncExitStack()
        await self._opened.enter_async_context(self.plc)
        await self._opened.enter_async_context(self.receiver)
        self._opened.enter_context(self.broker)
        await asyncio.to_thread(self._opened.enter_context, self.boiler)
        self.boiler.add("Steam.Pressure", 8.0)
        self._compressor.connect("127.0.0.1", self._inside)
        self._compressor.loop_start()
        self._opened.callback(self._compressor.loop_stop)
        self._opened.callback(self._compressor.disconnect)
        self._working = asyncio.create_task(self._work(), name="plant")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._working.cancel()
        await asyncio.wait([self._working])
        await self._opened.aclose()

    async def _work(self) -> None:
        """Values that move all the time, within their limits or beyond."""
        while True:
            ripple = math.sin(time.monotonic())
            self.plc.added = 1890 if self.high else 1000  # 190 and 101 °C in the register of R1.TT101
            pressure, current = (15 + ripple / 2, 50 + ripple) if self.high else (8 + ripple, 20 + ripple)
            await asyncio.to_thread(self.boiler.set, "Steam.Pressure", pressure)
            telemetry = {"current_a": current, "ts": time.time_ns() // 1_000_000}
            self._compressor.publish("plant/compressor/1/telemetry", json.dumps(telemetry), qos=1)
            await asyncio.sleep(0.5)

    async def go_away(self) -> None:
        await self.plc.stop()
        await self.receiver.stop()
        await asyncio.to_thread(self.broker.stop)
        await asyncio.to_thread(self.boiler.stop)

    async def come_back(self) -> None:
        await self.plc.start()
        await self.receiver.start()
        await asyncio.to_thread(self.broker.start)
        await asyncio.to_thread(self.boiler.restart)


class Scenario:
    """One agent with the sample configuration, and what it loses."""

    def __init__(self, lost, number, folder, authority, steady, shaky) -> None:
        self.lost = lost
        self.path = f"/hooks/{number}"
        plant = {kind: shaky if kind in lost else steady for kind in KINDS}
        self.receiver = plant["receiver"].receiver
        self.healthy = [kind for kind in LEAST_READINGS if kind not in lost]
        self.agent = AgentProcess(
            folder / f"a{number}",
            quiet_port(),
            CMMS_SECRET=SECRET,
            BOILER_PASSWORD=PASSWORD,
            SSL_CERT_FILE=str(authority.certificate),
        )
        changes = {
            "https://cmms.example.com/hooks/plant": self.receiver.url(self.path),
            "127.0.0.1:8470": f"127.0.0.1:{self.agent.port}",
            "agent:\n": "agent:\n  data_dir: data\n",
            "tcp://192.168.10.20:502": plant["plc-line1"].plc.url,
            "opc.tcp://192.168.10.30:4840": plant["boiler"].boiler.url,
            "security: sign_and_encrypt": f"security: {{server_certificate: {plant['boiler'].boiler.certificate}, pki: pki}}",
            "broker.plant:8883": f"127.0.0.1:{plant['shop-floor'].broker.port}",
            "edge-relay-line4": f"edge-relay-{number}",
        }
        for file in sorted((ROOT / "config").glob("*.yaml")):
            text = file.read_text(encoding="utf-8")
            for old in [old for old in changes if old in text]:
                text = text.replace(old, changes.pop(old))
            self.agent.write(**{file.stem: text})
        assert not changes, "the sample holds all that is replaced"

    def trouble(self) -> str:
        return f"{self.lost}: {self.agent.log()}"

    async def all_well(self) -> bool:
        status = await self.agent.status()
        assert not self.agent.ended, self.trouble()
        return (
            status is not None
            and not status["problems"]
            and status["store"]["waiting"] == 0
            and all(source["state"] == "up" and not source["bad"] for source in status["sources"].values())
        )

    async def counts(self) -> dict[str, float]:
        return {
            kind: await self.agent.metric("edge_relay_readings_total", source=kind) for kind in self.healthy
        }

    async def healthy_ones_went_on(self, before: dict[str, float]) -> None:
        status = await self.agent.status()
        for kind, count in (await self.counts()).items():
            assert count - before[kind] >= LEAST_READINGS[kind], f"{kind}; {self.trouble()}"
            assert status["sources"][kind]["state"] == "up", self.trouble()
            assert status["sources"][kind]["for_s"] >= OUTAGE_S, f"{kind} was disturbed; {self.trouble()}"
        for kind in self.lost:
            assert kind == "receiver" or status["sources"][kind]["state"] == "down", self.trouble()

    def has_raised(self, since: str) -> bool:
        """Whether every alarm that is due after the recovery has arrived."""
        told = self.receiver.of_type(self.path, "alarm.raised", "alarm.escalated")
        return {
            event["data"]["rule"]: event["data"]["condition"]
            for event in told
            if event["timestamp"] > since and event["data"]["rule"] in ALARMS
        } == ALARMS

    def told_by(self, rule: str) -> list[str]:
        return [
            event["type"] for event in self.receiver.events(self.path) if event["data"].get("rule") == rule
        ]

    def communication_returned(self) -> bool:
        return all(len(self.told_by(rule)) % 2 == 0 for rule in COMMUNICATION)

    def prove(self) -> None:
        events = self.receiver.events(self.path)
        assert holes(events) == [], self.trouble()
        assert [event["type"] for event in events].count("agent.started") == 1, self.trouble()
        for rule in COMMUNICATION:
            told = self.told_by(rule)
            assert told in ([], ["alarm.raised", "alarm.returned"]), f"{rule}: {told}; {self.trouble()}"
        assert not self.agent.said("Traceback"), self.trouble()
        assert not self.receiver.forged


async def test_survival(tmp_path):
    """One server, or two of them, away for 10 s: the agent stays, comes back in time, loses and repeats nothing.

    thingsboard-gateway#2132: a receiver that was away stopped the reading half an hour later.
    """
    authority = Authority(tmp_path)
    async with Plant(tmp_path / "steady", authority) as steady, Plant(tmp_path / "shaky", authority) as shaky:
        scenarios = [
            Scenario(lost, number, tmp_path, authority, steady, shaky)
            for number, lost in enumerate(SCENARIOS)
        ]
        async with contextlib.AsyncExitStack() as agents:
            for scenario in scenarios:
                await agents.enter_async_context(scenario.agent)
            await play(scenarios, steady, shaky)


async def play(scenarios, steady, shaky):
    await asyncio.gather(*(scenario.agent.start() for scenario in scenarios))
    await asyncio.gather(*(until(scenario.all_well, scenario.trouble) for scenario in scenarios))
    await shaky.go_away()
    before = await asyncio.gather(*(scenario.counts() for scenario in scenarios))
    await asyncio.sleep(OUTAGE_S)
    went_on = zip(scenarios, before, strict=True)
    await asyncio.gather(*(scenario.healthy_ones_went_on(counted) for scenario, counted in went_on))
    await shaky.come_back()
    back = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime())}.000Z"
    steady.high = shaky.high = True
    await asyncio.gather(*(until(each.all_well, each.trouble, BACK_WITHIN_S) for each in scenarios))
    await asyncio.gather(*(until(partial(each.has_raised, back), each.trouble) for each in scenarios))
    await asyncio.gather(*(until(each.communication_returned, each.trouble) for each in scenarios))
    await asyncio.gather(*(until(each.all_well, each.trouble) for each in scenarios))
    for scenario in scenarios:
        scenario.prove()
    await asyncio.gather(*(scenario.agent.stop() for scenario in scenarios))
