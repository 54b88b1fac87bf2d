"""The page and all that is behind it, on one port: files, API, live stream, health and metrics (`http:`).

Rules for whoever changes this: who may ask what is the door's to say (`agent.web.door`), for every route alike; a
change of tokens and names is in force with the next request, one of address or certificate at once, with new
connections only.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn, Protocol

from aiohttp import web

from agent.clock import Clock
from agent.config.http_section import HttpSection
from agent.config.model import Configuration
from agent.config.served import ServerTls
from agent.threads import in_a_thread
from agent.web.api import Controlled, api_routes
from agent.web.certificate import Certificate, unusable
from agent.web.door import Door, who
from agent.web.files import PageFile, read_page
from agent.web.live import Live, live_handler
from agent.web.monitor import Monitored, add_monitoring
from agent.web.routes import add_routes
from agent.web.serve import serve_port

_log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 60.0
_READ_AGAIN_S: Final = 5.0


class Served(Controlled, Monitored, Protocol):
    """The agent, as far as it can be asked from outside."""

    @property
    def configuration(self) -> Configuration:
        """What is in force."""
        ...

    @property
    def clock(self) -> Clock:
        """What time it is."""
        ...

    @property
    def live(self) -> Live:
        """What keeps open pages up to date."""
        ...


def site_app(agent: Served, door: Door, page: dict[str, PageFile]) -> web.Application:
    """The application behind `door`."""
    app = door.app()
    for path, file in page.items():
        app.router.add_get(path, _giving(file))
    add_monitoring(app, agent, door.may_look)
    app.router.add_get("/api/live", live_handler(agent.live, door.still), allow_head=False)
    app.router.add_get("/api/whoami", _whoami(door))
    add_routes(app, api_routes(agent), who)
    return app


def _whoami(door: Door) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Whose token it is, and what may be done with it."""

    async def whoami(request: web.Request) -> web.Response:
        may = "operate" if who(request) else "read" if door.may_look(request) else "token"
        return web.json_response({"by": who(request), "may": may, "tokens": bool(door.http().tokens)})

    return whoami


def _giving(file: PageFile) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def give(request: web.Request) -> web.Response:
        return file.answer(request)

    return give


class Site:
    """Serves it until cancelled, by the configuration that is in force.

    Attributes:
        refused: why it is not served; empty while it is.
    """

    def __init__(self, agent: Served) -> None:
        self._agent = agent
        self._page = read_page()
        self._door = Door(self._http, agent.clock, self._page.keys())
        self._in_service: HttpSection | None = None
        self._until: asyncio.Timeout | None = None
        self._look = asyncio.Event()
        self.refused = ""

    def change(self) -> None:
        """Take up what has changed in the configuration; also a certificate that is renewed."""
        self._look.set()
        now, before = self._http(), self._in_service
        if before is None or (now.listen, now.tls) == (before.listen, before.tls):
            return
        if self._until is not None and self._until.when() is None:
            self._until.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> NoReturn:
        """Serve, on another address or with another certificate when these have changed."""
        while True:
            self._in_service, self._until = self._http(), asyncio.timeout(None)
            try:
                async with self._until:
                    await self._serve(self._in_service)
            except TimeoutError:
                if not self._until.expired():
                    raise

    async def _serve(self, http: HttpSection) -> None:
        app = site_app(self._agent, self._door, self._page)
        if http.tls is None:
            await serve_port(app, http.listen, told=self._tell)
            return
        certificate = await self._certificate(http.tls)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._renew(certificate), name="page's certificate")
            port = serve_port(app, http.listen, certificate.context, self._tell)
            tasks.create_task(port, name="page's port")

    def _tell(self, refused: str) -> None:
        self.refused = refused

    async def _certificate(self, tls: ServerTls) -> Certificate:
        """Read it; while it cannot be used, wait for it: a page must not stop the alarms."""
        told = ""
        while True:
            read = await in_a_thread("page's certificate", lambda: _read(tls))
            if isinstance(read, Certificate):
                if told:
                    _log.info("http: the certificate %s can be used now", tls.certificate)
                return read
            if read != told:
                _log.error("http: %s; the page waits for it, everything else goes on", read)
                self._tell(f"the page and /health are not served: http: {read}")
            told = read
            await asyncio.sleep(_READ_AGAIN_S)

    async def _renew(self, certificate: Certificate) -> NoReturn:
        while True:
            self._look.clear()
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._look.wait()
            except TimeoutError:
                pass
            await in_a_thread("page's certificate", certificate.renew)

    def _http(self) -> HttpSection:
        return self._agent.configuration.http


def _read(tls: ServerTls) -> Certificate | str:
    try:
        return Certificate(tls)
    except OSError as error:
        return unusable(tls, error)
