"""What `edge-relay verify` is given: headers as somebody copied them, a body, and the keys of a receiver.

Rules for whoever changes this: headers are taken in every form in which people have them; a body is
bytes and stays as it is; a key is named by where it came from and never shown.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.delivery.keys import (
    PUBLIC_PREFIX,
    SIGNING_PREFIX,
    PublicKey,
    Verifies,
    decode_public_key,
    decode_secret,
    decode_signing_key,
)
from agent.errors import EdgeRelayError

if TYPE_CHECKING:
    from agent.signing.config import Ed25519Signing, StandardSigning

_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n")
_REQUEST_LINE: Final = re.compile(r"[A-Z]+ \S+ HTTP/[0-9.]+|HTTP/[0-9.]+ [0-9]{3}.*")
_MARKS: Final = re.compile(r"^[<>*] ?")  # what `curl -v` puts before a line
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class UsageError(EdgeRelayError):
    """The words of the command, or a file that it names, cannot be used: exit status 2."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What the receiver has.

    Attributes:
        verifying: the keys; empty for hex, where the secrets are.
        names: what each is called when it is talked about.
        written: the secrets as they are written, and public keys, for mistakes in their use; in the order of `names`.
        header: of a hex signature; empty for Standard Webhooks.
        prefix: what stands before it.
    """

    names: tuple[str, ...]
    verifying: tuple[Verifies, ...] = ()
    written: tuple[str | PublicKey, ...] = field(default=(), repr=False)
    header: str = ""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived."""

    headers: Mapping[str, str]
    body: bytes


def read_request(arguments: argparse.Namespace, header: str) -> Request:
    """Read headers and body; `header` is that which `--signature` stands for.

    Raises:
        UsageError: one of them is not given, or cannot be read.
    """
    headers: dict[str, str] = {}
    rest: bytes | None = None
    if arguments.headers is not None:
        head, *behind = _BLANK_LINE.split(_bytes(arguments.headers).lstrip(b"\r\n"), maxsplit=1)
        headers = read_headers(head.decode(errors="surrogateescape"))
        rest = behind[0] if behind and behind[0] else None
        if not headers:
            raise UsageError(
                f"{arguments.headers} has no headers: expected lines such as `webhook-id: evt_1`"
            )
    named = {
        "webhook-id": arguments.id,
        "webhook-timestamp": arguments.timestamp,
        header: arguments.signature,
    }
    given = {name: text for name, text in named.items() if text is not None}
    if not headers and not given:
        raise UsageError("which headers arrived? Give --headers FILE, or --id, --timestamp and --signature")
    if arguments.body is not None:
        return Request(headers | given, _bytes(arguments.body))
    if rest is None:
        raise UsageError("which body arrived? Give the file that holds it, or - for standard input")
    return Request(headers | given, rest)


def read_headers(text: str) -> dict[str, str]:
    """Read headers as they were copied: from a log, `curl -v`, a JSON object, a CGI environment; in lower case."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if isinstance(document, dict):
        return {_plain(name): _text(value) for name, value in document.items() if _NAME.fullmatch(name)}
    headers: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = _MARKS.sub("", line).partition(":")
        if colon and _NAME.fullmatch(name.strip()) and not _REQUEST_LINE.fullmatch(line.strip()):
            headers[_plain(name.strip())] = value.strip()
    return headers


def _plain(name: str) -> str:
    return name.removeprefix("HTTP_").replace("_", "-").lower() if name.isupper() else name.lower()


def _text(value: object) -> str:
    """A header's value; many programs have a list of each."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _bytes(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): check the path") from None


def read_keys(arguments: argparse.Namespace) -> Keys:
    """Read the keys that the options name.

    Raises:
        UsageError: none is named, or one is none.
        ConfigError: the configuration that has them has errors.
    """
    if arguments.destination is not None:
        if arguments.secret_file or arguments.public_key:
            raise UsageError("--destination beside --secret-file or --public-key: give one of them")
        return keys_of_destination(arguments.config, arguments.destination)
    if not arguments.secret_file and not arguments.public_key:
        raise UsageError("which key? Give --secret-file FILE, --public-key whpk_..., or --destination NAME")
    secrets = [_secret(path) for path in arguments.secret_file]
    if arguments.scheme == "hex":
        if arguments.public_key:
            raise UsageError("--scheme hex has secrets only: leave --public-key out")
        names = tuple(f"the secret in {path}" for path in arguments.secret_file)
        return Keys(names, (), tuple(secrets), arguments.header, arguments.prefix)
    from_files = zip(arguments.secret_file, secrets, strict=True)
    parts = [_key(text, str(path)) for path, text in from_files]
    parts += [_key(text, "--public-key", expected=PUBLIC_PREFIX) for text in arguments.public_key]
    return Keys(
        tuple(name for name, _, _ in parts),
        tuple(key for _, key, _ in parts),
        tuple(text for *_, text in parts),
    )


def _secret(path: Path) -> str:
    try:
        text = _bytes(path).decode().strip()
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text: expected a secret") from None
    if not text:
        raise UsageError(f"{path} is empty: expected a secret")
    return text


def _key(text: str, where: str, *, expected: str = "") -> tuple[str, Verifies, str | PublicKey]:
    """What a key is called, the key, and its text if it is a secret."""
    try:
        if expected == PUBLIC_PREFIX or text.startswith(PUBLIC_PREFIX):
            key = decode_public_key(text)
            return (f"the public key {key}", key, key)
        if text.startswith(SIGNING_PREFIX):
            key = decode_signing_key(text).public
            return (f"the public key {key} of the signing key in {where}", key, key)
        return f"the secret in {where}", decode_secret(text), text
    except ValueError as error:
        literal = "; for a secret that is used as it is written: --scheme hex" if not expected else ""
        raise UsageError(f"{where}: {error}{literal}") from None


def keys_of_destination(config: Path, name: str) -> Keys:
    """Take the keys from the configuration.

    Raises:
        UsageError: there is no such destination, or it is not signed.
        ConfigError: the configuration has errors.
    """
    from agent.config.load import load
    from agent.config.messages import did_you_mean
    from agent.destinations.webhook.config import WebhookDestination
    from agent.signing.config import HexSigning

    destinations = load(config).destinations
    name = name.removeprefix("destination:")
    if (destination := destinations.get(name)) is None:
        remedy = did_you_mean(name, destinations) if destinations else ": the configuration has none, add it"
        raise UsageError(f"there is no destination {name}{remedy}")
    match destination:
        case WebhookDestination(signing=signing) if signing != "none":
            pass
        case _:
            raise UsageError(
                f"destination {name} is not signed (`signing: none`), so nothing can be verified: give it a secret, as `edge-relay keygen` makes one"
            )
    if isinstance(signing, HexSigning):
        secret = signing.secret.reveal()
        return Keys((f"the secret of {name}",), (), (secret,), signing.header, signing.prefix)
    return _keys_in_order(name, signing)


def _keys_in_order(name: str, signing: "StandardSigning | Ed25519Signing") -> Keys:
    from agent.signing.config import StandardSigning
    from agent.signing.verifier import verifying_keys

    secrets = [each.reveal() for each in signing.previous_secrets]
    if isinstance(signing, StandardSigning):
        secrets = [signing.secret.reveal(), *secrets]
    verifying = verifying_keys(signing)
    public = [key for key in verifying if isinstance(key, PublicKey)]
    kinds = ["public key"] * len(public) + ["secret"] * len(secrets)
    names = [f"the current {kinds[0]} of {name}"]
    names += [
        f"previous {kind} {kinds[1 : place + 1].count(kind)} of {name}"
        for place, kind in enumerate(kinds[1:], start=1)
    ]
    return Keys(tuple(names), verifying, (*public, *secrets))
