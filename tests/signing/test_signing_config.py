"""The sections of signing: what they sign with, in which order, and that rules can be proved without keys."""

import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError
from rigs.signing_vectors import C_PUBLIC, A, B, C
from rigs.source_tree import ROOT

from agent.config.secrets import NOT_NEEDED, SecretPlaces
from agent.delivery.verifying import Fault, Genuine
from agent.signing.config import Signing
from agent.signing.signer import signer
from agent.signing.verifier import verifier

SIGNING = TypeAdapter(Signing)
PUBLIC_ALONE = {"scheme": "ed25519", "key": C_PUBLIC}


@pytest.mark.parametrize(
    ("section", "signatures"),
    [
        ({"secret": A.key}, [A.signature]),
        ({"scheme": "ed25519", "key": C.key}, [C.signature]),
        ({"scheme": "ed25519", "key": C.key, "previous_secrets": [A.key]}, [C.signature, A.signature]),
    ],
)
def test_a_section_signs_as_it_is_written(section, signatures):
    """The current key first, then those before it; v1 beside v1a while a receiver changes over."""
    signing = SIGNING.validate_python(section)
    headers = signer(signing)(A.id, A.timestamp, A.body)

    assert headers == {"webhook-signature": " ".join(signatures)}


def test_while_a_secret_is_changed_both_sign():
    """The new one first: receivers that look at one signature alone keep up with it."""
    headers = signer(SIGNING.validate_python({"secret": B.key, "previous_secrets": [A.key]}))
    first, second = headers(A.id, A.timestamp, A.body)["webhook-signature"].split()

    assert (first == A.signature, second == A.signature) == (False, True)


def test_while_keys_are_changed_every_one_signs():
    """The order: the current key, the keys before it, the secrets from before there were keys."""
    new = "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA=="
    section = {"scheme": "ed25519", "key": new, "previous_keys": [C.key], "previous_secrets": [B.key, A.key]}
    value = signer(SIGNING.validate_python(section))(A.id, A.timestamp, A.body)["webhook-signature"].split()

    assert [part.partition(",")[0] for part in value] == ["v1a", "v1a", "v1", "v1"]
    assert (value[1], value[3]) == (C.signature, A.signature)


@pytest.mark.parametrize(
    "section",
    [
        {"secret": B.key, "previous_secrets": [A.key]},
        {"scheme": "ed25519", "key": C.key, "previous_secrets": [A.key]},
        {"scheme": "hex", "secret": "text", "header": "X-Hub-Signature-256", "prefix": "sha256="},
    ],
)
def test_what_a_section_signs_its_verifier_accepts(section):
    """And nothing else: the body is part of it."""
    signing = SIGNING.validate_python(section)
    headers = A.headers() | signer(signing)(A.id, A.timestamp, A.body)
    verify = verifier(signing)

    assert isinstance(verify(headers, A.body, A.timestamp), Genuine)
    assert verify(headers, A.body + b" ", A.timestamp).fault is Fault.MISMATCH


@pytest.mark.parametrize(
    "section", [PUBLIC_ALONE, {"scheme": "ed25519"}, {"secret": C.key}, {"scheme": "ed25519", "key": A.key}]
)
def test_a_section_that_cannot_sign_is_refused(section):
    """When it is read, not at the first alarm; no part of a key is shown."""
    with pytest.raises(ValidationError) as refused:
        SIGNING.validate_python(section)

    (error,) = refused.value.errors()
    assert C_PUBLIC[5:20] not in error["msg"]
    assert A.key[6:20] not in error["msg"]


def test_rules_are_proved_without_keys():
    """On a laptop that has none of the plant's secrets, every reference is good."""
    places = SecretPlaces(NOT_NEEDED)
    section = {"scheme": "ed25519", "key": "${file:nowhere}", "previous_secrets": ["${env:NOWHERE}"]}

    assert SIGNING.validate_python(section, context=places).scheme == "ed25519"


def test_nothing_is_paid_for_ed25519_without_a_key_of_it():
    """Its library takes megabytes, which an agent that signs with a secret does not have to have."""
    script = (
        "import sys\n"
        "from agent.signing.config import StandardSigning\n"
        "from agent.signing.verifier import verifier\n"
        f"signing = StandardSigning(secret={A.key!r})\n"
        f"print(verifier(signing)({A.headers()!r}, {A.body!r}, {A.timestamp}).key, 'cryptography' in sys.modules)"
    )
    child = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )

    assert (child.stdout, child.stderr) == ("0 False\n", "")
