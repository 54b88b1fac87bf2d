"""Why a server could not be read, in the words of who must mend it.

Rules for whoever changes this file: cause, then remedy; certificates by thumbprint and file; never
a password, and never asyncua's own text of an endpoint (it prints whole certificates).
"""

from typing import Final

from asyncua.ua.status_codes import StatusCodes, get_name_and_doc
from asyncua.ua.uaerrors import UaStatusCodeError
from cryptography.exceptions import InvalidSignature

from agent.config.fields import format_duration
from agent.sources.opcua.config import OpcUaSource
from agent.sources.opcua.identity import Identity, UserIdentity

_USER: Final = "the server refuses {user}: check {login} of this source, and its rights at the server"
_CERTIFICATE: Final = "the server refuses this agent's certificate: add it to the trusted certificates of the server: {certificate}"
_FULL: Final = "the server takes no more clients: close another one, or wait until it drops old sessions"
_ADVICE: Final = {
    StatusCodes.BadUserAccessDenied: _USER,
    StatusCodes.BadIdentityTokenRejected: _USER,
    StatusCodes.BadIdentityTokenInvalid: _USER,
    StatusCodes.BadCertificateUntrusted: _CERTIFICATE,
    StatusCodes.BadSecurityChecksFailed: _CERTIFICATE,
    StatusCodes.BadCertificateInvalid: _CERTIFICATE,
    StatusCodes.BadCertificateRevoked: _CERTIFICATE,
    StatusCodes.BadCertificateUseNotAllowed: _CERTIFICATE,
    StatusCodes.BadCertificateUriInvalid: (
        "the server knows another application URI than {uri}: trust this very certificate there: {certificate}"
    ),
    StatusCodes.BadCertificateTimeInvalid: (
        "by the server's clock this agent's certificate is not valid: set the clocks of server and agent; "
        "if it has expired, remove certificate and key to have new ones made: {certificate}"
    ),
    StatusCodes.BadInvalidTimestamp: (
        "the clocks of server and agent are too far apart: set them, best by a time server for both"
    ),
    StatusCodes.BadTooManySessions: _FULL,
    StatusCodes.BadMaxConnectionsReached: _FULL,
    StatusCodes.BadTooManySubscriptions: _FULL,
    StatusCodes.BadTcpServerTooBusy: _FULL,
}


def explain(  # noqa: PLR0911 - a table
    error: Exception, config: OpcUaSource, identity: Identity | None = None, user: UserIdentity | None = None
) -> str:
    """Say what a failure means and what to do; `identity` is None where the connection is not secured."""
    match error:
        case UaStatusCodeError():
            return _explain_status(error.code, config, identity, user)
        case ConnectionRefusedError():
            return "nothing answers at this address and port: check that the OPC UA server runs, and its port"
        case TimeoutError():
            return (
                f"no answer within {format_duration(config.timeout)}: check power, cable and firewall; "
                "if the server is slow, raise timeout"
            )
        case ConnectionError() if identity is not None:
            return (
                "the server closed the connection: see its own log; it may not trust this agent's "
                f"certificate yet: {identity.told}"
            )
        case ConnectionError():
            return "the server closed the connection: see its own log, and that the port is its OPC UA port"
        case InvalidSignature():
            return "the server did not sign with the key of its certificate: somebody may stand in between"
    reason = error.strerror if isinstance(error, OSError) else None
    return f"{reason or error}: check the address, the network and the server's own log"


def _explain_status(
    code: int, config: OpcUaSource, identity: Identity | None, user: UserIdentity | None
) -> str:
    name, meaning = get_name_and_doc(code)
    if (advice := _ADVICE.get(code)) is None:
        return f"{name}: {meaning}"
    whom, login = "a client without user", "user and password"
    if user is not None:
        whom, login = f"the user certificate {user.told}", "user_certificate"
    elif config.user:
        whom = f"user {config.user!r}"
    words = advice.format(
        user=whom,
        login=login,
        certificate=identity.told if identity else "none is in use",
        uri=identity.application_uri if identity else "none",
    )
    return f"{name}: {words}"
