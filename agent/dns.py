"""The addresses of a name, looked up where a name server that hangs can starve nobody.

asyncio asks on the loop's default executor, whose few threads the whole agent shares, and which the
end of the process waits for. Here each question has a daemon thread of its own.

Rules for whoever changes this: the caller bounds the wait, and may be cancelled at any time.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from ipaddress import ip_address

from agent.errors import SourceError


async def look_up(host: str, port: int) -> list[str]:
    """Give the IP addresses of a host, in the order in which they are to be tried; an address is its own.

    Raises:
        SourceError: the name is not known.
    """
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def tell(settle: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed by now
            loop.call_soon_threadsafe(lambda: None if answer.done() else settle())

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            unknown = SourceError(
                f"{host}: the name cannot be resolved ({error}): write the IP address, or mend the DNS"
            )
            tell(lambda: answer.set_exception(unknown))
        else:
            tell(lambda: answer.set_result([str(info[4][0]) for info in found]))

    threading.Thread(target=ask, name=f"look up {host}", daemon=True).start()
    return await answer
