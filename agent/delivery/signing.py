"""Signatures of what is sent: Standard Webhooks 1.0.0 (HMAC, `v1`) and the plain hex HMAC of GitHub's kind.

Rules: over bytes, exactly those sent; keys are decoded once, when the configuration is loaded; no
error carries a secret or a part of it.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Final

_PREFIX: Final = "whsec_"
# The specification asks for 24 to 64 bytes; one of its libraries' own (unpadded) sample secrets has 23.
_SHORTEST_KEY: Final = 23
_LONGEST_KEY: Final = 64


def decode_secret(secret: str) -> bytes:
    """Read a Standard Webhooks secret: `whsec_` (may be missing) and base64 (padding may be missing).

    Raises:
        ValueError: it is none, or too short or too long; says which, never what it was.
    """
    text = secret.removeprefix(_PREFIX)
    if text.startswith(("whsk_", "whpk_")):
        raise ValueError("this is an ed25519 key, not an HMAC secret: expected whsec_ and base64")
    text = text.rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not a webhook secret: expected whsec_ and base64 of 24 to 64 bytes") from None
    if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise ValueError(f"this webhook secret has {len(key)} bytes: expected 24 to 64, base64 after whsec_")
    return key


def sign_standard(keys: Sequence[bytes], identity: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one signature for each key, the current one first.

    `timestamp` is that of THIS attempt, in seconds; receivers refuse what is older than five minutes.
    """
    content = b"%s.%d.%s" % (identity.encode(), timestamp, body)
    return " ".join("v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys)


def sign_hex(key: bytes, body: bytes) -> str:
    """HMAC-SHA256 over the body alone, hexadecimal; the key is the literal UTF-8 of the secret."""
    return hmac.digest(key, body, "sha256").hex()
