"""`edge-relay verify`: what somebody reads at 3 a.m. whose receiver refuses, or accepts what it should not."""

import io
import json
import sys

import pytest
from rigs.raw_server import answers, raw_server
from rigs.signing_vectors import C_PUBLIC, GITHUB, STRANGE, A, B, C
from rigs.webhook import opened

from agent.cli import main
from agent.cli.verify_input import read_headers
from agent.delivery.keys import decode_secret
from agent.delivery.signing import sign_hex, sign_standard
from agent.destinations.base import Message

AT = ("--received-at", str(A.timestamp + 2))
SECRETS = (A.key, B.key, C.key, GITHUB[0])
CONFIGURATION = f"""\
agent: {{site: dresden, name: line-4}}
destinations:
  cmms: {{url: "https://cmms.example.com/", signing: {{secret: "${{insecure_file:b.key}}", previous_secrets: ["${{insecure_file:a.key}}"]}}}}
  cloud: {{url: "https://x.example.com/", signing: {{scheme: ed25519, key: "${{insecure_file:c.key}}", previous_secrets: ["${{insecure_file:a.key}}"]}}}}
  build: {{url: "https://x.example.com/", signing: {{scheme: hex, secret: "{GITHUB[0]}", header: X-Hub-Signature-256, prefix: "sha256="}}}}
  open: {{url: "https://x.example.com/", signing: none}}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """Keys, the headers and body of vector A, and a configuration."""
    monkeypatch.chdir(tmp_path)
    for name, vector in (("a", A), ("b", B), ("c", C)):
        (tmp_path / f"{name}.key").write_text(vector.key + "\n")
    (tmp_path / "github.key").write_text(GITHUB[0])
    (tmp_path / "body").write_bytes(A.body)
    (tmp_path / "plant.yaml").write_text(CONFIGURATION)
    headed(tmp_path)


def headed(tmp_path, signature=A.signature, **changes):
    headers = A.headers(signature) | {name.replace("_", "-"): text for name, text in changes.items()}
    lines = [f"{name}: {text}\n" for name, text in headers.items() if text is not None]
    (tmp_path / "headers").write_text("".join(lines))


@pytest.fixture
def said(capsys):
    """Status and output of the command; whatever it says, it shows no secret."""

    def run(*words, body="body", headers="headers"):
        more = [*(["--headers", headers] if headers else []), *([body] if body else [])]
        status = main(["verify", *words, *more])
        output, errors = capsys.readouterr()
        assert not any(secret[8:20] in output + errors for secret in SECRETS)
        return status, output + errors

    return run


KEY_A = ("--secret-file", "a.key")


def verdict(text):
    return text.partition("\n\n")[2]


@pytest.mark.parametrize(
    ("words", "signature", "name"),
    [
        (KEY_A, A.signature, "the secret in a.key"),
        (("--public-key", C_PUBLIC), C.signature, f"the public key {C_PUBLIC}"),
        (("--secret-file", "c.key"), C.signature, f"the public key {C_PUBLIC} of the signing key in c.key"),
        (("--secret-file", "b.key", *KEY_A), A.signature, "the secret in a.key"),
        (("--destination", "cmms", "-c", "plant.yaml"), A.signature, "previous secret 1 of cmms"),
        (("--destination", "destination:cloud", "-c", "plant.yaml"), C.signature, "the current public key of cloud"),
        (("--destination", "cloud", "-c", "plant.yaml"), A.signature, "previous secret 1 of cloud"),
    ],
)  # fmt: skip
def test_what_is_genuine_is_called_so_with_its_key(tmp_path, said, words, signature, name):
    """The published vectors (A, C): status 0."""
    headed(tmp_path, signature)
    status, text = said(*words, *AT)

    assert status == 0
    assert (
        verdict(text)
        == f"genuine: it was signed with {name}, over exactly these bytes, this id and this time.\n"
    )


def test_both_sides_of_the_table(said):
    """What the headers say, in a form that can be compared with the sender's log."""
    assert said(*KEY_A, *AT)[1].partition("\n\n")[0].splitlines() == [
        "webhook-id         msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp  1614265330, 2021-02-25T15:02:10Z, 2s before it arrived",
        "webhook-signature  v1 fits the secret in a.key",
        "body               20 bytes",
    ]


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        ({"webhook_signature": None}, ["the header webhook-signature is missing", "a proxy, or whoever copied"]),
        ({"webhook_id": "a.b"}, ["webhook-id is 'a.b': expected up to 256 letters without a dot"]),
        ({"webhook_timestamp": "1614265330000"}, ["webhook-timestamp is '1614265330000'", "These are milliseconds"]),
        ({"webhook_timestamp": "today"}, ["webhook-timestamp is 'today': expected whole seconds"]),
        ({"signature": STRANGE}, ["has no signature in it: expected v1,BASE64", "The version is missing"]),
        ({"signature": A.signature[3:]}, ["The version is missing", "But for that it is right"]),
        ({"signature": f"t=1,v1={STRANGE}"}, ["has no signature in it", "It looks like Stripe's own scheme"]),
        ({"signature": f"v2,{STRANGE}"}, ["of version 'v2': expected v1", "no version of Standard Webhooks"]),
        ({"signature": C.signature}, ["of version 'v1a': expected v1", "give --public-key whpk_..."]),
        ({"signature": f"v1,{STRANGE}"}, ["no signature fits: the sender signed with another secret"]),
        ({"signature": f"v1,{STRANGE}", "content_length": "19"}, ["Content-Length says 19 bytes, here are 20"]),
        ({"webhook_id": "msg_other"}, ["no signature fits", "headers and body of one and the same request"]),
    ],
)  # fmt: skip
def test_the_wrong_part_is_named(tmp_path, said, changes, sentences):
    """Status 1, the part, and what to do; in this order."""
    headed(tmp_path, **changes)
    status, text = said(*KEY_A, *AT)

    assert (status, "refused: " in text) == (1, True)
    at = [text.index(sentence) for sentence in sentences]
    assert at == sorted(at)


def test_a_public_key_where_a_secret_is_needed(said):
    """Which key to ask for."""
    status, text = said("--public-key", C_PUBLIC, *AT)

    assert (status, verdict(text).splitlines()) == (
        1,
        [
            "refused: the signatures are of version 'v1': expected v1a.",
            "The sender signs with a secret that you have both: give --secret-file FILE.",
        ],
    )


@pytest.mark.parametrize(
    ("words", "sentences"),
    [
        (("--received-at", "2021-02-25T15:09:22Z"), ["is 7m12s before the arrival that you gave (2021-02-25T15:09:22Z); 5m are allowed", "`timedatectl`"]),
        (("--received-at", "2021-02-25T14:02:10+00:00"), ["is 1h after the arrival that you gave", "One of the two clocks is wrong"]),
        ((), ["before this machine's clock", "If you look at a request from earlier, say when it arrived"]),
        (("--tolerance", "1s", *AT), ["is 2s before the arrival that you gave", "1s are allowed"]),
    ],
)  # fmt: skip
def test_a_stamp_out_of_tolerance(said, words, sentences):
    """By how much, against which clock; and that the signature is right."""
    status, text = said(*KEY_A, *words)

    assert (status, "refused: the signature is right, but webhook-timestamp 1614265330" in text) == (1, True)
    assert all(sentence in text for sentence in sentences)


def test_time_can_be_left_aside(said):
    """For a request of last week."""
    assert said(*KEY_A, "--tolerance", "none")[0] == 0


def test_two_things_wrong_are_both_said(tmp_path, said):
    """The body first; the clock besides."""
    (tmp_path / "body").write_bytes(A.body + b"\n")
    text = said(*KEY_A)[1]

    assert verdict(text).startswith(
        "refused: the signature is that of the secret in a.key, but over this body without the white space at its end.\n"
        "An editor or `echo` puts a line feed there"
    )
    assert "Besides, webhook-timestamp 1614265330" in text


def test_one_who_has_the_previous_secret_is_told(tmp_path, said):
    """Before the sender takes it away."""
    signature = sign_standard([decode_secret(B.key), decode_secret(A.key)], A.id, A.timestamp, A.body)
    headed(tmp_path, signature)
    status, text = said(*KEY_A, *AT)

    assert status == 0
    assert "as signature 2 of 2" in text
    assert "the sender has a newer secret" in text
    assert "newer" not in said("--secret-file", "b.key", *AT)[1]


@pytest.mark.parametrize(
    ("computed", "status", "sentence"),
    [
        (
            A.signature,
            0,
            "What your receiver computed is right. If it refuses all the same, it compares wrongly",
        ),
        (A.signature[3:], 0, "split it at blanks"),
        (
            sign_hex(A.key.encode(), A.body),
            1,
            "with the secret as it is written, `whsec_` included, as the key",
        ),
        (
            sign_hex(decode_secret(A.key).raw, A.body),
            1,
            "but over the body alone, without id and timestamp and in hex",
        ),
        (STRANGE, 1, "comes from none of the usual mistakes"),
    ],
)
def test_what_the_receiver_computed_is_explained(said, computed, status, sentence):
    """The request is genuine, the receiver is wrong: what it does otherwise."""
    got, text = said(*KEY_A, *AT, "--computed", computed)

    assert (got, "genuine: " in text) == (status, True)
    assert sentence in text


HEX = (
    "--scheme",
    "hex",
    "--secret-file",
    "github.key",
    "--header",
    "x-hub-signature-256",
    "--prefix",
    "sha256=",
)


@pytest.mark.parametrize(
    ("words", "headers", "body", "status", "sentence"),
    [
        (HEX, f"X-Hub-Signature-256: {GITHUB[2]}", GITHUB[1], 0, "genuine: it was signed with the secret in github.key"),
        (("--destination", "build", "-c", "plant.yaml"), f"X-Hub-Signature-256: {GITHUB[2]}", GITHUB[1], 0, "the secret of build"),
        (HEX, f"X-Hub-Signature-256: {GITHUB[2]}", GITHUB[1] + b"\n", 1, "over this body without the white space at its end"),
        (HEX, f"X-Hub-Signature-256: {GITHUB[2]}", b"Hello", 1, "another secret, or the body is not what was signed"),
        (HEX, f"X-Hub-Signature-256: {GITHUB[2][7:]}", GITHUB[1], 1, "expected sha256= and 64 hexadecimal digits"),
        (HEX[:4], f"X-Signature: {GITHUB[2]}", GITHUB[1], 1, "give --prefix sha256="),
        (HEX[:4], f"X-Hub-Signature-256: {GITHUB[2]}", GITHUB[1], 1, "try --scheme hex --header x-hub-signature-256 --prefix sha256="),
        (KEY_A, f"X-Signature: {GITHUB[2][7:]}", GITHUB[1], 1, "try --scheme hex --header x-signature."),
        (KEY_A, "X-Acme-Signature: ed=1", GITHUB[1], 1, "There is x-acme-signature: the sender signs in a way of its own"),
        (KEY_A, "Host: x", GITHUB[1], 1, "There is nothing that looks like a signature"),
        (HEX, "webhook-id: a\nwebhook-timestamp: 1\nwebhook-signature: v1,a", b"", 1, "leave --scheme hex out"),
    ],
)  # fmt: skip
def test_hex_profiles(tmp_path, said, words, headers, body, status, sentence):
    """GitHub's own vector (I), and which options it takes."""
    (tmp_path / "headers").write_text(headers)
    (tmp_path / "body").write_bytes(body)
    got, text = said(*words)

    assert (got, sentence in text) == (status, True), text


HEADERS = A.headers()


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"{name}: {text}" for name, text in HEADERS.items()),
        "POST /hooks HTTP/1.1\r\nHost: x:80\r\n" + "".join(f"{name.title()}:{text}\r\n" for name, text in HEADERS.items()),
        "* Connected to x\n> POST /hooks HTTP/1.1\n" + "".join(f"> {name}: {text}\n" for name, text in HEADERS.items()),
        json.dumps({name.title(): text for name, text in HEADERS.items()}),
        json.dumps({name: [text] for name, text in HEADERS.items()}),
        "".join(f"HTTP_{name.upper().replace('-', '_')}: {text}\n" for name, text in HEADERS.items()),
    ],
    ids=["lines", "request", "curl -v", "JSON", "JSON lists", "CGI"],
)  # fmt: skip
def test_headers_are_taken_as_they_were_copied(text):
    """From a log, a terminal, a debugger."""
    assert {
        name: value for name, value in read_headers(text).items() if name.startswith("webhook-")
    } == HEADERS


def test_without_files(said, monkeypatch):
    """Headers as options, the body on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(A.body)))
    options = ("--id", A.id, "--timestamp", str(A.timestamp), "--signature", A.signature)

    assert said(*KEY_A, *AT, *options, body="-", headers=None)[0] == 0


async def test_a_request_of_the_agent_as_it_went_over_the_wire(tmp_path, said):
    """Request line, headers, an empty line and the body in one file; the keys by the destination's name."""
    body = '{"message":"Kläranlage"}\n'.encode()
    async with (
        raw_server(answers(204)) as server,
        opened(server.port, signing={"secret": A.key}) as destination,
    ):
        await destination.deliver(Message("evt_1", body))
    (tmp_path / "request").write_bytes(server.requests[0])

    assert said("--destination", "cmms", "-c", "plant.yaml", body=None, headers="request")[0] == 0


def test_for_scripts(tmp_path, said):
    """One document: what is wrong, in words that do not change."""
    (tmp_path / "body").write_bytes(A.body.replace(b" ", b""))
    status, text = said(*KEY_A, *AT, "--json", "--computed", A.signature)
    document = json.loads(text)

    assert status == 1
    assert "parsed and written again" in document.pop("why")
    assert "other white space" in document["computed"].pop("why")
    assert document == {
        "genuine": False,
        "fault": "mismatch",
        "found": ["body_reserialised"],
        "key": "the secret in a.key",
        "id": A.id,
        "timestamp": A.timestamp,
        "age_s": 2,
        "signatures": [{"version": "v1", "fits": False}],
        "computed": {"right": False, "found": ["body_reserialised"]},
    }


@pytest.mark.parametrize(
    ("words", "given", "message"),
    [
        ((), {}, "which key? Give --secret-file FILE, --public-key whpk_..., or --destination NAME"),
        (KEY_A, {"headers": None}, "which headers arrived? Give --headers FILE, or --id"),
        (KEY_A, {"body": None}, "which body arrived? Give the file that holds it, or -"),
        (KEY_A, {"body": "none"}, "none cannot be read (No such file or directory): check the path"),
        (KEY_A, {"headers": "a.key"}, "a.key has no headers: expected lines such as"),
        (("--secret-file", "github.key"), {}, "github.key: not a webhook secret: expected whsec_"),
        (("--secret-file", "none"), {}, "none cannot be read"),
        (("--public-key", A.key), {}, "--public-key: this is an HMAC secret, not a public key"),
        (("--public-key", C_PUBLIC, "--scheme", "hex", *KEY_A), {}, "--scheme hex has secrets only"),
        (
            ("--destination", "cms", "-c", "plant.yaml"),
            {},
            "there is no destination cms: did you mean `cmms`?",
        ),
        (
            ("--destination", "open", "-c", "plant.yaml"),
            {},
            "destination open is not signed (`signing: none`)",
        ),
        (("--destination", "cmms", *KEY_A), {}, "--destination beside --secret-file or --public-key"),
    ],
)
def test_a_slip_is_answered_with_the_remedy(said, words, given, message):
    """Status 2, one sentence."""
    status, text = said(*words, **given)

    assert (status, text.count("\n")) == (2, 1)
    assert text.startswith(f"edge-relay: {message}")
