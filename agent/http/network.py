"""Names and sockets for the HTTP client: nothing here may hang, or hold up anything else that hangs.

Rules for whoever changes this: the loop's default executor is never used (eight hung look-ups
would starve whoever shares it), a thread that hangs in the resolver must not delay the exit of the
process, and the address is checked where it is connected to: a name can mean something else a
second later (reliability X4, "rebinding").
"""

import asyncio
import errno
import socket
import threading
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult

from agent.http.addresses import forbidden

LOOK_UP_SECONDS: Final = 5
CONNECT_SECONDS: Final = 5
_LOOK_UPS: Final = 2
_FLAGS: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class ForbiddenAddressError(OSError):
    """The name stands for an address to which nothing is sent; `strerror` says which kind."""


def open_socket(info: AddrInfoType) -> socket.socket:
    """Make a socket that notices a dead peer within 15 s, for an address that may be sent to (N2).

    Raises:
        ForbiddenAddressError: it may not.
    """
    family, kind, protocol, _, address = info
    if why := forbidden(ip_address(str(address[0]).partition("%")[0])):
        raise ForbiddenAddressError(errno.EACCES, why)
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 3)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15_000)  # milliseconds of silence
    return opened


class Resolver(AbstractResolver):
    """Looks names up in threads of its own: at most two, daemons, left alone when they hang.

    Not a ThreadPoolExecutor: Python joins its threads at exit, however long the look-up hangs.
    """

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_LOOK_UPS)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Give the addresses of a name.

        Raises:
            OSError: it has none, or no answer came in time.
        """
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                await self._free.acquire()
                return await self._start(host, port, family)
        except TimeoutError:
            raise OSError(errno.ETIMEDOUT, f"no answer within {LOOK_UP_SECONDS} s") from None

    async def close(self) -> None:
        """Nothing to close: the threads end by themselves."""

    def _start(self, host: str, port: int, family: int) -> "asyncio.Future[list[ResolveResult]]":
        loop = asyncio.get_running_loop()
        result: asyncio.Future[list[ResolveResult]] = loop.create_future()

        def finish(found: list[ResolveResult], error: OSError | None) -> None:
            self._free.release()
            if result.done():  # nobody waits any more
                return
            if error is None:
                result.set_result(found)
            else:
                result.set_exception(error)

        def look_up() -> None:
            found: list[ResolveResult] = []
            error: OSError | None = None
            try:
                found = _addresses(host, port, family)
            except OSError as refusal:
                error = refusal
            except UnicodeError:  # raised before anything is asked
                error = OSError(errno.EINVAL, "no host can be called so")
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(finish, found, error)

        threading.Thread(target=look_up, name=f"look-up {host}", daemon=True).start()
        return result


def _addresses(host: str, port: int, family: int) -> list[ResolveResult]:
    """Ask the system, in whatever time it takes.

    Raises:
        OSError: the name has no address, or nobody can tell.
    """
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [
        ResolveResult(
            hostname=host, host=str(address[0]), port=port, family=family, proto=protocol, flags=_FLAGS
        )
        for family, _, protocol, _, address in found
    ]
