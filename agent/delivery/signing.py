"""Signatures of what is sent: Standard Webhooks 1.0.0 (`v1`, `v1a`) and the plain hex HMAC of GitHub's kind.

Rules: over bytes, exactly those sent; keys are decoded once, when the configuration is loaded; no
error carries a secret or a part of it. What receivers make of it is `agent.delivery.verifying`.
"""

import hmac
from collections.abc import Sequence

from agent.delivery.keys import Signs


def signed_content(identity: str, timestamp: int, body: bytes) -> bytes:
    """What is signed."""
    return b"%s.%d.%s" % (identity.encode(), timestamp, body)


def sign_standard(keys: Sequence[Signs], identity: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one signature for each key, the current one first.

    `timestamp` is that of THIS attempt, in seconds; receivers refuse what is older than five minutes.
    """
    content = signed_content(identity, timestamp, body)
    return " ".join(key.sign(content) for key in keys)


def sign_hex(key: bytes, body: bytes) -> str:
    """HMAC-SHA256 over the body alone, hexadecimal; the key is the literal UTF-8 of the secret."""
    return hmac.digest(key, body, "sha256").hex()
