"""Alarms over the control socket: what is open, and the operator's hand on it."""

from typing import Protocol

from aiohttp import web

from agent.model import Action, Json
from agent.web.answering import Answerer, answered, login
from agent.web.orders import Order, read


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
            return await hand.carry_out(action, read(Order, await request.read()), login(request))

        return answer

    orders = [web.post(f"/api/alarms/{action.value}", answered(operate(action))) for action in Action]
    return [web.get("/api/alarms", answered(alarms)), *orders]
