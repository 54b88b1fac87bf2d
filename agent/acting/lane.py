"""A lane of messages: each is acted on when the one before it is done.

Rules for whoever changes this: a message stands in one lane alone, or two would act on it side by side.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NoReturn


class Lane:
    """See the module.

    Attributes:
        waiting: those whose turn has not come.
    """

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._free = asyncio.Event()
        self._free.set()

    @property
    def idle(self) -> bool:
        """Nothing waits, and nothing is under way."""
        return not self.waiting and self._free.is_set()

    def begin(self, keys: Sequence[bytes]) -> None:
        """These were there before all others."""
        self.waiting.extendleft(reversed(keys))

    def take(self, keys: Iterable[bytes]) -> None:
        """These came last."""
        self.waiting += keys
        self._news.set()

    async def follow(self, act: Callable[[bytes], Awaitable[None]]) -> NoReturn:
        """Act on each until cancelled."""
        while True:
            self._news.clear()
            while self.waiting:
                self._free.clear()
                await act(self.waiting.popleft())
                self._free.set()
            await self._news.wait()

    async def pause(self) -> None:
        """Return when nothing is under way."""
        await self._free.wait()
