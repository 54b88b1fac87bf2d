"""The verifier: what it accepts, which part of a message it names, and that no bytes upset it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.signing_vectors import C_PUBLIC, GITHUB, STRANGE, A, B, C

from agent.delivery.keys import HmacKey, decode_public_key, decode_secret, signing_key
from agent.delivery.signing import sign_hex, sign_standard
from agent.delivery.verifying import (
    FIVE_MINUTES,
    Fault,
    Genuine,
    Refused,
    Tolerance,
    verify_hex,
    verify_standard,
)

SECRET, PUBLIC = decode_secret(A.key), decode_public_key(C_PUBLIC)
OTHER = HmacKey(bytes(24))


def verdict(vector=A, *, keys=(SECRET,), now=None, tolerance=FIVE_MINUTES, body=None, **headers):
    """The vector's message, but for what is changed; a header that is None is left out."""
    changed = {f"webhook-{name}": text for name, text in headers.items()}
    sent = {name: text for name, text in (vector.headers() | changed).items() if text is not None}
    return verify_standard(
        keys,
        sent,
        vector.body if body is None else body,
        vector.timestamp if now is None else now,
        tolerance,
    )


@pytest.mark.parametrize(("vector", "key"), [(A, SECRET), (B, decode_secret(B.key)), (C, PUBLIC)])
def test_published_vectors(vector, key):
    """What strangers signed is accepted, with the key and the stamp it was signed with (A, B, C)."""
    got = verdict(vector, keys=[OTHER, key])

    assert isinstance(got, Genuine)
    assert (got.key, got.stamped.identity, got.stamped.timestamp) == (1, vector.id, vector.timestamp)


@pytest.mark.parametrize(
    ("signature", "genuine"),
    [
        (f"v1,{STRANGE} v2,{STRANGE} {A.signature} v1,{STRANGE}", True),
        (f"v1,{STRANGE} {C.signature} v1,{STRANGE}", True),
        (f"gibberish ,, v1 v1, {A.signature}", True),
        (f"v1,{STRANGE} v2,{A.signature[3:]} v1,{STRANGE}", False),
        (A.signature.replace("v1,", "v1a,"), False),
        (C.signature.replace("v1a,", "v1,"), False),
        (A.signature.swapcase(), False),
    ],
)
def test_one_good_signature_of_the_list_is_enough(signature, genuine):
    """In any place, of its own version alone; what is strange is passed over (vector D)."""
    assert isinstance(verdict(keys=[SECRET, PUBLIC], signature=signature), Genuine) == genuine


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"id": None}, Fault.HEADER_MISSING),
        ({"timestamp": None}, Fault.HEADER_MISSING),
        ({"signature": " "}, Fault.HEADER_MISSING),
        ({"id": "msg.1"}, Fault.ID_MALFORMED),
        ({"id": "Grüße"}, Fault.ID_MALFORMED),
        ({"id": "\ud800"}, Fault.ID_MALFORMED),
        ({"timestamp": "1614265330.0"}, Fault.TIMESTAMP_MALFORMED),
        ({"timestamp": "01614265330"}, Fault.TIMESTAMP_MALFORMED),
        ({"timestamp": "-1"}, Fault.TIMESTAMP_MALFORMED),
        ({"timestamp": "٣"}, Fault.TIMESTAMP_MALFORMED),
        ({"timestamp": "1" * 5000}, Fault.TIMESTAMP_MALFORMED),
        ({"signature": A.signature[3:]}, Fault.SIGNATURE_MALFORMED),
        ({"signature": "v1,"}, Fault.SIGNATURE_MALFORMED),
        ({"signature": " ".join([A.signature] * 65)}, Fault.SIGNATURE_MALFORMED),
        ({"signature": f"v2,{STRANGE} v1a,{STRANGE}"}, Fault.VERSION_UNKNOWN),
        ({"signature": f"v1,{STRANGE}"}, Fault.MISMATCH),
        ({"signature": "v1,ä\ud800"}, Fault.MISMATCH),
        ({"id": "msg_other"}, Fault.MISMATCH),
        ({"timestamp": "1614265331"}, Fault.MISMATCH),
        ({"body": A.body + b"\n"}, Fault.MISMATCH),
        ({"body": b""}, Fault.MISMATCH),
        ({"keys": [OTHER]}, Fault.MISMATCH),
        ({"keys": [PUBLIC]}, Fault.VERSION_UNKNOWN),
        ({"now": A.timestamp + 301}, Fault.TOO_OLD),
        ({"now": A.timestamp - 301}, Fault.TOO_NEW),
    ],
)
def test_the_part_that_is_wrong_is_named(changes, fault):
    """One fault each, in words that fit a line."""
    got = verdict(**changes)

    assert isinstance(got, Refused)
    assert (got.fault, len(got.why) < 200, got.why.isascii()) == (fault, True, True)


@pytest.mark.parametrize("off", [-300, 0, 300])
def test_five_minutes_either_way_are_allowed(off):
    """As every library of the specification allows."""
    assert isinstance(verdict(now=A.timestamp + off), Genuine)


def test_age_may_be_left_to_the_caller():
    """What waited out an outage at a relay is not refused for it; what comes from the future still is."""
    late = Tolerance(past=None)

    assert isinstance(verdict(now=A.timestamp + 10**8, tolerance=late), Genuine)
    assert isinstance(verdict(now=A.timestamp - 301, tolerance=late), Refused)


def test_the_signature_is_looked_at_before_the_time():
    """Too late is said only of what was the sender's once."""
    assert verdict(now=A.timestamp + 10**6, body=b"").fault is Fault.MISMATCH


def test_svix_names_and_any_case_are_taken():
    """Svix's own service writes `svix-id`; HTTP has no case in names."""
    headers = {name.replace("webhook", "Svix").title(): text for name, text in A.headers().items()}

    assert isinstance(verify_standard([SECRET], headers, A.body, A.timestamp), Genuine)


def test_the_same_signature_cannot_be_read_with_another_cut():
    """`a.1` at 2 and `a` at 1 sign the same bytes: an id with a dot is none, or a replay had a new id."""
    body = b"1614265330.{}"
    signature = sign_standard([SECRET], "a", 1, body)
    cut = {"webhook-id": "a.1", "webhook-timestamp": "1614265330", "webhook-signature": signature}

    assert verify_standard([SECRET], cut, b"{}", 1614265330).fault is Fault.ID_MALFORMED


def test_github_vector():
    """Header and prefix as GitHub sends them (I), upper-case digits too; nothing else."""
    secret, body, signature = GITHUB
    keys = [b"other", secret.encode()]

    def at(text, content=body, header="X-Hub-Signature-256"):
        got = verify_hex(keys, {header: text}, content, header="x-hub-signature-256", prefix="sha256=")
        return got.key if isinstance(got, Genuine) else got.fault

    assert at(signature) == at("sha256=" + signature[7:].upper()) == 1
    assert at(signature, b"Hello, World?") is Fault.MISMATCH
    assert at(signature[7:]) is at(signature[:-1]) is at("sha256=" + "ä" * 64) is Fault.SIGNATURE_MALFORMED
    assert at("") is at(signature, header="X-Hub-Signature") is Fault.HEADER_MISSING


HEADERS = st.dictionaries(
    st.sampled_from(
        ["webhook-id", "webhook-timestamp", "webhook-signature", "svix-signature", "X-Signature"]
    ),
    st.one_of(
        st.text(st.characters(codec=None)),
        st.sampled_from(["v1,", "v1a,AAAA", "v1a," + "A" * 86 + "==", "1614265330", A.id, C.signature]),
        st.text("v1a, =/+A9", max_size=200),
    ),
)


@given(HEADERS, st.binary(), st.integers(-(10**10), 10**10))
def test_no_bytes_upset_it(headers, body, now):
    """Whatever a stranger sends, and lone surrogates in headers too: a refusal, no exception."""
    refused = verify_standard([SECRET, PUBLIC], headers, body, now)

    assert isinstance(refused, Refused)
    assert isinstance(verify_hex([b"x"], headers, body, header="x-signature", prefix=""), Refused)


@given(st.binary(), st.binary(min_size=32, max_size=32), st.data())
def test_what_is_signed_verifies_and_one_flipped_bit_does_not(body, seed, data):
    """Over all bytes: both schemes, each beside the other."""
    pair, secret = signing_key(seed), HmacKey(seed)
    headers = A.headers(sign_standard([pair, secret], A.id, A.timestamp, body))
    bit = data.draw(st.integers(0, max(0, len(body) * 8 - 1)))
    flipped = bytearray(body or b"\x00")
    flipped[bit // 8] ^= 1 << bit % 8

    for key in (pair.public, secret):
        assert isinstance(verify_standard([key], headers, body, A.timestamp), Genuine)
        assert isinstance(verify_standard([key], headers, bytes(flipped), A.timestamp), Refused)
    assert isinstance(
        verify_hex([seed], {"x": sign_hex(seed, body)}, bytes(flipped), header="x", prefix=""), Refused
    )
