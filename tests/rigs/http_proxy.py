"""An HTTP proxy as companies have them: it tunnels, passes plain requests on, and asks who is there.

It also stands in for their DNS: names lead where a test says.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

USER = "line-4"
PASSWORD = "p:w° d"
CREDENTIALS = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class HttpProxy:
    """Attributes: `port`; `heads`, of each request that it was sent; `names`, by host where it leads."""

    def __init__(self, names, credentials, answer) -> None:
        self.port = 0
        self.heads: list[dict[str, str]] = []
        self.names = names
        self.credentials = credentials
        self.answer = answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader, writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *fields = head.decode().strip().split("\r\n")
        method, target, _ = line.split(" ")
        headers = {name.lower(): text for name, _, text in (field.partition(": ") for field in fields)}
        self.heads.append({"": line, **headers})
        if self.answer is not None:
            writer.write(self.answer)
        elif self.credentials and headers.get("proxy-authorization") != self.credentials:
            writer.write(b"HTTP/1.1 407 X\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
        elif method == "CONNECT":
            await self._tunnel(target, reader, writer)
        else:
            place, _, path = target.removeprefix("http://").partition("/")
            kept = [field for field in fields if not field.lower().startswith("proxy-")]
            passed_on = "\r\n".join([f"{method} /{path} HTTP/1.1", *kept, "", ""]).encode()
            await self._pass_on(place, passed_on, reader, writer)
        await writer.drain()

    async def _tunnel(self, target, reader, writer) -> None:
        there, back = await self._connect(target)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _join(reader, writer, there, back)

    async def _pass_on(self, place, head, reader, writer) -> None:
        there, back = await self._connect(place)
        back.write(head)
        await _join(reader, writer, there, back)

    async def _connect(self, place):
        host, _, port = place.partition(":")
        return await asyncio.open_connection("127.0.0.1", self.names.get(host) or int(port))


async def _join(reader, writer, there, back) -> None:
    async def pump(source, sink) -> None:
        with suppress(ConnectionError):
            while chunk := await source.read(65_536):
                sink.write(chunk)
                await sink.drain()
            sink.write_eof()

    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(pump(reader, back))
            both.create_task(pump(there, writer))
    finally:
        back.close()


@asynccontextmanager
async def http_proxy(names=None, *, credentials="", answer=None) -> AsyncIterator[HttpProxy]:
    """Listen on loopback. `credentials`: what it wants to be shown; `answer`: bytes that it says to everything."""
    rig = HttpProxy(names or {}, credentials, answer)
    at_work: set[asyncio.Task] = set()

    async def serve(reader, writer) -> None:
        at_work.add(asyncio.current_task())
        try:
            await rig.serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # one side is gone, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    rig.port = server.sockets[0].getsockname()[1]
    try:
        yield rig
    finally:
        server.close()
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work)
