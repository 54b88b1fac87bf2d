"""Certificates of ours that are about to expire, or have; read from their files, no connection needed.

Told when a third of a certificate's life is left, at most 60 days before its end: what lives for a day
and is renewed by cron makes no noise. A receiver's own certificate is the business of its people.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:  # loaded with the first certificate: most agents have none of their own
    from cryptography import x509

_SOON: Final = timedelta(days=60)


class TlsFiles(Protocol):
    """What the TLS section of a destination of any kind names."""

    @property
    def ca(self) -> Path | None:
        """The authority that the receiver's certificate is signed by."""
        ...

    @property
    def certificate(self) -> Path | None:
        """The agent's own certificate."""
        ...


def about_to_expire(name: str, sections: Iterable[TlsFiles | None], wall: int) -> list[str]:
    """Say which certificates of a destination must be renewed, a sentence each; blocks on the files.

    `wall` is nanoseconds UTC.
    """
    now = datetime.fromtimestamp(wall / 1e9, UTC)
    found: dict[str, None] = {}
    for whose, certificate in _certificates(sections):
        end = certificate.not_valid_after_utc
        if end - now <= min(_SOON, (end - certificate.not_valid_before_utc) / 3):
            ends = f"{'expires' if end > now else 'expired'} on {end:%Y-%m-%d}"
            found[f"a certificate of destination {name} {ends}, that of {whose}: renew it in time"] = None
    return list(found)


def _certificates(sections: Iterable[TlsFiles | None]) -> Iterator[tuple[str, "x509.Certificate"]]:
    """Give whose they are, and the certificate: of several authorities in one file the one that lasts."""
    for tls in sections:
        if tls is None:
            continue
        if own := _read(tls.certificate):
            yield f"this agent in {tls.certificate}", own[0]
        if authorities := _read(tls.ca):
            yield f"the authority in {tls.ca}", max(authorities, key=lambda each: each.not_valid_after_utc)


def _read(file: Path | None) -> list["x509.Certificate"]:
    if file is None:
        return []
    from cryptography import x509  # noqa: PLC0415 - see above

    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        return []  # told when it is used
