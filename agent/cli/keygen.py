"""`edge-relay keygen`: a new secret or a new key pair to sign webhooks with, or a token for the page.

Rules for whoever changes this: nothing of a key is kept or logged; the default prints the secret and
not a word more, since scripts read it.
"""

import argparse
import getpass
import json
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.delivery.keys import decode_signing_key, encode_secret, encode_signing_key, signing_key

SUMMARY = "make a secret or keys for webhooks, or a token for the page"
_BYTES: Final = 32  # Standard Webhooks 1.0.0 takes 24 to 64; 32 is what SHA-256 can use, and an ed25519 seed
_EPILOG: Final = """\
examples:
  edge-relay keygen                          a whsec_ secret; the receiver needs the same
  edge-relay keygen --out cmms.key           into a file, for `signing: {secret: "${file:cmms.key}"}`
  edge-relay keygen --hex                    for `signing: {scheme: hex, header: X-Signature}`
  edge-relay keygen --ed25519 --out cmms.key
                                             a signing key into the file, for
                                             `signing: {scheme: ed25519, key: "${file:cmms.key}"}`;
                                             its public key, for the receiver, is printed
  edge-relay keygen --public-of cmms.key     the public key again
  edge-relay keygen --token --out anna.token
                                             a token, with which anna may operate on the page, for
                                             `http: {tokens: {anna: "${file:anna.token}"}}`

With a secret the receiver could sign as well as you; with a pair of keys it can only verify.
To change a secret or key without losing an event, write the old one under `previous_secrets` or
`previous_keys` until the receiver has the new one.
"""


@dataclass(frozen=True, slots=True)
class _Made:
    """What was made: the text that nobody else may see, what it is called, where it goes, the public key if it has one."""

    secret: str
    called: str
    section: str
    public: str = ""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--hex",
        action="store_true",
        help="64 hexadecimal digits, for `signing: {scheme: hex}`, where the text itself is the key",
    )
    kind.add_argument(
        "--ed25519",
        action="store_true",
        help="a signing key, which stays here, and its public key, which receivers get",
    )
    kind.add_argument(
        "--token",
        action="store_true",
        help="a token, by which the page knows a person or a program, or a relay its plant",
    )
    kind.add_argument(
        "--public-of", type=Path, metavar="FILE", help="make nothing: print the public key of a signing key"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write the secret into a new file that only you may read (mode 0600)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document, for scripts")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Make it and say where it goes."""
    if arguments.public_of:
        if arguments.out:
            print("edge-relay: --out is for what is secret: a public key is printed", file=sys.stderr)
            return 2
        return _show_public(arguments.public_of, as_json=arguments.json)
    made = _make(arguments)
    if arguments.out and (why := _write(arguments.out, made.secret)):
        print(f"edge-relay: {why}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(_document(made, arguments.out)))
    elif arguments.out:
        _tell_file(made, arguments.out)
    elif made.public:
        _tell_pair(made)
    else:
        print(made.secret)
    return 0


def new_secret() -> str:
    """A new secret of Standard Webhooks: `whsec_` and the base64 of 32 random bytes."""
    return encode_secret(secrets.token_bytes(_BYTES))


def new_token() -> str:
    """A token of 256 random bits, in letters that a header takes."""
    return secrets.token_urlsafe(_BYTES)


def _make(arguments: argparse.Namespace) -> _Made:
    if arguments.hex:
        return _Made(secrets.token_hex(_BYTES), "secret", "signing: {scheme: hex, secret: %s}")
    if arguments.ed25519:
        key = signing_key(secrets.token_bytes(_BYTES))
        section = "signing: {scheme: ed25519, key: %s}"
        return _Made(encode_signing_key(key), "signing_key", section, str(key.public))
    if arguments.token:
        name = arguments.out.stem if arguments.out else "NAME"
        return _Made(new_token(), "token", f"http: {{tokens: {{{name}: %s}}}}")
    return _Made(new_secret(), "secret", "signing: {secret: %s}")


def _write(path: Path, secret: str) -> str:
    """Write the file; why that could not be, or nothing."""
    try:
        # Nobody else can open it at any moment, and what is there already is left as it is.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secret + "\n")
            file.flush()
            os.fsync(descriptor)
    except FileExistsError:
        return (
            f"{path} is there already, and a key that is in use would be lost: name another file, or move it"
        )
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"
    return ""


def _document(made: _Made, path: Path | None) -> dict[str, str]:
    document = {"file": str(path)} if path else {made.called: made.secret}
    return document | ({"public_key": made.public} if made.public else {})


def _tell_file(made: _Made, path: Path) -> None:
    # Absolute, for in the configuration a path begins where that lies, and not where the command was typed.
    section = made.section % f'"${{file:{path.absolute()}}}"'
    print(f"{path}: the {made.called.replace('_', ' ')}, for `{section}`.")
    print(
        f"Only {_user()} may read it: if the agent runs as another user, `sudo chown edge-relay {path}`, "
        "or name it in LoadCredential= of the service."
    )
    print()
    if made.public:
        _tell_public(made.public)
    else:
        other = "Whoever shows it" if made.called == "token" else "The receiver"
        print(f"{other} needs the same {made.called}: hand it over as you would a password.")


def _tell_pair(made: _Made) -> None:
    section = made.section % '"${file:NAME.key}"'
    print("The signing key stays on this machine: put it into a file that only the agent may read, for")
    print(f"`{section}` (`--out NAME.key` does so and does not show it).")
    print()
    print(f"  {made.secret}")
    print()
    _tell_public(made.public)


def _tell_public(public: str) -> None:
    print("The public key is for the receiver, which verifies `v1a` signatures with it; it is no secret.")
    print()
    print(f"  {public}")


def _show_public(path: Path, *, as_json: bool) -> int:
    try:
        key = decode_signing_key(path.read_text(encoding="utf-8").strip())
    except OSError as error:
        print(f"edge-relay: {path} cannot be read: {error.strerror}", file=sys.stderr)
        return 2
    except UnicodeDecodeError:
        print(f"edge-relay: {path} is not text", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"edge-relay: {path}: {error}", file=sys.stderr)
        return 2
    print(json.dumps({"public_key": str(key.public)}) if as_json else key.public)
    return 0


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "you"
