"""One socket or port to Modbus devices: a request goes out, the frame that answers it comes back.

pymodbus makes and takes apart the frames. Its client is not used, for what it does between them:
it notices a lost connection only after timeout x retries, drops a late answer together with the
right one behind it, takes transaction id 0 for any answer, reconnects behind our back (pymodbus
3.16.1, tests/sources/modbus/test_modbus_misbehaving.py), and takes more CPU.

Rules for whoever changes this file: one request in flight; a loss ends the request that waits, at
once; what nobody asked for is never an answer; a request is sent once, whoever repeats it asks again.
Nothing here makes a request: it is the `pdu` of a `Question`. A `Block` knows the four that read; what
writes stands in `writer.py`, which is imported for a source that has a tag with `write`, and for no other.
"""

import asyncio
import logging
import socket
import ssl
import struct
from collections.abc import Container
from typing import Final, cast

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU

from agent.clock import Clock
from agent.errors import SourceError
from agent.model import SECOND
from agent.sources.modbus.address import manual_address
from agent.sources.modbus.answer import (
    EXCEPTION,
    Data,
    Frame,
    Outcome,
    Question,
    Refused,
    Silent,
    Wrong,
    judge,
)
from agent.sources.modbus.endpoint import Endpoint, Network

# It complains of each such frame, which would be a line at every poll; our reasons say it once.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_RTU_OVERHEAD: Final = 3  # unit and checksum
_SHORTEST_RTU: Final = 5  # an exception response; fewer surplus bytes are noise of the line
_FLOOD: Final = 4096  # bytes; an answer has 260 at the most (1.1b3, section 4.1), and a few may come late
# What a TLS server says to a request (RFC 8446, section 5.1); the third byte of Modbus TCP is 0.
_TLS_ALERTS: Final = (b"\x15\x03\x01", b"\x15\x03\x02", b"\x15\x03\x03")

# A half-open connection is noticed within 15 s even while nothing is asked (design: reliability, N2).
_KEEP_ALIVE: Final = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 5),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 3),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 10_000),
)


class Wire(asyncio.Protocol):
    """The protocol of one connected socket or open port."""

    def __init__(self, endpoint: Endpoint, clock: Clock, late: Container[int] = ()) -> None:
        """Prepare for `create_connection`.

        Args:
            endpoint: what is at the other end, for the framing and for messages.
            clock: stamps the answers.
            late: units whose answer to a request that was given up may still come; may change.
        """
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done with the reason once the connection is gone."""
        self.astray = False
        """Whether requests and answers may be out of step: this socket is to be replaced."""
        self.echoes = False
        """Whether an RS485 adapter hands back what we send, as the last answer to a read showed."""
        self._endpoint = endpoint
        self._clock = clock
        self._late = late
        self._rtu = endpoint.rtu
        self._framer = (FramerRTU if endpoint.rtu else FramerSocket)(DecodePDU(False))
        self._transport: asyncio.Transport
        self._buffer = b""
        self._transaction = 0
        self._request = b""
        self._repeats = self._echoed = False
        self._heads: tuple[bytes, ...] = ()
        self._waiting: asyncio.Future[Frame | None] | None = None
        self._foreign = 0
        self._heard = self._ever_heard = False
        self._secured = isinstance(endpoint, Network) and endpoint.tls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set up the socket (called by asyncio)."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so
        if (sock := transport.get_extra_info("socket")) is not None:
            for level, option, value in _KEEP_ALIVE:
                if hasattr(socket, option):  # not every system has every one
                    sock.setsockopt(level, getattr(socket, option), value)

    def data_received(self, data: bytes) -> None:
        """Take in what came, and hand over the frame that is waited for (called by asyncio)."""
        self._buffer += data
        self._heard = self._ever_heard = True
        if len(self._buffer) > _FLOOD:
            self._lose(f"{self._endpoint} sends without end what nobody asked for: is it a Modbus device?")
            self.close()
            return
        if self._waiting is None and self._rtu:
            # RTU frames carry no transaction id: an answer that comes late would be taken for the next one.
            self.astray |= len(self._buffer) >= _SHORTEST_RTU and self._buffer[0] not in self._late
        while self._buffer and (used := self._take_frame()):
            self._buffer = self._buffer[used:]

    def connection_lost(self, exc: Exception | None) -> None:
        """End the request that waits, and say why (called by asyncio)."""
        if isinstance(exc, ssl.SSLError):
            self._lose(f"{self._endpoint} ended the TLS connection ({openssl_words(exc)}): {IF_REFUSED}")
        elif self._buffer.startswith(_TLS_ALERTS):
            self._lose(f"{self._endpoint} speaks TLS: write tls:// and the port of that (mostly 802)")
        elif self._secured and not self._ever_heard:  # with TLS 1.3 a client is refused after its handshake
            self._lose(f"{self._endpoint} closed the connection before its first answer: {IF_REFUSED}")
        else:
            cause = f" ({exc.strerror or exc})" if isinstance(exc, OSError) else ""
            self._lose(f"{self._endpoint} {self._endpoint.if_lost.format(cause)}")

    async def ask(self, question: Question, transaction: int, within: int) -> Outcome:
        """Send one request and wait for its answer.

        Args:
            question: what to ask.
            transaction: its id; a repetition of the same request has the same, so that the late
                answer to the first is as good.
            within: nanoseconds.

        Raises:
            SourceError: the connection is gone.
        """
        if self.lost.done():
            raise SourceError(await self.lost)
        question.leave()
        self._expect(question, transaction)
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(self._request)
        try:
            async with asyncio.timeout(within / SECOND):
                frame = await self._waiting
        except TimeoutError:
            self.astray = self._rtu or bool(self._buffer)
            return Silent(self._why_silent(question, within))
        except asyncio.CancelledError:
            self.astray |= self._rtu  # its answer will come, and somebody else asks next
            raise
        finally:
            self._waiting = None
        if frame is None:
            raise SourceError(await self.lost)
        if not self._repeats:
            self.echoes = self._echoed
        return self._judged(question, frame)

    def _expect(self, question: Question, transaction: int) -> None:
        """Be ready for the answer to what is sent now."""
        self._transaction = 0 if self._rtu else transaction
        self._foreign = 0
        self._heard = False
        if self._rtu:
            self._buffer = b""
            unit, function = question.unit, question.function
            self._heads = bytes((unit, function)), bytes((unit, function | EXCEPTION))
        self._repeats, self._echoed = question.repeats, False
        self._request = self._framer.encode(question.pdu, question.unit, transaction)

    def settled(self, outcome: Outcome) -> Outcome:
        """What the outcome is worth once the silence behind an RTU frame has passed."""
        if self.astray and isinstance(outcome, Data | Refused):
            return Wrong("two answers came to one request")
        return outcome

    def discard(self) -> None:
        """Forget what came without being asked for."""
        self._buffer = b""
        self.astray = False

    def close(self) -> None:
        """Close at once; what was not sent yet is not sent."""
        self._transport.abort()

    def _lose(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _judged(self, question: Question, frame: Frame) -> Outcome:
        outcome = judge(question, frame)
        self.astray |= self._rtu and isinstance(outcome, Wrong)
        return self.settled(outcome)

    def _skip_noise(self) -> None:
        """Drop what stands before the answer: a line driver that switches adds a byte or two."""
        if self._buffer and self._buffer[0] in self._late:
            return  # a whole frame, in whose data the head may occur as well
        if not self._buffer.startswith(self._heads):  # else its data may hold them as well: 387 is 0x0183
            found = [start for head in self._heads if (start := self._buffer.find(head)) > 0]
            self._buffer = self._buffer[min(found, default=0) :]

    def _skip_echo(self) -> None:
        """Drop our own request: an RS485 adapter that hears itself hands it back before the answer.

        It is sound, and would be the answer with three bytes of coils from offset 768. The one answer
        that equals its request is lost with it: no value rather than a wrong one. What confirms a write
        mostly equals it: there the first is the echo, on a line that has one, and the next the answer.
        """
        while self._buffer.startswith(self._request):
            if self._repeats and (self._echoed or not self.echoes):
                return
            self._buffer = self._buffer[len(self._request) :]
            self._heard, self._echoed = bool(self._buffer), True

    def _take_frame(self) -> int:
        """Hand over the next frame of the buffer; how many bytes it took, 0 if it is not complete."""
        if self._rtu and self._waiting is not None:
            self._skip_noise()
            self._skip_echo()
        try:
            used, unit, transaction, pdu = self._framer.decode(self._buffer)
        except (ModbusException, IndexError, struct.error):  # noise that looks like a function code
            return len(self._buffer)
        if not pdu:  # incomplete, or noise: the checksum does not fit
            return used
        if self._rtu and unit in self._late:  # the one that is asked is not
            self._foreign += 1
            return len(pdu) + _RTU_OVERHEAD  # what stands behind it may be the answer
        if self._rtu:
            # The framer throws away what stands around the frame; a whole second frame may be in it.
            self.astray |= len(self._buffer) - len(pdu) - _RTU_OVERHEAD >= _SHORTEST_RTU
        if self._waiting is None or self._waiting.done() or transaction != self._transaction:
            self._foreign += 1  # an answer to a request that was given up
            self.astray |= self._rtu
        else:
            self._waiting.set_result(Frame(unit, bytes(pdu), self._clock.monotonic()))
        return used

    def _why_silent(self, question: Question, within: int) -> str:
        what = f"{question.wish} {question.area.value} {manual_address(question.area, question.start)}"
        text = f"no answer within {within / SECOND:g} s when {what}"
        if self._foreign:
            return f"{text}, only late ones to other requests: the device is slow, raise the timeout"
        if not self._heard:
            return text
        framing = "RTU" if self._rtu else "Modbus TCP"
        return f"{text}; what came is no sound {framing} frame: {self._endpoint.if_garbled}"


IF_REFUSED: Final = (
    "it may not take the agent's certificate: it must be signed by the authority that the device trusts, "
    "not be expired, and stand in tls: {certificate: FILE, key: FILE}"
)


def openssl_words(error: ssl.SSLError) -> str:
    """What OpenSSL says of an error, without its numbers."""
    return (error.reason or error.strerror or str(error)).lower().replace("_", " ")
