"""An authorization server that grants client credentials (RFC 6749, 4.4), and a receiver that wants its tokens."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, unquote_plus

from aiohttp import web

CLIENT = "agent:line 4"
SECRET = "s3cr&t c4n4ry%"


class TokenEndpoint:
    """Attributes.

    port: where it listens.
    asked: the form of each request, and who asked.
    expires_in: what it says of its tokens; None: nothing.
    behave: what it answers instead, a `web.Response` or a function that gives one.
    good: the tokens that the receiver accepts.
    shown: what the receiver was shown, in order.
    delay: seconds that a request takes.
    """

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[dict[str, str]] = []
        self.expires_in: object = 3600
        self.behave = None
        self.good: set[str] = set()
        self.shown: list[str] = []
        self.delay = 0.0

    @property
    def oauth2(self):
        """The section that leads here."""
        return {
            "token_url": f"http://127.0.0.1:{self.port}/token?tenant=c4n4ry",
            "client_id": CLIENT,
            "client_secret": SECRET,
        }

    async def token(self, request: web.Request) -> web.Response:
        form = {key: value[0] for key, value in parse_qs(await request.text()).items()}
        who = form.get("client_id"), form.get("client_secret")
        if (header := request.headers.get("Authorization", "")).startswith("Basic "):
            pair = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
            who = unquote_plus(pair[0]), unquote_plus(pair[2])
        self.asked.append(form)
        await asyncio.sleep(self.delay)
        if self.behave is not None:
            return self.behave()
        if form.get("grant_type") != "client_credentials":
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        if who != (CLIENT, SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        token = f"t{len(self.asked)}-c4n4ry"
        self.good.add(f"Bearer {token}")
        granted = {"access_token": token, "token_type": "bearer", "expires_in": self.expires_in}
        return web.json_response({key: text for key, text in granted.items() if text is not None})

    async def receive(self, request: web.Request) -> web.Response:
        self.shown.append(request.headers.get("Authorization", ""))
        return web.Response(status=204 if self.shown[-1] in self.good else 401)


@asynccontextmanager
async def token_endpoint() -> AsyncIterator[TokenEndpoint]:
    """Both on one port of loopback: /token and /hooks/plant."""
    rig = TokenEndpoint()
    app = web.Application()
    app.router.add_post("/token", rig.token)
    app.router.add_post("/hooks/plant", rig.receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        rig.port = runner.addresses[0][1]
        yield rig
    finally:
        await runner.cleanup()
