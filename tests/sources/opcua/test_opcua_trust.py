"""The trust store: whom it lets in, whom it keeps out, and what strangers can make it write."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from rigs.opcua_server import make_certificate
from rigs.opcua_session import configure

from agent.errors import SourceError
from agent.sources.opcua.certificates import thumbprint
from agent.sources.opcua.trust import Kept, TrustStore, expiring

NOW = 1_795_246_200_000_000_000  # 2026-11-21 07:30 UTC
YEAR = 365 * 86_400 * 1_000_000_000
URI = "urn:plant:boiler:server"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("made")


@pytest.fixture(scope="module")
def made(folder):
    """Certificates by name; the keys are shared, for making one takes a while."""
    key, authority_key = folder / "key.pem", folder / "authority.pem"
    authority = (folder / "authority.der", authority_key)
    make_certificate(*authority, "urn:authority", authority=True)
    make_certificate(folder / "between.der", authority_key, "urn:between", authority=True, issuer=authority)
    between = (folder / "between.der", authority_key)
    make_certificate(folder / "old-authority.der", authority_key, "urn:a", authority=True, years=(2020, 2022))
    for name, more in {
        "boiler": {},
        "replaced": {},
        "issued": {"issuer": authority},
        "through": {"issuer": between},
        "by-expired": {"issuer": (folder / "old-authority.der", authority_key)},
        "client": {"issuer": authority, "usage": ExtendedKeyUsageOID.CLIENT_AUTH},
        "by-no-authority": {"issuer": (folder / "boiler.der", key)},
        "expired": {"years": (2020, 2022)},
        "../../../etc/ passwd": {},
    }.items():
        make_certificate(folder / f"{name.rpartition('/')[2]}.der", key, URI, **more)
    return {file.stem: x509.load_der_x509_certificate(file.read_bytes()) for file in folder.glob("*.der")}


@pytest.fixture
def store(tmp_path):
    return TrustStore(tmp_path / "pki")


def put(store, folder, certificate, name="a.pem"):
    (store.pki / folder).mkdir(parents=True, exist_ok=True)
    (store.pki / folder / name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def check(store, *shown, host="127.0.0.1", wall=NOW):
    store.check(list(shown), host, "boiler", wall)


def refusal(store, *shown, **more: object):
    with pytest.raises(SourceError) as refused:
        check(store, *shown, **more)
    return str(refused.value)


def states(store):
    return [kept.state for kept in store.kept("trusted", "rejected")]


def test_an_unknown_certificate_is_refused_and_kept_for_a_look(store, made):
    """With its name, its thumbprint and the command; it is in `rejected/` once, however often it comes."""
    for _ in range(3):
        message = refusal(store, made["boiler"])

    assert message == (
        f"refused the server's certificate CN=boiler, thumbprint {thumbprint(made['boiler'])}: nobody has trusted "
        "it yet; compare the thumbprint with the one that the server's own tool shows, then `edge-relay trust boiler`"
    )
    assert states(store) == ["rejected"]


def test_a_trusted_certificate_is_accepted_until_it_is_revoked(store, made):
    """Trusting moves it out of `rejected/`, revoking moves it back."""
    refusal(store, made["boiler"])
    store.trust(made["boiler"])
    check(store, made["boiler"])
    assert states(store) == ["trusted"]
    store.revoke(made["boiler"])

    assert "nobody has trusted it yet" in refusal(store, made["boiler"])
    assert states(store) == ["rejected"]


@pytest.mark.parametrize(
    "leave", [lambda file: file.write_bytes(b""), lambda file: file.symlink_to("nowhere")]
)
def test_trusting_mends_what_a_power_cut_has_left(store, made, leave):
    """A file of that name, half written: it would be passed over at each connect, though it is said to be trusted."""
    file = store.trust(made["boiler"])
    file.unlink()
    leave(file)
    store.trust(made["boiler"])

    check(store, made["boiler"])


def test_what_other_software_put_there_counts(store, made):
    """Any name, DER or PEM; what is no certificate is passed over."""
    put(store, "trusted", made["boiler"], "whatever.CRT")
    (store.pki / "trusted/notes.txt").write_text("ours")
    (store.pki / "trusted/damaged.der").write_bytes(b"0\x82")

    check(store, made["boiler"])


def test_a_changed_certificate_is_refused_with_both_thumbprints(store, made):
    """The server of that name had another one: replaced on purpose, or somebody stands in between."""
    store.trust(made["boiler"])
    message = refusal(store, made["replaced"])

    assert f"it shows CN=replaced, thumbprint {thumbprint(made['replaced'])}" in message
    assert f"the one that was trusted is CN=boiler, thumbprint {thumbprint(made['boiler'])}" in message
    assert "was replaced on purpose, `edge-relay trust boiler`, else somebody stands in between" in message


def test_a_trusted_certificate_that_has_expired_is_refused(store, made):
    """Trust does not make it valid; and it is not rejected for that: it is the one that was trusted."""
    store.trust(made["expired"])

    assert "valid from 2020-01-01 00:00 to 2022-01-01 00:00 UTC" in refusal(store, made["expired"])
    assert states(store) == ["trusted"]


@pytest.mark.parametrize("shown", [["issued"], ["through", "between"], ["through", "boiler", "between"]])
def test_whom_an_issuer_certifies_is_accepted(store, made, shown):
    """Directly, or by an authority that the server sends along."""
    put(store, "issuers", made["authority"])

    check(store, *(made[name] for name in shown))


@pytest.mark.parametrize(
    ("issuer", "shown", "host", "expected"),
    [
        ("authority", ["boiler"], "127.0.0.1", "nobody has trusted it yet"),
        ("authority", ["through"], "127.0.0.1", "nobody has trusted it yet"),
        ("old-authority", ["by-expired"], "127.0.0.1", "in issuers/, CN=old-authority, thumbprint "),
        ("boiler", ["by-no-authority"], "127.0.0.1", "nobody has trusted it yet"),
        ("authority", ["issued"], "plc", "vouches for it, but not as a server at plc"),
        ("authority", ["client"], "127.0.0.1", "vouches for it, but not as a server at 127.0.0.1"),
    ],
)
def test_an_issuer_vouches_for_no_more_than_it_says(store, made, issuer, shown, host, expected):
    """Neither for a host that it does not name, nor as a server for a client, nor when it is no authority."""
    put(store, "issuers", made[issuer])

    assert expected in refusal(store, *(made[name] for name in shown), host=host)


def test_whom_an_issuer_certifies_no_more_is_refused(store, made, folder):
    """By a list that the issuer has signed; one that somebody else has signed says nothing."""
    put(store, "issuers", made["authority"])
    issuer, serial = made["authority"].subject, made["issued"].serial_number
    (store.pki / "issuers/forged.crl").write_bytes(revoked_list(folder / "key.pem", issuer, serial))
    check(store, made["issued"])
    (store.pki / "issuers/signed.crl").write_bytes(revoked_list(folder / "authority.pem", issuer, serial))

    message = refusal(store, made["issued"])
    assert "CN=authority, thumbprint" in message
    assert "in issuers/ has revoked it: renew it at the server" in message
    assert "edge-relay trust" not in message
    store.trust(made["issued"])
    assert "has revoked it" in refusal(store, made["issued"]), "the key is known to be in wrong hands"


def test_an_authority_that_was_revoked_certifies_nobody(store, made, folder):
    """Its certificate may still lie beside that of the authority above it."""
    put(store, "issuers", made["authority"])
    put(store, "issuers", made["between"], "b.pem")
    check(store, made["through"])
    issuer, serial = made["authority"].subject, made["between"].serial_number
    (store.pki / "issuers/signed.CRL").write_bytes(revoked_list(folder / "authority.pem", issuer, serial))

    assert "nobody has trusted it yet" in refusal(store, made["through"])
    assert "nobody has trusted it yet" in refusal(store, made["through"], made["between"])


def test_a_damaged_list_lets_nobody_in_by_an_issuers_word(store, made):
    """Half written, it may be the one that revokes; whom a person has trusted is not concerned."""
    put(store, "issuers", made["authority"])
    (store.pki / "issuers/half.crl").write_bytes(b"-----BEGIN X509 CRL-----")

    assert "half.crl is no list of revoked certificates that can be read" in refusal(store, made["issued"])
    store.trust(made["issued"])
    check(store, made["issued"])


def test_a_clock_that_is_wrong_is_told_before_anybody_is_asked_to_trust(store, made):
    """A machine without a battery starts in 1970: the authority's certificate is not valid yet."""
    put(store, "issuers", made["authority"])
    message = refusal(store, made["issued"], wall=0)

    assert "UTC and this machine's clock says 1970-01-01: set the clock" in message
    assert "edge-relay trust" not in message


def revoked_list(key_file, issuer, serial):
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment).build()
    lists = x509.CertificateRevocationListBuilder().issuer_name(issuer).last_update(moment)
    whole = lists.next_update(moment + timedelta(days=999)).add_revoked_certificate(entry)
    return whole.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_strangers_cannot_fill_the_disk(store, made, tmp_path):
    """A server that shows a new certificate each time leaves the last twenty."""
    key = tmp_path / "key.pem"
    for number in range(25):
        make_certificate(tmp_path / f"n{number}.der", key, "urn:x")
        refusal(store, x509.load_der_x509_certificate((tmp_path / f"n{number}.der").read_bytes()))

    names = {kept.certificate.subject.rfc4514_string() for kept in store.kept("rejected")}
    assert names == {f"CN=n{number}" for number in range(5, 25)}


def test_strangers_cannot_choose_the_file(store, made):
    """A name with slashes and dots stays in `rejected/`."""
    refusal(store, made[" passwd"])

    assert [file.parent for file in store.pki.rglob("*.der")] == [store.pki / "rejected"]


def test_a_folder_that_cannot_be_written_changes_no_refusal(store, made):
    """The reason is what counts."""
    store.pki.write_text("a file in the way")

    assert "nobody has trusted it yet" in refusal(store, made["boiler"])


def test_what_expires_is_told_sixty_days_before(store, made, tmp_path):
    """The server's, this agent's and the user's, each by file; nothing without security."""
    config = configure("opc.tcp://plc", "x", security={"pki": str(store.pki)})
    store.trust(made["boiler"])
    put(store, "own", made["expired"], "certificate.der")
    assert expiring(config, NOW - 6 * YEAR) == []
    own, theirs = expiring(config, NOW + 24 * YEAR)

    assert own == (
        f"an OPC UA certificate expired on 2022-01-01, this agent's in {store.pki}/own/certificate.der: "
        f"CN=expired, thumbprint {thumbprint(made['expired'])}: renew it in time"
    )
    assert theirs.startswith(
        f"an OPC UA certificate expired on 2050-01-01, the server's in {store.pki}/trusted/"
    )
    (own, met) = expiring(config, NOW, made["expired"])
    assert met.startswith("an OPC UA certificate expired on 2022-01-01, the server's at opc.tcp://plc:4840: ")
    assert expiring(configure("opc.tcp://plc", "x"), NOW + 24 * YEAR) == []


def test_kept_names_the_folder(store, made):
    """What the command lists."""
    file = store.trust(made["boiler"])

    assert store.kept("trusted") == [Kept("trusted", made["boiler"], file)]
    assert file.name == f"boiler [{thumbprint(made['boiler']).replace(' ', '')}].der"
