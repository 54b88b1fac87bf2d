"""Messages as a sender makes them: signed by Standard Webhooks, or in all the ways that are wrong."""

import orjson

from agent.delivery.keys import decode_secret, encode_secret, encode_signing_key, signing_key
from agent.delivery.signing import sign_hex, signed_content
from agent.incoming.message import Arrived

SECRET = encode_secret(bytes(range(32)))
OTHER = encode_secret(bytes(range(1, 33)))
SIGNING_KEY = encode_signing_key(signing_key(bytes(32)))
PUBLIC_KEY = str(signing_key(bytes(32)).public)


def utc(text):
    """Seconds since 1970 of `2026-11-21T08:00:00Z`."""
    from datetime import datetime  # noqa: PLC0415 - one use

    return int(datetime.fromisoformat(text).timestamp())


def body_of(document):
    return document if isinstance(document, bytes) else orjson.dumps(document)


def headers(body, identity="msg_1", at=0, key=SECRET):
    """The three headers of Standard Webhooks 1.0.0 over `body`, made at `at` seconds UTC."""
    signature = decode_secret(key).sign(signed_content(identity, at, body))
    return {"webhook-id": identity, "webhook-timestamp": str(at), "webhook-signature": signature}


def headers_ed25519(body, identity="msg_1", at=0, seed=bytes(32)):
    signature = signing_key(seed).sign(signed_content(identity, at, body))
    return {"webhook-id": identity, "webhook-timestamp": str(at), "webhook-signature": signature}


def signed(document, identity="msg_1", at=0, key=SECRET, **more):
    """A message as a relay hands it over."""
    body = body_of(document)
    return Arrived(body, {**headers(body, identity, at, key), "content-type": "application/json"}, **more)


def signed_hex(document, secret, header="x-hub-signature-256", prefix="sha256="):
    body = body_of(document)
    return Arrived(body, {header: prefix + sign_hex(secret.encode(), body)})
