"""One connection to one NATS server: opened, greeted, asked, and let go of.

Not the official client: that one keeps what is published while it reconnects in a buffer of its own,
goes on by itself in tasks that nobody owns, and waits for a dead link when it is closed. Here every
byte belongs to an attempt that somebody waits for. (The tests read the streams with the official one.)

Rules for whoever changes this: no task, no retry, no timer; whoever asks bounds the wait. What is
written to a connection that then breaks may have arrived: only who was never connected is unsent.
"""

import asyncio
import secrets
import socket
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TypeVar, cast

from agent.codec import nats
from agent.codec.nats import Arrived, Info, Ping, Pong, ProtocolError, Reader, Refusal
from agent.delivery.said import Lost, TurnedAway
from agent.errors import SourceError
from agent.model import Json
from agent.nats.answers import Answers
from agent.nats.login import login
from agent.nats.reasons import hung_up, no_nats, no_tls, turned_away
from agent.nats.servers import NatsSection, NatsTls
from agent.server_url import ServerUrl
from agent.threads import in_a_thread
from agent.tls import client_context

Result = TypeVar("Result")


class Connection(asyncio.Protocol):
    """See the module. `agent.nats.cluster.connect` makes one; `close` ends it at once.

    Attributes:
        server: the one of the cluster.
        largest: bytes of a message that the server takes.
        heard: counts what has arrived: whoever waits in vain learns whether the server is alive.
    """

    def __init__(self, server: ServerUrl, config: NatsSection) -> None:
        self.largest = 1 << 20
        self.heard = 0
        self.server = server
        self._config = config
        self._reader = Reader()
        self._transport: asyncio.Transport | None = None
        self._greeting: asyncio.Future[Mapping[str, Json]] = asyncio.get_running_loop().create_future()
        self._welcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked: dict[str, tuple[str, asyncio.Future[Arrived]]] = {}
        self._heard_on: dict[int, Answers] = {}
        self._inbox = f"{config.inbox_prefix}.{secrets.token_hex(11)}"
        self._count = 0
        self._encrypted = False
        self._over: Lost | TurnedAway | None = None

    # --- the protocol's side -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        # uvloop's transports do all of asyncio's, and inherit nothing from them.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self.heard += 1
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except ProtocolError:
            self._end(Lost(no_nats(self.server)))

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        if self._encrypted and not self._welcome.done():
            # With TLS 1.3 the verdict on our certificate comes after the handshake.
            self._end(Lost(hung_up(self.server, self._config)))
        broke = exc.strerror if isinstance(exc, OSError) else None
        why = f"the connection broke ({broke})" if broke else "the server closed the connection"
        self._end(Lost(f"{self.server}: {why}: look at the server's log, and at the network"))

    def _take(self, frame: nats.Frame) -> None:
        match frame:
            case Info(facts=facts):
                if isinstance(most := facts.get("max_payload"), int):
                    self.largest = most
                if not self._greeting.done():
                    self._greeting.set_result(facts)
            case Ping():
                self._write(nats.PONG)
            case Pong():
                if not self._welcome.done():
                    self._welcome.set_result(None)
            case Arrived():
                self._message(frame)
            case Refusal(text=text):
                self._refused(text)

    def _message(self, frame: Arrived) -> None:
        if (answers := self._heard_on.get(frame.number)) is not None:
            answers.take(frame)
            return
        _, waiting = self._asked.pop(frame.subject, ("", None))
        if waiting is not None and not waiting.done():
            waiting.set_result(frame)

    def _refused(self, text: str) -> None:
        """An `-ERR`: about one subject, with which the connection goes on, or its end."""
        for reply, (subject, waiting) in list(self._asked.items()):
            if f'"{subject}"' in text:
                del self._asked[reply]
                if (said := turned_away(self._config, text, subject)) and not waiting.done():
                    waiting.set_exception(TurnedAway(said))
                return
        for answers in self._heard_on.values():
            if f'"{answers.question}"' in text or f'"{answers.inbox}.*"' in text:
                if said := turned_away(self._config, text, answers.question):
                    answers.fail(TurnedAway(said))
                return
        if self._welcome.done() and "violation" in text.lower() and "permissions" in text.lower():
            return  # about something that nobody waits for any more
        said = turned_away(self._config, text, "the subject that it names")
        self._end(
            TurnedAway(said)
            if said
            else Lost(f"{self.server}: the server ended the connection ({text}): look at its log")
        )

    def _end(self, why: Lost | TurnedAway) -> None:
        """Tell all who wait, once."""
        if self._over is None:
            self._over = why
        waiting = [each for _, each in self._asked.values()]
        self._asked.clear()
        _fail(self._greeting, self._over)
        _fail(self._welcome, self._over)
        for each in waiting:
            _fail(each, self._over)
        for answers in self._heard_on.values():
            answers.fail(self._over)
        self.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and self._over is None:
            self._transport.write(data)

    # --- the caller's side ---------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """It cannot be used any more."""
        return self._over is not None or self._transport is None

    async def open(self, address: str) -> None:
        """Connect, and be welcomed.

        Raises:
            OSError: TCP or TLS.
            SourceError: a certificate file cannot be used.
            Lost, TurnedAway: the server did not greet, or refuses.
        """
        loop = asyncio.get_running_loop()
        sock = _socket(address)
        try:
            await loop.sock_connect(sock, (address, self.server.port))
        except BaseException:
            sock.close()
            raise
        await loop.create_connection(lambda: self, sock=sock)
        facts = await self._greeting
        required = facts.get("tls_required") is True
        if self.server.tls and not required and facts.get("tls_available") is not True:
            raise Lost(no_tls(self.server))
        if self.server.tls or required:
            await self._encrypt(loop)
        self._write(nats.connect(login(self._config, facts)))
        self._write(nats.subscribe(f"{self._inbox}.*", 1) + nats.PING)
        await self._welcome

    async def _encrypt(self, loop: asyncio.AbstractEventLoop) -> None:
        tls = self._config.tls
        context = await in_a_thread(f"certificates {self.server}", lambda: _trust(tls or NatsTls()))
        if isinstance(context, SourceError):
            raise context
        if self._welcome.done():
            raise Lost(no_nats(self.server))
        self._reader = Reader()  # nothing counts that somebody on the way has put before the handshake
        if self._transport is not None:
            plain = self._transport
            self._transport = None
            try:
                self._transport = await loop.start_tls(plain, self, context, server_hostname=self.server.host)
                self._encrypted = True
            finally:
                if self._transport is None:
                    plain.abort()

    def ask(self, subject: str, headers: Mapping[str, str], payload: bytes) -> "asyncio.Future[Arrived]":
        """Publish, and give what will be the answer; cancelled, the answer is not waited for any more."""
        self._count += 1
        reply = f"{self._inbox}.{self._count}"
        answer: asyncio.Future[Arrived] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda _: self._asked.pop(reply, None))
        self._asked[reply] = subject, answer
        if self._over is not None:
            _fail(answer, self._over)
        self._write(nats.publish(subject, reply, headers, payload))
        return answer

    def listen(self, question: str) -> Answers:
        """Subscribe to the answers to a question that has many; `send` asks it."""
        number = len(self._heard_on) + 2
        answers = Answers(question, f"{self._inbox}.{number}")
        self._heard_on[number] = answers
        if self._over is not None:
            answers.fail(self._over)
        self._write(nats.subscribe(f"{answers.inbox}.*", number))
        return answers

    def send(self, messages: Iterable[tuple[str, str, bytes]]) -> None:
        """Publish, all at once: subject, where answers are awaited (empty: nowhere), payload."""
        self._write(
            b"".join(nats.publish(subject, reply, {}, payload) for subject, reply, payload in messages)
        )

    def ping(self) -> None:
        """Ask for a sign of life; whatever comes counts as `heard`."""
        self._write(nats.PING)

    def close(self) -> None:
        """End it at once: everything that matters was acknowledged."""
        if self._over is None:
            self._over = Lost(f"{self.server}: the connection was given up")
        if self._transport is not None:
            self._transport.abort()
            self._transport = None


def _trust(tls: NatsTls) -> ssl.SSLContext | SourceError:
    """Read the certificates; blocks on their files."""
    try:
        return client_context(tls.ca, tls.certificate, tls.key)
    except SourceError as error:
        return error


def _fail(future: "asyncio.Future[Result]", why: Lost | TurnedAway) -> None:
    if not future.done():
        future.set_exception(why)
        future.exception()  # nobody may be waiting for it


def _socket(address: str) -> socket.socket:
    """Make a socket that notices a dead peer within 15 s, also while nothing is sent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 3)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    with suppress(OSError):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15_000)
    return made
