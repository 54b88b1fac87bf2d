"""What comes to questions that have many answers: the messages of a pull, in their order.

Rules for whoever changes this: it is filled by the connection and emptied by one who waits; how much
may come the question says, so nothing is thrown away here.
"""

import asyncio

from agent.codec.nats import Arrived
from agent.delivery.said import Lost, TurnedAway


class Answers:
    """What a subscription of a connection has brought; `agent.nats.connection.Connection.listen` makes one.

    Attributes:
        question: the subject that is asked; what the server says against it ends the waiting.
        inbox: where the answers come back: this, a point, and a word of the asker's own.
        waiting: what has come and nobody has taken yet.
    """

    def __init__(self, question: str, inbox: str) -> None:
        self.question = question
        self.inbox = inbox
        self.waiting: list[Arrived] = []
        self._some = asyncio.Event()
        self._over: Lost | TurnedAway | None = None

    def take(self, frame: Arrived) -> None:
        """One more has come."""
        self.waiting.append(frame)
        self._some.set()

    def fail(self, why: Lost | TurnedAway) -> None:
        """Nothing will come any more."""
        self._over = self._over or why
        self._some.set()

    async def some(self) -> list[Arrived]:
        """Give what has come, at least one; the caller bounds the wait.

        Raises:
            Lost, TurnedAway: nothing comes any more. What was not taken until then will come again.
        """
        await self._some.wait()
        if self._over is not None:
            raise self._over
        self._some.clear()
        taken, self.waiting = self.waiting, []
        return taken
