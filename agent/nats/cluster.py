"""The way to a NATS cluster: one of its servers, the first that can be used.

Rules for whoever changes this: nobody is tried twice; whoever asks bounds the wait; cancelled, it
leaves nothing.
"""

import asyncio
from typing import Final

from agent.delivery.said import Lost
from agent.dns import look_up
from agent.errors import SourceError
from agent.nats.connection import Connection
from agent.nats.reasons import not_connected
from agent.nats.servers import NatsSection
from agent.server_url import ServerUrl

_CONNECT_S: Final = 5.0  # for one server of several


async def connect(config: NatsSection, first: int, within: float) -> Connection:
    """Try one server after the other; one that refuses us has the say, for the others would too.

    Args:
        config: the cluster.
        first: any number: which server is tried first. A fleet spreads over the servers, and each
            agent begins where it began before.
        within: seconds in which all of them are to be tried. A single one is not bounded here.

    Raises:
        Lost: none can be used; each with its reason.
        TurnedAway: one refuses us.
    """
    servers = config.servers
    start = first % len(servers)
    limit = None if len(servers) == 1 else min(_CONNECT_S, within / len(servers))
    reasons: list[str] = []
    for server in (*servers[start:], *servers[:start]):
        try:
            async with asyncio.timeout(limit):
                return await _open(server, config)
        except TimeoutError:
            if limit is None:
                raise
            reasons.append(f"connect: {server}: no answer within {limit:g} s")
        except Lost as lost:
            reasons.append(str(lost))
        except SourceError as error:
            reasons.append(f"TLS: {error}")
        except OSError as error:
            reasons.append(not_connected(server, config, error))
    raise Lost("; ".join(reasons))


async def _open(server: ServerUrl, config: NatsSection) -> Connection:
    """Open a connection; cancelled, it leaves nothing.

    Raises:
        OSError: TCP or TLS; of the last address of the server's name.
        SourceError: the name is unknown, or a certificate file cannot be used.
        Lost, TurnedAway: the server did not greet, or refuses.
    """
    try:
        addresses = await look_up(server.host, server.port)
    except SourceError as error:
        raise Lost(f"DNS: {error}") from None
    for address in dict.fromkeys(addresses):
        connection = Connection(server, config)
        opened = False
        try:
            await connection.open(address)
            opened = True
        except OSError:
            if address == addresses[-1]:
                raise
        finally:
            if not opened:
                connection.close()
        if opened:
            return connection
    raise Lost(f"DNS: {server.host} has no address")
