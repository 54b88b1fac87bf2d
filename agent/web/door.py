"""The TCP door: every request passes the rules of `agent.web.access`, and every answer carries the headers of the house.

Rules for whoever changes this: what is in force is asked anew for each request; nothing is read of a body before
its sender may order; a line in the log names who and what, and no body, query or token.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Collection
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from agent.clock import Clock
from agent.config.http_section import HttpSection
from agent.web.access import Asking, Guesses, Kind, Refusal, judge, may_look
from agent.web.serve import HEADERS, Connection

_log = logging.getLogger(__name__)

LARGEST_BODY: Final = 64_000
"""Bytes of an order; the largest that anybody means has some hundred names in it."""
_LONGEST_TOLD: Final = 200
_WHO: Final = web.RequestKey("who", str)
_FORWARDED: Final = (
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-IP",
)
_KINDS: Final = {"/live": Kind.PROBE, "/ready": Kind.PROBE, "/api/whoami": Kind.WHOAMI}


class Door:
    """Who comes in.

    Attributes:
        http: what is in force.
    """

    def __init__(self, http: Callable[[], HttpSection], clock: Clock, files: Collection[str]) -> None:
        self.http = http
        self._clock = clock
        self._files = files
        self._own = own_names()
        self._guesses = Guesses()

    def app(self) -> web.Application:
        """An application behind this door."""
        app = web.Application(middlewares=[self._guard], client_max_size=LARGEST_BODY)
        app.on_response_prepare.append(_mark)
        return app

    def still(self, request: web.Request) -> Callable[[], bool]:
        """What tells, while a request goes on, whether its token still counts."""
        asking = self._asking(request)
        return lambda: judge(asking, self.http(), self._own) == who(request)

    def may_look(self, request: web.Request) -> bool:
        """Whether whoever asks may read what there is."""
        return bool(who(request)) or may_look(self._asking(request), self.http())

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        asking = self._asking(request)
        verdict = judge(asking, self.http(), self._own)
        if isinstance(verdict, Refusal):
            if verdict.guess:
                await self._slow_down(request)
            return _refused(request, verdict)
        request[_WHO] = verdict
        if verdict or asking.kind is Kind.DATA:
            _keep(request)
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            return _refused(request, _told(error))
        if request.method == "POST" and asking.kind is not Kind.NOTHING:
            what = request.rel_url.raw_path[:_LONGEST_TOLD]
            _log.info("%s ordered %s: %d", verdict, what, answer.status)
        return answer

    def _asking(self, request: web.Request) -> Asking:
        headers = request.headers
        return Asking(
            self._kind(request),
            request.method,
            headers.getall("Host", []),
            headers.get("Origin", ""),
            headers.get("Sec-Fetch-Site", ""),
            headers.get("Authorization", ""),
            request.content_type if request.body_exists else None,
            any(name in headers for name in _FORWARDED),
        )

    def _kind(self, request: web.Request) -> Kind:
        """By what the server is about to answer with, not by how the address is written."""
        resource = request.match_info.route.resource
        if resource is None:
            return Kind.NOTHING
        path = resource.canonical
        return Kind.FILE if path in self._files else _KINDS.get(path, Kind.DATA)

    async def _slow_down(self, request: web.Request) -> None:
        delay, told = self._guesses.wrong(self._clock.monotonic())
        if told:
            _log.warning(
                "a wrong token was shown by %s (%d since it was last told): give whoever it is the right one, or find out who tries",
                request.remote,
                told,
            )
        await asyncio.sleep(delay)


def who(request: web.Request) -> str:
    """The name of the token that was shown; empty: none was."""
    return request[_WHO]


def own_names() -> Collection[str]:
    """What this machine is called, in full and by its first word; nothing is looked up."""
    name = socket.gethostname().lower().removesuffix(".")
    return {name, name.partition(".")[0]} - {""}


def _keep(request: web.Request) -> None:
    if isinstance(request.protocol, Connection):
        request.protocol.known()


async def _mark(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = HEADERS["Server"]  # aiohttp has put its versions there
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


def _told(error: web.HTTPException) -> Refusal:
    match error:
        case web.HTTPNotFound():
            return Refusal(
                404, "there is nothing here: / is the page, /api/openapi.json says what can be asked"
            )
        case web.HTTPMethodNotAllowed():
            return Refusal(
                405, f"{error.method} is not done here, only {', '.join(sorted(error.allowed_methods))}"
            )
        case _:
            return Refusal(error.status, error.reason)


def _refused(request: web.Request, refusal: Refusal) -> web.Response:
    """JSON where programs ask, else a line of text."""
    headers = (
        {"WWW-Authenticate": 'Bearer realm="edge-relay"'}
        if refusal.status == web.HTTPUnauthorized.status_code
        else {}
    )
    if request.path.startswith("/api/"):
        return web.json_response({"error": refusal.sentence}, status=refusal.status, headers=headers)
    return web.Response(text=f"{refusal.sentence}\n", status=refusal.status, headers=headers)
