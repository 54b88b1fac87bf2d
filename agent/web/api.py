"""All that can be asked of a running agent, in one table: what the commands, the page and scripts use."""

from collections.abc import Sequence
from typing import Protocol

from agent.desk import Desk
from agent.model import Json
from agent.web.alarms import Operating, alarm_routes
from agent.web.destinations import Holding, destination_routes
from agent.web.openapi import with_document
from agent.web.outbox import outbox_routes
from agent.web.routes import Asked, Route, command, question
from agent.web.rows import Flushed, Reloaded
from agent.web.sources import Pausing, source_routes
from agent.web.status_rows import Status
from agent.web.tables import RuleRow
from agent.web.trends import Trending, trend_routes


class Controlled(Protocol):
    """What is asked of the agent."""

    @property
    def desk(self) -> Desk:
        """The outbox by hand."""
        ...

    @property
    def hand(self) -> Operating:
        """Alarms by hand."""
        ...

    @property
    def intakes(self) -> Pausing:
        """The sources by hand."""
        ...

    @property
    def holding(self) -> Holding:
        """The destinations by hand."""
        ...

    @property
    def board(self) -> Trending:
        """What was read lately."""
        ...

    def status(self) -> dict[str, Json]:
        """What is going on."""
        ...

    async def rules(self) -> list[Json]:
        """Each rule in words, as the file has them."""
        ...

    async def reload(self) -> Sequence[Json]:
        """Load the configuration anew; what changed. Raises ConfigError: the old one goes on."""
        ...

    async def flush_samples(self) -> None:
        """All that the rules have seen is in the file of samples. Raises StoreUnavailable."""
        ...


def api_routes(agent: Controlled) -> Sequence[Route]:
    """Every route, whichever door it stands behind."""
    routes = [
        *_agent_routes(agent),
        *alarm_routes(agent.hand),
        *source_routes(agent.intakes),
        *destination_routes(agent.holding, agent.desk),
        *outbox_routes(agent.desk),
        *trend_routes(agent.board),
    ]
    return with_document(routes)


def _agent_routes(agent: Controlled) -> Sequence[Route]:
    async def status(_: Asked) -> Json:
        return agent.status()

    async def rules(_: Asked) -> Json:
        return await agent.rules()

    async def reload(_: Asked) -> Json:
        return {"changed": list(await agent.reload())}

    async def flush(_: Asked) -> Json:
        await agent.flush_samples()
        return {"flushed": True}

    return [
        question("/api/status", "What is going on, all of it.", status, Status),
        question("/api/rules", "Each rule as one sentence, in the order of the file.", rules, list[RuleRow]),
        command("/api/reload", "Load the configuration anew: all or nothing.", reload, Reloaded),
        command("/api/samples/flush", "Have all that was seen in the file of samples.", flush, Flushed),
    ]
