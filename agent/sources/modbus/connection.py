"""What one session holds of a line: it reads blocks, with repetitions, writes without, and lets go in the end.

Rules for whoever changes this file: whatever ends a session, its share of the line ends with it; the
line itself belongs to all sessions on it (`line.py`).
"""

import contextlib
from collections.abc import AsyncIterator

from agent.clock import Clock
from agent.sources.modbus.answer import LATER, Data, Outcome, Question, Refused, Silent
from agent.sources.modbus.config import ModbusSource
from agent.sources.modbus.line import Line, join
from agent.sources.modbus.plan import Block


class Connection:
    """Reads blocks for one session; made by `connected`."""

    def __init__(self, line: Line, config: ModbusSource) -> None:
        self._line = line
        self._timeout = config.timeout
        self._pause = config.pause_between_requests
        self._close_after_poll = config.close_after_poll

    def doubts(self, unit: int) -> bool:
        """Whether to ask a unit that was silent would be to queue behind others that were."""
        return self._line.doubts(unit)

    async def wait(self, duration: int) -> None:
        """Let nanoseconds pass, with an eye on the line.

        Raises:
            SourceError: it was lost meanwhile.
        """
        await self._line.wait(duration)

    async def read(self, block: Block, attempts: int) -> Outcome:
        """Read one block; silence, nonsense and "busy" are tried again, up to `attempts` in all.

        Raises:
            SourceError: the line is lost.
        """
        transaction = self._line.next_transaction()
        outcome: Outcome = Silent("it was not asked")
        for _ in range(attempts):
            outcome = await self._line.ask(block, transaction, self._timeout, self._pause)
            busy = isinstance(outcome, Refused) and outcome.code in LATER
            if isinstance(outcome, Data | Refused) and not busy:
                break
        return outcome

    async def write(self, request: Question) -> Outcome:
        """Send what writes, once: whatever comes of it, and whatever `retries` says.

        Raises:
            SourceError: the line is lost.
        """
        return await self._line.ask(request, self._line.next_transaction(), self._timeout, self._pause)

    @contextlib.asynccontextmanager
    async def poll(self) -> AsyncIterator[None]:
        """Keep the line while a poll is under way; with `close_after_poll` the last one hangs up."""
        if not self._close_after_poll:
            yield
            return
        self._line.polls += 1
        try:
            yield
        finally:
            self._line.polls -= 1
            await self._line.hang_up()


@contextlib.asynccontextmanager
async def connected(config: ModbusSource, clock: Clock) -> AsyncIterator[Connection]:
    """Be on the line for as long as the context lasts.

    Raises:
        SourceError: no connection.
    """
    line = join(config, clock)
    try:
        if not config.close_after_poll:  # else the first question opens it
            await line.open(config.timeout)
        yield Connection(line, config)
    finally:
        await line.leave()
