"""Who this agent is: the certificate that servers are told to trust, and the one of the user it acts for.

Rules for whoever changes this file: never replace a key or a certificate that is there: servers were
told to trust it. Files are read anew for each connection, so that a renewed certificate counts
without a restart. What is made belongs to whoever owns the folder it is made in: a command that runs
as root must not make a key that the agent cannot read.
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
from agent.sources.opcua.certificates import alternative_uris, load_certificate, parse, thumbprint

_OTHERS: Final = 0o077
_OWNER_ALONE: Final = 0o600
READABLE: Final = 0o644  # engineers copy it to the servers that are to trust it
_KEY_BITS: Final = 2048  # the least that all three policies take, and the most that small PLCs do
_VALIDITY: Final = timedelta(days=3650)  # a plant's servers are told once whom to trust, not every year
# A machine without a battery starts in 1970; its certificate would have expired by the time its clock is set.
_NOT_BEFORE_THIS: Final = datetime(2026, 1, 1, tzinfo=UTC)
_OWN: Final = "own"


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


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """The person or role in whose name the server is read; `told` names it in messages."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    told: str


def own_file(pki: Path) -> Path:
    """Give the file of this agent's own certificate, which servers are to trust."""
    return pki / _OWN / "certificate.der"


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
    folder = pki / _OWN
    try:
        key, certificate = _pair(folder / "key.pem", own_file(pki), wall)
    except OSError as error:
        raise SourceError(
            f"cannot use this agent's own certificate in {folder}: {error.strerror}; "
            "make the folder writable for the agent, or name another one as security: pki:"
        ) from error
    except (ValueError, TypeError) as error:
        raise SourceError(
            f"cannot use this agent's own certificate in {folder}: {error}: put the pair back, or remove both "
            "files to have a new pair made, which every server must then be told to trust"
        ) from error
    if not (uris := alternative_uris(certificate)):
        raise SourceError(
            f"this agent's own certificate in {folder} names no application URI (a URI as subject "
            "alternative name): OPC UA needs one"
        )
    told = f"{thumbprint(certificate)} ({own_file(pki)})"
    return Identity(certificate.public_bytes(serialization.Encoding.DER), key, uris[0], told)


def _pair(key_file: Path, certificate_file: Path, wall: int) -> tuple[bytes, x509.Certificate]:
    make_folder(key_file.parent)
    if not key_file.exists():
        put(key_file, _new_key(), _OWNER_ALONE)
    pem = _private(key_file)
    key = _load_key(pem)
    if not certificate_file.exists():
        put(certificate_file, _new_certificate(key, wall), READABLE)
    certificate = parse(certificate_file.read_bytes())
    if certificate.public_key() != key.public_key():
        raise SourceError(
            f"{certificate_file} does not belong to {key_file}: put the pair back, or remove both files "
            "to have a new pair made, which every server must then be told to trust"
        )
    return pem, certificate


def user_identity(certificate_file: Path, key_file: Path) -> UserIdentity:
    """Load the certificate and key of the user. Blocks on the files.

    Raises:
        SourceError: they cannot be read or used, or do not belong together.
    """
    certificate = load_certificate(certificate_file, "user_certificate")
    try:
        key = _load_key(_private(key_file))
    except OSError as error:
        raise SourceError(
            f"cannot read user_key {key_file}: {error.strerror}; check the path, and who may read it"
        ) from error
    except (ValueError, TypeError) as error:
        raise SourceError(
            f"user_key {key_file} is no RSA key in PEM form without a password: export it so"
        ) from error
    if certificate.public_key() != key.public_key():
        raise SourceError(
            f"user_certificate {certificate_file} does not belong to user_key {key_file}: name the two of one pair"
        )
    return UserIdentity(certificate, key, f"{thumbprint(certificate)} ({certificate_file})")


def _private(key_file: Path) -> bytes:
    """Read a key that nobody else can read."""
    if key_file.stat().st_mode & _OTHERS:
        raise SourceError(f"{key_file} can be read by others: chmod 600 {key_file}")
    return key_file.read_bytes()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each for the owner of the one it lies in."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _give_away(folder)


def _give_away(made: Path) -> None:
    if os.geteuid() == 0:
        above = made.parent.stat()
        # Whoever owns the folder could put a link in its place meanwhile, and be given what it leads to.
        os.chown(made, above.st_uid, above.st_gid, follow_symlinks=False)


def _load_key(pem: bytes) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("the key is not an RSA key, which all policies need")  # noqa: TRY004 - told as any bad file
    return key


def put(path: Path, content: bytes, mode: int) -> None:
    """Create a file whole; leave the one that is there, if any."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _give_away(draft)
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
