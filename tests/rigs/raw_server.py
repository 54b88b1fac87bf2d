"""A TCP server that does what a test tells it, byte by byte: what no web server would answer."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


class RawServer:
    """Attributes: `port`; `connections` so far; `open` now; `requests`, the bytes of each that was read."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.open = 0
        self.requests: list[bytes] = []

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        """Read one request to its end."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        self.requests.append(head + await reader.readexactly(length))
        return self.requests[-1]


@asynccontextmanager
async def raw_server(
    handle: Callable[[RawServer, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    certificate=None,
    clients=None,
) -> AsyncIterator[RawServer]:
    """Listen on loopback; what still runs at the end is cancelled, and every connection closed.

    `clients`: the authority that those who connect must have a certificate of.
    """
    rig = RawServer()
    at_work: set[asyncio.Task] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at_work.add(asyncio.current_task())
        rig.connections += 1
        rig.open += 1
        try:
            await handle(rig, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client is gone, or the test is over
        finally:
            rig.open -= 1
            writer.close()

    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    rig.port = server.sockets[0].getsockname()[1]
    try:
        yield rig
    finally:
        server.close()
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work)


def answers(status=204, body=b"", **headers: str):
    """A handler that answers every request of every connection the same."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
    answer = "\r\n".join([*lines, "", ""]).encode() + body

    async def handle(rig, reader, writer):
        while not reader.at_eof():
            await rig.request(reader)
            writer.write(answer)
            await writer.drain()

    return handle
