"""The control socket: what the commands ask of a running agent, as HTTP over a Unix socket.

Whoever may write to the socket (mode 0660, the agent's group) may operate the agent; there is no
other login. Answers are JSON; an error is `{"error": "..."}` with a sentence for the person who asked.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

from aiohttp import web

from agent.desk import Desk, UnknownError
from agent.errors import ConfigError, StoreUnavailable
from agent.model import Json

Answerer: TypeAlias = Callable[[web.Request], Awaitable[Json]]


class Controlled(Protocol):
    """What the commands ask of the agent."""

    @property
    def desk(self) -> Desk:
        """The outbox by hand."""
        ...

    def status(self) -> dict[str, Json]:
        """What is going on."""
        ...

    async def reload(self) -> Sequence[Json]:
        """Load the configuration anew; what changed. Raises ConfigError: the old one goes on."""
        ...

    async def enable(self, destination: str) -> None:
        """Take up a disabled destination again. Raises UnknownError: there is none of this name."""
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

    async def resend(request: web.Request) -> Json:
        return {"resent": await agent.desk.resend(request.query)}

    async def drop(request: web.Request) -> Json:
        return {"dropped": await agent.desk.drop(request.query)}

    async def reload(_: web.Request) -> Json:
        return {"changed": list(await agent.reload())}

    async def enable(request: web.Request) -> Json:
        await agent.enable(request.match_info["destination"])
        return {"enabled": request.match_info["destination"]}

    app = web.Application()
    app.router.add_get("/api/status", _json(status))
    app.router.add_get("/api/events", _json(events))
    app.router.add_get("/api/deadletters", _json(dead_letters))
    app.router.add_get(r"/api/deadletters/{destination}/{seq:\d+}", _json(dead_letter))
    app.router.add_post("/api/deadletters/resend", _json(resend))
    app.router.add_post("/api/deadletters/drop", _json(drop))
    app.router.add_post("/api/destinations/{destination}/enable", _json(enable))
    app.router.add_post("/api/samples/flush", _json(_flush(agent)))
    app.router.add_post("/api/reload", _json(reload))
    return app


def _flush(agent: Controlled) -> Answerer:
    async def flush(_: web.Request) -> Json:
        await agent.flush_samples()
        return {"flushed": True}

    return flush


def _json(answer: Answerer) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Answer in JSON, also where there is no answer."""

    async def handle(request: web.Request) -> web.Response:
        try:
            return web.json_response(await answer(request))
        except UnknownError as error:
            return web.json_response({"error": str(error)}, status=404)
        except ConfigError as error:
            return web.json_response({"error": str(error)}, status=422)
        except StoreUnavailable as error:
            return web.json_response({"error": str(error)}, status=503)

    return handle
