"""NKEYs: the ed25519 keys with which a NATS server knows its users, and the files that hold them.

A seed is base32 text that begins with SU; a credentials file holds a token of the account (a JWT) and
the seed that belongs to it (https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro).

Rules for whoever changes this: no message repeats a seed or a part of one.
"""

import binascii
import re
from base64 import b32decode, b32encode, urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # loaded with the first key, as in agent.delivery.keys
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SEED: Final = 18 << 3
_USER: Final = 20 << 3
_LENGTH: Final = 2 + 32 + 2  # of a seed: two bytes of prefix, the key, a checksum
_BLOCK: Final = re.compile(r"-{3,}BEGIN ([A-Z ]+)-{3,}\s+(\S+)\s+-{3,}END \1-{3,}")
_EXPECTED: Final = "expected the seed of a NATS user: 58 characters that begin with SU"


@dataclass(frozen=True, slots=True)
class UserKey:
    """The key of a user; it never prints itself.

    Attributes:
        public: what the server knows the user by: text that begins with U.
    """

    public: str
    _key: "Ed25519PrivateKey"

    def __repr__(self) -> str:
        return f"UserKey({self.public})"

    def sign(self, nonce: str) -> str:
        """Prove to a server that the key is here."""
        return urlsafe_b64encode(self._key.sign(nonce.encode())).rstrip(b"=").decode()


def user_key(seed: str) -> UserKey:
    """Read a seed.

    Raises:
        ValueError: it is none, or not that of a user.
    """
    text = seed.strip()
    try:
        raw = b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error:
        raise ValueError(_EXPECTED) from None
    if len(raw) != _LENGTH or _checksum(raw[:-2]) != raw[-2:]:
        raise ValueError(f"{_EXPECTED}; this one is cut off or misspelt")
    if raw[0] & 0xF8 != _SEED or ((raw[0] & 7) << 5 | raw[1] >> 3) != _USER:
        raise ValueError(_EXPECTED)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - see above

    key = Ed25519PrivateKey.from_private_bytes(raw[2:-2])
    public = bytes([_USER]) + key.public_key().public_bytes_raw()
    return UserKey(b32encode(public + _checksum(public)).rstrip(b"=").decode(), key)


def credentials(text: str) -> tuple[str, UserKey]:
    """Read what a credentials file holds: the token, and the key.

    Raises:
        ValueError: one of them is missing or wrong.
    """
    blocks: dict[str, str] = dict(_BLOCK.findall(text))
    token, seed = blocks.get("NATS USER JWT"), blocks.get("USER NKEY SEED")
    if token is None or seed is None:
        raise ValueError(
            "expected what a credentials file holds, a NATS USER JWT and a USER NKEY SEED: "
            "write ${file:PATH} of the file that `nsc generate creds` made"
        )
    return token, user_key(seed)


def _checksum(data: bytes) -> bytes:
    return binascii.crc_hqx(data, 0).to_bytes(2, "little")
