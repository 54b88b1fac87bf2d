"""The client's side of the NATS protocol: frames of what arrives, bytes of what is sent.

Lines that end in CR LF, some followed by a payload of announced length
(https://docs.nats.io/reference/reference-protocols/nats-protocol). Only what a publisher and a
puller need is here, with headers (`HPUB`, `HMSG`).

Rules for whoever changes this: what arrives is not to be trusted, so every length has its bound, and
what is longer than is kept is read over; what is sent is made of parts that cannot end a line,
whatever they hold.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import orjson

from agent.model import Json

_END: Final = b"\r\n"
_HEAD: Final = b"NATS/1.0"
_LONGEST_LINE: Final = 1 << 20  # an INFO names every server of a cluster
_LARGEST_MESSAGE: Final = 1 << 23  # that is kept; what is longer is read over
_LARGEST_OF_ALL: Final = 1 << 30
_LONGEST_NUMBER: Final = 20  # digits
_MSG: Final = 4  # words of a MSG with a reply; one less without
_HMSG: Final = 5
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")


class ProtocolError(Exception):
    """What arrived is not NATS."""


@dataclass(frozen=True, slots=True)
class Info:
    """What the server says of itself, first of all and whenever it changes."""

    facts: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Ping:
    """It wants to know whether somebody is there."""


@dataclass(frozen=True, slots=True)
class Pong:
    """It answers a ping."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """It does not do what was asked; after most of these it closes the connection."""

    text: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message.

    Attributes:
        subject: where it was published.
        status: of a message that the server made itself (503: nobody listens); 0: of none.
        payload: what it holds.
        number: of the subscription to which it belongs.
        reply: where an answer is awaited; empty: nowhere.
        head: its headers, as they came.
        missing: bytes of a message that is too long to be kept: it comes without payload and head.
    """

    subject: str
    status: int
    payload: bytes
    number: int = 1
    reply: str = ""
    head: bytes = b""
    missing: int = 0

    @property
    def reason(self) -> str:
        """What the server says with a status: Consumer Deleted."""
        words = self.head.partition(_END)[0].removeprefix(_HEAD).split(maxsplit=1)
        return words[1].decode(errors="replace").strip() if len(words) > 1 else ""

    def headers(self) -> dict[str, str]:
        """Give its headers by their lower-case names; of a name that comes again, all values."""
        found: dict[str, str] = {}
        for line in self.head.split(_END)[1:]:
            name, colon, text = line.decode(errors="replace").partition(":")
            if colon and (key := name.strip().lower()):
                found[key] = f"{found[key]}, {text.strip()}" if key in found else text.strip()
        return found


Frame: TypeAlias = Info | Ping | Pong | Refusal | Arrived


class Reader:
    """Makes frames of bytes as they arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._awaited: _Announced | None = None  # whose payload is to come
        self._over = 0  # bytes that are still to be read over

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Give the frames that are complete now.

        Raises:
            ProtocolError: it is not NATS; nothing more can be read.
        """
        self._buffer += data
        while True:
            if self._awaited is None:
                if (line := self._line()) is None:
                    return
                if (frame := self._understood(line)) is not None:
                    yield frame
            elif (arrived := self._arrived(self._awaited)) is not None:
                self._awaited = None
                yield arrived
            else:
                return

    def _line(self) -> bytes | None:
        end = self._buffer.find(_END)
        if end > _LONGEST_LINE or (end < 0 and len(self._buffer) > _LONGEST_LINE):
            raise ProtocolError
        if end < 0:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + len(_END)]
        return line

    def _understood(self, line: bytes) -> Frame | None:
        word, _, rest = line.partition(b" ")
        match word.upper():
            case b"MSG" | b"HMSG" as kind:
                self._awaited = _announced(rest.split(), with_head=kind == b"HMSG")
                if self._awaited.length > _LARGEST_MESSAGE:
                    self._over = self._awaited.length + len(_END)
            case b"PING":
                return Ping()
            case b"PONG":
                return Pong()
            case b"INFO":
                return Info(_facts(rest))
            case b"-ERR":
                return Refusal(rest.decode(errors="replace").strip().strip("'"))
            case b"+OK":
                pass
            case _:
                raise ProtocolError
        return None

    def _arrived(self, told: "_Announced") -> Arrived | None:
        if told.length > _LARGEST_MESSAGE:
            gone = min(self._over, len(self._buffer))
            del self._buffer[:gone]
            self._over -= gone
            return None if self._over else told.message(b"", missing=told.length)
        if len(self._buffer) < told.length + len(_END):
            return None
        content = bytes(self._buffer[: told.length])
        if self._buffer[told.length : told.length + len(_END)] != _END:
            raise ProtocolError
        del self._buffer[: told.length + len(_END)]
        return told.message(content)


class _Announced(NamedTuple):
    """A message whose payload follows; how long its head is, and all of it."""

    subject: str
    number: int
    reply: str
    head: int
    length: int

    def message(self, content: bytes, missing: int = 0) -> Arrived:
        """The same with what it holds."""
        head = content[: self.head]
        return Arrived(
            self.subject, _status(head), content[self.head :], self.number, self.reply, head, missing
        )


def _announced(words: list[bytes], *, with_head: bool) -> _Announced:
    """Read `SUBJECT SID [REPLY] [HEAD] LENGTH`."""
    most = _HMSG if with_head else _MSG
    lengths = words[-2 if with_head else -1 :]
    if len(words) not in (most - 1, most) or not all(map(_is_number, [*words[1:2], *lengths])):
        raise ProtocolError
    head, length = int(lengths[0]) if with_head else 0, int(lengths[-1])
    if not head <= length <= _LARGEST_OF_ALL:
        raise ProtocolError
    reply = words[2].decode(errors="replace") if len(words) == most else ""
    return _Announced(words[0].decode(errors="replace"), int(words[1]), reply, head, length)


def _is_number(word: bytes) -> bool:
    return word.isdigit() and len(word) <= _LONGEST_NUMBER


def _facts(text: bytes) -> Mapping[str, Json]:
    try:
        facts = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ProtocolError from None
    if not isinstance(facts, dict):
        raise ProtocolError
    return facts


def _status(head: bytes) -> int:
    """Read the number in `NATS/1.0 503`; 0: there is none."""
    word = head.partition(_END)[0].removeprefix(_HEAD).split()[:1]
    return int(word[0]) if word and _is_number(word[0]) else 0


def connect(options: Mapping[str, Json]) -> bytes:
    """Say who we are."""
    return b"CONNECT " + orjson.dumps(dict(options)) + _END


def subscribe(subject: str, number: int) -> bytes:
    """Ask for what is published on a subject."""
    return f"SUB {subject} {number}\r\n".encode()


def publish(subject: str, reply: str, headers: Mapping[str, str], payload: bytes) -> bytes:
    """Publish; `reply`: the subject on which an answer is awaited, empty: nowhere."""
    lines = [f"{name}: {_CONTROL.sub(' ', text)}\r\n".encode() for name, text in headers.items()]
    head = b"".join([_HEAD, _END, *lines, _END])
    to = f"{subject} {reply}" if reply else subject
    return b"".join(
        [f"HPUB {to} {len(head)} {len(head) + len(payload)}\r\n".encode(), head, payload, _END],
    )


PING: Final = b"PING\r\n"
PONG: Final = b"PONG\r\n"
