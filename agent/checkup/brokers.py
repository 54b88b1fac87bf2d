"""Brokers of MQTT and servers of NATS: whether they are reached, and let us in.

Rules for whoever changes this: at an MQTT broker a client id throws out whoever has the same, so the agent's
own is never used; no session is kept, nothing is subscribed to, nothing is published.
"""

import asyncio
import secrets
import ssl
from contextlib import suppress
from typing import Final

from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.checkup.certificates import lifetime, parsed, shown
from agent.checkup.finding import Finding, Subject, Verdict, parted
from agent.checkup.reach import HaltedError, Steps, connect
from agent.clock import Clock
from agent.delivery.said import Lost, TurnedAway
from agent.errors import SourceError
from agent.model import SECOND
from agent.mqtt.broker import BrokerSection
from agent.mqtt.connect import close
from agent.mqtt.connect import connect as connect_mqtt
from agent.mqtt.loop import PahoLoop
from agent.mqtt.reasons import refused, silent, unanswered
from agent.nats.cluster import connect as connect_nats
from agent.nats.servers import NatsSection
from agent.server_url import ServerUrl

_WITHIN: Final = 6 * SECOND
_LONGEST_ID: Final = 23  # characters that every broker takes (MQTT 3.1.1, 3.1.3.1)
_NOT_AS_THIS: Final = ("Client identifier not valid",)
_LOOK: Final = "look at the server's log, and at the network"


class _StrangerError(SourceError):
    """The broker refused us, maybe for the client id alone."""


async def examine_broker(
    subject: Subject, thing: str, config: BrokerSection, clock: Clock, *, secret: bool
) -> list[Finding]:
    """Connect as somebody else of the same user; `secret`: its password cannot be read from here."""
    steps = Steps(subject, thing, f"{config.url.host}:{config.url.port}", clock)
    try:
        await connect(config.url.host, config.url.port, steps)
    except HaltedError as halted:
        return steps.bad(halted.said, halted.remedy)
    if secret:
        return steps.good("no login was tried: its secrets cannot be read from here")
    steps.begin()
    try:
        encoded = await _greet(_another(config))
    except SourceError as error:
        said, remedy = parted(str(error), _LOOK)
        if not config.client_id:
            return steps.bad(said, remedy)
        said += " (asked under another client_id, so that the agent is not thrown out)"
        if isinstance(error, _StrangerError):
            told = "a broker may let in nobody else: `edge-relay status` tells whether the agent itself is let in"
            return steps.bad(said, f"{told}; if not: {remedy}", Verdict.WARNING)
        return steps.bad(said, remedy)
    steps.end("TLS and MQTT" if config.url.tls else "MQTT")
    if certificate := parsed(encoded):
        steps.more += shown(subject, thing, certificate, clock.wall())
        steps.done.append(f"certificate {lifetime(certificate, clock.wall())}")
    return steps.good("the broker lets us in")


def _another(config: BrokerSection) -> BrokerSection:
    """Give who connects: the same user under another name, which the broker need not remember."""
    token = secrets.token_hex(3)
    name = f"{config.client_id[: _LONGEST_ID - len(token) - 1]}-{token}" if config.client_id else ""
    written = {key: getattr(config, key) for key in BrokerSection.model_fields}
    return BrokerSection.model_construct(
        **written | {"client_id": name, "timeout": min(config.timeout, _WITHIN)}
    )


async def _greet(config: BrokerSection) -> bytes | None:
    """Connect, and be accepted; give the certificate that the broker has shown, of TLS.

    Raises:
        SourceError: no connection, or refused.
    """
    connection = await connect_mqtt(config)
    client, accepted = connection.client, asyncio.Event()

    def on_connect(
        _client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _more: Properties | None
    ) -> None:
        if reason.is_failure:
            kind = _StrangerError if reason.getName() in _NOT_AS_THIS else SourceError
            raise kind(refused(config, reason))
        accepted.set()

    def on_disconnect(*_: object) -> None:
        kind = SourceError if any("SSL" in error for error in connection.errors) else _StrangerError
        raise kind(unanswered(config, connection.errors))

    client.on_connect, client.on_disconnect = on_connect, on_disconnect
    link = PahoLoop(client, connection.sock, lambda _: None)
    try:
        async with asyncio.timeout(config.timeout / SECOND), asyncio.TaskGroup() as group:
            driving = group.create_task(link.drive(), name=f"doctor mqtt {config.url}")
            await accepted.wait()
            driving.cancel()
        sock = connection.sock
        return sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
    except TimeoutError:
        raise SourceError(silent(config)) from None
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    finally:
        link.stop()
        close(client)


async def examine_servers(
    subject: Subject, thing: str, config: NatsSection, clock: Clock, *, secret: bool
) -> list[Finding]:
    """Connect to each server of a cluster."""
    found: list[Finding] = []
    for server in config.servers:
        found += await _server(subject, thing, config, server, clock, secret=secret)
    return found


async def _server(
    subject: Subject, thing: str, config: NatsSection, server: ServerUrl, clock: Clock, *, secret: bool
) -> list[Finding]:
    steps = Steps(subject, thing, f"{server.host}:{server.port}", clock)
    try:
        await connect(server.host, server.port, steps)
    except HaltedError as halted:
        return steps.bad(halted.said, halted.remedy)
    if secret:
        return steps.good("no login was tried: its secrets cannot be read from here")
    steps.begin()
    within = _WITHIN / SECOND
    alone = config.model_copy(update={"servers": (server,)})
    try:
        async with asyncio.timeout(within):
            connection = await connect_nats(alone, 0, within)
    except TimeoutError:
        said = f"it takes the connection and says nothing for {within:g} s"
        return steps.bad(said, f"check that NATS listens there; {_LOOK}")
    except (Lost, TurnedAway) as error:
        return steps.bad(*parted(str(error), _LOOK))
    with suppress(OSError):
        connection.close()
    steps.end("TLS and NATS" if server.tls else "NATS")
    return steps.good("the server lets us in")
