"""The keys of signatures: how they are written, what they sign and what they verify.

`whsec_` is a secret that both sides have (HMAC-SHA256, signatures `v1`). `whsk_` signs and stays here,
`whpk_` verifies and is for everyone (ed25519, signatures `v1a`); they are written as libsodium keeps
them: the seed and the public key behind it, and the public key alone.

Rules for whoever changes this: no error, repr or comparison shows a key or a part of it; whatever
bytes somebody sends as a signature, the answer is yes or no and never an exception; secrets are
compared in constant time. The library of ed25519 is loaded with the first key of that kind.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HMAC_PREFIX: Final = "whsec_"
SIGNING_PREFIX: Final = "whsk_"
PUBLIC_PREFIX: Final = "whpk_"
# The specification asks for 24 to 64 bytes; one of its libraries' own (unpadded) sample secrets has 23.
_SHORTEST_SECRET: Final = 23
_LONGEST_SECRET: Final = 64
_SEED: Final = 32  # bytes; so many has the public key


@dataclass(frozen=True, slots=True)
class HmacKey:
    """A secret that both sides have."""

    raw: bytes = field(repr=False)

    @property
    def version(self) -> str:
        """What stands before its signatures."""
        return "v1"

    def sign(self, content: bytes) -> str:
        """The signature with its version."""
        return "v1," + base64.b64encode(hmac.digest(self.raw, content, "sha256")).decode()

    def made(self, signature: str, content: bytes) -> bool:
        """Whether a signature, without its version, is this key's over the content."""
        return hmac.compare_digest(
            self.sign(content).encode(), f"v1,{signature}".encode(errors="surrogatepass")
        )


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The half of an ed25519 key that everyone may have."""

    raw: bytes

    @property
    def version(self) -> str:
        """What stands before the signatures of its signing key."""
        return "v1a"

    def made(self, signature: str, content: bytes) -> bool:
        """Whether a signature, without its version, is that of its signing key over the content."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see the rules above
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - same

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(
                base64.b64decode(signature, validate=True), content
            )
        except (InvalidSignature, ValueError):  # ValueError: not base64, or not 64 bytes of it
            return False
        return True

    def __str__(self) -> str:
        """As receivers get it."""
        return PUBLIC_PREFIX + base64.b64encode(self.raw).decode()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An ed25519 key that never leaves this machine."""

    private: "Ed25519PrivateKey" = field(repr=False)
    public: PublicKey

    def sign(self, content: bytes) -> str:
        """The signature with its version."""
        return "v1a," + base64.b64encode(self.private.sign(content)).decode()


Signs: TypeAlias = HmacKey | SigningKey
Verifies: TypeAlias = HmacKey | PublicKey


def decode_secret(secret: str) -> HmacKey:
    """Read a Standard Webhooks secret: `whsec_` (may be missing) and base64 (padding may be missing).

    Raises:
        ValueError: it is none, or too short or too long; says which, never what it was.
    """
    if secret.startswith(SIGNING_PREFIX):
        raise ValueError(
            "this is an ed25519 key, not an HMAC secret: expected whsec_ and base64, "
            "or {scheme: ed25519, key: ...}"
        )
    if secret.startswith(PUBLIC_PREFIX):
        raise ValueError("this is an ed25519 public key, which signs nothing: expected whsec_ and base64")
    try:
        key = _base64(secret.removeprefix(HMAC_PREFIX))
    except ValueError:
        raise ValueError("not a webhook secret: expected whsec_ and base64 of 24 to 64 bytes") from None
    if not _SHORTEST_SECRET <= len(key) <= _LONGEST_SECRET:
        raise ValueError(f"this webhook secret has {len(key)} bytes: expected 24 to 64, base64 after whsec_")
    return HmacKey(key)


def decode_signing_key(text: str) -> SigningKey:
    """Read an ed25519 signing key: `whsk_` (may be missing) and base64 of the seed and the public key.

    Raises:
        ValueError: it is none; says which kind of key it is instead, or what is wrong with it.
    """
    if text.startswith(PUBLIC_PREFIX):
        raise ValueError(
            "this is the public key, which receivers get: expected the signing key, "
            "whsk_ and base64, that `edge-relay keygen --ed25519` made with it"
        )
    if text.startswith(HMAC_PREFIX):
        raise ValueError(
            "this is an HMAC secret: write {secret: ...} without `scheme: ed25519`, "
            "or make a key with `edge-relay keygen --ed25519`"
        )
    try:
        raw = _base64(text.removeprefix(SIGNING_PREFIX))
    except ValueError:
        raise ValueError("not a signing key: expected whsk_ and base64 of 64 bytes") from None
    if len(raw) != 2 * _SEED:
        raise ValueError(
            f"this signing key has {len(raw)} bytes: expected 64, base64 after whsk_ (was it cut off?)"
        )
    key = signing_key(raw[:_SEED])
    if key.public.raw != raw[_SEED:]:
        raise ValueError(
            "the public half of this signing key does not belong to it: expected it as "
            "`edge-relay keygen --ed25519` wrote it; a letter of it was changed"
        )
    return key


def decode_public_key(text: str) -> PublicKey:
    """Read an ed25519 public key: `whpk_` (may be missing) and base64 of 32 bytes.

    Raises:
        ValueError: it is none; says which kind of key it is instead, or what is wrong with it.
    """
    if text.startswith(SIGNING_PREFIX):
        raise ValueError(
            "this is the signing key, which stays with the sender: expected whpk_ and base64, "
            "which `edge-relay keygen --public-of FILE` prints"
        )
    if text.startswith(HMAC_PREFIX):
        raise ValueError("this is an HMAC secret, not a public key: expected whpk_ and base64")
    try:
        raw = _base64(text.removeprefix(PUBLIC_PREFIX))
    except ValueError:
        raise ValueError("not a public key: expected whpk_ and base64 of 32 bytes") from None
    if len(raw) != _SEED:
        raise ValueError(f"this public key has {len(raw)} bytes: expected 32, base64 after whpk_")
    return PublicKey(raw)


def signing_key(seed: bytes) -> SigningKey:
    """The signing key of 32 random bytes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - see above

    private = Ed25519PrivateKey.from_private_bytes(seed)
    return SigningKey(private, PublicKey(private.public_key().public_bytes_raw()))


def encode_signing_key(key: SigningKey) -> str:
    """As the configuration reads it."""
    return SIGNING_PREFIX + base64.b64encode(key.private.private_bytes_raw() + key.public.raw).decode()


def encode_secret(raw: bytes) -> str:
    """As the configuration and the receiver read it."""
    return HMAC_PREFIX + base64.b64encode(raw).decode()


def _base64(text: str) -> bytes:
    """Decode; padding may be missing.

    Raises:
        ValueError: it is not base64.
    """
    text = text.rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None
