"""A plant that is operated by its page: a Modbus device, receivers and the real agent as a process of its own.

async with paged_plant(folder, rules=...) as here:
    here.plc.written[1, 3, 60] = 171     # the register of T
"""

import json
from contextlib import AsyncExitStack, asynccontextmanager

from rigs.agent_process import AgentProcess, quiet_port, until
from rigs.modbus_server import ModbusServer
from rigs.poll_relay import TOKEN
from rigs.signed import SECRET as SENDERS
from rigs.webhook_receiver import SECRET, WebhookReceiver

ANNA, BOB = "anna-0123456789-token", "bob-0123456789-token"
TOKENS = '{anna: "${env:ANNA}", bob: "${env:BOB}"}'
SECRETS = {"ANNA": ANNA, "BOB": BOB, "SECRET": SECRET, "RELAY": TOKEN, "SENDERS": SENDERS}
HEAD = """
agent: {{site: dresden, name: line-4, data_dir: data, clock: trusted}}
http: {{listen: "127.0.0.1:{port}", tokens: {tokens}}}
destinations:
  cloud: {{url: "{cloud}/cloud", signing: {{secret: "${{env:SECRET}}"}}}}
  cmms: {{url: "{cmms}/cmms", signing: {{secret: "${{env:SECRET}}"}}, events: [alarm.*]}}
"""
SOURCES = """
sources:
  plc:
    type: modbus
    url: {plc}
    poll_every: {every}
    tags:
{tags}
"""


class PagedPlant:
    """Attributes.

    plc, cloud, cmms: what the agent reads, and whom it tells.
    agent: the process; its page is at `url`.
    """

    def __init__(self, folder, plc, cloud, cmms, agent) -> None:
        self.folder, self.plc, self.cloud, self.cmms, self.agent = folder, plc, cloud, cmms, agent
        self.url = f"http://127.0.0.1:{agent.port}/"

    def write(self, *, tags, rules, tokens=TOKENS, every="50ms", more=""):
        """The configuration: `tags` offsets of the registers by name, or with their units, `rules` and `more` as they stand in a file."""
        lines = [
            f"      {json.dumps(name, ensure_ascii=False)}: {{area: holding, offset: {offset}, type: uint16, unit: {json.dumps(unit)}, range: [0, 200]}}"
            for name, (offset, unit) in (
                (name, at if isinstance(at, tuple) else (at, "")) for name, at in tags.items()
            )
        ]
        head = HEAD.format(
            port=self.agent.port,
            tokens=tokens,
            cloud=self.cloud.url(""),
            cmms=self.cmms.url(""),
        )
        sources = SOURCES.format(plc=self.plc.url, every=every, tags="\n".join(lines))
        self.agent.write(agent=head, sources=sources, rules=f"rules:\n{rules}", more=more)

    def put(self, offset, value):
        """What a register holds from now on."""
        self.plc.written[1, 3, offset] = value

    async def told(self, kind, rule, *, at=None):
        """Wait until the receiver has an event of this type of a rule; give the newest one's data."""
        at = at or self.cloud

        def found():
            path = "/cloud" if at is self.cloud else "/cmms"
            return [event["data"] for event in at.of_type(path, kind) if event["data"].get("rule") == rule]

        return (await until(found, lambda: f"{kind} of {rule}; {self.agent.log()}"))[-1]

    async def alarm(self, rule):
        """What the agent knows of an alarm, whether it is open or put aside."""
        alarms = await self.agent.ask("/api/alarms")
        return next(row for kind in alarms.values() for row in kind if row["rule"] == rule)

    async def is_open(self, *rules):
        """Wait until these alarms are open."""

        async def all_of_them():
            alarms = await self.agent.ask("/api/alarms")
            return alarms and {*rules} <= {row["rule"] for row in alarms["open"]}

        await until(all_of_them, self.agent.log)


@asynccontextmanager
async def paged_plant(folder, **configuration):
    """Give it once the agent reads; `configuration` as `PagedPlant.write` takes it."""
    async with AsyncExitStack() as stack:
        plc = await stack.enter_async_context(ModbusServer())
        cloud = await stack.enter_async_context(WebhookReceiver())
        cmms = await stack.enter_async_context(WebhookReceiver())
        agent = await stack.enter_async_context(AgentProcess(folder / "plant", quiet_port(), **SECRETS))
        here = PagedPlant(folder / "plant", plc, cloud, cmms, agent)
        here.write(**configuration)
        await agent.start()
        await until(lambda: agent.is_up("plc"), agent.log)
        yield here
