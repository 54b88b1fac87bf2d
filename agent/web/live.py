"""`GET /api/live`: what keeps every open page up to date, by one broadcaster for all of them.

    tables, values -> (each half second, while somebody looks) what has changed -> one message for all pages

A page is given all there is first, and from then on what changes (see `agent.web.tables`). One that does not
read, a phone asleep, is given nothing until it reads again, and then all there is: its queue does not grow.

Rules for whoever changes this: nothing is done while nobody looks; a row is encoded once however many look;
between taking what has changed and giving it to the pages nothing is awaited, or a page would miss it.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final, NoReturn, Protocol

import orjson
from aiohttp import web

from agent.clock import Clock
from agent.errors import StoreUnavailable
from agent.model import Json
from agent.supervise import Supervisor

MOST_PAGES: Final = 50
_EVERY_S: Final = 0.5
_NOT_SOONER_S: Final = 0.1  # pages that are opened at once share what is done for them
_TABLES_WITHIN_S: Final = 2.0
_SILENT_FOR_S: Final = 4.5  # and a round: within 5 s
_MOST_MESSAGES: Final = 8
_END_WITHIN_S: Final = 0.2
_KERNEL_BUFFER: Final = 256 * 1024  # else it takes up to 4 MB for each page that does not read
_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would keep it until there is a bufferful
}
_TOO_MANY: Final = (
    f"{MOST_PAGES} pages are open, and this agent serves no more at once: close those that nobody looks at"
)


class Shown(Protocol):
    """The tables of the page but `values`."""

    async def tables(self) -> Mapping[str, Mapping[str, Json]]:
        """All rows by table and key; one that is left out, or the very object of before, has not changed.

        So it is with rows: the very object of before is not looked into.

        Raises:
            StoreUnavailable: none has changed, as far as is known.
        """
        ...


class Values(Protocol):
    """Table `values`, of which thousands of rows change each second: it tells itself which."""

    def rows(self) -> Mapping[str, Json]:
        """All of them."""
        ...

    def changed(self) -> Mapping[str, Json]:
        """Those that have changed since this was last asked; None: gone."""
        ...


class Page:
    """One open page.

    Attributes:
        still: whether it may still look, and is there.
        abort: cuts its connection.
        current: it has been given a state, and every change since.
        waits: it has read all that it was given.
        stuck: it does not read what it was given.
    """

    def __init__(self, still: Callable[[], bool], abort: Callable[[], None]) -> None:
        self.still = still
        self.abort = abort
        self.current = False
        self.waits = True
        self.stuck = False
        self._messages: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._ended = False

    def give(self, message: bytes) -> None:
        """Have it read this next; too much of what was not read is forgotten, and it is behind."""
        if len(self._messages) >= _MOST_MESSAGES:
            self._messages.clear()
            self.current = False
        else:
            self._messages.append(message)
            self._news.set()

    def end(self) -> None:
        """Let it go, now."""
        self._ended = True
        self._news.set()
        if self.stuck:
            self.abort()

    async def next(self) -> bytes | None:
        """Wait for what it is to read next; None: it is let go."""
        while not (self._messages or self._ended):
            self.waits = True
            self._news.clear()
            await self._news.wait()
        self.waits = False
        return None if self._ended else self._messages.popleft()


class Live:
    """The broadcaster.

    Attributes:
        pages: those that are open.
    """

    def __init__(self, shown: Shown, values: Values, now: Callable[[], int]) -> None:
        """Begin with nobody looking; `now` is the agent's clock, milliseconds since 1970 UTC."""
        self.pages: set[Page] = set()
        self._shown = shown
        self._values = values
        self._now = now
        self._wanted = asyncio.Event()
        self._tables: dict[str, Mapping[str, Json]] = {}
        self._sent: dict[str, dict[str, bytes]] = {}  # by table and key: `"KEY":ROW`
        self._told = 0.0

    # --- the pages' side --------------------------------------------------------------------------

    def open(self, still: Callable[[], bool], abort: Callable[[], None]) -> Page:
        """Take one more page, which is given all there is at once; see `Page`."""
        page = Page(still, abort)
        self.pages.add(page)
        self._wanted.set()
        return page

    # --- the broadcaster's side -------------------------------------------------------------------

    async def run(self, clock: Clock) -> NoReturn:
        """Keep the pages up to date until cancelled; a bug in what they show must not stop the alarms."""
        page = Supervisor("the page", self._tell, on_down=_nobody, clock=clock, random=lambda: 0.0)
        await page.run()

    async def _tell(self) -> None:
        """Tell the pages what is; whatever ends this ends them, and they come again."""
        try:
            while True:
                await self._wanted.wait()
                await self._round()
                await asyncio.sleep(_NOT_SOONER_S)
                self._wanted.clear()
                if self.pages:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_EVERY_S - _NOT_SOONER_S):
                            await self._wanted.wait()
                    self._wanted.set()
                else:
                    self._tables.clear()
                    self._sent.clear()
        finally:
            for page in self.pages:
                page.end()

    async def _round(self) -> None:
        tables = await self._all_tables()
        at = asyncio.get_running_loop().time()
        for page in self.pages:
            if not page.still():
                page.end()
        changed = {
            name: b",".join(rows) for name, table in tables.items() if (rows := self._changes(name, table))
        }
        if values := self._values.changed():
            changed["values"] = orjson.dumps(values)[1:-1]
        if changed or at - self._told >= _SILENT_FOR_S:
            self._told = at
            message = self._message("change", changed)
            for page in self.pages:
                if page.current:
                    page.give(message)
        if new := [page for page in self.pages if page.waits and not page.current]:
            state = self._message("state", self._state())
            for page in new:
                page.current = True
                page.give(state)

    async def _all_tables(self) -> Mapping[str, Mapping[str, Json]]:
        """Those that can be had now: a disk that hangs must not keep the values from the pages."""
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_TABLES_WITHIN_S):
                return await self._shown.tables()
        return {}

    def _changes(self, name: str, table: Mapping[str, Json]) -> Iterable[bytes]:
        """Encode what of a table has changed since it was sent."""
        if self._tables.get(name) is table:
            return ()
        before, rows = self._sent.get(name, {}), self._tables.get(name, {})
        now = {
            key: before[key] if key in before and rows.get(key) is row else orjson.dumps({key: row})[1:-1]
            for key, row in table.items()
        }
        self._tables[name], self._sent[name] = table, now
        gone = [orjson.dumps(key) + b":null" for key in before if key not in now]
        return gone + [row for key, row in now.items() if before.get(key) != row]

    def _state(self) -> dict[str, bytes]:
        tables = {name: b",".join(rows.values()) for name, rows in self._sent.items()}
        return {**tables, "values": orjson.dumps(self._values.rows())[1:-1]}

    def _message(self, event: str, tables: Mapping[str, bytes]) -> bytes:
        inner = b",".join(b'"%b":{%b}' % (name.encode(), rows) for name, rows in tables.items())
        return b'event: %b\ndata: {"now":%d,"tables":{%b}}\n\n' % (event.encode(), self._now(), inner)


async def _nobody(_: str) -> None:
    """Nobody need be told that it is down: the log was."""


def live_handler(
    live: Live, allowed: Callable[[web.Request], Callable[[], bool]]
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler of `GET /api/live`; `allowed` gives, by request, whether its token still counts."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if len(live.pages) >= MOST_PAGES:
            return web.json_response({"error": _TOO_MANY}, status=503, headers={"Retry-After": "10"})
        transport, still = request.transport, allowed(request)
        if transport is None:
            return web.Response()  # nobody is there any more to read it
        _bound(transport)
        response = web.StreamResponse(headers=_HEADERS)
        response.force_close()
        page = live.open(lambda: still() and request.transport is not None, transport.abort)
        try:
            await _serve(request, response, page)
        finally:
            live.pages.discard(page)
        return response

    return handle


async def _serve(request: web.Request, response: web.StreamResponse, page: Page) -> None:
    """Send what the page is given until it is let go, or gone."""
    try:
        await response.prepare(request)
        while (message := await page.next()) is not None:
            page.stuck = True
            await response.write(message)
            page.stuck = False
        async with asyncio.timeout(_END_WITHIN_S):
            await response.write_eof()
    except TimeoutError:
        page.abort()
    except ConnectionError:
        return


def _bound(transport: asyncio.BaseTransport) -> None:
    """Have the kernel keep little for a page that does not read; `agent.web.serve` says when it is closed."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)
