"""Which servers are trusted: the certificates in a folder that engineers know from other OPC UA software.

    PKI/own/        this agent's certificate and key
    PKI/trusted/    servers that a person has trusted, each by its very certificate
    PKI/issuers/    authorities: whom they certify is trusted, as far as the certificate names the host;
                    `*.crl` beside them: whom they certify no more, even if a person has trusted it
    PKI/rejected/   servers that were refused, for a person to look at

Free of asyncua: the commands, and warnings of what expires, need no connection.

Rules for whoever changes this: everything is read anew for each check, so that what a person or a tool
changes on disk counts at the next connect; nothing here trusts by itself; what strangers can make us
write is bounded.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from agent.errors import SourceError
from agent.sources.opcua.certificates import (
    alternative_uris,
    check_validity,
    expiry,
    is_for_host,
    parse,
    thumbprint,
    told,
)
from agent.sources.opcua.config import OpcUaSource
from agent.sources.opcua.identity import READABLE, make_folder, own_file, put
from agent.sources.opcua.issuers import Issuers, may_serve, parse_list

TRUSTED: Final = "trusted"
ISSUERS: Final = "issuers"
REJECTED: Final = "rejected"

_FORMS: Final = {".der", ".pem", ".crt", ".cer"}
_MOST_REJECTED: Final = 20  # a server may show a new one each time
_LONGEST_NAME: Final = 60


@dataclass(frozen=True, slots=True)
class Kept:
    """A certificate in the store; `state` is the folder that it lies in."""

    state: str
    certificate: x509.Certificate
    file: Path


class TrustStore:
    """The certificates under one PKI folder. Every method blocks on files."""

    def __init__(self, pki: Path) -> None:
        self.pki = pki

    def kept(self, *states: str) -> list[Kept]:
        """Give what lies in these folders, by file name; files that are no certificate are passed over."""
        found: list[Kept] = []
        for state in states:
            for file in sorted((self.pki / state).glob("*")):
                if file.suffix.lower() in _FORMS:
                    with suppress(OSError, ValueError):
                        found.append(Kept(state, parse(file.read_bytes()), file))
        return found

    def check(self, shown: list[x509.Certificate], host: str, source: str, wall: int) -> None:
        """Accept the certificate of a server, or refuse it and keep it in `rejected/`.

        Args:
            shown: the server's certificate, then the issuers that it sent along.
            host: the host of the source's url; an issuer's word counts for the hosts that it names.
            source: the source's name, for the remedy.
            wall: nanoseconds UTC.

        Raises:
            SourceError: refused; the message names the certificate and the way out.
        """
        try:
            self._check(shown, host, source, wall)
        except SourceError:
            with suppress(OSError):  # a folder that cannot be written: the refusal is what counts
                self._reject(shown[0])
            raise
        check_validity(shown[0], wall)

    def _check(self, shown: list[x509.Certificate], host: str, source: str, wall: int) -> None:
        presented = shown[0]
        trusted = [each.certificate for each in self.kept(TRUSTED)]
        issuers, damaged = self._issuers()
        if (revoker := issuers.revoker(presented)) is not None:
            raise SourceError(
                f"refused the server's certificate {told(presented)}: {told(revoker)} in {ISSUERS}/ has revoked it: "
                "renew it at the server"
            )
        if presented in trusted:
            return
        if not issuers.certify(shown, wall):
            if (outdated := issuers.outdated(shown, wall)) is not None:
                check_validity(outdated, wall, f"the server: it relies on a certificate in {ISSUERS}/,")
            raise SourceError(_unknown(presented, trusted, source))
        if damaged is not None:
            raise SourceError(
                f"{damaged} is no list of revoked certificates that can be read: until it is put right, nobody is "
                "trusted by an issuer's word"
            )
        if not is_for_host(presented, host) or not may_serve(presented):
            raise SourceError(
                f"refused the server's certificate {told(presented)}: a certificate in {ISSUERS}/ vouches for "
                f"it, but not as a server at {host}: have it made for that name or address, or trust this "
                f"very certificate with `edge-relay trust {source}`"
            )

    def _issuers(self) -> tuple[Issuers, Path | None]:
        """Give them with their lists; and a list that cannot be read, for nobody knows whom it revokes."""
        lists: list[x509.CertificateRevocationList] = []
        damaged: Path | None = None
        for file in sorted((self.pki / ISSUERS).glob("*.[cC][rR][lL]")):
            try:
                lists.append(parse_list(file.read_bytes()))
            except (OSError, ValueError):
                damaged = file
        return Issuers([each.certificate for each in self.kept(ISSUERS)], lists), damaged

    def trust(self, certificate: x509.Certificate) -> Path:
        """Trust a certificate from now on; give its file."""
        return self._move(certificate, TRUSTED, REJECTED)

    def revoke(self, certificate: x509.Certificate) -> Path:
        """Trust a certificate no more; give the file where it is kept."""
        return self._move(certificate, REJECTED, TRUSTED)

    def _move(self, certificate: x509.Certificate, to: str, away: str) -> Path:
        make_folder(self.pki / to)
        file = self.pki / to / _file_name(certificate)
        content = certificate.public_bytes(serialization.Encoding.DER)
        if file.is_symlink() or (file.exists() and file.read_bytes() != content):
            file.unlink()  # what a power cut has left of it
        put(file, content, READABLE)
        for each in self.kept(away):
            if each.certificate == certificate:
                each.file.unlink()
        return file

    def _reject(self, certificate: x509.Certificate) -> None:
        make_folder(self.pki / REJECTED)
        file = self.pki / REJECTED / _file_name(certificate)
        put(file, certificate.public_bytes(serialization.Encoding.DER), READABLE)
        file.touch()  # the latest to be refused is the last to be forgotten
        files = sorted((self.pki / REJECTED).glob("*.der"), key=lambda each: each.stat().st_mtime_ns)
        for oldest in files[:-_MOST_REJECTED]:
            oldest.unlink(missing_ok=True)


def expiring(config: OpcUaSource, wall: int, server: x509.Certificate | None = None) -> list[str]:
    """Say which certificates of a source expire within 60 days, or have, a sentence each. Blocks.

    Args:
        config: the source.
        wall: nanoseconds UTC.
        server: the certificate that the server shows; None: nobody has looked, so all that are taken count.
    """
    if config.security.mode == "none":
        return []
    store = TrustStore(config.security.pki)
    certificates = _read("this agent's", own_file(store.pki))
    if config.user_certificate is not None:
        certificates |= _read("the user's", config.user_certificate)
    if server is not None:
        certificates[f"the server's at {config.url}"] = server
    elif config.security.server_certificate is not None:
        certificates |= _read("the server's", config.security.server_certificate)
    else:
        certificates |= {f"the server's in {each.file}": each.certificate for each in store.kept(TRUSTED)}
    return [
        f"an OPC UA certificate {end}, {whose}: {told(certificate)}: renew it in time"
        for whose, certificate in certificates.items()
        if (end := expiry(certificate, wall))
    ]


def _read(whose: str, file: Path) -> dict[str, x509.Certificate]:
    try:
        return {f"{whose} in {file}": parse(file.read_bytes())}
    except (OSError, ValueError):
        return {}  # told when it is used


def _unknown(presented: x509.Certificate, trusted: list[x509.Certificate], source: str) -> str:
    uris = set(alternative_uris(presented))
    before = next((each for each in trusted if uris & set(alternative_uris(each))), None)
    if before is None:
        return (
            f"refused the server's certificate {told(presented)}: nobody has trusted it yet; compare the thumbprint "
            f"with the one that the server's own tool shows, then `edge-relay trust {source}`"
        )
    return (
        f"refused the server's certificate: it shows {told(presented)}, but the one that was trusted is "
        f"{told(before)}; if the server's certificate was replaced on purpose, `edge-relay trust {source}`, "
        "else somebody stands in between"
    )


def _file_name(certificate: x509.Certificate) -> str:
    """`boiler [8F3A...].der`, as other OPC UA software names them; whatever a stranger calls himself."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = re.sub(r"[^\w.-]+", "_", str(names[0].value) if names else "")[:_LONGEST_NAME].strip("._")
    return f"{name or 'server'} [{thumbprint(certificate).replace(' ', '')}].der"
