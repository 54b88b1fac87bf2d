"""The control socket: what the commands ask of a running agent, as HTTP over a Unix socket.

Whoever may write to the socket (mode 0660, the agent's group) may operate the agent; there is no
other login. Health, too, is asked here by a container's HEALTHCHECK: whatever `http:` says, it is reached.
"""

from pwd import getpwuid
from socket import SO_PEERCRED, SOL_SOCKET
from struct import Struct
from typing import Final, Protocol

from aiohttp import web

from agent.web.api import Controlled, api_routes
from agent.web.inside import inside_routes
from agent.web.monitor import Monitored, add_monitoring
from agent.web.routes import add_routes

_CREDENTIALS: Final = Struct("3i")


class Served(Controlled, Monitored, Protocol):
    """The agent, as far as it can be asked from its own machine."""


def control_app(agent: Served) -> web.Application:
    """The application behind the control socket."""
    app = web.Application()
    add_routes(app, [*api_routes(agent), *inside_routes()], login)
    add_monitoring(app, agent, lambda _: True)
    return app


def login(request: web.Request) -> str:
    """Whose process asks, as the kernel knows it."""
    peer = request.get_extra_info("socket")
    _, user, _ = _CREDENTIALS.unpack(peer.getsockopt(SOL_SOCKET, SO_PEERCRED, _CREDENTIALS.size))
    try:
        return getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
