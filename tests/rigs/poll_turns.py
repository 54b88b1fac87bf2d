"""A polling endpoint that is asked turn by turn: what would be waited between two questions is given instead."""

from contextlib import asynccontextmanager

from rigs.poll_relay import TOKEN
from rigs.relay_session import NAME, Session

from agent.clock import SystemClock
from agent.http.reading import open_reader
from agent.inbound.poll.answers import read_place
from agent.inbound.poll.config import PollRelay
from agent.inbound.poll.session import Poller


def section(relay, **more: object) -> PollRelay:
    """What the configuration says of it."""
    common = {"type": "poll", "verify": "none", "url": relay.url, "token": TOKEN, "timeout": "20s"}
    return PollRelay.model_validate(common | more)


class Turns:
    """Attributes: `desk`, which takes the messages; `turn`, which asks once and gives the pause in seconds."""

    def __init__(self, desk, poller) -> None:
        self.desk = desk
        self.turn = poller.turn

    async def pauses(self, number: int) -> list[float]:
        """So many turns, one right after the other."""
        return [await self.turn() for _ in range(number)]


@asynccontextmanager
async def asked_by_turns(relay, cursor=None, clock=None, **more: object):
    """Open what asks, without what waits."""
    config, desk, clock = section(relay, **more), Session(cursor), clock or SystemClock()
    async with open_reader(NAME, config.url, clock, token=config.token, tls=config.tls) as reader:
        place = read_place(cursor, config.url)
        yield Turns(desk, Poller(NAME, config, desk.accept, clock, reader, place))
