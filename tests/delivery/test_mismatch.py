"""Why a signature does not fit: every usual mistake is recognised, alone and two at a time, and nothing is made up."""

import base64
import gzip
import hmac
import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.signing_vectors import C_PUBLIC, STRANGE, A, C

from agent.delivery.keys import decode_public_key, decode_secret, decode_signing_key
from agent.delivery.mismatch import Subject, recipe
from agent.delivery.rewritten import candidates
from agent.delivery.signing import sign_standard

BODY = '{"type":"alarm.raised","data":{"message":"Kläranlage / \\n","value":1e-7,"limit":8.50,"n":[1,2]}}'.encode()
PLAIN = b'{"type":"x","data":{"text":"\xc3\xa4/b","n":[1,2.5],"none":null}}'
# An event as Edge Relay writes it, and as JSON.stringify(JSON.parse(...)) writes it again.
EVENT = b'{"schema":1,"seq":7,"previous":6,"severity":3,"occurrence":2,"repeat":1,"value":172.0,"limit":170.0,"deadband":0.5,"n":3,"small":1e-7,"text":"\\u00e4 2.0"}'
JAVASCRIPT = '{"schema":1,"seq":7,"previous":6,"severity":3,"occurrence":2,"repeat":1,"value":172,"limit":170,"deadband":0.5,"n":3,"small":1e-7,"text":"ä 2.0"}'.encode()
LITERAL, BARE = A.key.encode(), A.key.removeprefix("whsec_")


def spaced(body):
    """As Python's json.dumps writes it, token by token."""
    return body.replace(b'":', b'": ').replace(b',"', b', "').replace(b"1,2", b"1, 2")


def dumped(body, **how):
    return json.dumps(json.loads(body), **how).encode()


def found(arrived, signature, keys=(A.key,), *, hexadecimal=False):
    """What is found of a signature of A's id and timestamp, over a body that arrived otherwise."""
    subject = Subject(keys, A.id, str(A.timestamp), arrived, hexadecimal=hexadecimal)
    got = recipe([STRANGE, signature], subject)
    return got and [clue.word for clue in got.clues]


def mac(key, content, algorithm="sha256", encode=base64.b64encode):
    digest = hmac.digest(key, content, algorithm)
    return digest.hex() if encode is None else encode(digest).decode()


def content(*parts, dot="."):
    return dot.join(parts).encode() + dot.encode() + BODY


@pytest.mark.parametrize(
    ("sent", "arrived", "clue"),
    [
        (BODY, BODY + b"\n", "newline_added"),
        (BODY, BODY + b"\r\n", "newline_added"),
        (BODY, BODY + b" \n\n", "newline_added"),
        (BODY + b"\n", BODY, "newline_removed"),
        (b"a\nb", b"a\r\nb", "line_ends"),
        (b"a\r\nb", b"a\nb", "line_ends"),
        (BODY, b"\xef\xbb\xbf" + BODY, "byte_order_mark"),
        (BODY, gzip.compress(BODY), "body_compressed"),
        (BODY, base64.b64encode(BODY), "body_base64"),
        (BODY, json.dumps(BODY.decode()).encode(), "body_quoted"),
        (BODY, BODY.decode("latin-1").encode(), "body_charset"),
        (PLAIN, PLAIN.decode().encode("latin-1"), "body_charset"),
        (BODY, spaced(BODY), "body_reserialised"),
        (spaced(BODY), BODY, "body_reserialised"),
        (PLAIN, dumped(PLAIN), "body_reserialised"),
        (PLAIN, dumped(PLAIN, indent=2), "body_reserialised"),
        (dumped(PLAIN, indent=2), PLAIN, "body_reserialised"),
        (PLAIN, dumped(PLAIN, separators=(",", ":")).replace(b"/", b"\\/"), "body_reserialised"),
        (dumped(PLAIN), PLAIN, "body_reserialised"),
        (JAVASCRIPT, EVENT, "body_reserialised"),
        (EVENT.replace(rb"\u00e4", "ä".encode()), JAVASCRIPT, "body_reserialised"),
        (b"", BODY, "body_empty"),
    ],
)
def test_what_happened_to_the_body(sent, arrived, clue):
    """Whichever key there is: what was signed is found from what arrived."""
    secret, pair = decode_secret(A.key), decode_signing_key(C.key)
    signed = [sign_standard([key], A.id, A.timestamp, sent).partition(",")[2] for key in (secret, pair)]

    assert found(arrived, signed[0]) == [clue]
    assert found(arrived, signed[1], [decode_public_key(C_PUBLIC)]) == [clue]


KEY = decode_secret(A.key).raw
NODE = base64.b64decode("whsec/" + BARE + "==")  # what Node makes of it


@pytest.mark.parametrize(
    ("signature", "clues"),
    [
        (mac(KEY, content(A.id, str(A.timestamp))), []),
        (mac(LITERAL, content(A.id, str(A.timestamp))), ["secret_with_prefix"]),
        (mac(BARE.encode(), content(A.id, str(A.timestamp))), ["secret_undecoded"]),
        (mac(NODE, content(A.id, str(A.timestamp))), ["secret_prefix_decoded"]),
        (mac(LITERAL + b"\n", content(A.id, str(A.timestamp))), ["secret_with_newline"]),
        (mac(KEY, content(str(A.timestamp), A.id)), ["id_and_timestamp_swapped"]),
        (mac(KEY, BODY), ["body_alone"]),
        (mac(KEY, content(str(A.timestamp))), ["id_left_out"]),
        (mac(KEY, content(A.id)), ["timestamp_left_out"]),
        (mac(KEY, content(A.id, str(A.timestamp), dot="")), ["dots_left_out"]),
        (mac(KEY, content(A.id, str(A.timestamp)), encode=None), ["hexadecimal"]),
        ("sha256=" + mac(KEY, content(A.id, str(A.timestamp)), encode=None).upper(), ["hexadecimal"]),
        (base64.b64encode(mac(KEY, content(A.id, str(A.timestamp)), encode=None).encode()).decode(), ["base64_of_hexadecimal"]),
        (mac(KEY, content(A.id, str(A.timestamp))).rstrip("="), ["base64_variant"]),
        ("v1=" + mac(KEY, content(A.id, str(A.timestamp))), []),
        (mac(KEY, content(A.id, str(A.timestamp)), "sha1"), ["other_hash"]),
        (mac(KEY, content(A.id, str(A.timestamp)), "sha512"), ["other_hash"]),
        (mac(LITERAL, BODY, encode=None), ["secret_with_prefix", "body_alone", "hexadecimal"]),
        (mac(LITERAL, content(A.id, str(A.timestamp)) + b"\n"), ["newline_removed", "secret_with_prefix"]),
        (mac(b"another secret", content(A.id, str(A.timestamp))), None),
        ("", None),
    ],
)  # fmt: skip
def test_how_it_was_computed(signature, clues):
    """Which key, which content, in which letters; nothing is told that does not give this signature."""
    assert found(BODY, signature) == clues


@pytest.mark.parametrize(
    ("signature", "clues"),
    [
        (mac(LITERAL, BODY, encode=None), []),
        (mac(LITERAL, BODY), ["base64"]),
        (mac(KEY, BODY, encode=None), ["secret_decoded"]),
        (mac(BARE.encode(), BODY, encode=None), ["secret_undecoded"]),
        (mac(LITERAL + b"\n", BODY, encode=None), ["secret_with_newline"]),
        (mac(LITERAL, content(A.id, str(A.timestamp)), encode=None), ["id_and_timestamp_signed"]),
        (mac(LITERAL, BODY + b"\n", encode=None), ["newline_removed"]),
        (mac(LITERAL, BODY, "sha1", encode=None), ["other_hash"]),
        (mac(b"another", BODY, encode=None), None),
    ],
)
def test_how_a_hex_signature_was_computed(signature, clues):
    """There the text itself is the key, and the body is all that is signed."""
    assert found(BODY, signature, hexadecimal=True) == clues


def test_which_key_it_was():
    """Of several, the one that made it is told by its place."""
    public = decode_public_key(C_PUBLIC)
    subject = Subject(["whsec_" + "A" * 32, public, A.key], A.id, str(A.timestamp), A.body)

    assert recipe([A.signature.removeprefix("v1,")], subject).key == 2
    assert recipe([C.signature.removeprefix("v1a,")], subject).key == 1


NUMBERS = [
    "0",
    "-0.0",
    "20.0",
    "1e-7",
    "0.000001",
    "1E21",
    "1e20",
    "123456789012345678901",
    "1.50",
    "-7e-3",
    "1e400",
    "5e-324",
]


def test_numbers_are_written_as_javascript_does():
    """Asked of Node itself: what its JSON.stringify makes of them."""
    text = f"[{','.join(NUMBERS)}]"
    script = "process.stdout.write(JSON.stringify(JSON.parse(require('fs').readFileSync(0, 'utf8'))))"
    node = subprocess.run(
        ["node", "-e", script], input=text.encode(), capture_output=True, timeout=60, check=True
    )
    ours = [other for clue, other in candidates(text.encode()) if "JavaScript writes" in clue.text]

    assert ours == [node.stdout]


TEXTS = st.one_of(
    st.text(st.characters(codec=None)),
    st.sampled_from([A.key, A.id, "1614265330", "whsec_", STRANGE, C.signature]),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.one_of(
    st.binary(),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.binary().map(gzip.compress),
    st.binary().map(lambda body: gzip.compress(body)[:-5]),
    st.sampled_from([b"[" * 3000 + b"]" * 3000, b'"\\ud800"', b"1" * 5000, b"\xff\xfe1\x00", b"NaN"]),
)


@given(TEXTS.filter(lambda text: text.isprintable()), TEXTS, TEXTS, BODIES, st.booleans())
def test_no_bytes_upset_it(key, identity, signature, body, hexadecimal):
    """Whatever was pasted: an answer, no exception."""
    keys = [key, decode_public_key(C_PUBLIC)]

    recipe([signature], Subject(keys, identity, identity, body, hexadecimal=hexadecimal))


@given(BODIES)
def test_no_candidate_is_the_body_itself_or_comes_twice(body):
    """The signature of the body itself was tried before."""
    others = [other for _, other in candidates(body)]

    assert body not in others
    assert len(others) == len(set(others)) < 300


def test_a_compressed_body_of_endless_zeros_takes_bounded_memory():
    """What a stranger sent is unpacked to 16 MB and no further."""
    bomb = gzip.compress(bytes(40_000_000))
    longest = max(len(other) for _, other in candidates(bomb))

    assert longest == 16_000_000
