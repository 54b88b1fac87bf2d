"""The connection to one HOST:PORT, shared by all units behind it, for one session.

Rules for whoever changes this file: one socket at a time, closed whatever ends the session; a lost
connection ends the session (the supervisor owns coming back). The one thing that is replaced in
here is a socket on which RTU answers may be out of step: frames of the serial line carry no
transaction id, so after a timeout every later answer would belong to the request before it
(pymodbus#2636), and giving up the session would punish the other units of the line.
"""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from typing import Final

from agent.clock import Clock
from agent.errors import SourceError
from agent.model import MILLISECOND, SECOND
from agent.sources.modbus.answer import LATER, Data, Outcome, Refused, Silent
from agent.sources.modbus.config import Endpoint, ModbusSource
from agent.sources.modbus.plan import Block
from agent.sources.modbus.wire import Wire

_BUSY_PAUSE: Final = 50 * MILLISECOND
_CLOSE_WITHIN: Final = 1.0  # seconds; asyncio closes an aborted socket in its next round
_TRANSACTIONS: Final = 0xFFFF


class Connection:
    """Reads blocks, one request in flight, with repetitions; made by `connected`."""

    def __init__(self, config: ModbusSource, clock: Clock) -> None:
        self._endpoint = config.endpoint
        self._timeout = config.timeout
        self._pause = config.pause_between_requests
        self._clock = clock
        self._wire: Wire | None = None
        self._transaction = 0
        self._rest_until = 0

    async def open(self) -> Wire:
        """Connect; a socket that was open before is closed first.

        Raises:
            SourceError: no connection.
        """
        await self.close()
        self._wire = wire = await _connect(self._endpoint, self._timeout, self._clock)
        if self._endpoint.rtu:
            # A transparent serial server hands an answer that is still under way to whoever is connected by then.
            await self.wait(self._timeout)
            wire.discard()
        return wire

    async def close(self) -> None:
        """Close the socket, if there is one."""
        if self._wire is not None:
            self._wire.close()
            await asyncio.wait({self._wire.lost}, timeout=_CLOSE_WITHIN)
            self._wire = None

    async def wait(self, duration: int) -> None:
        """Let nanoseconds pass, with an eye on the connection.

        Raises:
            SourceError: it was lost meanwhile.
        """
        if self._wire is None:
            raise SourceError(f"{self._endpoint} is not connected")
        await asyncio.wait({self._wire.lost}, timeout=max(duration, 0) / SECOND)
        if self._wire.lost.done():
            raise SourceError(self._wire.lost.result())

    async def read(self, block: Block, attempts: int) -> Outcome:
        """Read one block; silence, nonsense and "busy" are tried again, up to `attempts` in all.

        Raises:
            SourceError: the connection is lost.
        """
        self._transaction = self._transaction % _TRANSACTIONS + 1
        outcome: Outcome = Silent("it was not asked")
        for _ in range(attempts):
            wire = self._wire
            if wire is None or wire.astray:
                wire = await self.open()
            if (rest := self._rest_until - self._clock.monotonic()) > 0:
                await self.wait(rest)
            outcome = await wire.ask(block, self._transaction, self._timeout)
            busy = isinstance(outcome, Refused) and outcome.code in LATER
            self._rest_until = self._clock.monotonic() + max(self._pause, _BUSY_PAUSE if busy else 0)
            if isinstance(outcome, Data | Refused) and not busy:
                break
        return outcome


@contextlib.asynccontextmanager
async def connected(config: ModbusSource, clock: Clock) -> AsyncIterator[Connection]:
    """Connect for as long as the context lasts.

    Raises:
        SourceError: no connection.
    """
    connection = Connection(config, clock)
    try:
        await connection.open()
        yield connection
    finally:
        await connection.close()


async def _connect(endpoint: Endpoint, timeout: int, clock: Clock) -> Wire:  # noqa: ASYNC109 - nanoseconds, as everywhere
    loop = asyncio.get_running_loop()
    failure: OSError | None = None
    try:
        async with asyncio.timeout(timeout / SECOND):
            for address in await _look_up(endpoint):
                try:
                    _, wire = await loop.create_connection(
                        lambda: Wire(str(endpoint), clock, rtu=endpoint.rtu), address, endpoint.port
                    )
                except OSError as error:
                    failure = error
                else:
                    return wire
    except TimeoutError:
        raise SourceError(
            f"{endpoint}: no connection within {timeout / SECOND:g} s: is the device on, the address right, "
            "the way through the firewall open?"
        ) from None
    raise SourceError(_why_refused(endpoint, failure))


def _why_refused(endpoint: Endpoint, failure: OSError | None) -> str:
    cause = os.strerror(failure.errno) if failure is not None and failure.errno else str(failure)
    remedy = (
        "is Modbus enabled in the device, the port right, and no other client on its only connection?"
        if isinstance(failure, ConnectionError)
        else "check the address and the network"
    )
    return f"{endpoint}: cannot connect ({cause}): {remedy}"


async def _look_up(endpoint: Endpoint) -> list[str]:
    """The device's IP addresses.

    In a daemon thread of its own: a name server that hangs may starve neither the loop's executor,
    which others need, nor the end of the process.

    Raises:
        SourceError: the name is not known.
    """
    try:
        return [str(ip_address(endpoint.host))]
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def tell(settle: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed by now
            loop.call_soon_threadsafe(lambda: None if answer.done() else settle())

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            unknown = SourceError(
                f"{endpoint.host}: the name cannot be resolved ({error}): write the IP address, or mend the DNS"
            )
            tell(lambda: answer.set_exception(unknown))
        else:
            tell(lambda: answer.set_result([str(info[4][0]) for info in found]))

    threading.Thread(target=look_up, name=f"look up {endpoint.host}", daemon=True).start()
    return await answer
