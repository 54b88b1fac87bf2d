"""A polling endpoint that does all that a relay may do to its client, but lose what it was given."""

from aiohttp import web
from rigs.poll_relay import PollRelay


class BadPollRelay(PollRelay):
    """Drops answers in the middle, repeats what it has handed over, shuffles, and forgets its iterators.

    Attributes:
        calm: it has had enough of that.
    """

    def __init__(self, dice, **more: object) -> None:
        super().__init__(**more)
        self._dice = dice
        self.calm = False

    def data(self, first, limit):
        """What is asked for, with some that were handed over before, in any order."""
        data = super().data(first, limit)
        if first and not self.calm and self._dice.random() < 0.2:
            data = super().data(max(0, first - 5), 5) + data
        if self._dice.random() < 0.2:
            data = self._dice.sample(data, len(data))
        return data

    async def ordinary(self, request):
        """An answer as it should be, mostly."""
        if self.calm:
            return await super().ordinary(request)
        if self._dice.random() < 0.02:
            self.expire()
        fault = self._dice.random()
        if fault < 0.01:
            return web.Response(status=self._dice.choice([429, 500, 502, 503]))
        answer = await super().ordinary(request)
        if fault < 0.03:
            return await self._cut(request, answer.body)
        return answer

    async def _cut(self, request, body):
        """Half of the answer, and then nothing."""
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        request.transport.abort()
        return response
