"""The least that works as a whole: a PLC with one register, a receiver, and the real agent between them."""

import asyncio
import contextlib

from rigs.agent_process import AgentProcess, quiet_port, until
from rigs.modbus_server import ModbusServer
from rigs.webhook_receiver import SECRET, WebhookReceiver

HEAD = """
agent: {{site: dresden, name: line-4, data_dir: data}}
http: {{listen: "127.0.0.1:{port}"}}
destinations:
  cloud: {{url: "{url}", signing: {{secret: "${{env:CLOUD_SECRET}}"}}}}
"""
HEALTHY = """
sources:
  healthy: {{type: modbus, url: {plc}, poll_every: 50ms, tags: {{H: {{area: holding, offset: 1, type: uint16}}}}}}
rules:
  H-high: {{tag: H, high: 50}}
"""


@contextlib.asynccontextmanager
async def small_plant(folder, receiver_certificate=None):
    """Give PLC, receiver and agent once the agent reads; the alarm H-high is up to the register."""
    async with (
        ModbusServer() as plc,
        WebhookReceiver(certificate=receiver_certificate) as receiver,
        AgentProcess(folder / "a", quiet_port(), CLOUD_SECRET=SECRET) as agent,
    ):
        agent.write(
            agent=HEAD.format(port=agent.port, url=receiver.url("/")), healthy=HEALTHY.format(plc=plc.url)
        )
        await agent.start()
        await until(lambda: agent.is_up("healthy"), agent.log)
        yield plc, receiver, agent


def alarms(receiver):
    """What arrived of the alarms, in order."""
    return receiver.of_type("/", "alarm.raised", "alarm.returned")


async def alarm(plc, receiver):
    """Let the register cross its limit and come back; wait for both events."""
    before = len(alarms(receiver))
    for number, added in enumerate((100, 0), 1):
        plc.added = added
        await until(lambda wanted=before + number: len(alarms(receiver)) >= wanted, "the alarm arrives")


async def play(folder, scenarios):
    """Play all scenarios at once, each in a folder of its own: most of their time is waiting."""
    async with asyncio.TaskGroup() as tasks:
        for scenario in scenarios:
            place = folder / scenario.__name__
            place.mkdir()
            tasks.create_task(scenario(place), name=scenario.__name__)
