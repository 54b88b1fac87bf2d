"""What the mailbox says of a channel, and of what it was asked."""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from operator import itemgetter

from agent.store.mailbox_rows import Level, Message, Runs


class Put(Enum):
    """What became of a message that was offered."""

    STORED = "stored"
    CHANNEL_FULL = "channel_full"
    MAILBOX_FULL = "mailbox_full"


@dataclass(eq=False, slots=True)
class Box:
    """One channel.

    Attributes:
        key: in the database.
        name: in the configuration.
        runs: from which number on which epoch holds.
        bound: bytes that it may keep.
        level: how far it is, as of the last transaction.
        queued: bytes that are offered and not on disk yet.
        news: set when messages have come, or the mailbox closes; then it is another.
    """

    key: int
    name: str
    runs: Runs
    bound: int
    level: Level
    queued: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def epoch_of(self, number: int) -> str:
        """What tells a number from the same of another channel, of another database, and of before a restore."""
        return self.runs[bisect_right(self.runs, number, key=itemgetter(0)) - 1][1]

    def wake(self) -> None:
        """Let go of all who wait for news."""
        self.news.set()
        self.news = asyncio.Event()


@dataclass(frozen=True, slots=True)
class Part:
    """What was read of a channel.

    Attributes:
        messages: in order.
        last: the number to go on behind.
        damaged: how many are left out, because the disk did not keep them as they were.
    """

    messages: Sequence[Message]
    last: int
    damaged: int


@dataclass(frozen=True, slots=True)
class Offered:
    """A message that waits for its transaction; `future` ends with it."""

    box: Box
    message: Message
    future: asyncio.Future[None]
