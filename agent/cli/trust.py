"""`edge-relay trust`: which OPC UA servers are trusted, and trusting one by hand, once.

Rules for whoever changes this: nothing is trusted but what a person has compared; what is shown came
over the network without any proof, so the thumbprint is shown whole; the exit status is 0 only if what
was asked for is so.
"""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.cli.arguments import add_config_option
from agent.clock import SystemClock
from agent.errors import EdgeRelayError, SourceError
from agent.model import Json

if TYPE_CHECKING:
    from cryptography import x509

    from agent.sources.opcua.config import OpcUaSource
    from agent.sources.opcua.discovery import Shown
    from agent.sources.opcua.trust import Kept, TrustStore

SUMMARY = "list, trust and revoke the certificates of OPC UA servers"
_STATES: Final = ("own", "trusted", "issuers", "rejected")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", nargs="?", metavar="SOURCE", help="trust the server of this source")
    parser.add_argument(
        "--thumbprint", metavar="SHA1", help="trust it without asking if this is its thumbprint (or SHA-256)"
    )
    parser.add_argument("--revoke", metavar="SHA1", help="trust the certificate with this thumbprint no more")
    parser.add_argument("--json", action="store_true", help="print one JSON document, for scripts")
    add_config_option(parser)
    parser.epilog = """examples:
  edge-relay trust                    all certificates: this agent's own, and those of servers
  edge-relay trust boiler             show what the server presents, ask, and trust it
  edge-relay trust boiler --thumbprint "0F3A9C11 ..."
  edge-relay trust --revoke "0F3A9C11 ..."

Compare the thumbprint with the one that the server's own tool or display shows: whoever stands between
agent and server could show another certificate. The server must trust this agent as well: its
certificate is the first of the list. A running agent needs no restart.

exit status: 0 done, 1 not trusted or not reached, 2 usage or configuration
"""


def run(arguments: argparse.Namespace) -> int:
    """List, trust or revoke."""
    if arguments.revoke and (arguments.source or arguments.thumbprint):
        print("edge-relay: --revoke stands alone: it names the certificate itself", file=sys.stderr)
        return 2
    if arguments.thumbprint and not arguments.source:
        print("edge-relay: --thumbprint needs the source whose server shows it", file=sys.stderr)
        return 2
    from agent.cli.commissioning import asked

    return asked(lambda: _trust(arguments))


async def _trust(arguments: argparse.Namespace) -> int:
    from agent.cli.commissioning import without_secrets
    from agent.sources.exploring import MistypedError
    from agent.sources.opcua.config import OpcUaSource

    configuration = await asyncio.to_thread(without_secrets, arguments.config)
    servers = {
        name: source
        for name, source in configuration.sources.items()
        if isinstance(source, OpcUaSource) and source.security.mode != "none"
    }
    if arguments.source:
        name = arguments.source.removeprefix("source:")
        if name not in servers:
            raise MistypedError(_no_such_server(name, configuration.sources))
        return await _trust_server(name, servers[name], arguments)
    folders = sorted({source.security.pki for source in servers.values()})
    if not folders:
        raise EdgeRelayError("no OPC UA source has a secured connection: there is nothing to trust")
    return _revoke(folders, arguments.revoke) if arguments.revoke else _list(folders, as_json=arguments.json)


def _no_such_server(name: str, sources: Mapping[str, object]) -> str:
    from agent.config.messages import did_you_mean
    from agent.sources.opcua.config import OpcUaSource

    match sources.get(name):
        case None:
            return f"there is no source {name}{did_you_mean(name, sources)}"
        case OpcUaSource():
            return f"source {name} has `security: none`: write sign_and_encrypt to know whom it talks to"
        case _:
            return f"source {name} is no OPC UA server: there is no certificate to trust by hand"


def _list(folders: list[Path], *, as_json: bool) -> int:
    from agent.cli.tables import print_table
    from agent.sources.opcua.certificates import expiry, name_of, thumbprint
    from agent.sources.opcua.trust import TrustStore

    kept = [each for folder in folders for each in TrustStore(folder).kept(*_STATES)]
    if as_json:
        print(json.dumps([_as_json(each.certificate, each) for each in kept], indent=2, ensure_ascii=False))
        return 0
    now = SystemClock().wall()
    rows = [
        (
            each.state.removesuffix("s"),
            name_of(each.certificate),
            thumbprint(each.certificate),
            expiry(each.certificate, now) or f"{each.certificate.not_valid_after_utc:%Y-%m-%d}",
            each.file,
        )
        for each in kept
    ]
    print_table(("state", "name", "thumbprint (SHA-1)", "valid until", "file"), rows, whole=True)
    if not any(each.state == "own" for each in kept):
        print(
            "this agent has no certificate yet: it is made at the first connect, or by `edge-relay trust SOURCE`"
        )
    return 0


def _revoke(folders: list[Path], wanted: str) -> int:
    from agent.sources.opcua.certificates import told as named
    from agent.sources.opcua.trust import TRUSTED, TrustStore

    stores = [TrustStore(folder) for folder in folders]
    found = [
        (store, each.certificate)
        for store in stores
        for each in store.kept(TRUSTED)
        if _has_thumbprint(each.certificate, wanted)
    ]
    if not found:
        raise EdgeRelayError(
            f"no trusted certificate has the thumbprint {wanted}: `edge-relay trust` lists all"
        )
    for store, certificate in found:
        with _writing(store.pki):
            file = store.revoke(certificate)
        print(f"trusted no more: {named(certificate)}, kept in {file}")
    print(
        "a connection that is open goes on; its next one is refused (`edge-relay pause source:NAME 10s` ends it)"
    )
    return 0


async def _trust_server(name: str, config: "OpcUaSource", arguments: argparse.Namespace) -> int:
    from agent.sources.opcua.discovery import shown
    from agent.sources.opcua.identity import own_identity
    from agent.sources.opcua.trust import TrustStore

    store = TrustStore(config.security.pki)
    try:
        own = await asyncio.to_thread(own_identity, store.pki, SystemClock().wall())
        server = await shown(config)
        known = server.certificates[0] in await asyncio.to_thread(_taken, config, store)
    except SourceError as error:
        raise EdgeRelayError(f"{name}, {config.url}: {error}") from error
    if not arguments.json:
        _show(name, config, server)
    if known and (not arguments.thumbprint or _has_thumbprint(server.certificates[0], arguments.thumbprint)):
        problem = ""
    else:
        problem = _refusal(config, server.certificates[0], arguments, known=known)
    if not known and not problem:
        with _writing(store.pki):
            store.trust(server.certificates[0])
    if arguments.json:
        answer: dict[str, Json] = {"source": name, "trusted": not problem, "problem": problem}
        answer |= {"presented": _as_json(server.certificates[0]), "application_uri": server.application_uri}
        print(json.dumps(answer | {"own": own.told}, indent=2, ensure_ascii=False))
        return 1 if problem else 0
    if problem:
        print(f"edge-relay: {problem}", file=sys.stderr)
    else:
        print(outcome(server.certificates[0], known=known))
    print(f"the server must trust this agent as well: {own.told}")
    return 1 if problem else 0


def _taken(config: "OpcUaSource", store: "TrustStore") -> list["x509.Certificate"]:
    """Give the very certificates that the source takes."""
    from agent.sources.opcua.certificates import load_certificate
    from agent.sources.opcua.trust import TRUSTED

    if (pinned := config.security.server_certificate) is not None:
        return [load_certificate(pinned, "server_certificate")] if pinned.exists() else []
    return [each.certificate for each in store.kept(TRUSTED)]


def _show(name: str, config: "OpcUaSource", server: "Shown") -> None:
    from agent.sources.opcua.certificates import (
        alternative_uris,
        expiry,
        long_thumbprint,
        name_of,
        printable,
        thumbprint,
    )

    presented = server.certificates[0]
    issuer = printable(presented.issuer.rfc4514_string())
    end = expiry(presented, SystemClock().wall())
    lines = {
        "subject": name_of(presented),
        "issuer": "itself" if presented.issuer == presented.subject else issuer,
        "application URI": " ".join(alternative_uris(presented)) or "none",
        "SHA-1": thumbprint(presented),
        "SHA-256": long_thumbprint(presented),
        "valid": f"{presented.not_valid_before_utc:%Y-%m-%d} to {presented.not_valid_after_utc:%Y-%m-%d}"
        f"{f', {end}' if end else ''}",
    }
    print(f"{name}, {config.url}, presents:")
    for word, text in lines.items():
        print(f"  {word:<16} {text}")
    if server.application_uri not in alternative_uris(presented):
        print(f"  the server calls itself {server.application_uri}, which is not in it: it will be refused")


def outcome(presented: "x509.Certificate", *, known: bool) -> str:
    """Say what comes of it: trusted or not, a certificate counts within its own dates alone."""
    now = datetime.fromtimestamp(SystemClock().wall() / 1e9, UTC)
    said = "it is trusted already" if known else "trusted"
    if presented.not_valid_before_utc <= now <= presented.not_valid_after_utc:
        return said if known else f"{said}: the next connect uses it, no restart is needed"
    return (
        f"{said}, but it is not valid today, {now:%Y-%m-%d}, and is refused until it is: renew it at the server "
        "and trust the new one, or set this machine's clock if that is wrong"
    )


def _refusal(
    config: "OpcUaSource", presented: "x509.Certificate", arguments: argparse.Namespace, *, known: bool
) -> str:
    """Say why it is not trusted now; empty: a person, or a script in a person's name, wants it."""
    if known:
        return f"the server shows another certificate than {arguments.thumbprint}, and that one is trusted"
    if (pinned := config.security.server_certificate) is not None:
        return f"only {pinned} counts for this source (server_certificate): put the certificate there, or delete the key"
    if arguments.thumbprint:
        if _has_thumbprint(presented, arguments.thumbprint):
            return ""
        return f"the server shows another certificate than {arguments.thumbprint}: nothing was trusted"
    if arguments.json or not sys.stdin.isatty():
        return "not trusted: nobody can be asked here; name it by --thumbprint"
    print("Compare the thumbprint with the one that the server's own tool or display shows.")
    return "" if input("Trust it? [y/N] ").strip().lower() in {"y", "yes"} else "not trusted"


def _has_thumbprint(certificate: "x509.Certificate", wanted: str) -> bool:
    from agent.sources.opcua.certificates import long_thumbprint, thumbprint

    digits = re.sub(r"[\s:-]", "", wanted).upper()
    return digits in {
        text.replace(" ", "") for text in (thumbprint(certificate), long_thumbprint(certificate))
    }


def _as_json(certificate: "x509.Certificate", kept: "Kept | None" = None) -> dict[str, Json]:
    from agent.sources.opcua.certificates import alternative_uris, long_thumbprint, name_of, thumbprint

    place: dict[str, Json] = {} if kept is None else {"state": kept.state, "file": str(kept.file)}
    return place | {
        "name": name_of(certificate),
        "application_uris": [*alternative_uris(certificate)],
        "thumbprint": thumbprint(certificate),
        "sha256": long_thumbprint(certificate),
        "valid_from": f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
        "valid_until": f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
    }


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Say what to do where the folder belongs to somebody else."""
    try:
        yield
    except OSError as error:
        raise EdgeRelayError(f"{folder} cannot be written ({error.strerror}): use sudo") from error
