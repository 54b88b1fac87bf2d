"""Stamps of events that were stored before the clock was known, mended once for each that nobody has seen yet.

Within one boot UTC is the monotonic clock plus a constant, so what is known of it at last is right for every
instant of that boot. When the agent gets to know it better, a *correction* says so: it holds for the events of
this run that were stored before, but for the deliveries that may have reached their receiver with the old
stamp. Until then nothing but memory knows which those are, so an agent whose clock is proven, or never is,
writes nothing for it.

Rules for whoever changes this file: the same delivery gives the same stamp from its first attempt that may
have reached the receiver until it is settled, also after a kill. So a correction is on disk before it is
used, no attempt begins meanwhile, and corrections are never changed. What a person sends again is stamped anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from agent.stamps import Reckoning, Standing
from agent.store.records import Stored

KEY: Final = "stamps"
_MOST: Final = 1_000  # one each time that the clock was proven; far fewer come in the life of a waiting event


@dataclass(frozen=True, slots=True)
class Correction:
    """What an agent got to know of the clock of its boot.

    Attributes:
        after, until: it is about events with a number above the one and up to the other: those of one
            run (what waits from earlier ones may have been seen), before it was known.
        reckoning: what makes their stamps.
        seen: the deliveries, by destination, that may have been seen before.
    """

    after: int
    until: int
    reckoning: Reckoning
    seen: Mapping[str, frozenset[int]]

    def mends(self, destination: str, stored: Stored, reckoning: Reckoning) -> bool:
        """Whether it is better than what is known without it, and comes in time."""
        return (
            self.after < stored.seq <= self.until
            and self.reckoning.standing > reckoning.standing
            and stored.seq not in self.seen.get(destination, ())
        )


class Stamps:
    """The corrections of all runs, and which deliveries of this run may have been seen with a stamp to be mended."""

    def __init__(self, kept: bytes | None, after: int) -> None:
        """Begin a run.

        Args:
            kept: what the last run kept, None if there is nothing.
            after: the newest event of earlier runs.
        """
        self._known = () if kept is None else _decode(kept)
        self._after = after
        self._tried: dict[str, dict[int, int]] = {}
        self._open = asyncio.Event()
        self._open.set()

    def known(self, stored: Stored, destination: str = "") -> Reckoning:
        """What stamps an event for a destination; without one the best that is known, for people."""
        found = stored.reckoning
        for correction in self._known:
            if correction.mends(destination, stored, found):
                found = correction.reckoning
        return found

    async def stamp(self, destination: str, stored: Stored) -> Reckoning:
        """What stamps the attempt that begins now; from here on it may be seen."""
        if stored.standing is Standing.TRUSTED:
            return stored.reckoning
        await self._open.wait()
        tried = self._tried.setdefault(destination, {})
        tried[stored.seq] = tried.get(stored.seq, 0) + 1
        return self.known(stored, destination)

    def unseen(self, destination: str, seq: int) -> None:
        """An attempt that was stamped cannot have reached the receiver."""
        tried = self._tried.get(destination, {})
        if seq in tried:
            tried[seq] -= 1
            if not tried[seq]:
                del tried[seq]

    def settle(self, destination: str, seq: int) -> None:
        """The delivery is over."""
        self._tried.get(destination, {}).pop(seq, None)

    async def correct(
        self, reckoning: Reckoning, until: int, keep: Callable[[bytes], Awaitable[None]]
    ) -> None:
        """Stamp with `reckoning` what has a worse stamp that nobody has seen, up to event `until`; `keep` makes it last.

        Raises:
            StoreUnavailable: it could not be kept; all is as it was.
        """
        self._open.clear()
        try:
            seen = {name: frozenset(tried) for name, tried in self._tried.items() if tried}
            known = (*self._known, Correction(self._after, until, reckoning, seen))[-_MOST:]
            await keep(_encode(known))
            self._known = known
        finally:
            self._open.set()


def _encode(corrections: tuple[Correction, ...]) -> bytes:
    return orjson.dumps(
        [
            [
                each.after,
                each.until,
                each.reckoning.offset,
                each.reckoning.standing.value,
                {name: sorted(numbers) for name, numbers in each.seen.items()},
            ]
            for each in corrections
        ]
    )


def _decode(kept: bytes) -> tuple[Correction, ...]:
    return tuple(
        Correction(
            after,
            until,
            Reckoning(offset, Standing(standing)),
            {name: frozenset(numbers) for name, numbers in seen.items()},
        )
        for after, until, offset, standing, seen in orjson.loads(kept)
    )


def moved(kept: bytes, by: int) -> bytes:
    """What was kept, for events that all have a number so much higher now."""
    return _encode(
        tuple(
            Correction(
                each.after + by,
                each.until + by,
                each.reckoning,
                {name: frozenset(seq + by for seq in seen) for name, seen in each.seen.items()},
            )
            for each in _decode(kept)
        )
    )
