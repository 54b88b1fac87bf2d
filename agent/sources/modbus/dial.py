"""Opening a wire: over TCP, TLS or a serial port, or why it cannot be had and what to look at.

Rules for whoever changes this file: an attempt that fails or is cancelled leaves nothing open; a
peer is always verified; certificates are read from their files at each attempt, so that a renewed
one is taken without a restart.
"""

import asyncio
import os
import ssl
from collections.abc import Callable, Container
from typing import Final

from agent.clock import Clock
from agent.dns import look_up
from agent.errors import SourceError
from agent.model import SECOND
from agent.sources.modbus.config import ModbusTls
from agent.sources.modbus.endpoint import Endpoint, Network, SerialPort
from agent.sources.modbus.serial_port import SerialTransport, open_port
from agent.sources.modbus.wire import IF_REFUSED, Wire, openssl_words
from agent.tls import client_context

_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "RECORD_LAYER", "HTTP_REQUEST")


async def dial(
    endpoint: Endpoint,
    tls: ModbusTls | None,
    within: int,
    clock: Clock,
    late: Container[int],
) -> Wire:
    """Open one wire.

    Args:
        endpoint: where.
        tls: the certificates, for an endpoint with TLS.
        within: nanoseconds for all of it.
        clock: the wire's.
        late: see `Wire`.

    Raises:
        SourceError: it cannot be had.
    """

    def wire() -> Wire:
        return Wire(endpoint, clock, late)

    if isinstance(endpoint, SerialPort):
        opened = wire()
        SerialTransport(open_port(endpoint), opened)
        return opened
    try:
        async with asyncio.timeout(within / SECOND):
            return await _connect(endpoint, tls, wire)
    except TimeoutError:
        raise SourceError(
            f"{endpoint}: no connection within {within / SECOND:g} s: is the device on, the address right, "
            "the way through the firewall open?"
        ) from None


async def _connect(endpoint: Network, tls: ModbusTls | None, wire: Callable[[], Wire]) -> Wire:
    """Try the addresses of the host one after the other."""
    failure: OSError | None = None
    context = None if tls is None else _context(tls)
    name = None if tls is None else tls.server_name or endpoint.host
    for address in await look_up(endpoint.host, endpoint.port):
        try:
            _, opened = await asyncio.get_running_loop().create_connection(
                wire, address, endpoint.port, ssl=context, server_hostname=name
            )
        except OSError as error:
            failure = error
        else:
            return opened
    raise SourceError(f"{endpoint}: {_why_refused(tls, failure)}")


def _why_refused(tls: ModbusTls | None, failure: OSError | None) -> str:
    match failure:
        case ssl.SSLCertVerificationError():
            return (
                f"the device's certificate is refused ({failure.verify_message}): {_untrusted(tls, failure)}"
            )
        case ssl.SSLError() if any(word in str(failure) for word in _NO_TLS):
            return "what listens there speaks no TLS: check the port (mostly 802), or write tcp://"
        case ssl.SSLError():
            return f"no TLS connection ({openssl_words(failure)}): {IF_REFUSED}"
        case ConnectionError() if tls is not None:
            remedy = (
                "is Modbus/TCP Security enabled in the device, the port right (mostly 802), and the agent's "
                "certificate trusted there?"
            )
        case ConnectionError():
            remedy = (
                "is Modbus enabled in the device, the port right, and no other client on its only connection?"
            )
        case _:
            remedy = "check the address and the network"
    cause = os.strerror(failure.errno) if failure is not None and failure.errno else str(failure)
    return f"cannot connect ({cause}): {remedy}"


def _untrusted(tls: ModbusTls | None, error: ssl.SSLCertVerificationError) -> str:
    if "match" in error.verify_message:
        return "write url with a name that it holds, or that name as tls: {server_name: NAME}"
    if "expired" in error.verify_message or "not yet valid" in error.verify_message:
        return "renew it at the device, and check the clock of this machine"
    return f"it is not signed by {tls.ca if tls else 'anybody'} (tls: ca:): name the PEM file of the one that did"


def _context(tls: ModbusTls) -> ssl.SSLContext:
    """Raises SourceError: a certificate file cannot be used."""
    context = client_context(tls.ca, tls.certificate, tls.key)
    # Devices mostly have a certificate of their own making, which is then its own authority.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
