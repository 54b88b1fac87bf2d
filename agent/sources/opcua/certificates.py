"""Who we are and whom we talk to: this agent's own certificate, and the check of the server's.

asyncua checks no server certificate unless it is given a validator, and connects to anyone
(seen with 2.1.0). So the channel is keyed to the pinned certificate, and `check_server` looks at what
the server presents, every time.

Rules for whoever changes this file: refuse, and say which certificate, its thumbprint (SHA-1, as the
tools of all vendors show it) and what to do. Never replace a key or a certificate that is there:
servers were told to trust it. Files are read anew for each connection, so that a renewed certificate
counts without a restart.
"""

import os
import secrets
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.errors import SourceError

_OTHERS: Final = 0o077
_OWNER_ALONE: Final = 0o600
_READABLE: Final = 0o644  # engineers copy it to the servers that are to trust it
_KEY_BITS: Final = 2048  # the least that all three policies take, and the most that small PLCs do
_VALIDITY: Final = timedelta(days=3650)  # a plant's servers are told once whom to trust, not every year
# A machine without a battery starts in 1970; its certificate would have expired by the time its clock is set.
_NOT_BEFORE_THIS: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Identity:
    """This agent as servers see it.

    Attributes:
        certificate: DER.
        key: PEM, not encrypted; the file is readable by its owner alone.
        application_uri: from the certificate's subject alternative name: servers refuse a client
            that names itself otherwise (BadCertificateUriInvalid, open62541#2314).
        told: how messages name it: thumbprint and file.
    """

    certificate: bytes
    key: bytes
    application_uri: str
    told: str


def thumbprint(certificate: x509.Certificate) -> str:
    """SHA-1 of the DER form, in groups as engineers compare it."""
    digest = certificate.fingerprint(hashes.SHA1())  # noqa: S303 - a name to compare, not a signature
    return digest.hex(" ", 4).upper()


def own_identity(pki: Path, wall: int) -> Identity:
    """Load this agent's certificate and key from `PKI/own/`; make them if there are none.

    Blocks (files, and up to a second for a new key). Two sources may come here at once: what is
    first in place stays, and the certificate is made from the key that is in place.

    Args:
        pki: the folder of certificates.
        wall: nanoseconds UTC, where a new certificate's validity begins.

    Raises:
        SourceError: the files cannot be made, read or used.
    """
    folder = pki / "own"
    try:
        key, certificate = _pair(folder / "key.pem", folder / "certificate.der", wall)
    except OSError as error:
        raise SourceError(
            f"cannot use this agent's own certificate in {folder}: {error.strerror}; "
            "make the folder writable for the agent, or name another one as security: pki:"
        ) from error
    except (ValueError, TypeError) as error:
        raise SourceError(f"cannot use this agent's own certificate in {folder}: {error}") from error
    if not (uris := _alternative_uris(certificate)):
        raise SourceError(
            f"this agent's own certificate in {folder} names no application URI (a URI as subject "
            "alternative name): OPC UA needs one"
        )
    told = f"{thumbprint(certificate)} ({folder / 'certificate.der'})"
    return Identity(certificate.public_bytes(serialization.Encoding.DER), key, uris[0], told)


def _pair(key_file: Path, certificate_file: Path, wall: int) -> tuple[bytes, x509.Certificate]:
    key_file.parent.mkdir(parents=True, exist_ok=True)
    if not key_file.exists():
        _put(key_file, _new_key(), _OWNER_ALONE)
    if key_file.stat().st_mode & _OTHERS:
        raise SourceError(f"{key_file} can be read by others: chmod 600 {key_file}")
    pem = key_file.read_bytes()
    key = _load_key(pem)
    if not certificate_file.exists():
        _put(certificate_file, _new_certificate(key, wall), _READABLE)
    certificate = _parse(certificate_file.read_bytes())
    if certificate.public_key() != key.public_key():
        raise SourceError(
            f"{certificate_file} does not belong to {key_file}: put the pair back, or remove both files "
            "to have a new pair made, which every server must then be told to trust"
        )
    return pem, certificate


def pinned_certificate(file: Path) -> x509.Certificate:
    """Load the certificate that the configuration pins. Blocks on the file.

    Raises:
        SourceError: there is no such file, or no certificate in it.
    """
    try:
        return _parse(file.read_bytes())
    except OSError as error:
        raise SourceError(f"cannot read server_certificate {file}: {error.strerror}") from error
    except ValueError as error:
        raise SourceError(f"server_certificate {file} is no certificate in DER or PEM form") from error


def leaf(chain: bytes) -> x509.Certificate:
    """Take the first certificate of what a server shows: some append their issuers to it.

    Raises:
        ValueError: that is no certificate.
    """
    return x509.load_der_x509_certificate(chain[: int.from_bytes(chain[2:4], "big") + 4])


def check_server(
    presented: x509.Certificate, pinned: x509.Certificate, application_uri: str | None, wall: int
) -> None:
    """Accept the certificate that a server presents, or refuse it.

    Not checked against the address: an exact certificate is pinned, so whoever holds its key is the
    server, under whichever address a plant's network gives it.

    Args:
        presented: what the server showed.
        pinned: what the configuration names.
        application_uri: what the server calls itself; None where it was not asked.
        wall: nanoseconds UTC.

    Raises:
        SourceError: refused; the message names the certificate and the way out.
    """
    if presented != pinned:
        raise SourceError(
            f"refused the server's certificate: it shows {_name(presented)}, thumbprint {thumbprint(presented)}, "
            f"but server_certificate is {_name(pinned)}, thumbprint {thumbprint(pinned)}; if the server's "
            "certificate was replaced on purpose, put the new one into that file, else somebody stands in between"
        )
    now = datetime.fromtimestamp(wall / 1e9, UTC)
    if not presented.not_valid_before_utc <= now <= presented.not_valid_after_utc:
        raise SourceError(
            f"refused the server's certificate {_name(presented)}, thumbprint {thumbprint(presented)}: it is "
            f"valid from {presented.not_valid_before_utc:%Y-%m-%d %H:%M} to "
            f"{presented.not_valid_after_utc:%Y-%m-%d %H:%M} UTC and this machine's clock says "
            f"{now:%Y-%m-%d}: set the clock, or renew the certificate at the server and here"
        )
    if application_uri is not None and application_uri not in (uris := _alternative_uris(presented)):
        raise SourceError(
            f"refused the server's certificate {_name(presented)}, thumbprint {thumbprint(presented)}: it is for "
            f"{' '.join(uris) or 'no application URI'}, but the server calls itself {application_uri} "
            "(BadCertificateUriInvalid): make a new certificate at the server"
        )


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "a certificate without a name"


def _alternative_uris(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def _parse(content: bytes) -> x509.Certificate:
    if content.lstrip().startswith(b"-----BEGIN"):
        return x509.load_pem_x509_certificate(content)
    return x509.load_der_x509_certificate(content)


def _load_key(pem: bytes) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("the key is not an RSA key, which all policies need")  # noqa: TRY004 - told as any bad file
    return key


def _put(path: Path, content: bytes, mode: int) -> None:
    """Create a file whole; leave the one that is there, if any."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()


def _new_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _new_certificate(key: rsa.RSAPrivateKey, wall: int) -> bytes:
    """Self-signed, with the fields of an application instance certificate (OPC 10000-6, 6.2.2)."""
    host = socket.gethostname()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Edge Relay@{host}"[:64])])
    start = max(datetime.fromtimestamp(wall / 1e9, UTC) - timedelta(days=1), _NOT_BEFORE_THIS)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,  # it signs itself
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(f"urn:{host}:edge-relay"),
        x509.DNSName(host),
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .not_valid_before(start)
        .not_valid_after(start + _VALIDITY)
        .serial_number(x509.random_serial_number())
        .public_key(key.public_key())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        .add_extension(usage, critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
