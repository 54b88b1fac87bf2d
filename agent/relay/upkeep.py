"""What the relay sees to by itself, and what it says of itself to monitoring.

Rules for whoever changes this: what the plant never took is removed for its age alone, and told; nothing is
written while there is nothing to do.
"""

import asyncio
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Final

from agent.clock import Clock
from agent.errors import StoreUnavailable
from agent.model import SECOND
from agent.notify import stuck
from agent.relay.channel import Channel
from agent.relay.metrics import EXPIRED, KEPT_BYTES, OLDEST_AGE, STORE_USED, WAITING
from agent.store.mailbox import Mailbox
from agent.web.certificate import Certificate

_log = logging.getLogger(__name__)

_EVERY_S: Final = 60.0
_STEP: Final = 3_600 * SECOND  # what a clock is set by as a rule, and more
_DOUBT: Final = 86_400 * SECOND


class Calendar:
    """What time it is where messages are removed for their age.

    A clock that leaps ahead (set wrongly, or the machine was away for weeks) would remove all that waits, at
    once: it is believed when it has stood by it for a day, which somebody has to mend it, and the plant to ask.
    """

    def __init__(self, clock: Clock, last: int) -> None:
        """Begin with when the last message had come, nanoseconds UTC; 0: there is none."""
        self._clock = clock
        self._monotonic = clock.monotonic()
        self._believed = last or clock.wall()
        self._doubted_since = self._monotonic if self._is_ahead() else None

    def _is_ahead(self) -> bool:
        return self._clock.wall() > self._believed + _STEP

    def now(self) -> int:
        """Nanoseconds UTC."""
        monotonic = self._clock.monotonic()
        self._believed += monotonic - self._monotonic
        self._monotonic = monotonic
        if self._is_ahead() and self._doubted_since is None:
            _log.warning(
                "the clock has leapt ahead by more than an hour: nothing is removed by it for a day, see to the machine's time"
            )
            self._doubted_since = monotonic
        if not self._is_ahead() or monotonic - (self._doubted_since or 0) >= _DOUBT:
            self._believed = self._clock.wall()
            self._doubted_since = None
        return self._believed


async def expire(mailbox: Mailbox, channels: Collection[Channel], now: int) -> None:
    """Remove what is older than each channel keeps, as of `now` (nanoseconds UTC).

    Raises:
        StoreUnavailable: the disk does not take it now.
    """
    for channel in channels:
        if lost := await mailbox.expire(channel.box, now - channel.config.keep):
            EXPIRED.labels(channel.name).inc(lost)
            _log.error(
                "channel %s: %d messages are removed that its plant never took, they were older than `keep`: see that it asks for them, or raise `keep`",
                channel.name,
                lost,
            )


async def keep_up(
    mailbox: Mailbox, channels: Collection[Channel], certificate: Certificate | None, clock: Clock
) -> None:
    """See to what is old, again and again."""
    calendar = Calendar(clock, mailbox.last_received)
    while True:
        with suppress(StoreUnavailable):  # it is told where a message is refused; the next time is soon
            await expire(mailbox, channels, calendar.now())
        if certificate is not None:
            await asyncio.to_thread(certificate.renew)
        await asyncio.sleep(_EVERY_S)


class Condition:
    """What monitoring asks: see `agent.web.monitor.Monitored`."""

    def __init__(self, mailbox: Mailbox, channels: Collection[Channel], clock: Clock) -> None:
        self._mailbox = mailbox
        self._channels = channels
        self._clock = clock

    def stuck(self) -> str:
        """Why it is not alive; empty while it is."""
        return stuck(self._mailbox.writing_since, self._clock.monotonic())

    def problems(self) -> Sequence[str]:
        """Why it takes no messages, a sentence each."""
        disk = [] if self._mailbox.unavailable is None else [self._mailbox.unavailable]
        full = [channel for channel in self._channels if channel.full]
        return disk + [
            f"channel {channel.name} takes nothing more: {channel.box.level.waiting} messages wait for its plant"
            for channel in full
        ]

    def warnings(self) -> Sequence[str]:
        """What somebody should see to, a sentence each."""
        return list(self._warnings())

    def _warnings(self) -> Iterator[str]:
        for channel, age in self._ages():
            if 2 * age > channel.config.keep:
                days = (channel.config.keep - age) / (86_400 * SECOND)
                yield (
                    f"channel {channel.name}: {channel.box.level.waiting} messages wait for its plant, the oldest "
                    f"is removed in {max(days, 0):.1f} days: see that the plant asks for them"
                )
        for name, waiting in self._mailbox.left.items():
            if waiting:
                yield (
                    f"channel {name} is not in the file any more, and {waiting} messages wait in it that nobody can ask "
                    "for: add it again until its plant has them, or with `keep: 1s` to be rid of them"
                )

    def measure(self) -> None:
        """Bring the gauges up to date."""
        STORE_USED.set(self._mailbox.used)
        for channel, age in self._ages():
            level = channel.box.level
            WAITING.labels(channel.name).set(level.waiting)
            KEPT_BYTES.labels(channel.name).set(level.total - level.before)
            OLDEST_AGE.labels(channel.name).set(age / SECOND)

    def _ages(self) -> Iterator[tuple[Channel, int]]:
        """How long the oldest message of each channel has waited; 0: none waits."""
        now = self._clock.wall()
        for channel in self._channels:
            since = channel.box.level.waiting_since
            yield channel, max(now - since, 0) if since else 0
