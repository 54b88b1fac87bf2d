"""Why no answer came, for a person: the step that failed, and what to look at.

Rules for whoever changes this: an exception's own text is not repeated, for aiohttp's contain the
whole address, whose query may be a secret; host and port are named.
"""

import os

import aiohttp

from agent.destinations.webhook.network import CONNECT_SECONDS, ForbiddenAddressError


def explain(error: aiohttp.ClientError) -> str:  # noqa: PLR0911 - a table, a row for each kind
    """Say what an attempt failed of."""
    match error:
        case aiohttp.ClientConnectorDNSError(os_error=cause):
            return (
                f"DNS: {error.host} is not found ({cause.strerror or cause}): check the name and the resolver"
            )
        case aiohttp.ClientConnectorCertificateError(certificate_error=refusal):
            reason = getattr(refusal, "verify_message", "") or "it cannot be verified"
            look_at = "check the clock, the host in `url`, and whom this machine trusts"
            return f"TLS: the certificate of {error.host} is not accepted ({reason}): {look_at}"
        case aiohttp.ClientConnectorSSLError(os_error=cause):
            reason = getattr(cause, "reason", None) or cause.strerror or "the handshake failed"
            place = f"{error.host}:{error.port}"
            return f"TLS: no secure connection with {place} ({reason}): check the port, and http or https"
        case aiohttp.ClientConnectorError(os_error=cause):
            # Two addresses that failed of different things have one error between them, without a number.
            return f"connect: {error.host}:{error.port}: {_reason(cause, 'none of its addresses answers')}"
        case aiohttp.ConnectionTimeoutError():
            return f"connect: no answer within {CONNECT_SECONDS} s"
        case aiohttp.ServerDisconnectedError():
            return "the receiver closed the connection before it answered"
        case aiohttp.ClientOSError():
            return f"the connection broke: {_reason(error, 'closed while we sent')}"
        case aiohttp.ClientResponseError():
            return "the answer is not HTTP: check the port, and http or https"
        case _:
            return f"the attempt failed ({type(error).__name__})"


def _reason(cause: OSError, without_number: str) -> str:
    if isinstance(cause, ForbiddenAddressError):
        return str(cause.strerror)
    return os.strerror(cause.errno) if cause.errno else without_number
