"""Alarms over the control socket: what is open, and the operator's hand on it."""

from pwd import getpwuid
from socket import SO_PEERCRED, SOL_SOCKET
from struct import Struct
from typing import Final, Protocol

from aiohttp import web

from agent.model import Action, Json
from agent.web.answering import Answerer, answered
from agent.web.orders import Order, read_order

_CREDENTIALS: Final = Struct("3i")


class Operating(Protocol):
    """The operator's eyes and hand."""

    def alarms(self) -> dict[str, Json]:
        """What is open, and the rules of which nothing would be told now."""
        ...

    async def carry_out(self, action: Action, order: Order, login: str) -> dict[str, Json]:
        """Do something to alarms; the errors are those of `agent.operate`."""
        ...


def alarm_routes(hand: Operating) -> list[web.RouteDef]:
    """`GET /api/alarms`, and a POST for each action with an `Order` as its body."""

    async def alarms(_: web.Request) -> Json:
        return hand.alarms()

    def operate(action: Action) -> Answerer:
        async def answer(request: web.Request) -> Json:
            return await hand.carry_out(action, read_order(await request.read()), _login(request))

        return answer

    orders = [web.post(f"/api/alarms/{action.value}", answered(operate(action))) for action in Action]
    return [web.get("/api/alarms", answered(alarms)), *orders]


def _login(request: web.Request) -> str:
    """Whose process asks, as the kernel knows it."""
    peer = request.get_extra_info("socket")
    _, user, _ = _CREDENTIALS.unpack(peer.getsockopt(SOL_SOCKET, SO_PEERCRED, _CREDENTIALS.size))
    try:
        return getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
