"""One connection to one server: opened step by step, secured as configured, closed whatever happens.

asyncua's `Client.connect` is not used: it starts a watchdog that declares a server lost that answers
in 1.3 s, and a supervisor whose errors nobody sees (seen with 2.1.0). Its steps, which are public, are
taken one by one, so that each failure is told apart and nothing reconnects but the agent's supervisor.
asyncua also checks no server certificate unless it is given a validator, and connects to anyone (seen
with 2.1.0): here a channel is keyed to a certificate that was checked, and checked again before anything
secret is sent.

Rules for whoever changes this file: a fresh `Client` for each connection (a used one can hang,
opcua-asyncio#1660); every wait is bounded; what was opened is closed on every way out, for each
session left behind is one less for an S7-1500 (node-red-contrib-opcua#317).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.crypto.uacrypto import CertProperties
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from agent.clock import Clock
from agent.config.fields import format_duration
from agent.errors import SourceError
from agent.model import SECOND
from agent.sources.opcua.certificates import (
    chain,
    check_application,
    check_pinned,
    check_validity,
    load_certificate,
)
from agent.sources.opcua.config import OpcUaSource
from agent.sources.opcua.discovery import (
    FAILURES,
    MODES,
    POLICIES,
    close,
    offers,
    reach,
    shown,
    silence_asyncua,
    wanted,
)
from agent.sources.opcua.identity import Identity, UserIdentity, own_identity, user_identity
from agent.sources.opcua.refusals import explain
from agent.sources.opcua.trust import TrustStore, expiring

_log: Final = logging.getLogger(__name__)

# Milliseconds without a request after which the server may drop our session: each cut of the line leaves
# one behind for so long, and small servers have room for ten.
_SESSION: Final = 30_000
_LATE_ANSWER: Final = 1.0  # seconds for the answer to a login that nobody wants any more
_LEAST_RENEWAL: Final = 1.0  # seconds, whatever lifetime the server dictates for the channel
_LOGINS: Final = {
    ua.UserTokenType.Anonymous: "anonymous",
    ua.UserTokenType.UserName: "user name and password",
    ua.UserTokenType.Certificate: "user certificate",
}


@asynccontextmanager
async def connected(name: str, config: OpcUaSource, clock: Clock) -> AsyncIterator[Client]:
    """Give a client with an active session.

    Raises:
        SourceError: the server cannot be reached, or one of both refuses the other; also for what
            fails within the block, so that all weather is told in the same words.
    """
    silence_asyncua()
    client = Client(config.url, timeout=config.timeout / SECOND)
    client.name = "Edge Relay"
    client.description = f"Edge Relay {name}"
    client.application_uri = "urn:edge-relay"
    client.session_timeout = _SESSION
    guard = None
    try:
        if config.security.mode != "none":
            guard = await _guard(name, config, clock)
            await guard.secure(client)
        await _open(client, config, guard)
        if guard is not None:
            for warning in await asyncio.to_thread(expiring, config, clock.wall(), guard.peer):
                _log.warning("%s: %s", name, warning)
        yield client
    except FAILURES as error:
        identities = (None, None) if guard is None else (guard.identity, guard.user)
        raise SourceError(f"{config.url}: {explain(error, config, *identities)}") from error
    except SourceError as error:
        raise SourceError(f"{config.url}: {error}") from error.__cause__
    finally:
        await close(client)


async def keep_channel(client: Client) -> None:
    """Renew the keys of the channel for as long as the session lasts.

    asyncua's own loop ends on the first failure, unseen; here that ends the session. The next
    request uses the new keys.
    """
    while True:
        # At 75 % of the lifetime, as OPC 10000-4, 5.6.2 has it.
        await asyncio.sleep(max(client.secure_channel_timeout / 1000 * 0.75, _LEAST_RENEWAL))
        await client.open_secure_channel(renew=True)


@dataclass(frozen=True, slots=True)
class _Guard:
    """Who we are on a secured connection, and whom we take for the server.

    Attributes:
        name, config, clock: of the source.
        identity: this agent.
        user: in whose name the server is read, if that is a certificate.
        pinned: the only server that is taken; None: the trust store decides.
        issuers: what the server sends along with its certificate.
        peer: the server's certificate, which was checked.
    """

    name: str
    config: OpcUaSource
    clock: Clock
    identity: Identity
    user: UserIdentity | None
    pinned: bool
    peer: x509.Certificate
    issuers: list[x509.Certificate]

    async def secure(self, client: Client) -> None:
        """Set who we are, whom we expect, and how we talk; nothing is sent yet."""
        client.application_uri = self.identity.application_uri
        client.certificate_validator = self._check_again
        # As bytes: given paths, asyncua reads them in worker threads of its own.
        await client.set_security(
            POLICIES[self.config.security.policy],
            CertProperties(self.identity.certificate, "der"),
            CertProperties(self.identity.key, "pem"),
            server_certificate=CertProperties(self.peer.public_bytes(serialization.Encoding.DER), "der"),
            mode=MODES[self.config.security.mode],
        )

    async def _check_again(self, presented: x509.Certificate, server: ua.ApplicationDescription) -> None:
        """Check what the session was answered with, over a channel that only its owner could read."""
        if self.pinned:
            check_pinned(presented, self.peer)
            check_validity(presented, self.clock.wall())
        else:
            await _check_trusted(self.name, self.config, [presented, *self.issuers], self.clock)
        check_application(presented, server.ApplicationUri)


async def _guard(name: str, config: OpcUaSource, clock: Clock) -> _Guard:
    """Read the files, and find out whom to key the channel to."""
    security, key = config.security, config.user_key
    identity = await asyncio.to_thread(own_identity, security.pki, clock.wall())
    user = None
    if config.user_certificate is not None and key is not None:
        user = await asyncio.to_thread(user_identity, config.user_certificate, key)
    if (file := security.server_certificate) is not None:
        peer = await asyncio.to_thread(load_certificate, file, "server_certificate")
        return _Guard(name, config, clock, identity, user, pinned=True, peer=peer, issuers=[])
    server = await shown(config)
    await _check_trusted(name, config, server.certificates, clock)
    check_application(server.certificates[0], server.application_uri)
    peer, *issuers = server.certificates
    return _Guard(name, config, clock, identity, user, pinned=False, peer=peer, issuers=issuers)


async def _check_trusted(
    name: str, config: OpcUaSource, certificates: list[x509.Certificate], clock: Clock
) -> None:
    host = urlsplit(config.url).hostname or ""
    store = TrustStore(config.security.pki)
    await asyncio.to_thread(store.check, certificates, host, name, clock.wall())


async def _open(client: Client, config: OpcUaSource, guard: _Guard | None) -> None:
    await reach(client, config)
    try:
        await client.send_hello()
        await client.open_secure_channel()
        await _answered(client.create_session())
    except FAILURES as error:
        await _find_mismatch(config, guard)
        if guard is not None and not guard.pinned and isinstance(error, TimeoutError):
            raise SourceError(
                f"no answer within {format_duration(config.timeout)} over the secured connection, though the server "
                "answers without security: it may not trust this agent's certificate yet "
                f"({guard.identity.told}), or lack the key of the certificate that it shows: see its own log"
            ) from error
        raise
    _check_login(client, config)
    user = None if guard is None else guard.user
    client.user_private_key = None if user is None else user.key
    await _answered(
        client.activate_session(
            username=config.user,
            password=None if config.password is None else config.password.reveal(),
            certificate=None if user is None else user.certificate,
        )
    )


async def _answered(step: Coroutine[object, object, object]) -> None:
    """Take a step of the login; cancelled meanwhile, wait for its answer before anything is closed.

    Without the token that CreateSession answers nobody can close the session that the server has made, and
    one that is closed while it is activated has brought a server down (both seen with node-opcua).
    """
    asked = asyncio.create_task(step, name="opcua: login")
    try:
        await asyncio.shield(asked)
    except asyncio.CancelledError:
        with suppress(*FAILURES):
            async with asyncio.timeout(_LATE_ANSWER):
                await asked
        raise


async def _find_mismatch(config: OpcUaSource, guard: _Guard | None) -> None:
    """See whether the server shows another certificate, or offers no such security.

    A server whose certificate was swapped cannot read what we say, so it is silent or hangs up;
    what it offers is asked without security, as anyone may, and trusted for the message alone.

    Raises:
        SourceError: that is why.
    """
    if guard is not None and not guard.pinned:
        return  # it was asked a moment ago
    with suppress(*FAILURES, ValueError):
        endpoints = await offers(config)
        for certificate in {each.ServerCertificate for each in endpoints if each.ServerCertificate}:
            if guard is not None:
                check_pinned(chain(certificate)[0], guard.peer)
                check_validity(guard.peer, guard.clock.wall())
        wanted(config, endpoints)


def _check_login(client: Client, config: OpcUaSource) -> None:
    """Refuse to log in where the server takes no such login, or where a password could be read.

    The server's token policy decides how it travels (OPC 10000-4, 7.41); asyncua would warn and send.
    """
    kind = ua.UserTokenType.Anonymous
    if config.user_certificate is not None:
        kind = ua.UserTokenType.Certificate
    elif config.user is not None:
        kind = ua.UserTokenType.UserName
    offered = {policy.TokenType for policy in client._policy_ids or ()}  # noqa: SLF001 - asyncua has no word for it
    if offered and kind not in offered:
        logins = ", ".join(_LOGINS.get(each, each.name) for each in sorted(offered))
        raise SourceError(
            f"the server does not take this login, {_LOGINS[kind]}; it takes: {logins}: write one of these, or "
            "allow this one at the server"
        )
    if config.password is None or config.security.insecure_password or config.security.mode != "sign":
        return
    if client.server_policy(ua.UserTokenType.UserName).SecurityPolicyUri == SecurityPolicyNone.URI:
        raise SourceError(
            "the server wants the password in clear over a connection that is not encrypted: "
            "use mode sign_and_encrypt, or accept that with insecure_password: true"
        )
