"""Verifiers that share no code with ours: the official libraries in two languages, and two other ed25519.

`accept(cases)` asks all of them; those in JavaScript answer from one process, however many cases there are.
"""

import base64
import json
import subprocess
from pathlib import Path
from typing import NamedTuple

import standardwebhooks
import svix.webhooks
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_SCRIPT = Path(__file__).parents[1] / "peers" / "verifiers.js"
_PATIENCE = 60  # seconds: the libraries take one to be loaded


class Case(NamedTuple):
    """A request as it arrived, and the key of the receiver: `whsec_`, `whpk_`, or GitHub's literal text."""

    key: str
    headers: dict[str, str]
    body: bytes


def verdicts(cases):
    """Who verified each case with which result: `[{"python svix": True, ...}, ...]`."""
    asked = [(case, name) for case in cases for name in _javascript(case)]
    answers = iter(_ask([_line(case, name) for case, name in asked]))
    told = [{f"javascript {name}": next(answers) for name in _javascript(case)} for case in cases]
    return [of_case | _python(case) for of_case, case in zip(told, cases, strict=True)]


def _javascript(case):
    if case.key.startswith("whpk_"):
        return ["ed25519"]
    if "webhook-signature" not in case.headers:
        return ["github"]
    # Svix's parses what it has verified, so it takes JSON alone; the other can be told not to.
    return ["standardwebhooks", "svix"] if case.body.startswith(b"{") else ["standardwebhooks"]


def _line(case, name):
    return {
        "by": name,
        "key": case.key,
        "headers": case.headers,
        "body": base64.b64encode(case.body).decode(),
    }


def _ask(lines):
    assert (_SCRIPT.parent / "node_modules" / "svix").is_dir(), "svix is not installed: make test installs it"
    done = subprocess.run(
        ["node", _SCRIPT],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    answers = [json.loads(line)["genuine"] for line in done.stdout.splitlines()]
    assert len(answers) == len(lines)
    return answers


def _python(case):
    if case.key.startswith("whpk_"):
        return {"python cryptography": _ed25519(case)}
    if "webhook-signature" not in case.headers:
        return {}
    return {
        "python standardwebhooks": _takes(
            lambda: standardwebhooks.Webhook(case.key).verify(case.body, case.headers, json_parse=False)
        ),
        "python svix": _takes(lambda: svix.webhooks.Webhook(case.key).verify(case.body, case.headers)),
    }


def _takes(verify):
    try:
        verify()
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


def _ed25519(case):
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(case.key.removeprefix("whpk_")))
    content = f"{case.headers['webhook-id']}.{case.headers['webhook-timestamp']}.".encode() + case.body
    parts = [part.split(",") for part in case.headers["webhook-signature"].split()]
    return any(_fits(public, base64.b64decode(text), content) for version, text in parts if version == "v1a")


def _fits(public, signature, content):
    try:
        public.verify(signature, content)
    except InvalidSignature:
        return False
    return True
