"""Serving an application on loopback or on a Unix socket until cancelled."""

import asyncio
from pathlib import Path
from typing import Final

from aiohttp import web

from agent.config.model import Listen
from agent.errors import ConfigError, Problem

_SOCKET_MODE: Final = 0o660  # the group of the file may operate the agent
_CLOSE_WITHIN_S: Final = 1.0


async def serve_port(app: web.Application, listen: Listen) -> None:
    """Serve on an address.

    Raises:
        ConfigError: it cannot be listened on.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_WITHIN_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, listen.host, listen.port).start()
        except OSError as error:
            text = f"http: cannot listen on {listen} ({error.strerror or error}): choose another port"
            raise ConfigError([Problem("http.listen", 0, 0, text)]) from None
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


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


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _open_to_group(path: Path) -> None:
    path.chmod(_SOCKET_MODE)
