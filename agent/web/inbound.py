"""Messages that came in over the control socket: listed, and what was done by them."""

from collections.abc import Mapping
from typing import Protocol

from aiohttp import web

from agent.model import Json
from agent.web.answering import answered


class Listing(Protocol):
    """What is kept of messages."""

    async def audit(self, query: Mapping[str, str]) -> list[Json]:
        """What was asked of machines and alarms, the newest, oldest first."""
        ...

    async def inbox(self, query: Mapping[str, str]) -> list[Json]:
        """The newest messages, oldest first."""
        ...


def message_routes(desk: Listing) -> list[web.RouteDef]:
    """`GET /api/audit` and `/api/inbox`."""

    async def audit(request: web.Request) -> Json:
        return await desk.audit(request.query)

    async def inbox(request: web.Request) -> Json:
        return await desk.inbox(request.query)

    return [web.get("/api/audit", answered(audit)), web.get("/api/inbox", answered(inbox))]
