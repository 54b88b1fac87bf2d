"""Why no answer came, for a person: the step that failed, and what to look at.

Rules for whoever changes this: an exception's own text is not repeated, for aiohttp's contain the
whole address, whose query may be a secret; host and port are named. What is the proxy's, or our own,
says so: it is never charged to an event.
"""

import errno
import os
import ssl
from dataclasses import dataclass, replace
from typing import Final

import aiohttp

from agent.http.network import CONNECT_SECONDS, ForbiddenAddressError
from agent.http.proxy import Way
from agent.http.trust import PinError
from agent.model import Blocked

_TOO_LATE: Final = (10,)  # X509_V_ERR_CERT_HAS_EXPIRED, of OpenSSL
_UNKNOWN: Final = (18, 19, 20, 21)  # it signs itself, or nobody who is trusted has signed it
_ANOTHERS: Final = (62, 63, 64)  # it is for another name or address
_SHOW_ONE: Final = "if it asks for a certificate, write tls: {certificate: FILE, key: FILE}"
_REMEDIES: Final = {
    errno.ECONNREFUSED: "check that it runs, and the port",
    errno.ENETUNREACH: "check this machine's network",
    errno.EHOSTUNREACH: "check this machine's network, and the host",
}
_MAY_PASS: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Failure:
    """What an attempt without an answer failed of.

    Attributes:
        why: for a person.
        unsent: nothing of the message has left.
        blocked: see `agent.model.NoAnswer`.
    """

    why: str
    unsent: bool = False
    blocked: Blocked | None = None


def explain(error: aiohttp.ClientError, way: Way) -> Failure:
    """Say what a request failed of."""
    if way.proxy is not None and (failure := _of_proxy(error, way)) is not None:
        return failure
    match error:
        case aiohttp.ClientConnectorDNSError(os_error=cause):
            why = f"DNS: {_not_found(error, cause)}: check the name and the resolver"
        case aiohttp.ClientConnectorCertificateError(certificate_error=refusal):
            why = f"TLS: the certificate of {error.host} is not accepted ({_refusal(refusal)}"
        case aiohttp.ClientConnectorSSLError(os_error=cause):
            reason = getattr(cause, "reason", None) or cause.strerror or "the handshake failed"
            place = f"{error.host}:{error.port}"
            # An alert is the receiver's own word; it has none for "your certificate, please" before TLS 1.3.
            remedy = _SHOW_ONE if "ALERT" in reason else "check the port, and http or https"
            why = f"TLS: no secure connection with {place} ({reason}): {remedy}"
        case aiohttp.ClientConnectorError(os_error=ConnectionResetError(errno=None)):
            why = f"TLS: {error.host}:{error.port} hung up in the handshake: check the port; {_SHOW_ONE}"
        case aiohttp.ClientConnectorError(os_error=cause):
            # Two addresses that failed of different things have one error between them, without a number.
            why = f"connect: {error.host}:{error.port}: {_reason(cause, 'none of its addresses answers')}"
        case aiohttp.ConnectionTimeoutError():
            why = (
                f"connect: no answer within {CONNECT_SECONDS} s: check the host, and the firewalls on the way"
            )
        case _:
            return Failure(_of_connection(error, way))
    return Failure(why, unsent=True)


def _of_connection(error: aiohttp.ClientError, way: Way) -> str:
    """What went wrong when there was a connection: the message may have arrived."""
    who = f"the receiver, or the proxy {way.via} before it," if way.proxy is not None else "the receiver"
    match error:
        case aiohttp.ServerDisconnectedError():
            return f"{who} closed the connection before it answered"
        case aiohttp.ClientOSError(__cause__=ssl.SSLError(reason=str(reason))):
            return f"TLS: the receiver ended the connection ({reason}): {_SHOW_ONE}"
        case aiohttp.ClientOSError(errno=None) if way.encrypted:
            return f"TLS: the receiver ended the connection while we sent: {_SHOW_ONE}"
        case aiohttp.ClientOSError():
            return f"the connection broke: {_reason(error, 'closed while we sent')}"
        case aiohttp.ClientResponseError():
            return "the answer is not HTTP: check the port, and http or https"
        case _:
            return f"the attempt failed ({type(error).__name__})"


def _of_proxy(error: aiohttp.ClientError, way: Way) -> Failure | None:
    """What is the proxy's own; None: it is not."""
    match error:
        case aiohttp.ClientHttpProxyError(status=status):
            why = f"the proxy {way.via} answered {status} when it was asked for {way.target}"
            if status >= 500 or status in _MAY_PASS:  # noqa: PLR2004 - speaks in statuses
                return Failure(f"{why}: it does not reach it", unsent=True, blocked=Blocked.WEATHER)
            why = f"{why}: check `proxy`, and what the proxy allows"
            return Failure(why, unsent=True, blocked=Blocked.CONFIGURATION)
        case aiohttp.ClientConnectorDNSError(os_error=cause):
            why = f"the proxy's DNS: {_not_found(error, cause)}: check `proxy` and the resolver"
        case aiohttp.ClientProxyConnectionError(os_error=cause):
            why = f"connect to the proxy: {way.via}: {_reason(cause, 'none of its addresses answers')}"
        case aiohttp.ConnectionTimeoutError():
            why = f"connect: no answer from the proxy {way.via}, or by it, within {CONNECT_SECONDS} s"
        case _:
            return None
    return Failure(why, unsent=True, blocked=Blocked.WEATHER)


def of_token_endpoint(failure: Failure, place: str) -> Failure:
    """The same of a request for a token: nothing was sent to the receiver, and no event has a part in it."""
    return replace(
        failure,
        why=f"no token from {place} (auth: oauth2): {failure.why}",
        unsent=True,
        blocked=failure.blocked or Blocked.WEATHER,
    )


def _not_found(error: aiohttp.ClientConnectorError, cause: OSError) -> str:
    return f"{error.host} is not found ({cause.strerror or cause})"


def _refusal(refusal: Exception) -> str:
    """Why a certificate is not accepted, the bracket's end, and what to do about it."""
    if isinstance(refusal, PinError):
        remedy = (
            "compare them with those of the receiver's people, and write the right one as tls: {pin: ...}"
        )
        return f"none of its keys is pinned; they are {refusal.shown}): {remedy}"
    code = getattr(refusal, "verify_code", None)
    remedy = "check the clock, the host in `url`, and whom this machine trusts"
    if code in _TOO_LATE:
        remedy = "check the clock, and have the receiver's certificate renewed"
    elif code in _UNKNOWN:
        remedy = "name the PEM file of the authority that signed it as tls: {ca: FILE}"
    elif code in _ANOTHERS:
        remedy = "write `url` with a name that the certificate has"
    return f"{getattr(refusal, 'verify_message', '') or 'it cannot be verified'}): {remedy}"


def _reason(cause: OSError, without_number: str) -> str:
    if isinstance(cause, ForbiddenAddressError):
        return str(cause.strerror)
    if not cause.errno:
        return without_number
    remedy = _REMEDIES.get(cause.errno)
    return os.strerror(cause.errno) + (f": {remedy}" if remedy else "")
