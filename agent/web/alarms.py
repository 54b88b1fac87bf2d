"""Alarms over HTTP: what is open, and the operator's hand on it."""

from collections.abc import Sequence
from typing import Protocol

from agent.model import Action, Json
from agent.web.orders import Order, read
from agent.web.routes import Answerer, Asked, Route, command, question
from agent.web.rows import Alarms, Obeyed


class Operating(Protocol):
    """The operator's eyes and hand."""

    def alarms(self) -> dict[str, Json]:
        """What is open, and the rules of which nothing would be told now."""
        ...

    async def carry_out(self, action: Action, order: Order, login: str) -> dict[str, Json]:
        """Do something to alarms; the errors are those of `agent.operate`."""
        ...


def alarm_routes(hand: Operating) -> Sequence[Route]:
    """`GET /api/alarms`, and a POST for each action with an `Order` as its body."""

    async def alarms(_: Asked) -> Json:
        return hand.alarms()

    def operate(action: Action) -> Answerer:
        async def answer(asked: Asked) -> Json:
            return await hand.carry_out(action, read(Order, asked.body), asked.who)

        return answer

    def order(action: Action) -> Route:
        summary = f"{action.value.replace('_', ' ').capitalize()}: these rules, or instances of rules."
        return command(f"/api/alarms/{action.value}", summary, operate(action), Obeyed, order=Order)

    told = "Open alarms, and the rules of which nothing would be told now."
    return [question("/api/alarms", told, alarms, Alarms), *map(order, Action)]
