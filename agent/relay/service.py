"""The relay at work: mailbox, server and monitoring, from the start to an orderly end.

Rules for whoever changes this: it is ready when it listens; told to stop it answers every question that is
held, takes what is being posted, and is gone within 5 s.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from agent.clock import Clock
from agent.config.listening import Listen
from agent.errors import EdgeRelayError
from agent.notify import Systemd, ask_for_patience, feed_watchdog
from agent.relay.answers import answered, marked
from agent.relay.channel import Channel
from agent.relay.config import RelayConfiguration
from agent.relay.giving import Giver
from agent.relay.taking import Taker
from agent.relay.upkeep import Condition, keep_up
from agent.store.mailbox import Mailbox
from agent.web.certificate import Certificate, unusable
from agent.web.monitor import monitor_app
from agent.web.serve import serve_port, server_log

_log = logging.getLogger(__name__)

_FILE: Final = "mailbox.db"
_STOP_WITHIN_S: Final = 2.0
_QUIET_S: Final = (
    75.0  # a connection without a request; longer than a proxy's own patience, which is 60 s as a rule
)
_BACKLOG: Final = 512


async def run(configuration: RelayConfiguration, clock: Clock, systemd: Systemd, stop: asyncio.Event) -> None:
    """Serve until `stop` is set.

    Raises:
        EdgeRelayError: it cannot begin, or go on; the message says why.
    """
    certificate = await _certificate(configuration)
    async with _opened(configuration, clock, systemd) as mailbox:
        channels = {name: Channel(box, configuration.channels[name]) for name, box in mailbox.boxes.items()}
        condition = Condition(mailbox, channels.values(), clock)
        giver = Giver(channels, mailbox)
        app = _app(Taker(channels, mailbox, clock), giver)
        async with asyncio.TaskGroup() as tasks:
            helpers = [
                tasks.create_task(mailbox.watch(), name="mailbox"),
                tasks.create_task(keep_up(mailbox, channels.values(), certificate, clock), name="upkeep"),
                tasks.create_task(
                    serve_port(monitor_app(condition), configuration.relay.monitor), name="monitor"
                ),
                tasks.create_task(feed_watchdog(systemd, condition.stuck), name="watchdog"),
            ]
            async with _listening(app, configuration.relay.listen, certificate):
                _say_ready(configuration, systemd, mailbox)
                await stop.wait()
                systemd.stopping()
                giver.stop()
            for helper in helpers:
                helper.cancel()
    _log.info("stopped")


def _app(taker: Taker, giver: Giver) -> web.Application:
    app = web.Application(middlewares=[answered])
    app.on_response_prepare.append(marked)
    app.router.add_post("/in/{channel}", taker.take)
    app.router.add_post("/in/{channel}/{rest:.*}", taker.take)
    app.router.add_get("/out/{channel}", giver.give, allow_head=False)
    return app


def _say_ready(configuration: RelayConfiguration, systemd: Systemd, mailbox: Mailbox) -> None:
    waiting = sum(box.level.waiting for box in mailbox.boxes.values())
    _log.info("ready: %s, %d messages wait", configuration.summary(), waiting)
    for name, left in mailbox.left.items():
        if left:
            _log.warning(
                "channel %s is not in the file any more, and %d messages wait in it: add it again until its plant has them",
                name,
                left,
            )
    systemd.ready()


async def _certificate(configuration: RelayConfiguration) -> Certificate | None:
    if (tls := configuration.relay.tls) is None:
        return None
    try:
        return await asyncio.to_thread(Certificate, tls)
    except OSError as error:
        raise EdgeRelayError(unusable(tls, error)) from None


@asynccontextmanager
async def _opened(
    configuration: RelayConfiguration, clock: Clock, systemd: Systemd
) -> AsyncIterator[Mailbox]:
    folder = configuration.relay.data_dir
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        text = f"data_dir {folder} cannot be made ({error.strerror}): make it, or name another in `relay:`"
        raise EdgeRelayError(text) from None
    bounds = {name: channel.max_size for name, channel in configuration.channels.items()}
    patience = asyncio.create_task(ask_for_patience(systemd), name="patience")
    try:
        mailbox = await Mailbox.open(folder / _FILE, bounds, configuration.relay.max_size, clock)
    finally:
        patience.cancel()
    try:
        yield mailbox
    finally:
        await mailbox.close()


@asynccontextmanager
async def _listening(
    app: web.Application, listen: Listen, certificate: Certificate | None
) -> AsyncIterator[None]:
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=server_log(),
        shutdown_timeout=_STOP_WITHIN_S,
        keepalive_timeout=_QUIET_S,
        auto_decompress=False,  # the sender signed what it sent
        handler_cancellation=True,  # a plant that is gone holds no question
    )
    await runner.setup()
    try:
        context = None if certificate is None else certificate.context
        site = web.TCPSite(runner, listen.host, listen.port, ssl_context=context, backlog=_BACKLOG)
        try:
            await site.start()
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            text = f"cannot listen on {listen} ({why}): choose another address in `relay: {{listen: ...}}`"
            raise EdgeRelayError(text) from None
        yield
    finally:
        await runner.cleanup()
