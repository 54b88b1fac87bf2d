"""How a message is signed, as the configuration writes it: for what is sent, and for what comes in.

Rules for whoever changes this: a key is decoded here, when the file is loaded, so that nobody learns
at the first alarm that it is none; no message repeats a key or a part of one. What a section means
to a message is `agent.signing.signer` and `agent.signing.verifier`.
"""

import re
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationInfo

from agent.config.fields import Section
from agent.config.secrets import NOT_NEEDED, Secret, SecretPlaces
from agent.delivery.keys import decode_public_key, decode_secret, decode_signing_key

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
# Ours to set: the signature covers the first three, the framing the others.
_OURS: Final = frozenset(
    {"webhook-id", "webhook-timestamp", "webhook-signature", "content-length", "transfer-encoding"}
    | {"connection", "host", "accept-encoding"}
)


def _check_header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f'"{name}" is no name of a header')
    if name.lower() in _OURS:
        raise ValueError(f"`{name}` is set by the agent itself: leave it out")
    return name


def _check_secret(secret: Secret) -> Secret:
    decode_secret(secret.reveal())
    return secret


def _check_signing_key(key: Secret, info: ValidationInfo) -> Secret:
    if not (isinstance(info.context, SecretPlaces) and info.context.environment is NOT_NEEDED):
        decode_signing_key(key.reveal())
    return key


def _check_public_key(key: str) -> str:
    decode_public_key(key)
    return key


HeaderName = Annotated[str, AfterValidator(_check_header_name)]
WebhookSecret = Annotated[Secret, AfterValidator(_check_secret)]
SigningKeyText = Annotated[Secret, AfterValidator(_check_signing_key)]
PublicKeyText = Annotated[str, AfterValidator(_check_public_key)]


class StandardSigning(Section):
    """Standard Webhooks 1.0.0: HMAC-SHA256 over id, timestamp and body."""

    scheme: Literal["standard"] = "standard"
    secret: WebhookSecret
    """The secret that sender and receiver share: whsec_ and base64, as `edge-relay keygen` makes it."""
    previous_secrets: tuple[WebhookSecret, ...] = Field((), strict=False)
    """Secrets that the other side may still have, while the secret is changed: each signs, or is believed, too."""


class Ed25519Signing(Section):
    """Standard Webhooks 1.0.0 with a key pair: the receiver can verify, and cannot sign."""

    scheme: Literal["ed25519"]
    key: SigningKeyText
    """The signing key: whsk_ and base64, as `edge-relay keygen --ed25519` makes it; receivers get its whpk_."""
    previous_keys: tuple[SigningKeyText, ...] = Field((), strict=False)
    """Signing keys whose public half the receiver may still have, while the key is changed: each signs too."""
    previous_secrets: tuple[WebhookSecret, ...] = Field((), strict=False)
    """Secrets that the receiver may still verify with, while it changes to the public key: each signs too."""


class HexSigning(Section):
    """HMAC-SHA256 over the body, hexadecimal: what GitHub's receivers and many own ones expect."""

    scheme: Literal["hex"]
    secret: Secret
    """The secret that sender and receiver share, used as it is written."""
    header: HeaderName = "X-Signature"
    """The header that carries the signature."""
    prefix: Annotated[str, Field(pattern=r"^[\x21-\x7e]*$")] = ""
    """What stands before it: sha256= for GitHub's receivers."""


def _scheme(value: object) -> str:
    if isinstance(value, dict):
        return str(value.get("scheme", "standard"))
    return str(getattr(value, "scheme", value))


Signing: TypeAlias = Annotated[
    Annotated[StandardSigning, Tag("standard")]
    | Annotated[Ed25519Signing, Tag("ed25519")]
    | Annotated[HexSigning, Tag("hex")]
    | Annotated[Literal["none"], Tag("none")],
    Discriminator(
        _scheme,
        custom_error_type="signing_scheme",
        custom_error_message="expected {secret: ...}, with `scheme` standard, ed25519 (then {key: ...}) or hex, or the word none",
    ),
]


class Ed25519Verification(Section):
    """Standard Webhooks 1.0.0 with a key pair: what proves a message is no secret."""

    scheme: Literal["ed25519"]
    key: PublicKeyText
    """The sender's public key: whpk_ and base64, as `edge-relay keygen --ed25519` prints it."""
    previous_keys: tuple[PublicKeyText, ...] = Field((), strict=False)
    """Public keys that the sender may still sign with, while it changes its key."""


Verification: TypeAlias = Annotated[
    Annotated[StandardSigning, Tag("standard")]
    | Annotated[Ed25519Verification, Tag("ed25519")]
    | Annotated[HexSigning, Tag("hex")]
    | Annotated[Literal["none"], Tag("none")],
    Discriminator(
        _scheme,
        custom_error_type="signing_scheme",
        custom_error_message="expected {secret: ...}, with `scheme` standard, ed25519 (then {key: whpk_...}) or hex, or the word none",
    ),
]
"""How a message that comes in is proved to be its sender's."""
