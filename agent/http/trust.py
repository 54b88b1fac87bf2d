"""Whom a receiver must be certified by: the TLS context, made anew when its files change, and pins.

Certificates are renewed by cron and nobody restarts an agent for that: the files are looked at every
few seconds while something is sent, and the next connection uses what stands there. Files that do
not fit together, because the key is a moment behind its certificate, leave in force what was.

Rules for whoever changes this: chain and host name are always checked, a pin only narrows that; files
are read on a thread; nothing here is done for an attempt that can be done once.
"""

import asyncio
import logging
import ssl
from _ssl import ENCODING_DER
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.clock import Clock
from agent.errors import SourceError
from agent.http.access import TlsSection, written_pin
from agent.model import SECOND
from agent.threads import in_a_thread
from agent.tls import client_context

_log: Final = logging.getLogger(__name__)

_LOOK_EVERY: Final = 5 * SECOND
_SHOWN: Final = 4  # keys of a chain in a message
_Stamps: TypeAlias = tuple[tuple[int, int, int] | None, ...]


class UnusableError(Exception):
    """A certificate's file cannot be used; says which, and what is wanted."""


class PinError(ssl.SSLCertVerificationError):
    """None of the keys that were shown is pinned; `shown` names them, to be compared."""

    def __init__(self, shown: str) -> None:
        super().__init__(1, "none of its keys is pinned")
        self.shown = shown


@dataclass(frozen=True, slots=True)
class _Loaded:
    context: ssl.SSLContext
    stamps: _Stamps


class Trust:
    """The TLS context of one destination, or relay. `context` gives it for the next request."""

    def __init__(self, name: str, tls: TlsSection | None, clock: Clock, *, kind: str = "destination") -> None:
        self._name = name
        self._who = f"{kind} {name}"
        self._tls = tls or TlsSection()
        self._clock = clock
        self._loaded: _Loaded | None = None
        self._look_at = 0
        self._looking = asyncio.Lock()
        self._refusal = ""

    async def context(self) -> ssl.SSLContext:
        """Give what the next connection is made with.

        Raises:
            UnusableError: a file cannot be used, and none could before.
        """
        if self._loaded is not None and self._clock.monotonic() < self._look_at:
            return self._loaded.context
        async with self._looking:
            if self._loaded is None or self._clock.monotonic() >= self._look_at:
                self._loaded = await self._look(self._loaded)
            return self._loaded.context

    async def _look(self, before: _Loaded | None) -> _Loaded:
        """Load the files if they are not those that were loaded before; give what is in force.

        Raises:
            UnusableError: they cannot be used, and nothing was loaded before.
        """
        found = await in_a_thread(f"certificates of {self._name}", lambda: _load(self._tls, before))
        if isinstance(found, _Loaded):
            if before is not None and found is not before:
                _log.info("%s: its certificates have changed, new connections use them", self._who)
            self._refusal, before = "", found
        elif before is None:
            raise UnusableError(found)
        elif found != self._refusal:
            _log.warning("%s: %s; what was loaded before stays in force", self._who, found)
            self._refusal = found
        self._look_at = self._clock.monotonic() + _LOOK_EVERY
        return before


def _load(tls: TlsSection, before: _Loaded | None) -> _Loaded | str:
    """Load what the files hold, unless they are those that were loaded before; text: why they cannot be used."""
    stamps = tuple(map(_stamp, (tls.ca, tls.certificate, tls.key)))  # before they are read
    if before is not None and stamps == before.stamps:
        return before
    password = tls.key_password.reveal() if tls.key_password else ""
    try:
        context = client_context(
            tls.ca, tls.certificate, tls.key, password=password, whose=" of the receiver's authority"
        )
    except SourceError as error:
        return str(error)
    if tls.pin:
        context.sslobject_class = _pinned(frozenset(tls.pin))
    return _Loaded(context, stamps)


def _stamp(file: Path | None) -> tuple[int, int, int] | None:
    try:
        found = None if file is None else file.stat()
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)


def _pinned(pins: frozenset[str]) -> type[ssl.SSLObject]:
    """A connection's side of TLS that breaks off before anything is sent to keys that nobody pinned."""

    class Pinned(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            # Python 3.13 made it public; what it gives has been there since 3.10.
            chain = self._sslobj.get_verified_chain()  # type: ignore[attr-defined]
            shown = [_key_of(each.public_bytes(ENCODING_DER)) for each in chain]
            if pins.isdisjoint(pin for pin, _ in shown):
                raise PinError(", ".join(f"{pin} of {name}" for pin, name in shown[:_SHOWN]))

    return Pinned


def _key_of(encoded: bytes) -> tuple[str, str]:
    """Give the pin of a certificate's key, and whose it is, for a person."""
    try:
        certificate = x509.load_der_x509_certificate(encoded)
        return pin_of(certificate), _name(certificate)
    except (ValueError, UnsupportedAlgorithm):
        return "none", "a certificate of an unknown kind"


def pin_of(certificate: x509.Certificate) -> str:
    """Give the pin of a certificate's key: it stays when the certificate is renewed for the same key.

    Raises:
        ValueError: it has no key that can be read.
        UnsupportedAlgorithm: nor one of a known kind.
    """
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return written_pin(sha256(key).digest())


def _name(certificate: x509.Certificate) -> str:
    """Its subject; what a terminal would obey, or shows as something else, is written out."""
    text = certificate.subject.rfc4514_string() or "a certificate without a name"
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
