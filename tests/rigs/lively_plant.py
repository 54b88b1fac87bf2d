"""A plant in which there is something to see in every view of the page.

Alarms of each priority, a source and a destination that are away, dead letters, messages that came in.
"""

from contextlib import asynccontextmanager

import aiohttp
from rigs.agent_process import until
from rigs.paged_plant import BOB, paged_plant
from rigs.poll_relay import poll_relay
from rigs.signed import SECRET as SENDERS
from rigs.signed import body_of, headers

from agent.clock import SystemClock
from agent.model import SECOND

TAGS = {
    "R1.TT101": (60, "°C"),
    "R1.PT102": (61, "bar"),
    "P101.FT": (62, "m3/h"),
    "TANK1.LT": (63, "%"),
    "P102.BRG_TT": (64, "°C"),
    "FAN2.VT": (65, "mm/s"),
}
RULES = """\
  R1-temperature: {tag: R1.TT101, high: 170, high_high: {at: 185, priority: critical}, priority: high,
    message: "Reactor jacket at {value} °C", response: "Open CV-101, check the jacket flow"}
  R1-pressure: {tag: R1.PT102, high: 90, priority: high, message: "Reactor pressure is high"}
  P101-low-flow: {tag: P101.FT, low: 80, priority: medium, message: "Cooling water flow is low", response: "Start P102"}
  P102-bearing: {tag: P102.BRG_TT, high: 40, priority: low}
  TANK1-level: {tag: TANK1.LT, high: 50, priority: medium}
  boiler-steam: {tag: BOILER.STEAM, high: 12, priority: high}
  FAN2-vibration: {tag: FAN2.VT, high: 100, when: R1.TT101 > 65000}
"""
MORE = """
destinations:
  archive: {{url: "http://127.0.0.1:1/archive", signing: {{secret: "${{env:SENDERS}}"}}}}
sources:
  boiler: {{type: modbus, url: "tcp://127.0.0.1:1", tags: {{BOILER.STEAM: {{area: holding, offset: 1, type: uint16, unit: bar}}}}}}
  oven:
    type: simulated
    every: 250ms
    tags:
      OVEN.TT: {{signal: sine, min: 190, max: 240, period: 20s, unit: °C, range: [0, 400]}}
      HX1.FLOW: {{signal: random, min: 8, max: 12, unit: m3/h, range: [0, 20]}}
      LINE1.COUNTER: {{signal: ramp, min: 0, max: 5000, period: 8h}}
      R1.MODE: {{signal: steps, values: [MANUAL, AUTO, AUTO], period: 30m}}
inbound:
  orders:
    type: poll
    url: {relay}
    token: "${{env:RELAY}}"
    every: 1s
    verify: {{secret: "${{env:SENDERS}}"}}
    routes: {{set: {{type: machine.set, write: {{tag: /data/tag}}}}}}
"""
RAISED = ("P102-bearing", "TANK1-level", "P101-low-flow", "R1-temperature")


@asynccontextmanager
async def lively_plant(folder):
    """Give it once all of that is there."""
    async with poll_relay() as relay:
        for number, kind in enumerate(("machine.set", "order.new")):
            body = body_of({"type": kind, "data": {"tag": "R1.SP", "value": 120}})
            relay.put(body, headers(body, f"msg_{number}", SystemClock().wall() // SECOND, SENDERS))
        more = MORE.format(relay=relay.url)
        async with paged_plant(folder, tags=TAGS, rules=RULES, more=more) as here:
            here.cmms.behave = lambda event: 204 if event["data"]["rule"] != "R1-temperature" else 400
            here.cmms.headers = {"webhook-delivery": "abort-message"}
            here.put(60, 188)
            await here.is_open(*RAISED)
            await until(lambda: dead(here), here.agent.log)
            await by_bob(here, "acknowledge", rules=["P102-bearing"])
            await by_bob(
                here, "shelve", rules=["TANK1-level"], for_s=8 * 3600, reason="the probe is being changed"
            )
            yield here


async def dead(here):
    return (await here.agent.status())["destinations"]["cmms"]["dead"]


async def by_bob(here, action, **order):
    headers = {"Authorization": f"Bearer {BOB}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{here.url}api/alarms/{action}", json=order, headers=headers) as answer,
    ):
        assert answer.status == 200, await answer.text()
