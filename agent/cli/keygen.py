"""`edge-relay keygen`: a new secret to sign webhooks with."""

import argparse
import base64
import secrets

SUMMARY = "print a new secret to sign webhooks with"
_BYTES = 32  # Standard Webhooks 1.0.0 takes 24 to 64; 32 is what SHA-256 can use


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--hex",
        action="store_true",
        help="64 hexadecimal digits, for `signing: {scheme: hex}`, where the text itself is the key",
    )
    parser.epilog = """examples:
  edge-relay keygen                          a whsec_ secret; the receiver needs the same
  (umask 077; edge-relay keygen > cmms.key)  for `signing: {secret: "${file:cmms.key}"}`
  edge-relay keygen --hex                    for `signing: {scheme: hex, header: X-Signature}`
"""


def run(arguments: argparse.Namespace) -> int:
    """Print it; nothing of it is kept."""
    print(secrets.token_hex(_BYTES) if arguments.hex else new_secret())
    return 0


def new_secret() -> str:
    """A new secret of Standard Webhooks: `whsec_` and the base64 of 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_BYTES)).decode()
