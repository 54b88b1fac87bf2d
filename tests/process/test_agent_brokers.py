"""An agent whose events go to a stream and to a broker: what it is called stands in subject and topic."""

from rigs.agent_process import AgentProcess, quiet_port, until
from rigs.broker_kinds import subscriber
from rigs.mosquitto import Mosquitto
from rigs.nats_server import NatsServer

AGENT = """
agent: {{site: dresden, name: line-4, data_dir: data}}
http: {{listen: "127.0.0.1:{http}"}}
destinations:
  log: {{type: nats, servers: ["nats://127.0.0.1:{nats}"], stream: PLANT}}
  panels: {{type: mqtt, url: "mqtt://127.0.0.1:{mqtt}", topic: "plant/{{site}}/{{agent}}/{{type}}"}}
"""


async def test_an_agent_feeds_a_stream_and_a_broker(tmp_path):
    """Its first event arrives at both under the same id."""
    http = quiet_port()
    with NatsServer(tmp_path, quiet_port()) as server, Mosquitto(tmp_path, quiet_port()) as broker:
        await server.stream()
        with subscriber(broker.port, topic="plant/dresden/line-4/agent/started") as published:
            async with AgentProcess(tmp_path / "agent", http) as agent:
                agent.write(agent=AGENT.format(http=http, nats=server.port, mqtt=broker.port))
                await agent.start()
                await until(lambda: published, lambda: agent.lines)

                async def held():
                    return [each for each in await server.held() if each.subject.endswith(".agent.started")]

                [stored] = await until(held, lambda: agent.lines)

    assert stored.subject == "plant.dresden.line-4.agent.started"
    assert [told["webhook-id"] for told, _ in published] == [stored.headers["Nats-Msg-Id"]]
