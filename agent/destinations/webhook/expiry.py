"""Certificates of ours that are about to expire, or have; read from their files, no connection needed.

Told when a third of a certificate's life is left, at most 60 days before its end: what lives for a day
and is renewed by cron makes no noise, and a receiver's own certificate is the business of its people.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from agent.destinations.webhook.config import WebhookDestination

_SOON: Final = timedelta(days=60)


def expiring(name: str, config: WebhookDestination, wall: int) -> list[str]:
    """Say which certificates of a destination must be renewed, a sentence each; blocks on the files.

    `wall` is nanoseconds UTC.
    """
    now = datetime.fromtimestamp(wall / 1e9, UTC)
    found: dict[str, None] = {}
    for whose, certificate in _certificates(config):
        end = certificate.not_valid_after_utc
        if end - now <= min(_SOON, (end - certificate.not_valid_before_utc) / 3):
            ends = f"{'expires' if end > now else 'expired'} on {end:%Y-%m-%d}"
            found[f"a certificate of destination {name} {ends}, that of {whose}: renew it in time"] = None
    return list(found)


def _certificates(config: WebhookDestination) -> Iterator[tuple[str, x509.Certificate]]:
    """Give whose they are, and the certificate: of several authorities in one file the one that lasts."""
    oauth2 = None if config.auth is None else config.auth.oauth2
    for tls in (config.tls, None if oauth2 is None else oauth2.tls):
        if tls is None:
            continue
        if own := _read(tls.certificate):
            yield f"this agent in {tls.certificate}", own[0]
        if authorities := _read(tls.ca):
            yield f"the authority in {tls.ca}", max(authorities, key=lambda each: each.not_valid_after_utc)


def _read(file: Path | None) -> list[x509.Certificate]:
    try:
        return [] if file is None else x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        return []  # told when it is used
