"""Opening a connection to a broker: paho's client, made as this agent needs it, and its blocking connect.

Rules for whoever changes this file: one `Client` lives for one session and never reconnects by
itself (the supervisor owns that); paho's `connect` blocks in DNS, TCP and TLS, so it runs on a
daemon thread of its own: a resolver that hangs for a minute holds up neither the loop, nor the
store's threads, nor the end of the process; whoever stops waiting leaves no socket behind.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, Client
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.errors import SourceError
from agent.model import MILLISECOND, SECOND
from agent.mqtt.broker import BrokerSection, MqttTls
from agent.mqtt.reasons import not_connected, unanswered
from agent.tls import client_context

_SESSION_KEPT_FOR: Final = 30 * 86_400  # seconds; a plant's longest holiday, not for ever
_IN_FLIGHT: Final = 500  # messages the broker may send ahead of our acknowledgements (MQTT 5)
_LARGEST_PACKET: Final = (
    16_000_000  # bytes; what is larger the broker (MQTT 5) discards instead of our memory
)

Failure: TypeAlias = OSError | UnicodeError | SourceError


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection on which CONNECT is about to be sent.

    Attributes:
        client: paho's side of it; `close` ends it.
        sock: its socket, which stays paho's.
        errors: what went wrong on the socket so far; paho tells that to its log and to nobody else.
    """

    client: Client
    sock: socket.socket
    errors: list[str]


async def connect(config: BrokerSection) -> Connection:
    """Open a connection; CONNECT is still to be written.

    Raises:
        SourceError: no connection; with the cause and the remedy.
    """
    loop = asyncio.get_running_loop()
    connected: asyncio.Future[Connection] = loop.create_future()

    def settle(outcome: Connection | Failure) -> None:
        if isinstance(outcome, Connection):
            if connected.done():  # nobody waits any more
                close(outcome.client)
            else:
                connected.set_result(outcome)
        elif not connected.done():
            connected.set_exception(outcome)

    threading.Thread(
        target=_attempt, args=(config, loop, settle), name=f"mqtt connect {config.url}", daemon=True
    ).start()
    opened = False
    try:
        async with asyncio.timeout(config.timeout / SECOND):
            connection = await connected
        opened = True
    except (OSError, UnicodeError) as error:
        raise SourceError(not_connected(config, error)) from error
    finally:
        # It was settled in the very moment in which the wait was given up: nobody else closes it.
        if not opened and connected.done() and not connected.cancelled() and not connected.exception():
            close(connected.result().client)
    return connection


def _attempt(
    config: BrokerSection,
    loop: asyncio.AbstractEventLoop,
    settle: Callable[[Connection | Failure], None],
) -> None:
    outcome: Connection | Failure = SourceError(
        "connecting ended in a bug; its traceback is in the agent's log"
    )
    try:
        outcome = _open(config)
    except (OSError, UnicodeError, SourceError) as error:
        outcome = error
    finally:
        try:
            loop.call_soon_threadsafe(settle, outcome)
        except RuntimeError:  # the loop is closed: the agent has ended meanwhile
            if isinstance(outcome, Connection):
                close(outcome.client)


def _open(config: BrokerSection) -> Connection:
    """Connect, blocking.

    Raises:
        OSError: in DNS, TCP or TLS.
        UnicodeError: the host's name cannot be one.
        SourceError: a certificate file cannot be used, or the broker hung up at once.
    """
    client = _new_client(config)
    errors: list[str] = []
    client.on_log = lambda _client, _userdata, level, text: (
        errors.append(text) if level == LogLevel.MQTT_LOG_ERR else None
    )
    # With it set, paho leaves CONNECT in its queue: a connection that comes too late, when nobody waits
    # for it any more, must not take the session over from the one that came in its place.
    client.on_socket_register_write = lambda *_: None
    if config.url.tls:
        client.tls_set_context(_tls_context(config.tls or MqttTls()))
    client.connect(
        config.url.host,
        config.url.port,
        keepalive=config.keepalive // SECOND,
        clean_start=not config.session_kept if config.protocol == "5" else MQTT_CLEAN_START_FIRST_ONLY,
        properties=_properties(config) if config.protocol == "5" else None,
    )
    client.on_socket_register_write = None
    sock = client.socket()
    if not isinstance(sock, socket.socket):
        raise SourceError(unanswered(config, errors))
    _tune(sock, config)
    return Connection(client, sock, errors)


def _new_client(config: BrokerSection) -> Client:
    version_5 = config.protocol == "5"
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=config.client_id,
        clean_session=None if version_5 else not config.session_kept,
        protocol=MQTTProtocolVersion.MQTTv5 if version_5 else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    client.connect_timeout = config.timeout / SECOND
    client.max_inflight_messages_set(0)  # what is published never waits inside of paho, where nobody sees it
    if config.user:
        client.username_pw_set(config.user, config.password.reveal() if config.password else None)
    return client


def _properties(config: BrokerSection) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = _IN_FLIGHT
    properties.MaximumPacketSize = _LARGEST_PACKET
    if config.session_kept:
        properties.SessionExpiryInterval = _SESSION_KEPT_FOR
    return properties


def _tune(sock: socket.socket, config: BrokerSection) -> None:
    """Send acknowledgements at once, and give up on a peer that confirms nothing for a keepalive."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux (RFC 5482)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, config.keepalive // MILLISECOND)


class _HandshakeSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails; paho leaves that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the signature is ssl's
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _tls_context(tls: MqttTls) -> ssl.SSLContext:
    """Raises SourceError: a certificate file cannot be used."""
    context = client_context(tls.ca, tls.certificate, tls.key, whose=" of the broker's authority")
    context.sslsocket_class = _HandshakeSocket
    return context


def close(client: Client) -> None:
    """Say goodbye if the socket takes it at once, and close; never waits, never raises."""
    client.on_disconnect = None
    if not client.want_write():
        client.disconnect()
    if (sock := client.socket()) is not None:
        sock.close()
