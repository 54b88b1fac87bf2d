"""This agent's own certificate, and the one of the user it acts for."""

import os
import threading
from datetime import UTC, datetime

import pytest
from asyncua.crypto.uacrypto import check_certificate
from cryptography import x509
from rigs.opcua_server import make_certificate

from agent.errors import SourceError
from agent.sources.opcua.identity import own_identity, user_identity

NOW = 1_795_246_200_000_000_000  # 2026-11-21 07:30 UTC


def test_own_certificate_is_made_once(tmp_path):
    """The second use finds the first pair: servers were told to trust it."""
    first, second = own_identity(tmp_path, NOW), own_identity(tmp_path, NOW)

    assert first == second
    assert {"key.pem", "certificate.der"} == {file.name for file in (tmp_path / "own").iterdir()}


def test_only_the_owner_reads_the_key(tmp_path):
    """The key is 0600 from its first byte on; the certificate is for everyone."""
    own_identity(tmp_path, NOW)

    assert (tmp_path / "own/key.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "own/certificate.der").stat().st_mode & 0o044 == 0o044


def test_what_root_makes_belongs_to_the_owner_of_the_folder(tmp_path):
    """`sudo edge-relay read` before the first start leaves a key that the service can read.

    Who is not root can only make what is their own, which then is all that is shown here.
    """
    data, owner = tmp_path / "data", os.geteuid() or 4711
    data.mkdir()
    os.chown(data, owner, -1)
    own_identity(data / "pki", NOW)

    made = [*(data / "pki").rglob("*"), data / "pki"]
    assert {file.name for file in made} == {"pki", "own", "key.pem", "certificate.der"}
    assert {file.stat().st_uid for file in made} == {owner}


def test_application_uri_is_the_one_in_the_certificate(tmp_path):
    """Servers refuse any other with BadCertificateUriInvalid; asyncua's own check agrees."""
    identity = own_identity(tmp_path, NOW)
    certificate = x509.load_der_x509_certificate(identity.certificate)

    assert identity.application_uri.endswith(":edge-relay")
    assert not check_certificate(certificate, identity.application_uri)


def test_a_certificate_made_in_1970_is_valid_when_the_clock_is_set(tmp_path):
    """A machine without a battery makes it before it knows the time."""
    certificate = x509.load_der_x509_certificate(own_identity(tmp_path, 0).certificate)

    assert certificate.not_valid_before_utc <= datetime(2026, 11, 21, tzinfo=UTC)
    assert certificate.not_valid_after_utc > datetime(2035, 1, 1, tzinfo=UTC)


def test_two_sources_that_start_at_once_share_one_pair(tmp_path):
    """Whoever is second uses what the first one put there; no key is without its certificate."""
    found = []
    threads = [threading.Thread(target=lambda: found.append(own_identity(tmp_path, NOW))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_key_that_others_can_read_is_refused(tmp_path):
    """With the command that mends it."""
    own_identity(tmp_path, NOW)
    (tmp_path / "own/key.pem").chmod(0o640)

    with pytest.raises(SourceError, match=r"can be read by others: chmod 600 .*key\.pem"):
        own_identity(tmp_path, NOW)


def test_a_pair_that_does_not_match_is_refused(tmp_path):
    """A certificate copied from elsewhere would make every server hang up."""
    own_identity(tmp_path, NOW)
    make_certificate(tmp_path / "own/certificate.der", tmp_path / "other.pem", "urn:x")

    with pytest.raises(SourceError, match="does not belong to"):
        own_identity(tmp_path, NOW)


@pytest.mark.parametrize("file", ["key.pem", "certificate.der"])
def test_a_damaged_file_is_told(tmp_path, file):
    """And not replaced: it may be all that is left of a certificate that servers trust."""
    own_identity(tmp_path, NOW)
    (tmp_path / "own" / file).write_bytes(b"damaged")

    with pytest.raises(SourceError, match="cannot use this agent's own certificate"):
        own_identity(tmp_path, NOW)
    assert (tmp_path / "own" / file).read_bytes() == b"damaged"


def test_a_folder_that_cannot_be_written_is_told_with_the_key_to_set(tmp_path):
    """The remedy names `pki`."""
    (tmp_path / "pki").write_bytes(b"a file in the way")

    with pytest.raises(SourceError, match="name another one as security: pki:"):
        own_identity(tmp_path / "pki", NOW)


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    folder = tmp_path_factory.mktemp("user")
    make_certificate(folder / "relay.der", folder / "relay.pem", "urn:user")
    (folder / "relay.pem").chmod(0o600)
    make_certificate(folder / "other.der", folder / "other.pem", "urn:user")
    (folder / "other.pem").chmod(0o600)
    (folder / "open.pem").write_bytes((folder / "relay.pem").read_bytes())
    (folder / "text.pem").write_text("hello")
    (folder / "text.pem").chmod(0o600)
    return folder


def test_a_user_is_a_certificate_and_its_key(user):
    """Named in messages by thumbprint and file."""
    assert user_identity(user / "relay.der", user / "relay.pem").told.endswith("relay.der)")


@pytest.mark.parametrize(
    ("certificate", "key", "expected"),
    [
        ("missing.der", "relay.pem", "cannot read user_certificate .*: No such file"),
        ("relay.der", "missing.pem", "cannot read user_key .*: No such file"),
        ("relay.der", "open.pem", "can be read by others: chmod 600"),
        ("relay.der", "text.pem", "is no RSA key in PEM form without a password"),
        ("relay.der", "other.pem", "does not belong to user_key"),
    ],
)
def test_a_user_that_cannot_be_used_is_told(user, certificate, key, expected):
    """The key of the configuration, the file and what is wrong with it."""
    (user / "open.pem").chmod(0o644)

    with pytest.raises(SourceError, match=expected):
        user_identity(user / certificate, user / key)
