"""What became of messages that were sent on (`forward`, `publish`): one outcome for each, in one commit for many.

    a delivery ends -> noted -> whose message was it? -> one commit: rows settled, outcomes

An end and its outcome need not be one transaction: the row of a message says whether it was told. What was
not when the agent was killed is found at the start, and so is what ended without a word of the engine:
with a destination that was removed, or for want of room.

Rules for whoever changes this: nothing is forgotten before its outcome is on disk; a dead letter that is sent
again and arrives is told again, one that dies again is not.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Final, NoReturn

from agent.clock import Clock
from agent.errors import StoreUnavailable
from agent.inbound.base import RelaySection
from agent.inbound.routes import destination_name
from agent.incoming.message import word
from agent.model import Event
from agent.outcomes import Outcome, settled, told
from agent.pipeline import Beside, Pipeline
from agent.store.messages import InboxChange, Message, Received
from agent.store.records import End, MarkDelivered
from agent.store.store import Store

_GATHER_S: Final = 0.1
_RETRY_S: Final = 1.0
_MOST: Final = 500
_MARK: Final = "/"
"""In the name of a route's destination, and of no other."""
_Ended = tuple[Message, bool, str]
"""A message, whether it arrived, and why not."""


class Sent:
    """See the module. `run` works until cancelled."""

    def __init__(
        self,
        pipeline: Pipeline,
        store: Store,
        clock: Clock,
        mint: Callable[[int], str],
        relays: Callable[[], Mapping[str, RelaySection]],
    ) -> None:
        """`relays` gives those that are configured now."""
        self._relays = relays
        self._pipeline = pipeline
        self._store = store
        self._clock = clock
        self._mint = mint
        self._ended: dict[int, End] = {}
        self._unlooked = True
        self._wake = asyncio.Event()
        self._wake.set()
        store.on_ended = self.note

    def note(self, mark: End) -> None:
        """A delivery has come to its end."""
        if _MARK in mark.destination:
            self._ended[mark.seq] = mark
            self._wake.set()

    def look(self) -> None:
        """Look soon for what ended without a word."""
        self._unlooked = True
        self._wake.set()

    async def run(self) -> NoReturn:
        """Tell until cancelled; a disk that takes nothing now is told later."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(_GATHER_S)
            self._wake.clear()
            try:
                await self._tell_noted()
                await self._tell_found()
            except StoreUnavailable:
                await asyncio.sleep(_RETRY_S)
                self._wake.set()

    async def _tell_noted(self) -> None:
        while marks := dict(islice(self._ended.items(), _MOST)):
            found = await self._store.inbox.sent(marks)
            await self._tell([end for seq, message in found.items() if (end := _end(message, marks[seq]))])
            for seq, mark in marks.items():
                if self._ended[seq] is mark:
                    del self._ended[seq]

    async def _tell_found(self) -> None:
        while self._unlooked:
            ends = await self._store.inbox.unreported(_MOST)
            await self._tell(ends)
            self._unlooked = len(ends) == _MOST

    async def _tell(self, ends: Sequence[_Ended]) -> None:
        """Return when the outcomes are on disk."""
        if not ends:
            return
        events: list[Event] = []
        changes: list[InboxChange] = []
        for message, arrived, why in ends:
            received, at = message.received, self._clock.monotonic()
            name = destination_name(received.relay, received.route)
            what = Outcome("done" if arrived else "failed", why, self._word(received), name)
            events.append(told(received, what, self._mint(at), at))
            changes += settled(received, what, audit=False)
        await self._pipeline.add(Beside(events, changes))

    def _word(self, received: Received) -> str:
        """What was asked for; of a route that is gone nobody knows any more."""
        relay = self._relays().get(received.relay)
        route = None if relay is None else relay.routes.get(received.route)
        return "send" if route is None else word(route.route("", "").deed)


def _end(message: Message, mark: End) -> _Ended | None:
    if isinstance(mark, MarkDelivered):
        return message, True, ""
    return None if message.received.outcome else (message, False, mark.reason)
