"""What verifies a message by a section of the configuration, with the keys decoded once.

The sections are checked when the configuration is loaded; whatever arrives, a verifier answers with
a value and raises nothing. How old a message may be is the caller's to say: what waited out an
outage at a relay is the normal case there.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import TypeAlias, assert_never

from agent.delivery.keys import SigningKey, Verifies, decode_public_key
from agent.delivery.verifying import FIVE_MINUTES, Genuine, Refused, Tolerance, verify_hex, verify_standard
from agent.signing.config import Ed25519Signing, Ed25519Verification, HexSigning, StandardSigning
from agent.signing.signer import signing_keys

Verify: TypeAlias = Callable[[Mapping[str, str], bytes, int], Genuine | Refused]
"""Of the headers, the body as it arrived and the seconds UTC of its arrival, whether it is the sender's."""


def verifier(
    signing: StandardSigning | Ed25519Signing | Ed25519Verification | HexSigning,
    tolerance: Tolerance = FIVE_MINUTES,
) -> Verify:
    """Decode the keys of a section; what comes back verifies with them. A hex signature has no time."""
    match signing:
        case StandardSigning() | Ed25519Signing() | Ed25519Verification():
            keys = verifying_keys(signing)
            return lambda headers, body, now: verify_standard(keys, headers, body, now, tolerance)
        case HexSigning(secret=secret, header=header, prefix=prefix):
            key = (secret.reveal().encode(),)
            return lambda headers, body, _: verify_hex(key, headers, body, header=header, prefix=prefix)
        case _:
            assert_never(signing)


def verifying_keys(
    signing: StandardSigning | Ed25519Signing | Ed25519Verification,
) -> tuple[Verifies, ...]:
    """What the receivers of a section have, in the order of its signatures."""
    if isinstance(signing, Ed25519Verification):
        return tuple(decode_public_key(key) for key in (signing.key, *signing.previous_keys))
    return tuple(key.public if isinstance(key, SigningKey) else key for key in signing_keys(signing))


def key_names(signing: StandardSigning | Ed25519Verification | HexSigning) -> tuple[str, ...]:
    """What people are told of each key, in the order in which a verifier counts them: never a part of it.

    A digest, so that a key keeps its name when the others change. A hex secret may be a word that could be
    guessed by its digest, and there is only one: it has none.
    """
    if isinstance(signing, HexSigning):
        return ("hex",)
    digests = (hashlib.sha256(b"edge-relay" + key.raw).hexdigest()[:8] for key in verifying_keys(signing))
    return tuple(f"{signing.scheme}:{digest}" for digest in digests)
