"""Certificates: how long they are good for, those that others show and those of this agent.

Rules for whoever changes this: what is only looked at is not believed; files are read on a thread.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from agent.checkup.case import Case
from agent.checkup.finding import Finding, Subject, count
from agent.clock import Clock
from agent.destinations import expiring
from agent.sources.opcua.certificates import name_of
from agent.sources.opcua.config import OpcUaSource
from agent.sources.opcua.trust import TrustStore

_OWN: Final = Subject("certificates")
_SOON: Final = timedelta(days=30)


def lifetime(certificate: x509.Certificate, wall: int) -> str:
    """`ends in 61 days, on 2027-01-22`, or that it has ended."""
    end = certificate.not_valid_after_utc
    days = (end - _moment(wall)).days
    when = f"ends in {count(days, 'day')}" if days >= 0 else "has ended"
    return f"{when}, on {end:%Y-%m-%d}"


def ends_soon(certificate: x509.Certificate, wall: int) -> bool:
    """Within 30 days, or the last third of its life: what lives for a day and is renewed by a timer is no news."""
    end = certificate.not_valid_after_utc
    return end - _moment(wall) <= min(_SOON, (end - certificate.not_valid_before_utc) / 3)


def parsed(encoded: bytes | None) -> x509.Certificate | None:
    """Read what OpenSSL has accepted; None: there is none, or it is odder than this library takes."""
    try:
        return None if encoded is None else x509.load_der_x509_certificate(encoded)
    except ValueError:
        return None


def shown(subject: Subject, thing: str, certificate: x509.Certificate, wall: int) -> Iterator[Finding]:
    """Say when the certificate of somebody else is about to end."""
    if ends_soon(certificate, wall):
        said = f"its certificate ({name_of(certificate)}) {lifetime(certificate, wall)}"
        yield subject.warning(thing, said, "have it renewed by those whose it is, before that day")


def examine_certificates(case: Case, clock: Clock) -> Iterator[Finding]:
    """Look at those of this agent; blocks on their files."""
    wall, parts = clock.wall(), case.parts
    found: dict[Path, str] = {}
    for what, entries in (
        ("source", parts.sources),
        ("destination", parts.destinations),
        ("relay", parts.relays),
    ):
        for name, entry in entries.items():
            found |= dict.fromkeys(_files(entry), f"{what} {name}")
    found |= dict.fromkeys(_files(parts.http), "the page")
    for file, whose in found.items():
        yield from _file(file, whose, wall)
    yield from _of_opcua(parts.sources, wall)
    for name, destination in parts.destinations.items():
        for sentence in expiring(name, destination, wall):
            said, _, remedy = sentence.partition(": ")
            if not any(str(file) in said for file in found):
                yield _OWN.warning(f"destination {name}", said, remedy)


def _files(entry: object) -> Iterator[Path]:
    tls = getattr(entry, "tls", None)
    for key in ("certificate", "ca"):
        if isinstance(file := getattr(tls, key, None), Path):
            yield file


def _file(file: Path, whose: str, wall: int) -> Iterator[Finding]:
    try:
        certificates = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no PEM file"
        yield _OWN.problem(
            whose, f"{file} cannot be read ({why})", "name the right file, readable for the agent"
        )
        return
    # Of several authorities in one file the one counts that lasts; a certificate of ours stands first.
    yield _judged(
        f"{whose}, {file.name}", certificates[0] if len(certificates) == 1 else _lasting(certificates), wall
    )


def _lasting(certificates: list[x509.Certificate]) -> x509.Certificate:
    own = certificates[0]
    return own if own.subject != own.issuer else max(certificates, key=lambda each: each.not_valid_after_utc)


def _of_opcua(sources: Mapping[str, object], wall: int) -> Iterator[Finding]:
    folders = {
        each.security.pki
        for each in sources.values()
        if isinstance(each, OpcUaSource) and each.security.mode != "none"
    }
    for folder in sorted(folders):
        with suppress(OSError):
            own = TrustStore(folder).kept("own")
            for each in own:
                yield _judged("this agent, for OPC UA", each.certificate, wall)
            if not own:
                said = f"{folder} has no certificate of this agent that could be read; the first connect makes one"
                yield _OWN.skipped("this agent, for OPC UA", said)


def _judged(thing: str, certificate: x509.Certificate, wall: int) -> Finding:
    said = f"{name_of(certificate)} {lifetime(certificate, wall)}"
    if certificate.not_valid_before_utc > _moment(wall):
        begins = f"{certificate.not_valid_before_utc:%Y-%m-%d}"
        return _OWN.problem(
            thing, f"{said}, and is good from {begins} on", "check this machine's clock, then the file"
        )
    if certificate.not_valid_after_utc <= _moment(wall):
        return _OWN.problem(
            thing, said, "renew it; a new file counts at the next connection, without a restart"
        )
    if ends_soon(certificate, wall):
        return _OWN.warning(thing, said, "renew it in time; a new file counts without a restart")
    return _OWN.good(thing, said)


def _moment(wall: int) -> datetime:
    return datetime.fromtimestamp(wall / 1e9, UTC)
