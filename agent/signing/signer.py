"""What makes the signature's headers of a message, with the keys decoded once.

The sections are checked when the configuration is loaded, so nothing here can fail; what is signed
are the bytes it is handed, which must be those that are sent.
"""

from collections.abc import Callable
from typing import TypeAlias, assert_never

from agent.delivery.keys import Signs, decode_secret, decode_signing_key
from agent.delivery.signing import sign_hex, sign_standard
from agent.signing.config import Ed25519Signing, HexSigning, Signing, StandardSigning

Sign: TypeAlias = Callable[[str, int, bytes], dict[str, str]]
"""Of a message's id, the seconds of this attempt and the body as it is sent, the headers that prove it ours."""


def signer(signing: Signing) -> Sign:
    """Decode the keys of a section; what comes back signs with them."""
    match signing:
        case StandardSigning() | Ed25519Signing():
            keys = signing_keys(signing)
            return lambda identity, timestamp, body: {
                "webhook-signature": sign_standard(keys, identity, timestamp, body)
            }
        case HexSigning(secret=secret, header=header, prefix=prefix):
            key = secret.reveal().encode()
            return lambda _, __, body: {header: prefix + sign_hex(key, body)}
        case "none":
            return lambda _, __, ___: {}
        case _:
            assert_never(signing)


def signing_keys(signing: StandardSigning | Ed25519Signing) -> tuple[Signs, ...]:
    """The keys of a section, in the order in which their signatures are sent: the current one first."""
    match signing:
        case StandardSigning(secret=secret, previous_secrets=previous):
            return tuple(decode_secret(each.reveal()) for each in (secret, *previous))
        case Ed25519Signing(key=key, previous_keys=keys, previous_secrets=secrets):
            return (
                *(decode_signing_key(each.reveal()) for each in (key, *keys)),
                *(decode_secret(each.reveal()) for each in secrets),
            )
        case _:
            assert_never(signing)
