"""The control socket: what the commands ask of a running agent, as HTTP over a Unix socket.

Whoever may write to the socket (mode 0660, the agent's group) may operate the agent; there is no
other login. Answers are JSON; an error is `{"error": "..."}` with a sentence for the person who asked.
"""

from collections.abc import Sequence
from typing import Protocol

from aiohttp import web

from agent.desk import Desk
from agent.model import Json
from agent.web.alarms import Operating, alarm_routes
from agent.web.answering import Answerer, answered
from agent.web.destinations import Holding, destination_routes
from agent.web.inbound import message_routes
from agent.web.sources import Pausing, source_routes


class Controlled(Protocol):
    """What the commands ask of the agent."""

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

    def status(self) -> dict[str, Json]:
        """What is going on."""
        ...

    async def reload(self) -> Sequence[Json]:
        """Load the configuration anew; what changed. Raises ConfigError: the old one goes on."""
        ...

    async def flush_samples(self) -> None:
        """All that the rules have seen is in the file of samples. Raises StoreUnavailable."""
        ...


def control_app(agent: Controlled) -> web.Application:
    """The application behind the control socket."""

    async def status(_: web.Request) -> Json:
        return agent.status()

    async def events(request: web.Request) -> Json:
        return await agent.desk.events(request.query)

    async def dead_letters(request: web.Request) -> Json:
        return await agent.desk.dead_letters(request.query)

    async def dead_letter(request: web.Request) -> Json:
        return await agent.desk.dead_letter(request.match_info["destination"], int(request.match_info["seq"]))

    async def count(request: web.Request) -> Json:
        return await agent.desk.count(request.query)

    async def resend(request: web.Request) -> Json:
        return await agent.desk.resend(request.query)

    async def drop(request: web.Request) -> Json:
        return await agent.desk.drop(request.query)

    async def reload(_: web.Request) -> Json:
        return {"changed": list(await agent.reload())}

    app = web.Application()
    app.router.add_get("/api/status", answered(status))
    app.router.add_get("/api/events", answered(events))
    app.router.add_get("/api/deadletters", answered(dead_letters))
    app.router.add_get("/api/deadletters/count", answered(count))
    app.router.add_get(r"/api/deadletters/{destination:.+}/{seq:\d+}", answered(dead_letter))
    app.router.add_post("/api/deadletters/resend", answered(resend))
    app.router.add_post("/api/deadletters/drop", answered(drop))
    app.router.add_post("/api/samples/flush", answered(_flush(agent)))
    app.router.add_post("/api/reload", answered(reload))
    app.add_routes([*alarm_routes(agent.hand), *source_routes(agent.intakes)])
    app.add_routes([*destination_routes(agent.holding, agent.desk), *message_routes(agent.desk)])
    return app


def _flush(agent: Controlled) -> Answerer:
    async def flush(_: web.Request) -> Json:
        await agent.flush_samples()
        return {"flushed": True}

    return flush
