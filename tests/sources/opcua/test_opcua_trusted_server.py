"""A real server that the trust store must know, and users of every kind."""

import asyncio
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.crypto.validator import CertificateValidator
from cryptography import x509
from rigs.opcua_server import APPLICATION, make_certificate
from rigs.opcua_session import configure, watching

from agent.sources.opcua.certificates import thumbprint
from agent.sources.opcua.trust import TrustStore


@pytest.fixture(scope="module", autouse=True)
def _node(plant):
    plant.add("trusted", 7.0)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """This agent's certificate: making a key takes a while."""
    folder = tmp_path_factory.mktemp("identity")
    make_certificate(folder / "certificate.der", folder / "key.pem", "urn:test:edge-relay")
    (folder / "key.pem").chmod(0o600)
    return folder


@pytest.fixture
def store(tmp_path, own):
    """A trust store that trusts nobody."""
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki/own").symlink_to(own)
    return TrustStore(tmp_path / "pki")


@pytest.fixture
def shown(plant):
    """What the server shows."""
    return x509.load_der_x509_certificate(plant.certificate.read_bytes())


def source(plant, store, **more: object):
    security = {"pki": str(store.pki)} | more.pop("security", {})
    return configure(plant.url, "trusted", security=security, **more)


async def reads(config):
    async with watching(config) as watch:
        await watch.until(lambda: watch.values("trusted") == [7.0])


async def refused(config):
    async with watching(config) as watch:
        message = await watch.error()
        assert not watch.seen, "something was emitted over a connection that was refused"
    return message


async def test_nobody_is_trusted_before_a_person_says_so(plant, store, shown):
    """Asyncua connects to anyone; here no password leaves before the certificate is known, and it takes one command."""
    config = source(plant, store, user="relay", password="right")
    sessions = []

    async def count(certificate, application):
        sessions.append(application)

    with plant.wanting_user(), plant.checking_clients(count):
        before = plant.logins
        message = await refused(config)
        assert (plant.logins, sessions) == (before, [])
        (kept,) = store.kept("rejected")
        store.trust(kept.certificate)
        await reads(config)

    assert kept.certificate == shown
    assert thumbprint(shown) in message
    assert message.endswith("then `edge-relay trust boiler`")
    assert (plant.sessions, plant.subscriptions) == (0, 0)


@pytest.mark.parametrize("mode", ["sign", "sign_and_encrypt"])
async def test_an_issuer_vouches_for_the_server(plant, store, shown, tmp_path, mode):
    """A plant with an authority of its own trusts each new server by it."""
    (store.pki / "issuers").mkdir()
    (store.pki / "issuers/plant.der").write_bytes(plant.authority.read_bytes())

    await reads(source(plant, store, security={"mode": mode}))


async def test_a_server_whose_certificate_changed_is_refused(plant, store, shown, tmp_path):
    """By name, with both thumbprints; what was trusted stays trusted."""
    make_certificate(tmp_path / "before.der", tmp_path / "key.pem", APPLICATION)
    before = x509.load_der_x509_certificate((tmp_path / "before.der").read_bytes())
    store.trust(before)
    message = await refused(source(plant, store))

    assert f"it shows CN=server, thumbprint {thumbprint(shown)}" in message
    assert f"the one that was trusted is CN=before, thumbprint {thumbprint(before)}" in message


async def test_the_certificate_is_checked_again_before_anything_secret_is_sent(plant, store, shown):
    """What the network said before there was security proves nothing: trust is asked for again behind it."""
    store.trust(shown)
    before = plant.logins

    async def trusted_no_more(certificate, application):
        store.revoke(shown)

    with plant.checking_clients(trusted_no_more):
        message = await refused(source(plant, store, user="relay", password="right"))

    assert "nobody has trusted it yet" in message
    assert plant.logins == before


async def test_who_shows_a_trusted_certificate_and_lacks_its_key_learns_nothing(plant, store, tmp_path):
    """Between agent and server anyone can repeat what the server shows; what follows only its key can read."""
    make_certificate(tmp_path / "server.der", tmp_path / "key.pem", APPLICATION)
    copied = await asyncio.to_thread((tmp_path / "server.der").read_bytes)
    store.trust(x509.load_der_x509_certificate(copied))
    before = plant.logins
    with plant.showing(copied):
        message = await refused(source(plant, store, user="relay", password="right", timeout="1s"))

    assert "no answer within 1s over the secured connection, though the server answers" in message
    assert "or lack the key of the certificate that it shows" in message
    assert plant.logins == before


async def test_a_trusted_server_that_calls_itself_otherwise_is_refused(plant, store, shown):
    """The application URI must stand in the certificate (open62541#2314, #3161: BadCertificateUriInvalid)."""
    store.trust(shown)
    with plant.calling_itself("urn:somebody:else"):
        message = await refused(source(plant, store))

    assert "the server calls itself urn:somebody:else (BadCertificateUriInvalid)" in message


async def test_security_that_is_not_offered_is_told_before_anything_is_trusted(plant, store):
    """What it offers is listed."""
    message = await refused(source(plant, store, security={"mode": "sign", "policy": "Aes256_Sha256_RsaPss"}))

    assert (
        "does not offer sign with Aes256_Sha256_RsaPss; it offers none, sign with Basic256Sha256" in message
    )


async def test_a_server_certificate_replaced_on_disk_counts_at_the_next_connect(plant, tmp_path, store):
    """Without a restart: the same configuration, which was refused, connects."""
    file = tmp_path / "boiler.der"
    make_certificate(file, tmp_path / "key.pem", APPLICATION, years=(2020, 2022))
    config = source(plant, store, security={"server_certificate": str(file)}, timeout="500ms")
    assert "put the new one into that file" in await refused(config)
    file.write_bytes(plant.certificate.read_bytes())

    await reads(config)


async def test_an_own_certificate_replaced_on_disk_counts_at_the_next_connect(plant, tmp_path, shown):
    """The server refuses the one that has expired; a new pair in `own/` is all it takes."""
    store = TrustStore(tmp_path / "pki")
    store.trust(shown)
    pair = (store.pki / "own/certificate.der", store.pki / "own/key.pem")
    pair[0].parent.mkdir()
    make_certificate(*pair, "urn:test:edge-relay", years=(2020, 2022))
    pair[1].chmod(0o600)
    config = source(plant, store)
    with plant.checking_clients(CertificateValidator()):
        message = await refused(config)
        assert (
            "BadCertificateTimeInvalid: by the server's clock this agent's certificate is not valid"
            in message
        )
        make_certificate(*pair, "urn:test:edge-relay")
        await reads(config)


async def test_a_certificate_that_expires_is_warned_of(plant, tmp_path, shown, caplog):
    """At the connect, with the file; sixty days before it would stop the plant's data."""
    store = TrustStore(tmp_path / "pki")
    store.trust(shown)
    pair = (store.pki / "own/certificate.der", store.pki / "own/key.pem")
    pair[0].parent.mkdir()
    make_certificate(*pair, "urn:test:edge-relay", years=(2020, 2022))
    pair[1].chmod(0o600)
    with caplog.at_level("WARNING", "agent.sources.opcua.connection"):
        await reads(source(plant, store))

    (warned,) = [record.getMessage() for record in caplog.records]
    assert warned.startswith(
        f"boiler: an OPC UA certificate expired on 2022-01-01, this agent's in {pair[0]}: "
    )


# Users


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    folder = tmp_path_factory.mktemp("user")
    make_certificate(folder / "relay.der", folder / "relay.pem", "urn:user")
    (folder / "relay.pem").chmod(0o600)
    return {"user_certificate": str(folder / "relay.der"), "user_key": str(folder / "relay.pem")}


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes256_Sha256_RsaPss"])
async def test_a_user_with_a_certificate(plant, store, shown, user, policy):
    """In place of a password; it leaves no session behind."""
    store.trust(shown)
    with plant.wanting_user(await asyncio.to_thread(Path(user["user_certificate"]).read_bytes)):
        await reads(source(plant, store, security={"policy": policy}, **user))

    assert plant.sessions == 0


async def test_a_user_certificate_that_the_server_does_not_know(plant, store, shown, user):
    """The thumbprint and the file, for whoever must tell the server."""
    store.trust(shown)
    with plant.wanting_user():
        message = await refused(source(plant, store, **user))

    assert "BadUserAccessDenied: the server refuses the user certificate" in message
    assert user["user_certificate"] in message
    assert plant.sessions == 0


@pytest.mark.parametrize(
    ("taken", "credentials", "expected"),
    [
        (
            [ua.UserTokenType.UserName],
            {},
            "the server does not take this login, anonymous; it takes: user name and password: ",
        ),
        (
            [ua.UserTokenType.Anonymous, ua.UserTokenType.UserName],
            "certificate",
            "the server does not take this login, user certificate; it takes: anonymous, user name and password: ",
        ),
        (
            [ua.UserTokenType.Certificate],
            {"user": "relay", "password": "canary"},
            "the server does not take this login, user name and password; it takes: user certificate: ",
        ),
    ],
)
async def test_a_login_that_the_server_does_not_take(plant, store, shown, user, taken, credentials, expected):
    """Told before anything is sent, with what it takes instead."""
    store.trust(shown)
    before = plant.logins
    with plant.taking_logins(*taken):
        message = await refused(
            source(plant, store, **(user if credentials == "certificate" else credentials))
        )

    assert expected in message
    assert "canary" not in message
    assert plant.logins == before
