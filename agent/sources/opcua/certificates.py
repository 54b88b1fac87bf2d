"""Certificates: reading, naming and comparing them, and whether one is right for a server.

Pure but for `load_certificate`, and free of asyncua: commands read certificates without a connection.

Rules for whoever changes this file: say which certificate is meant by its name and its thumbprint
(SHA-1, as the tools of all vendors show it), and what to do about it; what a stranger has written goes
through `printable`, for it could make a terminal show another thumbprint.
"""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from agent.errors import SourceError

_LARGEST_FILE: Final = 65_536
_LONGEST_CHAIN: Final = 10
_SOON: Final = timedelta(days=60)


def thumbprint(certificate: x509.Certificate) -> str:
    """SHA-1 of the DER form, in groups as engineers compare it."""
    digest = certificate.fingerprint(hashes.SHA1())  # noqa: S303 - a name to compare, not a signature
    return digest.hex(" ", 4).upper()


def long_thumbprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the DER form, in groups: nobody can make a second certificate that has it."""
    return certificate.fingerprint(hashes.SHA256()).hex(" ", 4).upper()


def told(certificate: x509.Certificate) -> str:
    """Name a certificate in a message."""
    return f"{name_of(certificate)}, thumbprint {thumbprint(certificate)}"


def name_of(certificate: x509.Certificate) -> str:
    """Give its subject, for a person."""
    return printable(certificate.subject.rfc4514_string()) or "a certificate without a name"


def printable(text: str) -> str:
    """Write out what a terminal would obey instead of showing it."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def alternative_uris(certificate: x509.Certificate) -> list[str]:
    """Give the URIs that it is for, printable; the first of a server's is its application URI."""
    names = _alternative_names(certificate)
    uris = [] if names is None else names.get_values_for_type(x509.UniformResourceIdentifier)
    return [printable(uri) for uri in uris]


def is_for_host(certificate: x509.Certificate, host: str) -> bool:
    """Tell whether it names the host, by name or address."""
    names = _alternative_names(certificate)
    if names is None:
        return False
    try:
        return ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        return host.lower() in {name.lower() for name in names.get_values_for_type(x509.DNSName)}


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):  # ValueError: what stands there is damaged
        return None


def chain(shown: bytes) -> list[x509.Certificate]:
    """Take apart what a server shows: its certificate, and the issuers that some append to it.

    Raises:
        ValueError: it does not begin with a certificate.
    """
    found: list[x509.Certificate] = []
    while shown and len(found) < _LONGEST_CHAIN:
        length = int.from_bytes(shown[2:4], "big") + 4  # a DER SEQUENCE of 256 to 65,535 bytes
        try:
            found.append(x509.load_der_x509_certificate(shown[:length]))
        except ValueError:
            if not found:
                raise
            break  # what follows is nothing that anybody needs
        shown = shown[length:]
    if not found:
        raise ValueError("no certificate")
    return found


def load_certificate(file: Path, key: str) -> x509.Certificate:
    """Load the certificate that the configuration names under a key. Blocks on the file.

    Raises:
        SourceError: there is no such file, or no certificate in it.
    """
    try:
        return parse(file.read_bytes())
    except OSError as error:
        raise SourceError(
            f"cannot read {key} {file}: {error.strerror}; check the path, and who may read it"
        ) from error
    except ValueError as error:
        raise SourceError(
            f"{key} {file} is no certificate in DER or PEM form: export it in one of these"
        ) from error


def parse(content: bytes) -> x509.Certificate:
    """Read a certificate in DER or PEM form.

    Raises:
        ValueError: it is none.
    """
    if len(content) > _LARGEST_FILE:
        raise ValueError("too large for a certificate")
    if content.lstrip().startswith(b"-----BEGIN"):
        return x509.load_pem_x509_certificate(content)
    return x509.load_der_x509_certificate(content)


def check_pinned(presented: x509.Certificate, pinned: x509.Certificate) -> None:
    """Refuse any certificate but the one that the configuration names.

    Not checked against the address: whoever holds the key of an exact certificate is the server, under
    whichever address a plant's network gives it.

    Raises:
        SourceError: refused.
    """
    if presented != pinned:
        raise SourceError(
            f"refused the server's certificate: it shows {told(presented)}, but server_certificate is "
            f"{told(pinned)}; if the server's certificate was replaced on purpose, put the new one into that "
            "file, else somebody stands in between"
        )


def is_valid(certificate: x509.Certificate, wall: int) -> bool:
    """Tell whether it is valid at `wall`, nanoseconds UTC."""
    return certificate.not_valid_before_utc <= _moment(wall) <= certificate.not_valid_after_utc


def _moment(wall: int) -> datetime:
    return datetime.fromtimestamp(wall / 1e9, UTC)


def check_validity(presented: x509.Certificate, wall: int, which: str = "the server's certificate") -> None:
    """Refuse a certificate that is not valid now; `wall` is nanoseconds UTC, `which` is for the message.

    Raises:
        SourceError: refused; the clock is shown beside the validity, for it may be the one that is wrong.
    """
    if not is_valid(presented, wall):
        raise SourceError(
            f"refused {which} {told(presented)}: it is "
            f"valid from {presented.not_valid_before_utc:%Y-%m-%d %H:%M} to "
            f"{presented.not_valid_after_utc:%Y-%m-%d %H:%M} UTC and this machine's clock says "
            f"{_moment(wall):%Y-%m-%d}: set the clock, or renew the certificate at the server and here"
        )


def check_application(presented: x509.Certificate, application_uri: str) -> None:
    """Refuse a certificate that is not for what the server calls itself.

    Raises:
        SourceError: refused.
    """
    if application_uri not in (uris := alternative_uris(presented)):
        raise SourceError(
            f"refused the server's certificate {told(presented)}: it is for "
            f"{' '.join(uris) or 'no application URI'}, but the server calls itself {printable(application_uri)} "
            "(BadCertificateUriInvalid): make a new certificate at the server"
        )


def expiry(certificate: x509.Certificate, wall: int) -> str:
    """Say that it expires within 60 days, or has; empty: it lasts longer. `wall` is nanoseconds UTC."""
    now = _moment(wall)
    end = certificate.not_valid_after_utc
    if end - now > _SOON:
        return ""
    return f"{'expires' if end > now else 'expired'} on {end:%Y-%m-%d}"
