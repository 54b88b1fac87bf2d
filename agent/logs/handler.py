"""From a record of the logging module to lines that wait for stderr, and to those that are kept for whoever asks."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from agent.clock import Clock
from agent.logs.lines import Line, kept_line, line_of
from agent.logs.restraint import Restraint
from agent.logs.stderr import Writer
from agent.model import SECOND

KEPT: Final = 1_000
_KEPT_LENGTH: Final = 4_000


class LogHandler(logging.Handler):
    """What the root logger hands its records to; from any thread, without waiting.

    Attributes:
        ring: the last lines that were told.
    """

    def __init__(
        self, writer: Writer, shape: Callable[[Line], str], restraint: Restraint | None, clock: Clock
    ) -> None:
        """Prepare; `restraint` None: everything is told, with its tracebacks."""
        super().__init__()
        self.ring: deque[str] = deque(maxlen=KEPT)
        self._writer = writer
        self._shape = shape
        self._restraint = restraint
        self._clock = clock
        writer.tick = self._tell_counts
        writer.told_dropped = self._dropped
        writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Tell it, or hold it back; logging holds `self.lock` meanwhile."""
        line = line_of(record, brief=self._restraint is not None)
        if self._restraint is None:
            self._tell([line])
        else:
            self._tell(self._restraint.take(line, record, self._clock.monotonic()))

    def close(self) -> None:
        """Tell what was held back, and have all of it written."""
        if self._restraint is not None:
            self._due(self._restraint, ending=True)
            self._restraint = None
        self._writer.close()
        super().close()

    def _tell_counts(self) -> float | None:
        """Tell what is due; the seconds until there may be more, None if there is nothing."""
        if self._restraint is None:
            return None
        self._due(self._restraint)
        due = self._restraint.next_due()
        return None if due is None else max(0.0, (due - self._clock.monotonic()) / SECOND)

    def _due(self, restraint: Restraint, *, ending: bool = False) -> None:
        self.acquire()
        try:
            self._tell(restraint.due(self._clock.monotonic(), self._clock.wall(), ending=ending))
        finally:
            self.release()

    def _tell(self, lines: Sequence[Line]) -> None:
        if lines:
            self.ring.extend(kept_line(line)[:_KEPT_LENGTH] for line in lines)
            self._writer.put([self._shape(line) for line in lines])

    def _dropped(self, count: int) -> str:
        message = f"{count} lines were dropped from the log: whoever reads it did not keep up; GET /api/log had them"
        return self._shape(Line(logging.WARNING, __name__, message, self._clock.wall()))
