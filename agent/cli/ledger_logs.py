"""The logs that `edge-relay ledger` reads: lines of files, packed or not, and of standard input.

Rules for whoever changes this: a log may be larger than the memory, and so may be a line that is none; what
cannot be read is told with its file and line, and the rest is read all the same.
"""

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from agent.proving.ledger.entries import LineError, read_line
from agent.proving.ledger.streams import Streams

STANDARD_INPUT: Final = "-"
_PACKED: Final = b"\x1f\x8b"
_LONGEST: Final = 16_000_000  # a batch of a thousand events is a tenth of it
_TOLD: Final = 20
_PROGRESS_EVERY: Final = 500_000


class Reading:
    """Reads logs into `facts`.

    Attributes:
        lines: how many were read.
        unusable: what could not be, `FILE:LINE: why`; at most twenty, and `more`.
        torn: files that end in the middle of a line, as one does that is still being written.
    """

    def __init__(self, facts: Streams, say: Callable[[str], None]) -> None:
        self.lines = 0
        self.unusable: list[str] = []
        self.more = 0
        self.torn: list[str] = []
        self._facts = facts
        self._say = say

    def read(self, name: str, *, beside: bool = False) -> None:
        """Read one log."""
        number = 0
        try:
            with _opened(name) as log:
                while line := log.readline(_LONGEST):
                    number += 1
                    self._take(line, name, number, beside=beside)
        except (OSError, EOFError, zlib.error) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            place = f"{name}:{number + 1}" if number else name
            self._complain(f"{place}: cannot be read: {why}")

    def _take(self, line: bytes, name: str, number: int, *, beside: bool) -> None:
        self.lines += 1
        if self.lines % _PROGRESS_EVERY == 0:
            self._say(f"{self.lines:,} lines read, now at {name}:{number}")
        if not line.strip():
            return
        try:
            entries = list(read_line(line))  # whole or not at all
        except LineError as error:
            if line.endswith(b"\n") or len(line) == _LONGEST:
                self._complain(f"{name}:{number}: {error}")
            else:
                self.torn.append(name)
            return
        for entry in entries:
            self._facts.take(entry, beside=beside)

    def _complain(self, text: str) -> None:
        if len(self.unusable) < _TOLD:
            self.unusable.append(text)
        else:
            self.more += 1


@contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    """A log's bytes; whether it is packed is seen from its first two."""
    with io.BufferedReader(_raw(name), 1 << 20) as file:
        if file.peek(2)[:2] == _PACKED:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield io.BufferedReader(unpacked, 1 << 20)
        else:
            yield file


def _raw(name: str) -> io.RawIOBase:
    if name == STANDARD_INPUT:
        return io.FileIO(sys.stdin.fileno(), closefd=False)
    return io.FileIO(Path(name))
