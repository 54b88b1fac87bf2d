"""One connection to one server: opened step by step, secured as configured, closed whatever happens.

asyncua's `Client.connect` is not used: it starts a watchdog that declares a server lost that answers
in 1.3 s, and a supervisor whose errors nobody sees (seen with 2.1.0). Its steps, which are public, are
taken one by one, so that each failure is told apart and nothing reconnects but the agent's supervisor.

Rules for whoever changes this file: a fresh `Client` for each connection (a used one can hang,
opcua-asyncio#1660); every wait is bounded; what was opened is closed on every way out, for each
session left behind is one less for an S7-1500 (node-red-contrib-opcua#317).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

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
from asyncua.crypto.uacrypto import CertProperties
from asyncua.ua.uaerrors import UaError
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from agent.clock import Clock
from agent.errors import SourceError
from agent.model import SECOND
from agent.sources.opcua.certificates import Identity, check_server, leaf, own_identity, pinned_certificate
from agent.sources.opcua.config import OpcUaSource
from agent.sources.opcua.refusals import explain

FAILURES: Final = (UaError, OSError, InvalidSignature)
"""What asyncua raises for weather; TimeoutError and ConnectionError are OSErrors."""

_CLOSING: Final = 1.5  # seconds for goodbye; a silent server drops the session itself after _SESSION
_SESSION: Final = 60_000  # milliseconds without a request after which the server may drop our session
_LEAST_RENEWAL: Final = 1.0  # seconds, whatever lifetime the server dictates for the channel
_POLICIES: Final[dict[str, type[SecurityPolicy]]] = {
    "Basic256Sha256": SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": SecurityPolicyAes256Sha256RsaPss,
}
_MODES: Final = {
    "none": ua.MessageSecurityMode.None_,
    "sign": ua.MessageSecurityMode.Sign,
    "sign_and_encrypt": ua.MessageSecurityMode.SignAndEncrypt,
}


@dataclass(frozen=True, slots=True)
class _Credentials:
    identity: Identity
    pinned: x509.Certificate


@asynccontextmanager
async def connected(name: str, config: OpcUaSource, clock: Clock) -> AsyncIterator[Client]:
    """Give a client with an active session.

    Raises:
        SourceError: the server cannot be reached, or one of both refuses the other; also for what
            fails within the block, so that all weather is told in the same words.
    """
    client = Client(config.url, timeout=config.timeout / SECOND)
    credentials = None
    try:
        if config.security.mode != "none":
            credentials = await asyncio.to_thread(_credentials, config, clock)
        await _introduce(client, name, config, credentials, clock)
        await _open(client, config, credentials, clock)
        yield client
    except FAILURES as error:
        identity = None if credentials is None else credentials.identity
        raise SourceError(f"{config.url}: {explain(error, config, identity)}") from error
    except SourceError as error:
        raise SourceError(f"{config.url}: {error}") from error.__cause__
    finally:
        await _close(client)


async def keep_channel(client: Client) -> None:
    """Renew the keys of the channel for as long as the session lasts.

    asyncua's own loop ends on the first failure, unseen; here that ends the session. The next
    request uses the new keys.
    """
    while True:
        # At 75 % of the lifetime, as OPC 10000-4, 5.6.2 has it.
        await asyncio.sleep(max(client.secure_channel_timeout / 1000 * 0.75, _LEAST_RENEWAL))
        await client.open_secure_channel(renew=True)


def _credentials(config: OpcUaSource, clock: Clock) -> _Credentials:
    """Read the files. Blocks."""
    if config.security.server_certificate is None:
        raise SourceError("server_certificate is missing")
    identity = own_identity(config.security.pki, clock.wall())
    return _Credentials(identity, pinned_certificate(config.security.server_certificate))


async def _introduce(
    client: Client, name: str, config: OpcUaSource, credentials: _Credentials | None, clock: Clock
) -> None:
    """Set who we are, whom we expect, and how we talk; nothing is sent yet."""
    client.name = "Edge Relay"
    client.description = f"Edge Relay {name}"
    client.application_uri = "urn:edge-relay"
    client.session_timeout = _SESSION
    if credentials is None:
        return

    async def check(presented: x509.Certificate, server: ua.ApplicationDescription) -> None:
        check_server(presented, credentials.pinned, server.ApplicationUri, clock.wall())

    client.application_uri = credentials.identity.application_uri
    client.certificate_validator = check
    # As bytes: given paths, asyncua reads them in worker threads of its own.
    await client.set_security(
        _POLICIES[config.security.policy],
        CertProperties(credentials.identity.certificate, "der"),
        CertProperties(credentials.identity.key, "pem"),
        server_certificate=CertProperties(credentials.pinned.public_bytes(serialization.Encoding.DER), "der"),
        mode=_MODES[config.security.mode],
    )


async def _open(client: Client, config: OpcUaSource, credentials: _Credentials | None, clock: Clock) -> None:
    before = _cancellations()
    await client.connect_socket()
    _heed_cancellation(before)
    try:
        await client.send_hello()
        await client.open_secure_channel()
        await client.create_session()
    except FAILURES:
        await _find_mismatch(config, credentials, clock)
        _heed_cancellation(before)
        raise
    _keep_password(client, config)
    await client.activate_session(
        username=config.user, password=None if config.password is None else config.password.reveal()
    )


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


async def _find_mismatch(config: OpcUaSource, credentials: _Credentials | None, clock: Clock) -> None:
    """See whether the server shows another certificate, or offers no such security.

    A server whose certificate was swapped cannot read what we say, so it is silent or hangs up;
    what it offers is asked without security, as anyone may, and trusted for the message alone.

    Raises:
        SourceError: that is why.
    """
    with suppress(*FAILURES, ValueError):
        endpoints = await Client(
            config.url, timeout=config.timeout / SECOND
        ).connect_and_get_server_endpoints()
        if credentials is not None:
            for shown in {e.ServerCertificate for e in endpoints if e.ServerCertificate}:
                check_server(leaf(shown), credentials.pinned, None, clock.wall())
        policy = SecurityPolicyNone if credentials is None else _POLICIES[config.security.policy]
        wanted = (_MODES[config.security.mode], policy.URI)
        if wanted not in (offers := {(e.SecurityMode, e.SecurityPolicyUri) for e in endpoints}):
            raise SourceError(
                f"the server does not offer {_offer(*wanted)}; it offers "
                f"{', '.join(sorted(_offer(*offer) for offer in offers)) or 'nothing'}: "
                "choose one of these under security, or allow it at the server"
            )


def _offer(mode: ua.MessageSecurityMode, policy: str) -> str:
    word = next((word for word, known in _MODES.items() if known == mode), str(mode))
    return word if word == "none" else f"{word} with {policy.rpartition('#')[2]}"


def _keep_password(client: Client, config: OpcUaSource) -> None:
    """Refuse to send a password in clear over a channel that is only signed.

    The server's token policy decides how it travels (OPC 10000-4, 7.41); asyncua would warn and send.
    """
    if config.password is None or config.security.insecure_password or config.security.mode != "sign":
        return
    if client.server_policy(ua.UserTokenType.UserName).SecurityPolicyUri == SecurityPolicyNone.URI:
        raise SourceError(
            "the server wants the password in clear over a connection that is not encrypted: "
            "use mode sign_and_encrypt, or accept that with insecure_password: true"
        )


async def _close(client: Client) -> None:
    """Say goodbye, so that the server keeps neither session nor subscription, then hang up."""
    try:
        with suppress(*FAILURES):
            async with asyncio.timeout(_CLOSING):
                await client.close_session()
                if client.uaclient.state is UaClientState.CHANNEL_OPEN:
                    await client.close_secure_channel()  # asyncua fails on one that has no keys yet
    finally:
        client.disconnect_socket()
