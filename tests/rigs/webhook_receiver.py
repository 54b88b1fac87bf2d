"""A receiver that checks each signature with the specification's own library and misbehaves when told.

What it keeps is the ground truth of delivery: every body that arrived, by path and `webhook-id`.
"""

import asyncio
import base64
import json
import ssl
from collections import defaultdict
from enum import Enum
from typing import Self

from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SECRET = "whsec_" + base64.b64encode(b"only for the tests, thirty-two b").decode()


class Deed(Enum):
    """What a receiver may do beside answering with a status."""

    HANG_UP = "close without an answer, keep nothing"
    KEEP_AND_HANG_UP = "keep it, then close without an answer"


class WebhookReceiver:
    """`async with WebhookReceiver() as receiver:`; listens on loopback, on the same port after a stop.

    Attributes:
        behave: given the event, what is done: a status (2xx keeps it), or a `Deed`.
        kept: by path, by webhook-id: every body that was kept, in order of arrival.
        attempts: by path, how many posts there were.
        forged: why signatures were refused.
    """

    def __init__(self, port: int = 0, certificate=None) -> None:
        self.port = port
        self.behave = lambda event: 204
        self.headers: dict[str, str] = {}
        self.kept: dict[str, dict[str, list[bytes]]] = defaultdict(dict)
        self.attempts: dict[str, int] = defaultdict(int)
        self.forged: list[str] = []
        self._webhook = Webhook(SECRET)
        self._tls = None
        if certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*certificate)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._post)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def url(self, path: str) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}{path}"

    def events(self, path: str) -> list[dict]:
        """Every event once, in the order of `seq`; heartbeats, which have none, are left out."""
        bodies = [json.loads(bodies[0]) for bodies in self.kept[path].values()]
        numbered = [body for body in bodies if "seq" in body["data"]]
        return sorted(numbered, key=lambda event: event["data"]["seq"])

    def of_type(self, path: str, *types: str) -> list[dict]:
        return [event for event in self.events(path) if event["type"] in types]

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.attempts[request.path] += 1
        try:
            self._webhook.verify(body, dict(request.headers))
        except WebhookVerificationError as error:
            self.forged.append(str(error))
            return web.Response(status=401)
        done = self.behave(json.loads(body))
        if done is Deed.KEEP_AND_HANG_UP or (isinstance(done, int) and 200 <= done < 300):
            self.kept[request.path].setdefault(request.headers["webhook-id"], []).append(body)
        if isinstance(done, Deed):
            request.transport.abort()
            await asyncio.sleep(0)
            return web.Response(status=500)  # goes nowhere
        return web.Response(status=done, headers=self.headers)


def holes(events: list[dict]) -> list[int]:
    """Every `previous` that never arrived, of one receiver's events."""
    have = {(event["data"]["epoch"], event["data"]["seq"]) for event in events}
    return [
        event["data"]["previous"]
        for event in events
        if event["data"]["previous"] is not None
        and (event["data"]["epoch"], event["data"]["previous"]) not in have
    ]
