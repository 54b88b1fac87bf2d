"""Signatures: the published vectors, and strangers' libraries as verifiers."""

import base64
import os
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from rigs.signing_vectors import BAD_PAIR, C_PUBLIC, GITHUB, STRANGE, UNPADDED, A, B, C
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from agent.delivery.keys import (
    HmacKey,
    decode_public_key,
    decode_secret,
    decode_signing_key,
    encode_secret,
    encode_signing_key,
    signing_key,
)
from agent.delivery.signing import sign_hex, sign_standard

SEEDS = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize(
    ("vector", "read"), [(A, decode_secret), (B, decode_secret), (C, decode_signing_key)]
)
def test_published_vectors(vector, read):
    """The specification's libraries and Svix give the same (A, B, C)."""
    signed = sign_standard([read(vector.key)], vector.id, vector.timestamp, vector.body)

    assert signed == vector.signature


def test_github_vector():
    """The key is the literal text (I)."""
    secret, body, expected = GITHUB

    assert "sha256=" + sign_hex(secret.encode(), body) == expected


@given(st.text(), st.lists(st.binary(min_size=24, max_size=64), min_size=1, max_size=4))
def test_the_specifications_library_verifies(text, keys):
    """With any of the keys in use, whatever the body: a receiver that has one of them accepts."""
    body, now = text.encode(errors="replace"), int(time.time())
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(now),
        "webhook-signature": sign_standard([HmacKey(key) for key in keys], "evt_1", now, body),
    }

    for key in keys:
        Webhook("whsec_" + base64.b64encode(key).decode()).verify(body, headers, json_parse=False)


@given(SEEDS, st.binary())
def test_an_ed25519_signature_verifies_with_the_public_key_alone(seed, body):
    """As the receiver does it: base64 after `whpk_` and after `v1a,`, over id, time and body."""
    key = signing_key(seed)
    version, _, signature = sign_standard([key], "evt_1", 7, body).partition(",")
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(str(key.public).removeprefix("whpk_")))

    public.verify(base64.b64decode(signature), b"evt_1.7." + body)

    assert version == "v1a"


def test_the_current_key_signs_first():
    """Receivers that look at one signature alone look at the first, and keep up with the newest key."""
    new, old, pair = HmacKey(bytes(24)), decode_secret(A.key), decode_signing_key(C.key)

    assert sign_standard([new, old], A.id, A.timestamp, A.body).split()[1:] == [A.signature]
    assert sign_standard([pair, old], A.id, A.timestamp, A.body).split() == [C.signature, A.signature]


def test_foreign_signatures_beside_ours_are_passed_over():
    """The valid one third of four: how a verifier reads the list that rotation sends (vector D)."""
    now = int(time.time())
    ours = sign_standard([decode_secret(A.key)], "evt_1", now, b"{}")
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(now),
        "webhook-signature": f"v1,{STRANGE} v2,{STRANGE} {ours} v1,{STRANGE}",
    }

    Webhook(A.key).verify(b"{}", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(A.key).verify(b"[]", headers)


@pytest.mark.parametrize("secret", [*UNPADDED, "whsec_" + UNPADDED[1], "whsec_" + UNPADDED[1] + "=="])
def test_unpadded_secrets_are_the_padded_ones(secret):
    """Prefix and padding may be missing (vector E)."""
    assert decode_secret(secret).raw == base64.b64decode(secret.removeprefix("whsec_") + "===")


@pytest.mark.parametrize(
    "secret",
    [
        "w",
        "",
        "whsec_",
        "whsec_%",
        "whsec_wronglength",
        C_PUBLIC,
        "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCub",
        C.key,
        "hwsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_",
        "whsec_MfKQ9r8GKYqrTwjU PD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        "whsec_" + base64.b64encode(bytes(16)).decode(),
        "whsec_schlüssel",
    ],
)
def test_what_is_no_secret_is_refused_without_being_shown(secret):
    """Wrong letters, wrong length, the wrong kind of key (vector F)."""
    with pytest.raises(ValueError, match="expected") as refusal:
        decode_secret(secret)

    core = secret.partition("_")[2]
    assert not core or core not in str(refusal.value)


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (decode_signing_key, C_PUBLIC, "this is the public key, which receivers get"),
        (decode_signing_key, A.key, r"an HMAC secret: write \{secret: ...\} without `scheme: ed25519`"),
        (decode_signing_key, C.key[:-8], "has 60 bytes: expected 64"),
        (decode_signing_key, "whsk_" + base64.b64encode(bytes(32)).decode(), "has 32 bytes: expected 64"),
        (decode_signing_key, BAD_PAIR, "the public half of this signing key does not belong to it"),
        (decode_signing_key, "whsk_%", "expected whsk_ and base64 of 64 bytes"),
        (decode_signing_key, "whsk_schlüssel", "expected whsk_ and base64 of 64 bytes"),
        (decode_signing_key, "", "has 0 bytes"),
        (decode_public_key, C.key, "the signing key, which stays with the sender"),
        (decode_public_key, A.key, "an HMAC secret, not a public key"),
        (decode_public_key, "whpk_AAAA", "has 3 bytes: expected 32"),
        (decode_public_key, "whpk_%", "expected whpk_ and base64 of 32 bytes"),
    ],
)
def test_what_is_no_key_is_refused_with_the_remedy(read, text, said):
    """The other half, another kind, cut off, halves of two keys (vector F); never shown."""
    with pytest.raises(ValueError, match=said) as refusal:
        read(text)

    assert text.partition("_")[2][:12] not in str(refusal.value) or not text.partition("_")[2]


@given(st.binary(min_size=24, max_size=64))
def test_every_secret_of_lawful_length_is_read(key):
    """As keygen and every other tool write it."""
    assert decode_secret(encode_secret(key)) == HmacKey(key)


@given(SEEDS)
def test_a_signing_key_is_written_as_it_is_read(seed):
    """Seed and public key behind it, as libsodium keeps them."""
    key = signing_key(seed)

    assert decode_signing_key(encode_signing_key(key)).public == key.public
    assert base64.b64decode(encode_signing_key(key).removeprefix("whsk_")) == seed + key.public.raw
    assert decode_public_key(str(key.public)) == key.public


def test_no_key_shows_itself():
    """Not in a traceback, not in a log."""
    assert repr(decode_secret(A.key)) == "HmacKey()"
    assert repr(decode_signing_key(C.key)).startswith("SigningKey(public=")


def test_each_attempt_has_its_own_signature():
    """The time is part of it."""
    key = HmacKey(os.urandom(32))

    assert sign_standard([key], "evt_1", 1, b"") != sign_standard([key], "evt_1", 2, b"")
