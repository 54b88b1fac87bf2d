"""Takes a stream of server-sent events apart, whatever it is cut into on the way.

After the WHATWG's HTML standard, 9.2.5 and 9.2.6 ("Parsing an event stream", "Interpreting an event
stream"). `data` stays bytes: what stands in it is JSON, whose reader looks at the UTF-8 itself. `retry` is
not read: how soon a connection is opened anew is the supervisor's, and no server's.

Rules for whoever changes this: no clock, no I/O; the other side decides what comes and how much of it, so
nothing here raises but `EndlessError`, nothing grows beyond the limits, and a part of an event that was
too large never passes for the event.
"""

import re
from dataclasses import dataclass
from typing import Final

_LINE_END: Final = re.compile(rb"\r\n?|\n")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
SKIPPED_AT_MOST: Final = 64_000_000
"""Bytes of one event that are read over; gosmee takes bodies of 25 MB, which base64 makes 34 MB."""


class EndlessError(Exception):
    """What comes is no event, or one without an end."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        data: its lines, joined by LF.
        name: of `event`; empty: an ordinary message.
        id: the last one that was given, by this event or one before it; empty: none was.
    """

    data: bytes
    name: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """An event of which nothing was kept but its id."""

    id: str = ""


class Frames:
    """Reads the stream of one connection; hand it what arrives, in order."""

    def __init__(self, largest: int, skipped_at_most: int = SKIPPED_AT_MOST) -> None:
        """Prepare.

        Args:
            largest: bytes of a line, and of an event's data, that are kept.
            skipped_at_most: bytes of an event beyond that, before it is given up.
        """
        self._largest = largest
        self._skipped_at_most = skipped_at_most
        self._start: bytes | None = b""  # while it may be a byte order mark; None: that is behind us
        self._after_cr = False
        self._line = bytearray()
        self._line_cut = False
        self._data = bytearray()
        self._name = ""
        self._id = ""
        self._too_large = False
        self._skipped = 0

    def feed(self, chunk: bytes) -> list[Event | TooLarge]:
        """Give the events that `chunk` has completed.

        Raises:
            EndlessError: an event does not end.
        """
        if self._start is not None:
            chunk = self._without_mark(self._start + chunk)
        if not chunk:
            return []
        events = []
        begin = 1 if self._after_cr and chunk.startswith(b"\n") else 0
        for end in _LINE_END.finditer(chunk, begin):
            self._take(chunk[begin : end.start()])
            begin = end.end()
            if (event := self._end_of_line()) is not None:
                events.append(event)
        self._take(chunk[begin:])
        self._after_cr = chunk.endswith(b"\r")
        return events

    def _without_mark(self, start: bytes) -> bytes:
        """Give the beginning of the stream without its byte order mark; nothing while that may still come."""
        if len(start) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(start):
            self._start = start
            return b""
        self._start = None
        return start.removeprefix(_BYTE_ORDER_MARK)

    def _take(self, part: bytes) -> None:
        """Add to the line that has begun."""
        if self._line_cut or len(self._line) + len(part) > self._largest:
            self._line_cut = True
            self._line.clear()
            self._refuse(len(part))
        else:
            self._line += part

    def _end_of_line(self) -> Event | TooLarge | None:
        line, cut = bytes(self._line), self._line_cut
        self._line.clear()
        self._line_cut = False
        if cut:
            return None
        if not line:
            return self._end_of_event()
        name, _, value = line.partition(b":")  # a comment is a field without a name
        value = value.removeprefix(b" ")
        if name == b"data":
            self._add(value)
        elif name == b"event":
            self._name = value.decode(errors="replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode(errors="replace")
        return None

    def _add(self, value: bytes) -> None:
        size = len(value) + 1
        if self._too_large or len(self._data) + size > self._largest:
            self._refuse(size)
        else:
            self._data += value
            self._data += b"\n"

    def _refuse(self, size: int) -> None:
        self._too_large = True
        self._data.clear()
        self._skipped += size
        if self._skipped > self._skipped_at_most:
            raise EndlessError

    def _end_of_event(self) -> Event | TooLarge | None:
        data, name, too_large = bytes(self._data[:-1]), self._name, self._too_large
        told = bool(self._data)
        self._data.clear()
        self._name = ""
        self._too_large = False
        self._skipped = 0
        if too_large:
            return TooLarge(self._id)
        return Event(data, name, self._id) if told else None
