"""What `nsc` makes: an operator, an account, and the credentials file of a user."""

import binascii
import json
import time
from base64 import b32encode, urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_OPERATOR, _ACCOUNT, _USER, _SEED = (number << 3 for number in (14, 0, 20, 18))


class Operator:
    """Attributes: `configuration`, lines for a server; `credentials`, the file of a user."""

    def __init__(self) -> None:
        operator, account, user = _Key(_OPERATOR), _Key(_ACCOUNT), _Key(_USER)
        everything = {"subs": -1, "data": -1, "payload": -1}
        limits = everything | {"imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1}
        signed = operator.token(operator.public, {"type": "operator"})
        plant = operator.token(account.public, {"type": "account", "limits": limits})
        self.configuration = (
            f"operator: {signed}\nresolver: MEMORY\nresolver_preload: {{ {account.public}: {plant} }}\n"
        )
        claims = {"type": "user", "pub": {}, "sub": {}} | everything
        token = account.token(user.public, claims)
        self.credentials = (
            f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
        )


class _Key:
    def __init__(self, kind: int) -> None:
        self._key = Ed25519PrivateKey.generate()
        raw = self._key.private_bytes_raw()
        self.public = _encoded(bytes([kind]) + self._key.public_key().public_bytes_raw())
        self.seed = _encoded(bytes([_SEED | kind >> 5, (kind & 31) << 3]) + raw)

    def token(self, subject: str, claims: dict) -> str:
        """A JWT of this key about a subject."""
        now = int(time.time())
        body = {
            "jti": "test",
            "iat": now,
            "exp": now + 3600,
            "iss": self.public,
            "sub": subject,
            "name": "test",
        }
        parts = ({"typ": "JWT", "alg": "ed25519-nkey"}, body | {"nats": {"version": 2} | claims})
        signed = b".".join(_base64(json.dumps(part).encode()) for part in parts)
        return (signed + b"." + _base64(self._key.sign(signed))).decode()


def _encoded(data: bytes) -> str:
    return b32encode(data + binascii.crc_hqx(data, 0).to_bytes(2, "little")).rstrip(b"=").decode()


def _base64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
