"""A real server, secured: who gets in, who is kept out, and what the engineer is told."""

import asyncio

import pytest
from asyncua import ua
from cryptography import x509
from rigs.opcua_server import make_certificate
from rigs.opcua_session import SkewedClock, configure, watching

from agent.clock import SystemClock
from agent.sources.opcua.certificates import thumbprint
from agent.sources.opcua.connection import connected, keep_channel
from agent.sources.opcua.identity import own_identity

YEAR = 365 * 86_400


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return tmp_path_factory.mktemp("pki")


@pytest.fixture
def secured(plant, pki):
    """The security that fits the server."""
    return {"server_certificate": str(plant.certificate), "pki": str(pki)}


@pytest.fixture(scope="module", autouse=True)
def _node(plant):
    plant.add("secured", 7.0)


async def refused(plant, security, **more: object):
    clock = more.pop("clock", None)
    async with watching(configure(plant.url, "secured", security=security, **more), clock=clock) as watch:
        message = await watch.error()
        assert not watch.seen, "something was emitted over a connection that was refused"
    return message


@pytest.mark.parametrize(
    ("mode", "policy"),
    [
        ("sign_and_encrypt", "Basic256Sha256"),
        ("sign", "Basic256Sha256"),
        ("sign_and_encrypt", "Aes128_Sha256_RsaOaep"),
        ("sign_and_encrypt", "Aes256_Sha256_RsaPss"),
    ],
)
async def test_every_policy_reads(plant, secured, mode, policy):
    """All three policies work, with user and password, and leave no session behind."""
    security = secured | {"mode": mode, "policy": policy}
    config = configure(plant.url, "secured", security=security, user="relay", password="right")
    with plant.wanting_user():
        async with watching(config) as watch:
            await watch.until(lambda: watch.values("secured") == [7.0])

    assert (plant.sessions, plant.subscriptions) == (0, 0)


async def test_the_keys_of_the_channel_are_renewed(plant, secured):
    """A session outlives the lifetime of its keys; asyncua's own renewal ends unseen on a failure."""
    async with connected(
        "boiler", configure(plant.url, "secured", security=secured), SystemClock()
    ) as client:
        channel = client.uaclient.protocol._connection
        client.secure_channel_timeout = 1000
        renewal = asyncio.create_task(keep_channel(client))
        first = channel.security_token.TokenId
        async with asyncio.timeout(8):
            while channel.security_token.TokenId < first + 2:
                assert await client.get_node("i=2259").read_value() == 0  # the server's state: running
                await asyncio.sleep(0.05)
        renewal.cancel()


@pytest.mark.parametrize("mode", ["sign", "sign_and_encrypt"])
async def test_a_server_with_another_certificate_is_refused(plant, secured, tmp_path, mode):
    """Swapped, or an impostor: asyncua without a validator connected to it. Both thumbprints are shown."""
    make_certificate(tmp_path / "boiler.der", tmp_path / "key.pem", "urn:plant:boiler:server")
    pinned = {"server_certificate": str(tmp_path / "boiler.der"), "mode": mode}

    message = await refused(plant, secured | pinned, timeout="500ms")

    for file in (plant.certificate, tmp_path / "boiler.der"):
        assert thumbprint(x509.load_der_x509_certificate(file.read_bytes())) in message
    assert "if the server's certificate was replaced on purpose, put the new one into that file" in message


@pytest.mark.parametrize("years", [-10, 30])
async def test_a_server_whose_certificate_is_not_valid_now_is_refused(plant, secured, years):
    """Not yet, or no more: the clock is shown beside the validity, for it may be the one that is wrong."""
    message = await refused(plant, secured, clock=SkewedClock(years * YEAR))

    assert (
        "it is valid from 2020-01-01 00:00 to 2050-01-01 00:00 UTC and this machine's clock says" in message
    )


async def test_a_server_that_calls_itself_otherwise_is_refused(plant, secured):
    """The application URI must stand in the certificate (BadCertificateUriInvalid)."""
    with plant.calling_itself("urn:somebody:else"):
        message = await refused(plant, secured)

    assert "the server calls itself urn:somebody:else (BadCertificateUriInvalid)" in message


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (ua.StatusCodes.BadCertificateUntrusted, "add it to the trusted certificates of the server: {own}"),
        (ua.StatusCodes.BadCertificateUriInvalid, "trust this very certificate there: {own}"),
        (ua.StatusCodes.BadCertificateTimeInvalid, "set the clocks of server and agent"),
    ],
)
async def test_a_server_that_refuses_our_certificate(plant, secured, pki, status, expected):
    """The message has the thumbprint and the file that the server must be told to trust."""
    with plant.refusing_clients(status):
        message = await refused(plant, secured)

    assert expected.format(own=own_identity(pki, 0).told) in message
    assert str(pki / "own/certificate.der") in message


async def test_security_that_the_server_does_not_offer(plant, secured):
    """What it offers is listed."""
    message = await refused(
        plant, secured | {"mode": "sign", "policy": "Aes256_Sha256_RsaPss"}, timeout="500ms"
    )

    assert (
        "does not offer sign with Aes256_Sha256_RsaPss; it offers none, sign with Basic256Sha256" in message
    )


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        (
            {"user": "relay", "password": "wrong-canary"},
            "BadUserAccessDenied: the server refuses user 'relay'",
        ),
        ({}, "BadUserAccessDenied: the server refuses a client without user: check user and password"),
    ],
)
async def test_wrong_credentials(plant, secured, credentials, expected):
    """The user is named, the password never; the refused session is closed, not left to time out."""
    with plant.wanting_user():
        message = await refused(plant, secured, **credentials)

    assert expected in message
    assert "canary" not in message
    assert plant.sessions == 0


async def test_a_password_in_clear_is_not_sent_over_a_signed_connection(plant, secured):
    """The server's token policy asks for it in clear; asyncua warns, and sends it."""
    tokens = [
        token
        for endpoint in plant.server.iserver.endpoints
        for token in endpoint.UserIdentityTokens
        if endpoint.SecurityMode == ua.MessageSecurityMode.Sign
        and token.TokenType == ua.UserTokenType.UserName
    ]
    before = [token.SecurityPolicyUri for token in tokens]
    for token in tokens:
        token.SecurityPolicyUri = "http://opcfoundation.org/UA/SecurityPolicy#None"
    try:
        message = await refused(plant, secured | {"mode": "sign"}, user="relay", password="right")
    finally:
        for token, uri in zip(tokens, before, strict=True):
            token.SecurityPolicyUri = uri

    assert "wants the password in clear over a connection that is not encrypted" in message


async def test_an_insecure_password_works_where_it_is_accepted(plant):
    """Old servers have nothing else."""
    security = {"mode": "none", "insecure_password": True}
    with plant.wanting_user():
        config = configure(plant.url, "secured", security=security, user="relay", password="right")
        async with watching(config) as watch:
            await watch.until(lambda: watch.values("secured") == [7.0])


async def test_a_missing_certificate_file_is_told(plant, secured, tmp_path):
    """Before anything is sent."""
    message = await refused(plant, secured | {"server_certificate": str(tmp_path / "boiler.der")})

    assert "cannot read server_certificate" in message
    assert message.startswith(plant.url)
