"""What is done by messages, on disk: before it is begun, and what became of it, with the event that tells it.

Rules for whoever changes this: what became of something is one transaction (row, audit, event), tried
until it is stored, for it has happened; what is begun is stored before, or it is not begun.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from agent.clock import Clock
from agent.errors import EdgeRelayError, StoreUnavailable
from agent.metrics import INBOUND_ACTIONS
from agent.outcomes import Outcome, audited, settled, told
from agent.pipeline import Beside, Pipeline
from agent.refusals import Refusals
from agent.store.messages import MessageState, Received, Settled

_log = logging.getLogger(__name__)

AGAIN_S: Final = 1.0
"""After so many seconds a disk that took nothing is asked again."""
_NOTHING: Final[Mapping[str, bytes | None]] = MappingProxyType({})


@dataclass
class Declined(EdgeRelayError):  # noqa: N818 - what is said to a message, no fault
    """What a message asks for is not done, and nothing was touched.

    Attributes:
        code: for counting: refusals of one sender with one code share a line of the audit an hour.
        why: for a person.
        what: what it asks for, as far as that is known.
    """

    code: str
    why: str
    what: Outcome = field(default_factory=lambda: Outcome("rejected"))


class Journal:
    """Begins, reports and refuses."""

    def __init__(
        self, pipeline: Pipeline, clock: Clock, refusals: Refusals, mint: Callable[[int], str]
    ) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._refusals = refusals
        self._mint = mint

    async def begin(
        self, received: Received, what: Outcome, states: Mapping[str, bytes | None] = _NOTHING
    ) -> None:
        """Say that something is touched from now on.

        Raises:
            StoreUnavailable: it is not said, so nothing must be touched.
        """
        line = audited(replace(received, at_wall=self._clock.wall()), what, acting=True)
        row = Settled(received.key, MessageState.ACTING)
        await self._pipeline.add(Beside(inbox=[row, line], states=states))

    async def report(
        self, received: Received, what: Outcome, states: Mapping[str, bytes | None] = _NOTHING
    ) -> None:
        """Return when what became of it is on disk."""
        beside = self.beside(received, what)._replace(states=states)
        while True:
            try:
                await self._pipeline.add(beside)
            except StoreUnavailable:
                await asyncio.sleep(AGAIN_S)
            else:
                self.told(what, str(beside.events[0].data["message"]))
                return

    def beside(self, received: Received, what: Outcome) -> Beside:
        """What is stored of an outcome, for whoever has more for its transaction; then it is `told`."""
        at = self._clock.monotonic()
        return Beside([told(received, what, self._mint(at), at)], settled(received, what, audit=True))

    def told(self, what: Outcome, message: str) -> None:
        """It is on disk."""
        INBOUND_ACTIONS.labels(what.action, what.outcome).inc()
        level = logging.INFO if what.outcome == "done" else logging.WARNING
        _log.log(level, "%s", message)

    async def refuse(self, received: Received, declined: Declined) -> None:
        """Report that nothing is done.

        Raises:
            StoreUnavailable: not now.
        """
        what = replace(declined.what, outcome="rejected", reason=declined.why)
        at = self._clock.monotonic()
        event = told(received, what, self._mint(at), at)
        try:
            line, _ = await self._refusals.line(received, what, declined.code)
            await self._pipeline.add(Beside([event], [*settled(received, what, audit=False), line]))
        except StoreUnavailable:
            self._refusals.forget()
            raise
        INBOUND_ACTIONS.labels(what.action, what.outcome).inc()
