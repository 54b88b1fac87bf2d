"""Serving an application on an address or on a Unix socket until cancelled.

Rules for whoever changes this: strangers cost a bounded number of connections, and none that a known one needs;
what they send that is no HTTP is answered without a word of it, and not logged.
"""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_request import BaseRequest

from agent.config.listening import Listen

_log = logging.getLogger(__name__)

HEADERS: Final[Mapping[str, str]] = {
    "Server": "edge-relay",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""What every answer carries: nothing runs in the page but its own files, and no other page gets at it."""
_SOCKET_MODE: Final = 0o660  # the group of the file may operate the agent
_CLOSE_WITHIN_S: Final = 1.0
_LISTEN_AGAIN_S: Final = 2.0
_HANDSHAKE_WITHIN_S: Final = 5.0
_QUIET_S: Final = 75.0  # without a whole request; longer than a proxy's own patience, which is 60 s as a rule
_UNREAD_S: Final = 60.0
_MOST_CONNECTIONS: Final = 200


class Connection(web.RequestHandler):
    """One connection; a stranger's until it is known."""

    def __init__(self, door: "_Door", server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # aiohttp's own runner hands it None
            keepalive_timeout=_QUIET_S,
            logger=server_log(),
        )
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it; whoever takes nothing of an answer for long is let go by the kernel, with what was kept for him."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(_UNREAD_S * 1000))
        self._door.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """It counts no more."""
        self._door.strangers.pop(self, None)
        self._door.known.discard(self)
        super().connection_lost(exc)

    def known(self) -> None:
        """Somebody who may ask is at the other end: it is not given up for another."""
        if self in self._door.strangers:
            del self._door.strangers[self]
            self._door.known.add(self)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, or a defect of ours; a stranger's bytes are not repeated."""
        wrong = (
            "this cannot be understood as HTTP: see that http://, or https:// where `tls` is set, is what is asked\n"
            if status < web.HTTPInternalServerError.status_code
            else message
        )
        response = super().handle_error(request, status, exc, wrong)
        response.headers.update(HEADERS)
        return response


class _Door:
    """The connections of one server; when there are too many, the oldest stranger's is given up."""

    def __init__(self, server: web.Server) -> None:
        self.strangers: dict[Connection, None] = {}
        self.known: set[Connection] = set()
        self._server = server

    def __call__(self) -> Connection:
        """Make what serves a new connection."""
        return Connection(self, self._server)

    def opened(self, connection: Connection) -> None:
        """Have room for it."""
        self.strangers[connection] = None
        if len(self.strangers) + len(self.known) > _MOST_CONNECTIONS:
            oldest = next(iter(self.strangers))
            del self.strangers[oldest]
            if oldest.transport is not None:
                oldest.transport.abort()


async def serve_port(
    app: web.Application,
    listen: Listen,
    tls: ssl.SSLContext | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve on an address; while somebody else has it, wait for it: a page must not stop the alarms.

    `told` is given why it does not listen, and an empty text once it does.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_WITHIN_S)
    await runner.setup()
    listening = None
    try:
        listening = await _listen(runner, listen, tls, told)
        await asyncio.Event().wait()
    finally:
        if listening is not None:
            listening.close()
        await runner.cleanup()


async def _listen(
    runner: web.AppRunner, listen: Listen, tls: ssl.SSLContext | None, told: Callable[[str], None]
) -> asyncio.Server:
    assert runner.server is not None, "it is set up"  # noqa: S101 - what aiohttp's types cannot say
    loop, door, patience = (
        asyncio.get_running_loop(),
        _Door(runner.server),
        _HANDSHAKE_WITHIN_S if tls else None,
    )
    refused = False
    while True:
        try:
            listening = await loop.create_server(
                door, listen.host, listen.port, ssl=tls, ssl_handshake_timeout=patience
            )
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            if not refused:
                _log.error(
                    "http: cannot listen on %s (%s): choose another port; everything else goes on",
                    listen,
                    why,
                )
            refused = True
            told(
                f"the page and /health are not served: http: cannot listen on {listen} ({why}): choose another port, "
                f"or end the program that has it (`sudo ss -ltnp 'sport = :{listen.port}'` names it)"
            )
            await asyncio.sleep(_LISTEN_AGAIN_S)
        else:
            if refused:
                _log.info("http: listens on %s now", listen)
            told("")
            return listening


async def serve_socket(app: web.Application, path: Path) -> None:
    """Serve on a Unix socket; one left behind by a killed agent is replaced (the store's lock tells)."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_WITHIN_S)
    await runner.setup()
    _remove(path)
    try:
        await web.UnixSite(runner, str(path)).start()
        _open_to_group(path)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
        _remove(path)


def server_log() -> logging.Logger:
    """A log for an HTTP server, which tells defects of ours, and not what strangers send that is no HTTP."""
    log = logging.getLogger(f"{__name__}.server")
    log.addFilter(_is_ours)
    return log


def _is_ours(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    return not isinstance(error, HttpProcessingError | web.RequestPayloadError)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _open_to_group(path: Path) -> None:
    path.chmod(_SOCKET_MODE)
