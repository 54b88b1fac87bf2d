"""Signatures: the published vectors, and the specification's own library as verifier."""

import base64
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from agent.delivery.signing import decode_secret, sign_hex, sign_standard

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize(
    ("secret", "identity", "timestamp", "body", "signature"),
    [
        (
            SECRET,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1614265330,
            b'{"test": 2432232314}',
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        (
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1649367553,
            b'{"email":"test@example.com","username":"test_user"}',
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
    ],
)
def test_published_vectors(secret, identity, timestamp, body, signature):
    """The specification's libraries give the same."""
    assert sign_standard([decode_secret(secret)], identity, timestamp, body) == signature


def test_github_vector():
    """The key is the literal text."""
    expected = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    assert sign_hex(b"It's a Secret to Everybody", b"Hello, World!") == expected


@given(st.text(), st.lists(st.binary(min_size=24, max_size=64), min_size=1, max_size=4))
def test_the_specifications_library_verifies(text, keys):
    """With any of the keys in use, whatever the body: a receiver that has one of them accepts."""
    body, now = text.encode(errors="replace"), int(time.time())
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(now),
        "webhook-signature": sign_standard(keys, "evt_1", now, body),
    }

    for key in keys:
        Webhook("whsec_" + base64.b64encode(key).decode()).verify(body, headers, json_parse=False)


def test_foreign_signatures_beside_ours_are_passed_over():
    """The valid one third of four: how a verifier reads the list that rotation sends (vector D)."""
    now = int(time.time())
    ours = sign_standard([decode_secret(SECRET)], "evt_1", now, b"{}")
    strange = "Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(now),
        "webhook-signature": f"v1,{strange} v2,{strange} {ours} v1,{strange}",
    }

    Webhook(SECRET).verify(b"{}", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(b"[]", headers)


@pytest.mark.parametrize(
    "secret",
    [
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr==",
    ],
)
def test_unpadded_secrets_are_the_padded_ones(secret):
    """Prefix and padding may be missing (vector E)."""
    assert decode_secret(secret) == base64.b64decode(secret.removeprefix("whsec_") + "===")


@pytest.mark.parametrize(
    "secret",
    [
        "w",
        "",
        "whsec_",
        "whsec_%",
        "whsec_wronglength",
        "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
        "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCub",
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


@given(st.binary(min_size=24, max_size=64))
def test_every_key_of_lawful_length_is_read(key):
    """As keygen and every other tool write it."""
    assert decode_secret("whsec_" + base64.b64encode(key).decode()) == key


def test_each_attempt_has_its_own_signature():
    """The time is part of it."""
    key = os.urandom(32)

    assert sign_standard([key], "evt_1", 1, b"") != sign_standard([key], "evt_1", 2, b"")
