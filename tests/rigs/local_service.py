"""A service within the plant that is handed messages of the cloud: it keeps all that it was asked, and misbehaves when told."""

import asyncio
from typing import NamedTuple, Self

from aiohttp import web


class Asked(NamedTuple):
    """One request, whatever was answered: its headers by lower-case name, its bytes, and the answer's status."""

    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def identity(self) -> str:
        return self.headers["webhook-id"]


class LocalService:
    """`async with LocalService() as service:`; listens on loopback, on the same port after a stop.

    Attributes:
        behave: given a request's `webhook-id`, what is answered: a status, or None to hang up after it was kept.
        asked: every request, in order.
    """

    def __init__(self) -> None:
        self.port = 0
        self.behave = lambda identity: 204
        self.asked: list[Asked] = []
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/orders"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/orders", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def taken(self) -> list[str]:
        """The `webhook-id` of each that was answered with 2xx, in order."""
        return [asked.identity for asked in self.asked if 200 <= asked.status < 300]

    async def _serve(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): text for name, text in request.headers.items()}
        status = self.behave(headers.get("webhook-id", ""))
        self.asked.append(Asked(headers, body, status or 0))
        if status is None:
            request.transport.abort()
            await asyncio.sleep(0)
        return web.Response(status=status or 500)
