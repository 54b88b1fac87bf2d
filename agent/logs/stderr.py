"""Lines on their way to stderr: a bounded queue and a thread, for whoever reads the other end may have stopped.

A pipe to `less` that nobody pages, a journald that is restarted: the write blocks, and only this thread waits.
"""

import os
import select
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

AT_MOST: Final = 5_000
"""Lines that wait; later ones are dropped, and counted."""
_AT_ONCE: Final = 100
_LAST_WORDS_S: Final = 2.0


class Writer:
    """Takes lines from any thread; `tick` is called without a lock, as often as it asks to be."""

    def __init__(self, stderr: int) -> None:
        self._stderr = stderr
        self._waiting: deque[str] = deque()
        self._dropped = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._write_forever, name="log", daemon=True)
        self.tick: Callable[[], float | None] = lambda: None
        """Seconds until it wants to be called again; None: after the next line."""
        self.told_dropped: Callable[[int], str] = "{} lines of the log were dropped".format

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, lines: Sequence[str]) -> None:
        """Have them written; never waits."""
        with self._changed:
            room = max(0, AT_MOST - len(self._waiting))
            self._waiting.extend(lines[:room])
            self._dropped += len(lines[room:])
            self._changed.notify()

    def close(self) -> None:
        """Write what waits, for two seconds at the most: nobody may be there to read it."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_LAST_WORDS_S)

    def _write_forever(self) -> None:
        while lines := self._next():
            with suppress(OSError):  # whoever read is gone: there is nobody to tell
                self._write("".join(f"{line}\n" for line in lines).encode())

    def _next(self) -> list[str]:
        """Wait for lines; none: it is over."""
        while True:
            wait = self.tick()
            with self._changed:
                if not self._waiting and not self._closing:
                    self._changed.wait(wait)
                if self._waiting:
                    return self._take()
                if self._closing:
                    return []

    def _take(self) -> list[str]:
        lines = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
        if self._dropped and not self._waiting:
            lines.append(self.told_dropped(self._dropped))
            self._dropped = 0
        return lines

    def _write(self, content: bytes) -> None:
        while content:
            try:
                content = content[os.write(self._stderr, content) :]
            except BlockingIOError:  # somebody who shares the terminal has set it so
                select.select([], [self._stderr], [])
