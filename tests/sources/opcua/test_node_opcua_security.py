"""Who gets in, where the server that looks at our certificate, signature and password shares no code with us."""

import logging

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from rigs.node_opcua import PASSWORD, USER
from rigs.opcua_server import make_certificate
from rigs.opcua_session import configure, refused, watching


@pytest.mark.parametrize("mode", ["sign", "sign_and_encrypt"])
@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"])
async def test_a_server_that_trusts_us_is_read_with_every_security(stranger, trusted, mode, policy):
    """The server is the one that checks our signatures, our certificate and our password."""
    security = trusted | {"mode": mode, "policy": policy}
    config = configure(stranger.url, "Boolean", security=security, user=USER, password=PASSWORD)
    async with watching(config) as watch:
        await watch.until(lambda: watch.values("Boolean") == [True])


async def test_a_server_that_does_not_know_us_is_told_apart_until_it_does(stranger, tmp_path, caplog):
    """The message has the thumbprint and the file to take to the server, and is all that is told; trusted, it works."""
    caplog.set_level(logging.DEBUG)
    security = {"server_certificate": str(stranger.certificate), "pki": str(tmp_path)}
    config = configure(stranger.url, "Double", security=security)
    own = tmp_path / "own/certificate.der"

    message = await refused(config)

    digest = x509.load_der_x509_certificate(own.read_bytes()).fingerprint(SHA1()).hex(" ", 4)  # noqa: S303 - a name to compare
    assert f"it may not trust this agent's certificate yet: {digest.upper()} ({own})" in message
    assert [record.name for record in caplog.records if record.name.startswith("asyncua")] == []
    stranger.do("trust", who="client", certificate=str(own))
    async with watching(config) as watch:
        await watch.until(lambda: watch.values("Double"))
    stranger.do("trust", who="client", certificate=str(own), now=False)
    assert digest.upper() in await refused(config)


async def test_a_wrong_password(stranger):
    """The user is named, the password never, and no session stays at the server."""
    security = {"mode": "none", "insecure_password": True}
    config = configure(stranger.url, "Double", security=security, user=USER, password="wrong-canary")

    message = await refused(config)

    assert f"the server refuses user '{USER}': check user and password" in message
    assert "canary" not in message
    assert stranger.held == (0, 0, 0)


async def test_a_user_certificate(stranger, trusted, tmp_path):
    """The server holds users' certificates apart from clients', and learns of a new one as of any."""
    certificate, key = tmp_path / "user.der", tmp_path / "user.pem"
    make_certificate(certificate, key, "urn:plant:somebody")
    key.chmod(0o600)
    user = {"user_certificate": str(certificate), "user_key": str(key)}
    config = configure(stranger.url, "Boolean", security=trusted, **user)

    assert "BadIdentityTokenRejected" in await refused(config)
    stranger.do("trust", who="user", certificate=str(certificate))
    async with watching(config) as watch:
        await watch.until(lambda: watch.values("Boolean") == [True])
