"""Certificates: how they are named, taken apart, and checked against what is expected."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from rigs.opcua_server import make_certificate

from agent.errors import SourceError
from agent.sources.opcua.certificates import (
    alternative_uris,
    chain,
    check_application,
    check_pinned,
    check_validity,
    expiry,
    is_for_host,
    load_certificate,
    long_thumbprint,
    name_of,
    thumbprint,
)

NOW = 1_795_246_200_000_000_000  # 2026-11-21 07:30 UTC


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


def check(presented, pinned, uri, wall):
    check_pinned(presented, pinned)
    check_validity(presented, wall)
    check_application(presented, uri)


def test_the_pinned_certificate_is_accepted(shown):
    """As long as it is valid and names the server."""
    check(shown["boiler"], shown["boiler"], "urn:plant:boiler:server", NOW)


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
    """Which certificate, by thumbprint, why, and what to do (open62541#2314: ApplicationUri is not the SAN's)."""
    with pytest.raises(SourceError) as refused:
        check(shown[presented], shown["boiler"], uri, wall)

    assert expected.format(**{name: thumbprint(one) for name, one in shown.items()}) in str(refused.value)


def test_a_certificate_file_is_der_or_pem(shown, tmp_path):
    """Configuration tools export either."""
    for encoding in (serialization.Encoding.DER, serialization.Encoding.PEM):
        (tmp_path / "file").write_bytes(shown["boiler"].public_bytes(encoding))

        assert shown["boiler"] == load_certificate(tmp_path / "file", "server_certificate")


def test_a_certificate_file_that_is_none_is_told(tmp_path):
    """Missing, or something else; by the key of the configuration."""
    with pytest.raises(SourceError, match=r"cannot read server_certificate .*: No such file"):
        load_certificate(tmp_path / "missing.der", "server_certificate")
    (tmp_path / "text.der").write_text("hello")
    with pytest.raises(SourceError, match="is no certificate in DER or PEM form"):
        load_certificate(tmp_path / "text.der", "server_certificate")


def test_a_chain_is_taken_apart(shown):
    """Some servers append their issuers, and some append rubbish."""
    der = {name: one.public_bytes(serialization.Encoding.DER) for name, one in shown.items()}

    assert [shown["boiler"], shown["swapped"]] == chain(der["boiler"] + der["swapped"])
    assert [shown["boiler"]] == chain(der["boiler"] + b"rubbish")


@pytest.mark.parametrize("sent", [b"", b"0", b"rubbish", b"0\x82\xff\xff"])
def test_what_is_no_certificate_is_refused(sent):
    """Whatever a stranger sends, it ends in one kind of error."""
    with pytest.raises(ValueError):  # noqa: PT011 - cryptography's words
        chain(sent)


def test_thumbprints_are_grouped(shown):
    """SHA-1 in five groups, as it is read out over the telephone; SHA-256 in eight."""
    assert len(thumbprint(shown["boiler"]).split()) == 5
    assert len(long_thumbprint(shown["boiler"]).split()) == 8


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("LOCALHOST", True), ("127.0.0.1", True), ("plc", False), ("10.0.0.1", False)],
)
def test_the_hosts_of_a_certificate(shown, host, expected):
    """By name, without regard to case, or by address."""
    assert expected == is_for_host(shown["boiler"], host)


@pytest.mark.parametrize(
    ("year", "expected"),
    [(2030, ""), (2049, ""), (2050, "expired on 2050-01-01"), (2051, "expired on 2050-01-01")],
)
def test_expiry(shown, year, expected):
    """Long before there is nothing to say."""
    assert expected == expiry(shown["boiler"], at(year))


def test_no_certificate_writes_on_the_terminal(tmp_path):
    """Its name comes from a stranger, and is shown to who compares its thumbprint: `ESC [ A` overwrites a line."""
    make_certificate(tmp_path / "boiler\x1b[A\n\u202e.der", tmp_path / "key.pem", "urn:a\x1b[2J")
    (file,) = tmp_path.glob("*.der")
    certificate = load_certificate(file, "server_certificate")

    assert name_of(certificate) == r"CN=boiler\x1b[A\n\u202e"
    assert alternative_uris(certificate) == [r"urn:a\x1b[2J"]
    with pytest.raises(SourceError) as refused:
        check_application(certificate, "urn:b\x1b[2J")
    assert str(refused.value).isprintable()


def test_expiry_is_told_sixty_days_before(shown):
    """Time enough to renew it without haste."""
    end = int(shown["boiler"].not_valid_after_utc.timestamp())

    assert expiry(shown["boiler"], (end - 61 * 86_400) * 1_000_000_000) == ""
    assert expiry(shown["boiler"], (end - 59 * 86_400) * 1_000_000_000) == "expires on 2050-01-01"
