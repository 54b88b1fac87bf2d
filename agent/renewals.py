"""Certificates of destinations that must be renewed, looked for once an hour (those of sources: `agent.intakes`)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, NoReturn

from agent.clock import Clock
from agent.destinations import expiring
from agent.destinations.config import DestinationConfig
from agent.threads import in_a_thread

_LOOK_EVERY_S: Final = 3600.0


class Renewals:
    """See the module.

    Attributes:
        expiring: what must be renewed, a sentence each.
    """

    def __init__(self, clock: Clock, configs: Callable[[], Mapping[str, DestinationConfig]]) -> None:
        self.expiring: Sequence[str] = ()
        self._clock = clock
        self._configs = configs
        self._changed = asyncio.Event()

    def look(self) -> None:
        """Look soon: destinations have changed."""
        self._changed.set()

    async def run(self) -> NoReturn:
        """Look until cancelled."""
        while True:
            self._changed.clear()
            look = partial(_expiring, self._configs(), self._clock.wall())
            self.expiring = await in_a_thread("certificates of destinations", look)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._changed.wait()


def _expiring(configs: Mapping[str, DestinationConfig], wall: int) -> list[str]:
    return [sentence for name, config in configs.items() for sentence in expiring(name, config, wall)]
