"""Whom a plant's own authorities certify, and whom no more: pure.

Rules for whoever changes this file: what is not understood certifies nobody; an authority is one only if
its certificate says so, for as many levels below it as it says, and while it is valid; no validity and no
signature makes up for a revocation.
"""

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from agent.sources.opcua.certificates import is_valid


@dataclass(frozen=True, slots=True)
class Issuers:
    """The authorities that a person has put there, and the lists of what they have revoked."""

    anchors: list[x509.Certificate]
    lists: list[x509.CertificateRevocationList]

    def revoker(self, certificate: x509.Certificate) -> x509.Certificate | None:
        """Give the authority that has certified it and does so no more."""
        return next(
            (
                each
                for each in self.anchors
                if _signed(certificate, each) and _is_revoked(certificate, each, self.lists)
            ),
            None,
        )

    def certify(self, shown: list[x509.Certificate], wall: int) -> bool:
        """Tell whether one of them signed the first, or signed the issuer that it brought along; `wall`: UTC."""
        anchors = [each for each in self.anchors if self.revoker(each) is None]
        current = shown[0]
        for below in range(len(shown)):
            if (anchor := _signer(current, anchors, below, wall)) is not None:
                return not _is_revoked(current, anchor, self.lists)
            signer = _signer(current, shown[1:], below, wall)
            if signer is None or _is_revoked(current, signer, self.lists):
                return False
            current = signer
        return False

    def outdated(self, shown: list[x509.Certificate], wall: int) -> x509.Certificate | None:
        """Give one that would vouch for them if it were valid now."""
        return next(
            (
                anchor
                for anchor in self.anchors
                if not is_valid(anchor, wall) and any(_signed(each, anchor) for each in shown)
            ),
            None,
        )


def parse_list(content: bytes) -> x509.CertificateRevocationList:
    """Read a list of revoked certificates in DER or PEM form.

    Raises:
        ValueError: it is none.
    """
    if content.lstrip().startswith(b"-----BEGIN"):
        return x509.load_pem_x509_crl(content)
    return x509.load_der_x509_crl(content)


def may_serve(certificate: x509.Certificate) -> bool:
    """Tell whether an authority certified it as a server; a client's certificate of the same plant is none."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    return ExtendedKeyUsageOID.SERVER_AUTH in usage


def _signer(
    signed: x509.Certificate, candidates: list[x509.Certificate], below: int, wall: int
) -> x509.Certificate | None:
    """Find who signed it among those who may; `below`: how many authorities stand between it and the server's."""
    return next((each for each in candidates if _may_sign(each, below, wall) and _signed(signed, each)), None)


def _may_sign(issuer: x509.Certificate, below: int, wall: int) -> bool:
    try:
        basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    try:
        signs = issuer.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        signs = True
    deep_enough = basic.path_length is None or below <= basic.path_length
    return basic.ca and signs and deep_enough and is_valid(issuer, wall)


def _signed(signed: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        signed.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_revoked(
    certificate: x509.Certificate, issuer: x509.Certificate, lists: list[x509.CertificateRevocationList]
) -> bool:
    key = issuer.public_key()
    return isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) and any(
        each.issuer == issuer.subject
        and each.is_signature_valid(key)
        and each.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
        for each in lists
    )
