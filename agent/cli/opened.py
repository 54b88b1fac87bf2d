"""The outbox by hand, whether an agent runs or not: one question, two ways to have it answered."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.cli.asking import NoAgentError, ask
from agent.clock import SystemClock
from agent.config.agent_section import AgentSection, load_agent
from agent.delivery.body import Identity
from agent.desk import Desk, Terms
from agent.errors import ConfigError, EdgeRelayError
from agent.model import Json
from agent.paths import STORE
from agent.store.alive import boot_id
from agent.store.store import Store


@asynccontextmanager
async def opened_desk(agent: AgentSection, terms: Terms | None = None) -> AsyncIterator[Desk]:
    """Open the store of an agent that does not run; raises EdgeRelayError when there is none."""
    path = agent.data_dir / STORE
    if not path.exists():
        raise EdgeRelayError(f"no agent has ever run here: there is no {path}")
    async with await Store.open(path, clock=SystemClock(), boot=boot_id()) as store:
        if terms is not None and terms.destinations is not None:
            store.letters.configure(terms.destinations)
        yield Desk(store, Identity(agent.site, agent.name, store.epoch), lambda: terms or Terms())


async def asked_or_opened(
    asked: Callable[[], Awaitable[Json]], opened: Callable[[], Awaitable[Json]]
) -> Json:
    """Ask the agent; when none runs, open the store."""
    try:
        return await asked()
    except NoAgentError:
        return await opened()


class Outbox:
    """Whoever answers for the outbox of a configuration: its agent, or the store that it left, opened once.

    async with Outbox(arguments.config) as outbox:
        await outbox.ask("GET", "/api/deadletters", lambda desk: desk.dead_letters(wanted), wanted)
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._agent = load_agent(path)
        self._desk: Desk | None = None
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        by_hand: Callable[[Desk], Awaitable[Json]],
        query: Mapping[str, str] | None = None,
        body: Json = None,
    ) -> Json:
        """Give the answer of the agent, or what `by_hand` makes of its store."""
        if self._desk is None:
            try:
                return await ask(self._agent.data_dir, method, path, query, body=body)
            except NoAgentError:
                opened = opened_desk(self._agent, _terms(self._path))
                self._desk = await self._opened.enter_async_context(opened)
        return await by_hand(self._desk)


def _terms(path: Path) -> Terms:
    """What the configuration says of the outbox; without secrets, and nothing where it has errors."""
    from agent.cli.commissioning import without_secrets

    try:
        configuration = without_secrets(path)
    except ConfigError:
        return Terms()
    return Terms(configuration.outlets, configuration.store.keep_delivered)
