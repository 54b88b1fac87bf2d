"""What is told when a NATS server cannot be reached, refuses, or hangs up: cause and remedy.

Rules for whoever changes this file: pure functions; every text names the cause and the remedy; none
holds a password, a token or a key (a user's name it may).
"""

import os
import ssl

from agent.delivery.said import Said
from agent.nats.servers import NatsSection
from agent.server_url import ServerUrl


def turned_away(config: NatsSection, text: str, subject: str) -> Said | None:
    """What an `-ERR` means, where it is an answer; None: it is the end of a connection and no more."""
    word = text.lower()
    if "permissions violation" in word:
        if "subscription" in word:
            remedy = (
                f"allow it to subscribe to {config.inbox_prefix}.>, where acknowledgements come back, "
                "or name its own as inbox_prefix:"
            )
        else:
            remedy = f"allow it to publish to {subject}"
        return Said(403, f"{_who(config)} may not do this ({text}): {remedy}")
    if "authorization violation" in word or "authentication" in word:
        return Said(401, f"{_who(config)} is refused ({text}): {_log_in(config)}")
    if "maximum payload" in word:
        return Said(413, f"the server refuses the event ({text}): raise its max_payload")
    if "maximum" in word and "connections" in word:
        return Said(503, f"the server takes no more connections ({text}): raise its limit")
    return None


def _who(config: NatsSection) -> str:
    if config.user:
        return f"user {config.user!r}"
    if config.token:
        return "whoever has this `token`"
    if config.nkey or config.credentials:
        return f"the user of this `{'nkey' if config.nkey else 'credentials'}`"
    return "a client without a login"


def _log_in(config: NatsSection) -> str:
    if config.user or config.token:
        return f"check `{'user` and `password' if config.user else 'token'}`"
    if config.nkey or config.credentials:
        return "check that the account knows this user, and that it has not expired"
    return "write user: and password:, token:, nkey: or credentials:"


def not_connected(server: ServerUrl, config: NatsSection, error: OSError) -> str:
    """Say why there is no connection with a server."""
    match error:
        case ssl.SSLCertVerificationError():
            ca = config.tls.ca if config.tls else None
            whom = (
                f"the authority in {ca}"
                if ca
                else "the system's authorities; name another as tls: {ca: FILE}"
            )
            return (
                f"TLS: the certificate of {server.host} is not accepted ({error.verify_message}): "
                f"check the clock, the host in `servers`, and {whom}"
            )
        case ssl.SSLError():
            why = (error.reason or error.strerror or "the handshake failed").lower().replace("_", " ")
            return (
                f"TLS: no secure connection with {server} ({why}): check the port, "
                "and whether it asks for a client certificate (tls: {certificate: FILE, key: FILE})"
            )
        case ConnectionResetError() | ConnectionAbortedError() if server.tls:
            return f"TLS: no secure connection with {server} (it hung up): check the port"
        case ConnectionRefusedError():
            return f"connect: {server}: connection refused: check that the server is running, and the port"
        case _:
            why = os.strerror(error.errno) if error.errno else "no connection"
            return f"connect: {server}: {why}: check network, address and port"


def no_tls(server: ServerUrl) -> str:
    """A server that offers no TLS, where nothing goes without."""
    return f"TLS: no secure connection with {server} (it offers none): check the port, or write nats://"


def hung_up(server: ServerUrl, config: NatsSection) -> str:
    """A server that ends a secure connection instead of greeting us."""
    if config.tls and config.tls.certificate:
        remedy = "check that it trusts the certificate in tls: certificate:"
    else:
        remedy = "check whether it asks for a client certificate (tls: {certificate: FILE, key: FILE})"
    return f"TLS: {server} ended the secure connection before it greeted: {remedy}"


def no_nats(server: ServerUrl) -> str:
    """Whoever listens there."""
    return f"connect: what listens at {server} does not speak NATS: check `servers`"
