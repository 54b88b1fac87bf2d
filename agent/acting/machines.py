"""The machines as somebody has them who writes to one tag at a time: whatever they do, it ends in time.

Rules for whoever changes this: what a source lends is taken anew for each step, for it may be gone; a
write that did not end in time may have been done.
"""

import asyncio
from typing import Final

from agent.clock import Clock
from agent.intake import Intake
from agent.intakes import Intakes
from agent.model import Quality, Reading, Value, bad
from agent.sources.writing import LastWord, Writer, WriteRefused, WriteSection, WriteUncertain

_BOUND_S: Final = 30.0
_LOOK_EVERY_S: Final = 0.05
_NOTICED_WITHIN_S: Final = 0.2
"""By then a session whose connection is lost has ended, mostly."""


class Machines:
    """Reads and writes tags that say `write`, by their names."""

    def __init__(self, intakes: Intakes, clock: Clock) -> None:
        self._intakes = intakes
        self._clock = clock
        self._waited_for: set[str] = set()  # in vain, and not connected since

    def grant(self, tag: str) -> WriteSection | None:
        """What may be written to a tag; None: nothing."""
        intake = self._source(tag)
        return None if intake is None else intake.config.writes()[tag]

    async def read(self, tag: str, patience: int) -> Reading:
        """Ask the device for a tag; bad, if it cannot be read.

        It may take `patience` nanoseconds to be connected, also anew: a session may end over the question.
        """
        until = self._clock.monotonic() + patience
        while True:
            writer = await self._connected(tag, until)
            if writer is None:
                return bad(tag, self._clock.monotonic(), self._why_not(tag))
            found = await self._read(writer, tag)
            if found.quality is not Quality.BAD:
                return found
            await asyncio.sleep(_NOTICED_WITHIN_S)
            if self._writer(tag) is writer or self._clock.monotonic() >= until:
                return found

    async def _read(self, writer: Writer, tag: str) -> Reading:
        try:
            async with asyncio.timeout(_BOUND_S):
                return await writer.read(tag)
        except TimeoutError:
            return bad(tag, self._clock.monotonic(), f"the device did not answer within {_BOUND_S:g} s")

    async def write(self, tag: str, value: Value, last_word: LastWord) -> None:
        """Write one value, once, unless `last_word` raises when it leaves.

        Raises:
            WriteRefused, WriteUncertain: see `Writer.write`.
        """
        writer = self._writer(tag)
        if writer is None:
            raise WriteRefused(f"nothing was sent: {self._why_not(tag)}")
        left = asyncio.Event()

        def leaving() -> None:
            if self._writer(tag) is not writer:  # a reload may have led the tag to another machine
                raise WriteRefused("nothing was sent: the connection is not the same any more, send it anew")
            last_word()
            left.set()

        try:
            async with asyncio.timeout(_BOUND_S):
                await writer.write(tag, value, leaving)
        except TimeoutError:
            if not left.is_set():
                raise WriteRefused(
                    f"nothing was sent: the device was not ready for it within {_BOUND_S:g} s; look at it, and send it anew"
                ) from None
            raise WriteUncertain(
                f"the device did not answer within {_BOUND_S:g} s: read the tag to see what is there"
            ) from None

    async def _connected(self, tag: str, until: int) -> Writer | None:
        """Wait for the source of a tag; a source that stays away is waited for by one message, not by each."""
        while (writer := self._writer(tag)) is None:
            source = self._source(tag)
            if source is None or source.name in self._waited_for:
                return None
            if self._clock.monotonic() >= until:
                self._waited_for.add(source.name)
                return None
            await asyncio.sleep(_LOOK_EVERY_S)
        return writer

    def _writer(self, tag: str) -> Writer | None:
        source = self._source(tag)
        writer = None if source is None else source.door.writer
        if source is not None and writer is not None:
            self._waited_for.discard(source.name)
        return writer

    def _source(self, tag: str) -> Intake | None:
        intakes = self._intakes.at_work.values()
        return next((intake for intake in intakes if tag in intake.config.writes()), None)

    def _why_not(self, tag: str) -> str:
        source = self._source(tag)
        if source is None:
            return f"no source has a tag {tag} that may be written to, add `write` to it"
        return f"source {source.name} is not connected: {source.reason or 'it was just now, send it anew'}"
