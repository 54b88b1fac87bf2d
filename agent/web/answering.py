"""Answers in JSON, also where there is no answer: `{"error": "..."}`, a sentence for the person who asked."""

from collections.abc import Awaitable, Callable, Mapping
from pwd import getpwuid
from socket import SO_PEERCRED, SOL_SOCKET
from struct import Struct
from typing import Final, TypeAlias

from aiohttp import web

from agent.desk import UnknownError
from agent.errors import ConfigError, EdgeRelayError, StoreUnavailable
from agent.model import Json
from agent.web.orders import ImpossibleError, MalformedError

_CREDENTIALS: Final = Struct("3i")

Answerer: TypeAlias = Callable[[web.Request], Awaitable[Json]]
_STATUS: Final[Mapping[type[EdgeRelayError], int]] = {
    MalformedError: 400,
    UnknownError: 404,
    ImpossibleError: 409,
    ConfigError: 422,
    StoreUnavailable: 503,
}


def answered(answer: Answerer) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler that sends what `answer` gives, or its error."""

    async def handle(request: web.Request) -> web.Response:
        try:
            return web.json_response(await answer(request))
        except tuple(_STATUS) as error:
            return web.json_response({"error": str(error)}, status=_STATUS[type(error)])

    return handle


def login(request: web.Request) -> str:
    """Whose process asks over the control socket, as the kernel knows it."""
    peer = request.get_extra_info("socket")
    _, user, _ = _CREDENTIALS.unpack(peer.getsockopt(SOL_SOCKET, SO_PEERCRED, _CREDENTIALS.size))
    try:
        return getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def asker(request: web.Request, by: str) -> str:
    """Who asks: the login, and who that is where it does not tell."""
    who = login(request)
    return f"{by} ({who})" if by not in ("", who) else who
