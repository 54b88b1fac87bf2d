"""Serving an application on loopback or on a Unix socket until cancelled."""

import asyncio
import logging
import os
from pathlib import Path
from typing import Final

from aiohttp import web

from agent.config.listening import Listen

_log = logging.getLogger(__name__)

_SOCKET_MODE: Final = 0o660  # the group of the file may operate the agent
_CLOSE_WITHIN_S: Final = 1.0
_LISTEN_AGAIN_S: Final = 2.0


async def serve_port(app: web.Application, listen: Listen) -> None:
    """Serve on an address; while somebody else has it, wait for it: a page must not stop the alarms."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_WITHIN_S)
    await runner.setup()
    try:
        await _listen(runner, listen)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, listen: Listen) -> None:
    refused = False
    while True:
        site = web.TCPSite(runner, listen.host, listen.port)
        try:
            await site.start()
        except OSError as error:
            await site.stop()
            if not refused:
                _log.error(
                    "http: cannot listen on %s (%s): choose another port; everything else goes on",
                    listen,
                    os.strerror(error.errno) if error.errno else error,
                )
            refused = True
            await asyncio.sleep(_LISTEN_AGAIN_S)
        else:
            if refused:
                _log.info("http: listens on %s now", listen)
            return


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
