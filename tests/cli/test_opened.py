"""The outbox that an agent has left, opened by a command: subject to the configuration as it is on disk."""

import pytest
from rigs.stores import opened, step

from agent.cli.opened import opened_desk
from agent.config.agent_section import AgentSection
from agent.desk import Terms, UnknownError
from agent.destinations.base import DestinationSection
from agent.paths import STORE
from agent.store.records import MarkDead, MarkDelivered
from agent.web.orders import ReplayOrder

CONFIGURED = Terms({"a": DestinationSection()}, 5)


async def left(folder):
    """A store with an event that a and b have, and one that neither wanted."""
    async with opened(folder / STORE, "a", "b") as store:
        await store.commit(step(1, 2, to=("a", "b")))
        for name in ("a", "b"):
            store.mark(MarkDelivered(name, 1, 5))
            store.mark(MarkDead(name, 2, 5, "400"))
    return AgentSection(site="dresden", name="line-4", data_dir=folder)


async def test_nothing_is_sent_to_a_destination_that_was_removed_meanwhile(tmp_path):
    """The agent would bury it again at its start; what is configured goes."""
    agent = await left(tmp_path)
    async with opened_desk(agent, CONFIGURED) as desk:
        counted = await desk.count({})
        assert {name: (each["count"], each["removed"]) for name, each in counted["counts"].items()} == {
            "a": (1, 0),
            "b": (0, 1),
        }
        assert (await desk.resend({}))["resent"] == 1
        assert (await desk.replay(ReplayOrder(since_ms=0)))["replayed"] == 1
        with pytest.raises(UnknownError, match="there is no destination b: expected a"):
            await desk.replay(ReplayOrder(since_ms=0, destination="b"))
        assert (desk.store.waiting_count("a"), desk.store.waiting_count("b")) == (2, 0)


async def test_where_the_configuration_cannot_be_read_the_store_knows_its_destinations(tmp_path):
    """A slip in a rule does not keep anybody from the dead letters."""
    agent = await left(tmp_path)
    async with opened_desk(agent, Terms()) as desk:
        assert (await desk.resend({}))["resent"] == 2


async def test_a_destination_that_the_agent_has_not_met_has_nothing_yet(tmp_path):
    """It is configured, so it is no slip of the pen: what is missing is a start."""
    agent = await left(tmp_path)
    terms = Terms({"a": DestinationSection(), "new": DestinationSection()}, 5)
    async with opened_desk(agent, terms) as desk:
        with pytest.raises(UnknownError, match="the agent has not run with new yet: start it, and ask again"):
            await desk.replay(ReplayOrder(since_ms=0, to="new"))
