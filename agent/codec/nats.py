"""The client's side of the NATS protocol: frames of what arrives, bytes of what is sent.

Lines that end in CR LF, some followed by a payload of announced length
(https://docs.nats.io/reference/reference-protocols/nats-protocol). Only what a publisher needs is
here, with headers (`HPUB`, `HMSG`).

Rules for whoever changes this: what arrives is not to be trusted, so every length has its bound; what
is sent is made of parts that cannot end a line, whatever they hold.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import orjson

from agent.model import Json

_END: Final = b"\r\n"
_HEAD: Final = b"NATS/1.0"
_LONGEST_LINE: Final = 1 << 20  # an INFO names every server of a cluster
_LARGEST_MESSAGE: Final = 1 << 23
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
    """

    subject: str
    status: int
    payload: bytes


Frame: TypeAlias = Info | Ping | Pong | Refusal | Arrived


class Reader:
    """Makes frames of bytes as they arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._message: tuple[str, int, int] | None = None  # whose payload is awaited: subject, head, length

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Give the frames that are complete now.

        Raises:
            ProtocolError: it is not NATS; nothing more can be read.
        """
        self._buffer += data
        while True:
            if self._message is None:
                if (line := self._line()) is None:
                    return
                if (frame := self._understood(line)) is not None:
                    yield frame
            elif (arrived := self._payload(*self._message)) is not None:
                self._message = None
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
                self._message = _announced(rest.split(), with_head=kind == b"HMSG")
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

    def _payload(self, subject: str, head: int, length: int) -> Arrived | None:
        if len(self._buffer) < length + len(_END):
            return None
        content = bytes(self._buffer[:length])
        if self._buffer[length : length + len(_END)] != _END:
            raise ProtocolError
        del self._buffer[: length + len(_END)]
        return Arrived(subject, _status(content[:head]), content[head:])


def _announced(words: list[bytes], *, with_head: bool) -> tuple[str, int, int]:
    """Read `SUBJECT SID [REPLY] [HEAD] LENGTH`: the subject, and how long head and all are."""
    most = _HMSG if with_head else _MSG
    if len(words) not in (most - 1, most) or not all(map(bytes.isdigit, words[-2 if with_head else -1 :])):
        raise ProtocolError
    length = int(words[-1])
    head = int(words[-2]) if with_head else 0
    if not head <= length <= _LARGEST_MESSAGE:
        raise ProtocolError
    return words[0].decode(errors="replace"), head, length


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
    return int(word[0]) if word and word[0].isdigit() else 0


def connect(options: Mapping[str, Json]) -> bytes:
    """Say who we are."""
    return b"CONNECT " + orjson.dumps(dict(options)) + _END


def subscribe(subject: str, number: int) -> bytes:
    """Ask for what is published on a subject."""
    return f"SUB {subject} {number}\r\n".encode()


def publish(subject: str, reply: str, headers: Mapping[str, str], payload: bytes) -> bytes:
    """Publish, with the subject on which an answer is awaited."""
    lines = [f"{name}: {_CONTROL.sub(' ', text)}\r\n".encode() for name, text in headers.items()]
    head = b"".join([_HEAD, _END, *lines, _END])
    length = len(head) + len(payload)
    return b"".join(
        [f"HPUB {subject} {reply} {len(head)} {length}\r\n".encode(), head, payload, _END],
    )


PING: Final = b"PING\r\n"
PONG: Final = b"PONG\r\n"
