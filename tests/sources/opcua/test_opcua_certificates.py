"""This agent's own certificate, and whom it takes for the server."""

import threading
from datetime import UTC, datetime

import pytest
from asyncua.crypto.uacrypto import check_certificate
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from rigs.opcua_server import make_certificate

from agent.errors import SourceError
from agent.sources.opcua.certificates import (
    check_server,
    leaf,
    own_identity,
    pinned_certificate,
    thumbprint,
)

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
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    make_certificate(folder / "boiler.der", folder / "key.pem", "urn:plant:boiler:server")
    make_certificate(folder / "swapped.der", folder / "key.pem", "urn:plant:boiler:server")
    return {
        name: x509.load_der_x509_certificate((folder / f"{name}.der").read_bytes())
        for name in ("boiler", "swapped")
    }


def at(year):
    return int(datetime(year, 6, 1, tzinfo=UTC).timestamp()) * 1_000_000_000


def test_the_pinned_certificate_is_accepted(shown):
    """As long as it is valid and names the server."""
    check_server(shown["boiler"], shown["boiler"], "urn:plant:boiler:server", NOW)


@pytest.mark.parametrize(
    ("presented", "uri", "wall", "expected"),
    [
        ("swapped", "urn:plant:boiler:server", NOW, "it shows CN=swapped, thumbprint {swapped}"),
        ("swapped", "urn:plant:boiler:server", NOW, "server_certificate is CN=boiler, thumbprint {boiler}"),
        (
            "boiler",
            "urn:plant:boiler:server",
            at(2051),
            "valid from 2020-01-01 00:00 to 2050-01-01 00:00 UTC",
        ),
        (
            "boiler",
            "urn:plant:boiler:server",
            at(1970),
            "this machine's clock says 1970-06-01: set the clock",
        ),
        (
            "boiler",
            "urn:else",
            NOW,
            "it is for urn:plant:boiler:server, but the server calls itself urn:else",
        ),
    ],
)
def test_any_other_is_refused(shown, presented, uri, wall, expected):
    """Which certificate, by thumbprint, why, and what to do."""
    with pytest.raises(SourceError) as refused:
        check_server(shown[presented], shown["boiler"], uri, wall)

    assert expected.format(**{name: thumbprint(one) for name, one in shown.items()}) in str(refused.value)


def test_pinned_certificate_is_der_or_pem(shown, tmp_path):
    """Configuration tools export either."""
    for encoding in (serialization.Encoding.DER, serialization.Encoding.PEM):
        (tmp_path / "file").write_bytes(shown["boiler"].public_bytes(encoding))

        assert shown["boiler"] == pinned_certificate(tmp_path / "file")


def test_a_pinned_file_that_is_none_is_told(tmp_path):
    """Missing, or something else."""
    with pytest.raises(SourceError, match=r"cannot read server_certificate .*: No such file"):
        pinned_certificate(tmp_path / "missing.der")
    (tmp_path / "text.der").write_text("hello")
    with pytest.raises(SourceError, match="is no certificate in DER or PEM form"):
        pinned_certificate(tmp_path / "text.der")


def test_leaf_of_a_chain(shown):
    """Some servers append their issuers."""
    der = {name: one.public_bytes(serialization.Encoding.DER) for name, one in shown.items()}

    assert shown["boiler"] == leaf(der["boiler"] + der["swapped"])


def test_thumbprint_is_grouped(shown):
    """SHA-1 in five groups, as it is read out over the telephone."""
    assert len(thumbprint(shown["boiler"]).split()) == 5
