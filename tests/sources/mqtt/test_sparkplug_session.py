"""The source with Sparkplug B on a real broker, with an edge node that is born, asked, cut off and silent."""

import contextlib
import re

import pytest
from pydantic import TypeAdapter
from rigs.mqtt_session import Session, subscribed
from rigs.sparkplug_edge import DOUBLE, INT32, NODE, EdgeNode, LiveEdgeNode

from agent.model import Reading
from agent.sources import SourceConfig

TAGS = {
    "CPU": {"device": "Plant 1/Edge1", "metric": "CPU"},
    "TEMP": {"device": "Plant 1/Edge1/Press", "metric": "Temperature/T1"},
}


def config(port, **keys):
    section = {"type": "mqtt", "url": f"mqtt://127.0.0.1:{port}", "payload": "sparkplug_b", "tags": TAGS}
    return TypeAdapter(SourceConfig).validate_python(
        section | {"client_id": "edge-relay-test", "timeout": "2s", "reorder_timeout": "0s"} | keys
    )


@pytest.fixture
def edge():
    metrics = {NODE: {"CPU": (INT32, 40)}, "Press": {"Temperature/T1": (DOUBLE, 20.5)}}
    return EdgeNode(metrics, "Plant 1/Edge1")


@contextlib.contextmanager
def running(port, edge):
    with LiveEdgeNode(port, edge) as live:
        yield live


def board(session):
    return {one.tag: one.value for one in session.seen if isinstance(one, Reading)}


async def shows(session, **values):
    """Wait, as long as a busy machine needs, for what the tags show."""
    await session.until(lambda: board(session) == values, 20)


def published_by_the_agent(broker):
    """Topics, by the broker's own log."""
    return re.findall(r"Received PUBLISH from edge-relay-test [^']*'([^']+)'", broker.log.read_text())


async def test_a_rebirth_is_asked_for_and_data_follows(broker, edge):
    """The edge node was born before the agent came: asked once, in words that it understands; then its data."""
    with running(broker.port, edge) as live:
        assert live.born.wait(20)
        async with Session(config(broker.port)) as session:
            await shows(session, CPU=40, TEMP=20.5)
            live.tell("Press", **{"Temperature/T1": 21.5})
            await shows(session, CPU=40, TEMP=21.5)

            assert (live.rebirths, live.strange) == (1, [])
            assert [one.baseline for one in session.readings if one.tag == "TEMP" and one.value] == [
                True,
                False,
            ]
        assert published_by_the_agent(broker) == ["spBv1.0/Plant 1/NCMD/Edge1"]


async def test_a_lost_message_is_mended(broker, edge):
    """The value that was lost comes with the rebirth that is asked for."""
    async with Session(config(broker.port)) as session:
        await subscribed(session)
        with running(broker.port, edge) as live:
            await shows(session, CPU=40, TEMP=20.5)
            live.lose(NODE, CPU=50)
            live.tell("Press", **{"Temperature/T1": 22.5})
            await shows(session, CPU=50, TEMP=22.5)

        assert live.rebirths == 1


async def test_an_edge_node_that_is_cut_off_is_bad_and_comes_back(broker, edge):
    """The broker publishes its will at once; its next session has other aliases."""
    async with Session(config(broker.port)) as session:
        await subscribed(session)
        with running(broker.port, edge) as live:
            await shows(session, CPU=40, TEMP=20.5)
            live.die()
            await shows(session, CPU=None, TEMP=None)
            assert session.readings[-1].reason == "Plant 1/Edge1 is offline (its death certificate came)"

            edge.number_anew(1)
            live.connect()
            live.tell("Press", **{"Temperature/T1": 23.5})
            await shows(session, CPU=40, TEMP=23.5)


async def test_without_rebirth_requests_the_agent_publishes_nothing(broker, edge, caplog):
    """The broker's log shows not one message of the agent's; the tags say why they are bad."""
    caplog.set_level("INFO")
    with running(broker.port, edge) as live:
        async with Session(config(broker.port, rebirth_request=False)) as session:
            await shows(session, CPU=None, TEMP=None)
            live.tell("Press", **{"Temperature/T1": 21.5})
            await session.until(
                lambda: "no rebirth (rebirth_request: false) of Plant 1/Edge1" in caplog.text, 20
            )  # now one would have been
            assert "rebirth_request: false" in session.readings[-1].reason

        assert published_by_the_agent(broker) == []
        assert live.rebirths == 0


async def test_what_a_session_learned_dies_with_it(broker, edge):
    """The broker was gone, and the edge node has numbered anew: no alias of before is believed."""
    async with Session(config(broker.port)) as session:
        await subscribed(session)
        with running(broker.port, edge):
            await shows(session, CPU=40, TEMP=20.5)
        broker.kill()
        await session.error()
    broker.start()
    edge.number_anew(1)
    with running(broker.port, edge) as live:
        async with Session(config(broker.port)) as session:
            await shows(session, CPU=None, TEMP=None)
            live.tell("Press", **{"Temperature/T1": 24.5})
            await shows(session, CPU=40, TEMP=24.5)


async def test_garbage_does_not_stop_the_source(broker, edge):
    """telegraf#13476: whoever may publish, on whatever topic of the edge node."""
    async with Session(config(broker.port)) as session:
        await subscribed(session)
        with running(broker.port, edge) as live:
            await shows(session, CPU=40, TEMP=20.5)
            topics = ("NDATA/Edge1", "DDATA/Edge1/Press", "DBIRTH/Edge1/Press", "NCMD/Edge1", "X/Edge1/a/b/c")
            broker.publish(*((f"spBv1.0/Plant 1/{topic}", b"\xff\x00garbage") for topic in topics))
            live.tell(NODE, CPU=41)
            await shows(session, CPU=41, TEMP=20.5)
