"""What a failure means, in the words of who must mend it."""

import errno
import socket

import pytest
from asyncua import ua
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from cryptography.exceptions import InvalidSignature
from rigs.opcua_session import configure

from agent.sources.opcua.identity import Identity, UserIdentity
from agent.sources.opcua.refusals import explain

IDENTITY = Identity(b"", b"", "urn:plant-pc:edge-relay", "9F3C0A11 (/pki/own/certificate.der)")
CONFIG = configure("opc.tcp://plc", "x", timeout="5s")


@pytest.mark.parametrize(
    ("error", "identity", "expected"),
    [
        (ConnectionRefusedError(), None, "nothing answers at this address and port"),
        (TimeoutError(), None, "no answer within 5s: check power, cable and firewall"),
        (
            ConnectionResetError(),
            None,
            "the server closed the connection: see its own log, and that the port",
        ),
        (ConnectionError(), IDENTITY, "may not trust this agent's certificate yet: 9F3C0A11 (/pki/own/"),
        (
            socket.gaierror(-2, "Name or service not known"),
            None,
            "Name or service not known: check the address",
        ),
        (OSError(errno.EHOSTUNREACH, "No route to host"), None, "No route to host: check the address"),
        (InvalidSignature(), IDENTITY, "the server did not sign with the key of its certificate"),
        (UaError("Server certificate mismatch"), IDENTITY, "Server certificate mismatch: check"),
        (UaStatusCodeError(ua.StatusCodes.BadTooManySessions), None, "the server takes no more clients"),
        (UaStatusCodeError(ua.StatusCodes.BadUserAccessDenied), None, "refuses a client without user"),
        (
            UaStatusCodeError(ua.StatusCodes.BadCertificateUntrusted),
            IDENTITY,
            "trusted certificates of the server",
        ),
        (UaStatusCodeError(ua.StatusCodes.BadCertificateUriInvalid), IDENTITY, "urn:plant-pc:edge-relay"),
        (UaStatusCodeError(ua.StatusCodes.BadCertificateTimeInvalid), IDENTITY, "set the clocks"),
        (
            UaStatusCodeError(ua.StatusCodes.BadInvalidTimestamp),
            IDENTITY,
            "the clocks of server and agent are too far apart: set them",
        ),
        (UaStatusCodeError(ua.StatusCodes.BadOutOfMemory), None, "BadOutOfMemory: Not enough memory"),
    ],
)
def test_explain(error, identity, expected):
    """Cause and remedy, and the status by the name that tools show.

    Clocks that differ are called so, and not an invalid endpoint (node-red-contrib-opcua#595, node-opcua#1435).
    """
    assert expected in explain(error, CONFIG, identity)


def test_a_refused_user_certificate_is_named():
    """With its file, for it is what the server must be told to take."""
    user = UserIdentity(None, None, "AB12 (/etc/relay.der)")
    refused = UaStatusCodeError(ua.StatusCodes.BadIdentityTokenRejected)

    assert explain(refused, CONFIG, IDENTITY, user) == (
        "BadIdentityTokenRejected: the server refuses the user certificate AB12 (/etc/relay.der): "
        "check user_certificate of this source, and its rights at the server"
    )
