"""A polling endpoint of the shape of Svix, on loopback, which can misbehave in all the ways that a test asks for.

It keeps what was posted, and remembers what it was asked; an iterator means a place in what it keeps.
"""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from aiohttp import web

TOKEN = "sk_poll_canary4711"
_BEGAN = datetime(2026, 11, 21, 8, tzinfo=UTC)


class Asked(NamedTuple):
    """One question: its query, its headers, and how many messages its iterator says are taken."""

    query: dict[str, str]
    headers: dict[str, str]
    taken: int


class PollRelay:
    """Attributes.

    entries: what it keeps, as it hands it over.
    asked: every question so far.
    holds: seconds for which it offers to hold a question (`Relay-Wait`); 0: it does not.
    per_answer: messages in one answer at most.
    next_answers: what it answers in the place of the ordinary answer, one for each question.
    silent: it takes questions and never answers.
    """

    def __init__(
        self, *, holds: int = 0, per_answer: int = 250, token: str = TOKEN, certificate=None
    ) -> None:
        self.port = 0
        self._certificate = certificate
        self.entries: list[dict] = []
        self.asked: list[Asked] = []
        self.holds = holds
        self.per_answer = per_answer
        self.token = token
        self.next_answers: list[Callable[[web.Request], Awaitable[web.StreamResponse]]] = []
        self.silent = False
        self.open = 0
        self._epoch = 0
        self._news = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        scheme = "http" if self._certificate is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}/out/plant-7"

    async def start(self) -> None:
        """Listen, where it has listened before."""
        application = web.Application()
        application.router.add_get("/out/plant-7", self._serve)
        self._runner = web.AppRunner(
            application, handler_cancellation=True, shutdown_timeout=0, access_log=None
        )
        await self._runner.setup()
        context = None
        if self._certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self._certificate)
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Hang up and be gone; what it keeps stays."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    def put(self, body: bytes = b"{}", headers=None, *, raw: bool = True, **more: object) -> None:
        """A sender posts; `more` stands in the entry in the place of what would."""
        number = len(self.entries)
        entry = {
            "id": f"msg_{number}",
            "eventType": "order.created",
            "payload": None,
            "timestamp": (_BEGAN + timedelta(seconds=number)).isoformat().replace("+00:00", "Z"),
            "headers": headers or {},
        }
        if raw:
            entry["bodyB"] = base64.b64encode(body).decode()
        self.post(entry | more)

    def post(self, entry: object) -> None:
        """Keep what is to be handed over as it is."""
        self.entries.append(entry)
        self._news.set()

    def expire(self) -> None:
        """No iterator that was given so far is known any more."""
        self._epoch += 1

    @property
    def taken(self) -> int:
        """How many messages are acknowledged."""
        return max((asked.taken for asked in self.asked), default=0)

    def iterator(self, place: int) -> str:
        return f"it {self._epoch}/{place}"  # with what an address does not take as it is

    def data(self, first: int, limit: int) -> list:
        """What it hands over; a relay that misbehaves has its own."""
        return self.entries[first : first + limit]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        _, _, place = query.get("iterator", "it 0/0").rpartition("/")
        self.asked.append(Asked(query, dict(request.headers), int(place)))
        self.open += 1
        try:
            if self.silent:
                await asyncio.Event().wait()
            if self.next_answers:
                return await self.next_answers.pop(0)(request)
            return await self.ordinary(request)
        finally:
            self.open -= 1

    async def ordinary(self, request: web.Request) -> web.Response:
        """Answer as a relay should."""
        query = request.query
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"code": "authentication_failed"}, status=401)
        first = self._first(query)
        if first is None:
            return web.json_response({"code": "invalid_iterator", "detail": "expired"}, status=400)
        if self.holds and "wait" in query:
            await self._wait_for_more(first, int(query["wait"]))
        limit = min(int(query["limit"]), self.per_answer)
        data = self.data(first, limit)
        # A message that is missing from `data` is passed over all the same: that is what dropping is.
        following = min(first + limit, len(self.entries))
        answer = {
            "data": data,
            "iterator": self.iterator(following),
            "done": following >= len(self.entries),
        }
        return web.json_response(answer, headers={"Relay-Wait": str(self.holds)} if self.holds else {})

    def _first(self, query) -> int | None:
        if "iterator" not in query:
            after = query.get("after", "")
            return sum(isinstance(each, dict) and each["timestamp"] <= after for each in self.entries)
        given, _, place = query["iterator"].rpartition("/")
        return int(place) if given == f"it {self._epoch}" else None

    async def _wait_for_more(self, first: int, seconds: float) -> None:
        async with _at_most(min(seconds, self.holds)):
            while len(self.entries) <= first:
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def _at_most(seconds: float):
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        pass


@asynccontextmanager
async def poll_relay(**more: object) -> AsyncIterator[PollRelay]:
    """One that listens."""
    relay = PollRelay(**more)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()


def answer(*entries: object, iterator: object = "it 0/0", done: object = False) -> str:
    """The body of an answer."""
    return json.dumps({"data": entries, "iterator": iterator, "done": done})


def says(status: int = 200, body: bytes | str = b"", **headers: str):
    """An answer of `next_answers`: these bytes."""
    text = body.encode() if isinstance(body, str) else body

    async def handle(request):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=text, headers=named)

    return handle
