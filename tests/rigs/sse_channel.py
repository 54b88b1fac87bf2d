"""A channel of server-sent events on loopback, written as gosmee and smee.io write theirs.

The frames of smee.io were recorded from its server, probot/smee.io 922d925; those of gosmee follow
chmouel/gosmee 40c226c, `writeSSEEvent`, `handleWebhookPost`, `handleRedisEventsGet`. It can misbehave in
all the ways that a test asks for.
"""

import asyncio
import base64
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

TOKEN = "canary4712"
FLAVOURS = ("redis", "gosmee", "smee")
FIRST = 1_690_000_000_000
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_END, _RESET = object(), object()


class Written(NamedTuple):
    """An event before it has the form that its server gives it."""

    data: str
    name: str = ""
    id: str = ""


PING = Written("{}", "ping")


def gosmee_event(event: Written) -> bytes:
    """As gosmee writes it."""
    fields = [f"id: {event.id}"] * bool(event.id) + [f"event: {event.name}"] * bool(event.name)
    return "\n".join([*fields, *(f"data: {line}" for line in event.data.split("\n")), "", ""]).encode()


def smee_event(event: Written, number: int) -> bytes:
    """As smee.io writes it; the id counts the events of one connection."""
    name = f"event: {event.name}\n" if event.name else ""
    return f"id: {number}\n{name}data: {event.data}\n\n".encode()


def gosmee_data(body: bytes, headers: dict[str, str]) -> str:
    """As Go writes it: sorted, and what HTML would read is escaped."""
    document = {name.lower(): text for name, text in headers.items()}
    document |= {"timestamp": str(FIRST), "bodyB": base64.b64encode(body).decode()}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def smee_data(body: bytes, headers: dict[str, str]) -> str:
    """As Node writes what it has parsed."""
    document = {name.lower(): text for name, text in headers.items()}
    document |= {"body": json.loads(body), "query": {}, "timestamp": FIRST}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def stream_id(number: int) -> str:
    """The id that Redis gives the message of this number."""
    return f"{FIRST + number}-0"


class SseChannel:
    """Attributes.

    port: where it listens.
    kept: the events that it keeps, with Redis; `trimmed` of them are gone.
    asked: the headers of every question so far, by lower-case names.
    next_answers: bytes that it answers in the place of a stream, one for each question; then it hangs up.
    open: how many connections there are.
    pings: how many it has written.
    written: bytes of events that the connections have taken.
    frozen: it says nothing to anybody, and hangs up on nobody.
    bytewise: every byte goes in a chunk of its own.
    """

    def __init__(self, flavour: str = "redis", *, ping: float = 0.1, token: str | None = None) -> None:
        self.port = 0
        self.kept: list[Written] = []
        self.trimmed = 0
        self.asked: list[dict[str, str]] = []
        self.next_answers: list[bytes] = []
        self.open = 0
        self.pings = 0
        self.written = 0
        self.frozen = False
        self.bytewise = False
        self._flavour = flavour
        self._ping = ping
        self._token = token
        self._streams: set[asyncio.Queue] = set()
        self._server: asyncio.Server | None = None
        self._at_work: set[asyncio.Task] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events/plant-7-channel"

    @property
    def streams(self) -> int:
        """How many listen."""
        return len(self._streams)

    @property
    def taken(self) -> int:
        """How many messages somebody said to have, by the id that the channel was asked with."""
        ids = [event.id for event in self.kept]
        return max((ids.index(last) + 1 for last in self.last_ids if last in ids), default=0)

    @property
    def last_ids(self) -> list[str]:
        return [headers.get("last-event-id", "") for headers in self.asked]

    async def start(self) -> None:
        """Listen, where it has listened before."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Be gone in the middle of every stream; what is kept stays."""
        if self._server is None:
            return
        self._server.close()
        at_work = list(self._at_work)
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work)
        self._server = None

    def put(self, body: bytes = b"{}", headers: dict[str, str] | None = None) -> None:
        """A sender posts."""
        make = smee_data if self._flavour == "smee" else gosmee_data
        self.post(make(body, headers or {"Content-Type": "application/json"}))

    def post(self, data: str) -> None:
        """An event of these data."""
        event = Written(data)
        if self._flavour == "redis":
            event = Written(data, id=stream_id(len(self.kept)))
            self.kept.append(event)
        self.write(event)

    def write(self, event: Written | bytes) -> None:
        """To everyone who listens; bytes go as they are."""
        for stream in self._streams:
            stream.put_nowait(event)

    def end(self) -> None:
        """End every stream in good order, as proxies do after some minutes."""
        self.write(_END)

    def reset(self) -> None:
        """Vanish from every stream, as a machine does that is switched off and on."""
        self.write(_RESET)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._at_work.add(asyncio.current_task())
        self.open += 1
        try:
            await self._talk(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()  # in the middle of the stream
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the agent is gone
        finally:
            self.open -= 1
            self._at_work.discard(asyncio.current_task())
            writer.close()

    async def _talk(self, reader, writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        pairs = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
        self.asked.append({name.lower(): text for name, _, text in pairs})
        gone = asyncio.ensure_future(reader.read())
        told = asyncio.ensure_future(self._answer(writer))
        try:
            await asyncio.wait({gone, told}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            told.cancel()
            for end in await asyncio.gather(gone, told, return_exceptions=True):
                if isinstance(end, Exception) and not isinstance(end, ConnectionError):
                    raise end

    async def _answer(self, writer) -> None:
        await self._thawed()
        if self.next_answers:
            writer.write(self.next_answers.pop(0))
            await writer.drain()
            return
        if self._token is not None and self.asked[-1].get("authorization") != f"Bearer {self._token}":
            writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
            return
        stream: asyncio.Queue = asyncio.Queue()
        self._greet(stream)
        self._streams.add(stream)
        try:
            await self._tell(stream, writer)
        finally:
            self._streams.discard(stream)

    def _greet(self, stream: asyncio.Queue) -> None:
        """What each server says first; with Redis, and an id, also what came after it."""
        if self._flavour == "smee":
            stream.put_nowait(Written("{}", "ready"))
            return
        stream.put_nowait(Written('{"message":"connected"}'))
        stream.put_nowait(Written('{"message":"ready"}'))
        last = self.asked[-1].get("last-event-id")
        kept = self.kept[self.trimmed :]
        if self._flavour != "redis" or last is None or not kept:
            return
        if _order(last) < _order(kept[0].id):
            gap = f'{{"error":"missed_history","requested_id":"{last}","oldest_id":"{kept[0].id}"}}'
            stream.put_nowait(Written(gap, "gosmee-gap"))
        for event in kept:
            if _order(event.id) > _order(last):
                stream.put_nowait(event)

    async def _tell(self, stream: asyncio.Queue, writer) -> None:
        writer.write(_HEAD)
        number = 0
        while True:
            event: object = PING
            with suppress(TimeoutError):
                event = await asyncio.wait_for(stream.get(), self._ping)
            await self._thawed()
            if event is _END:
                writer.write(b"0\r\n\r\n")
                return await writer.drain()
            if event is _RESET:
                lingers = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingers)
                return writer.transport.abort()
            await self._send(self._form(event, number), writer)
            self.pings += event is PING
            number += 1

    def _form(self, event, number: int) -> bytes:
        if isinstance(event, bytes):
            return event
        if self._flavour == "smee":
            return smee_event(event, number)
        return b": keepalive\n\n" if event is PING else gosmee_event(event)

    async def _send(self, text: bytes, writer) -> None:
        step = 1 if self.bytewise else 65_536
        for begin in range(0, len(text), step):
            part = text[begin : begin + step]
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
            self.written += len(part)
            if self.bytewise:
                await asyncio.sleep(0)

    async def _thawed(self) -> None:
        while self.frozen:
            await asyncio.sleep(0.02)


def _order(event_id: str) -> tuple[int, ...]:
    return tuple(map(int, event_id.split("-")))


@asynccontextmanager
async def sse_channel(flavour: str = "redis", **more: object) -> AsyncIterator[SseChannel]:
    """One that listens."""
    channel = SseChannel(flavour, **more)
    await channel.start()
    try:
        yield channel
    finally:
        await channel.stop()
