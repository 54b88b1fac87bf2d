"""The outbox by hand, whether an agent runs or not: one question, two ways to have it answered."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from agent.cli.asking import NoAgentError
from agent.clock import SystemClock
from agent.config.agent_section import AgentSection
from agent.delivery.body import Identity
from agent.desk import Desk
from agent.errors import EdgeRelayError
from agent.model import Json
from agent.paths import STORE
from agent.store.alive import boot_id
from agent.store.store import Store


@asynccontextmanager
async def opened_desk(agent: AgentSection) -> AsyncIterator[Desk]:
    """Open the store of an agent that does not run; raises EdgeRelayError when there is none."""
    path = agent.data_dir / STORE
    if not path.exists():
        raise EdgeRelayError(f"no agent has ever run here: there is no {path}")
    async with await Store.open(path, clock=SystemClock(), boot=boot_id()) as store:
        yield Desk(store, Identity(agent.site, agent.name, store.epoch))


async def asked_or_opened(
    asked: Callable[[], Awaitable[Json]], opened: Callable[[], Awaitable[Json]]
) -> Json:
    """Ask the agent; when none runs, open the store."""
    try:
        return await asked()
    except NoAgentError:
        return await opened()
