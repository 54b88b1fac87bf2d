"""Health and metrics, for monitoring: nothing here changes anything.

`/health` asks whether the agent does its work (503 with the reasons if not), `/live` only whether it
runs: what a container may restart on, for a silent PLC is no reason to. `/ready` turns good once the
store is open and the sources are started. `warnings` want somebody's attention and change no status: with a
refused configuration the agent does its work by the old one.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from agent.model import Json


class Monitored(Protocol):
    """What monitoring asks of the agent."""

    def stuck(self) -> str:
        """Why it is not alive; empty while it is."""
        ...

    def problems(self) -> Sequence[str]:
        """Why it does not do its work, a sentence each; empty while it does."""
        ...

    def warnings(self) -> Sequence[str]:
        """What somebody should see to although it does its work, a sentence each."""
        ...

    def measure(self) -> None:
        """Bring the gauges up to date that nobody sets by itself."""
        ...


def monitor_app(agent: Monitored) -> web.Application:
    """An application of these alone, on loopback; the agent has them beside its page (`agent.web.site`)."""
    app = web.Application(middlewares=[_known_hosts])
    add_monitoring(app, agent, lambda _: True)
    return app


def add_monitoring(app: web.Application, agent: Monitored, tells: Callable[[web.Request], bool]) -> None:
    """Answer monitoring in `app`; whom it does not tell gets the status of /live and /ready and no word more."""

    async def health(_: web.Request) -> web.Response:
        problems = [*([stuck] if (stuck := agent.stuck()) else []), *agent.problems()]
        return _verdict(problems, warnings=list(agent.warnings()))

    async def live(request: web.Request) -> web.Response:
        return _verdict([stuck] if (stuck := agent.stuck()) else [], tells=tells(request))

    async def ready(request: web.Request) -> web.Response:
        # Nothing is served before the store is open and the sources are started.
        return _verdict([], tells=tells(request))

    async def metrics(_: web.Request) -> web.Response:
        agent.measure()
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.router.add_get("/health", health)
    app.router.add_get("/live", live)
    app.router.add_get("/ready", ready)
    app.router.add_get("/metrics", metrics)


def _verdict(problems: Sequence[str], *, tells: bool = True, **more: Json) -> web.Response:
    answer: dict[str, Json] = {"status": "failing" if problems else "ok"}
    if tells:
        answer |= {"problems": list(problems), **more}
    return web.json_response(answer, status=503 if problems else 200)


@web.middleware
async def _known_hosts(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse other names for loopback: a page elsewhere must not read this through a rebound DNS name."""
    if request.url.host not in ("127.0.0.1", "localhost", "::1"):
        raise web.HTTPForbidden(
            text="this address answers to 127.0.0.1 and localhost only: ask it by one of these\n"
        )
    return await handler(request)
