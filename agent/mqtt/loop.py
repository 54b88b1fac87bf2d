"""Drives a connected paho client from the event loop: no thread, its socket in the loop's selector.

paho calls its callbacks inside `loop_read` and `loop_misc`; here these run in coroutines, so what a
callback raises ends the coroutine and is seen (paho's own thread would die of it unseen, with
`is_connected()` still true).

Rules for whoever changes this file: nothing in it knows what a message means; `drive` and
`keep_alive` run side by side in one TaskGroup, and `stop` is called whatever ended them.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final, NoReturn

from paho.mqtt.client import Client, MQTTMessage

from agent.errors import SourceError

_TICK: Final = 0.5  # seconds between two looks at the keepalive
_PONG_WITHIN: Final = 4.0  # seconds that the answer to a ping may take, less two ticks
_PACKETS_A_TURN: Final = 100  # messages read before others have the loop again


class PahoLoop:
    """The event loop's side of one connected client."""

    def __init__(
        self, client: Client, sock: socket.socket, on_message: Callable[[MQTTMessage], None]
    ) -> None:
        """Watch the client's `sock`; what `on_message` raises ends `drive`."""
        self._client = client
        self._on_message = on_message
        self._arrived = 0
        self._loop = asyncio.get_running_loop()
        self._tls = sock if isinstance(sock, ssl.SSLSocket) else None
        self._descriptor = sock.fileno()
        self._ready = asyncio.Event()
        self._writing = False
        self._heard = self._loop.time()
        self.paused_since: float | None = None
        """When reading was paused, in the loop's seconds; None while it is not."""
        client.on_message = self._count_message
        client.on_socket_close = self._forget_socket
        self._loop.add_reader(self._descriptor, self._on_readable)
        self.flush()

    async def drive(self) -> NoReturn:
        """Read and write whenever the socket allows it, until something raises."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            if self._client.want_write():
                self._client.loop_write()
            more = self._read_turn()
            self.flush()
            if more:
                self._ready.set()
                await asyncio.sleep(0)

    async def keep_alive(self, describe: str) -> NoReturn:
        """Ping an idle connection, and end one that has gone silent.

        paho alone would wait two keepalives. While reading is paused an answer cannot be seen, so
        none is asked for; the broker then decides.

        Raises:
            SourceError: nothing was heard for one keepalive and the time that a ping may take.
        """
        while True:
            await asyncio.sleep(_TICK)
            if self.paused_since is not None:
                continue
            self._client.loop_misc()
            self.flush()
            silent = self._loop.time() - self._heard
            if silent > self._client.keepalive + _PONG_WITHIN:
                raise SourceError(
                    f"{describe}: nothing heard for {silent:.0f} s, not even the answer to a ping: "
                    f"the link is dead or the broker hangs: check both"
                )

    def flush(self) -> None:
        """See to it that what the socket did not take at once is written later."""
        wanted = self._client.want_write()
        if wanted == self._writing or self._client.socket() is None:
            return
        self._writing = wanted
        if wanted:
            self._loop.add_writer(self._descriptor, self._ready.set)
        else:
            self._loop.remove_writer(self._descriptor)

    def pause(self) -> None:
        """Read nothing more: TCP tells the broker to wait."""
        if self.paused_since is None:
            self.paused_since = self._loop.time()
            self._loop.remove_reader(self._descriptor)

    def resume(self) -> None:
        """Read again, if it was paused."""
        if self.paused_since is None or self._client.socket() is None:
            return
        self.paused_since = None
        self._heard = self._loop.time()
        self._loop.add_reader(self._descriptor, self._on_readable)
        self._ready.set()  # TLS may hold bytes that the selector will never tell of

    def stop(self) -> None:
        """Let go of the socket; it is closed by others."""
        if self._client.socket() is not None:
            self._forget_socket()
        # paho's own clean-up may come when the descriptor's number already belongs to someone else.
        self._client.on_socket_close = None

    def _read_turn(self) -> bool:
        """Read what is there; true if more may be."""
        for _ in range(_PACKETS_A_TURN):
            if self.paused_since is not None:
                return False
            arrived = self._arrived
            self._client.loop_read()
            # paho reads one packet and does not say whether it did. TLS decrypts a whole record of
            # packets at once, and for those that still wait the selector shows nothing.
            if arrived == self._arrived and not (self._tls and self._tls.pending()):
                return False
        return True

    def _count_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self._arrived += 1
        self._on_message(message)

    def _on_readable(self) -> None:
        self._heard = self._loop.time()
        self._ready.set()

    def _forget_socket(self, *_: object) -> None:
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
