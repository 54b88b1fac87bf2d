"""What a server says of itself before anything is secured: where it is, what it offers, what it shows.

Anyone on the network may answer here, so nothing of it is believed: the certificate that is shown is
checked before a connection is keyed to it, and nothing secret is ever sent this way.

Rules for whoever changes this file: as in `connection`, every wait is bounded and every socket closed.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClientState
from asyncua.crypto.security_policies import (
    SecurityPolicy,
    SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicyAes256Sha256RsaPss,
    SecurityPolicyBasic256Sha256,
    SecurityPolicyNone,
)
from asyncua.ua.uaerrors import UaError
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from agent.config.fields import format_duration
from agent.dns import look_up
from agent.errors import SourceError
from agent.model import SECOND
from agent.sources.opcua.certificates import chain, printable
from agent.sources.opcua.config import OpcUaSource
from agent.sources.opcua.refusals import explain

FAILURES: Final = (UaError, OSError, InvalidSignature)
"""What asyncua raises for weather; TimeoutError and ConnectionError are OSErrors."""

POLICIES: Final[dict[str, type[SecurityPolicy]]] = {
    "Basic256Sha256": SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": SecurityPolicyAes256Sha256RsaPss,
}
MODES: Final = {
    "none": ua.MessageSecurityMode.None_,
    "sign": ua.MessageSecurityMode.Sign,
    "sign_and_encrypt": ua.MessageSecurityMode.SignAndEncrypt,
}
_CLOSING: Final = 1.5  # seconds for goodbye; a silent server drops the session itself after its timeout


@dataclass(frozen=True, slots=True)
class Shown:
    """What a server shows of itself, proven by nothing yet.

    Attributes:
        certificates: its own, then the issuers that it sends along.
        application_uri: what it calls itself, printable.
    """

    certificates: list[x509.Certificate]
    application_uri: str


def silence_asyncua() -> None:
    """It logs a line for each publish, and with tracebacks what it also raises, which is told once, by us."""
    for library in ("asyncua.client", "asyncua.common", "asyncua.crypto", "asyncua.uaprotocol"):
        logging.getLogger(library).setLevel(logging.CRITICAL + 1)


async def shown(config: OpcUaSource) -> Shown:
    """Ask a server, without security, for the certificate that it would use with the configured one.

    Raises:
        SourceError: it cannot be asked, or does not offer that security.
    """
    try:
        endpoint = wanted(config, await offers(config))
    except FAILURES as error:
        raise SourceError(explain(error, config)) from error
    try:
        certificates = chain(endpoint.ServerCertificate or b"")
    except ValueError as error:
        raise SourceError(
            "the server shows no certificate for the security that is wanted: see its own configuration"
        ) from error
    return Shown(certificates, printable(endpoint.Server.ApplicationUri or ""))


async def offers(config: OpcUaSource) -> list[ua.EndpointDescription]:
    """Ask for the endpoints over a connection of its own.

    Raises:
        SourceError, FAILURES: no answer.
    """
    silence_asyncua()
    client = Client(config.url, timeout=config.timeout / SECOND)
    try:
        await reach(client, config)
        await client.send_hello()
        await client.open_secure_channel()
        return await client.get_endpoints()
    finally:
        await close(client)


def wanted(config: OpcUaSource, offered: list[ua.EndpointDescription]) -> ua.EndpointDescription:
    """Find the endpoint with the configured security.

    Raises:
        SourceError: there is none; the message lists those there are.
    """
    policy = SecurityPolicyNone if config.security.mode == "none" else POLICIES[config.security.policy]
    mode = MODES[config.security.mode]
    for endpoint in offered:
        if (endpoint.SecurityMode, endpoint.SecurityPolicyUri) == (mode, policy.URI):
            return endpoint
    there_are = sorted({_offer(each.SecurityMode, each.SecurityPolicyUri) for each in offered})
    raise SourceError(
        f"the server does not offer {_offer(mode, policy.URI)}; it offers {', '.join(there_are) or 'nothing'}: "
        "choose one of these under security, or allow it at the server"
    )


def _offer(mode: ua.MessageSecurityMode, policy: str) -> str:
    word = next((word for word, known in MODES.items() if known == mode), str(mode))
    return word if word == "none" else f"{word} with {printable(policy or '').rpartition('#')[2]}"


async def reach(client: Client, config: OpcUaSource) -> None:
    """Connect the socket, to the first of the host's addresses that answers.

    Raises:
        SourceError: the host's name cannot be resolved.
        OSError: nobody answers.
    """
    url = urlsplit(config.url)
    host, port = url.hostname or "", url.port or 0
    try:
        async with asyncio.timeout(config.timeout / SECOND):
            addresses = await look_up(host, port)
    except TimeoutError:
        raise SourceError(
            f"{host}: the name server does not answer within {format_duration(config.timeout)}: "
            "write the IP address, or mend the DNS"
        ) from None
    before = _cancellations()
    for last, address in enumerate(addresses, 1 - len(addresses)):
        try:
            await client.uaclient.connect_socket(address, port)
        except OSError:
            _heed_cancellation(before)
            if not last:
                raise
        else:
            break
    _heed_cancellation(before)


async def close(client: Client) -> None:
    """Say goodbye, so that the server keeps neither session nor subscription, then hang up."""
    try:
        with suppress(*FAILURES):
            async with asyncio.timeout(_CLOSING):
                await client.close_session()
                if client.uaclient.state is UaClientState.CHANNEL_OPEN:
                    await client.close_secure_channel()  # asyncua fails on one that has no keys yet
    finally:
        client.disconnect_socket()


def _cancellations() -> int:
    """How often this task was cancelled, with what a TaskGroup of an earlier session never took back.

    Before Python 3.13 a group whose child fails while the parent waits for it leaves its own
    cancellation counted (cpython#116720), so only a count that rises means that somebody wants an end.
    """
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _heed_cancellation(before: int) -> None:
    """End a session that was cancelled in the moment in which its socket was connected.

    asyncua connects in `asyncio.wait_for`, which before Python 3.12 forgets a cancellation that comes
    together with the result (cpython#86296): the session would go on, and the agent would never end.

    Raises:
        asyncio.CancelledError: it was.
    """
    if _cancellations() > before:
        raise asyncio.CancelledError
