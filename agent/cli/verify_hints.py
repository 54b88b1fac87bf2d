"""What is likely when `edge-relay verify` cannot prove what is wrong: said as such, with what to look at.

Rules for whoever changes this: a hint names what was seen and what it may mean; where nothing was
seen, it says what is left over and in which order to look.
"""

import json
import re
from typing import Final

from agent.cli.verify_input import Keys, Request
from agent.delivery.verifying import Fault, Refused, Stamped

_MILLISECONDS: Final = re.compile(r"[0-9]{13}")
_SIGNATURE_NAME: Final = re.compile(r"signature|hmac")
_HEX_VALUE: Final = re.compile(r"([a-z0-9]+=)?[0-9a-fA-F]{64}")
_UNSIGNED: Final = (
    "There is nothing that looks like a signature: does the sender sign at all, and does a proxy or gateway "
    "on the way pass on headers that it does not know?"
)
_PARSED: Final = (
    "Its keys are in alphabetical order, which is how programs write it that parsed it: "
    "verify the bytes as they arrive, before anything parses them."
)
_STANDARD: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")


def missing(request: Request) -> tuple[str, ...]:
    """What may have become of a header that is not there."""
    names = {name.lower(): text.strip() for name, text in request.headers.items()}
    other = [name for name in names if _SIGNATURE_NAME.search(name) and name not in _STANDARD]
    for name in other:
        if found := _HEX_VALUE.fullmatch(names[name]):
            prefix = f" --prefix {found[1]}" if found[1] else ""
            return (f"There is {name}, with hexadecimal digits: try --scheme hex --header {name}{prefix}.",)
    if all(name in names for name in _STANDARD):
        return (
            "There is webhook-signature: this is a request of Standard Webhooks, leave --scheme hex out.",
        )
    if other:
        return (f"There is {', '.join(other)}: the sender signs in a way of its own.",)
    if any(name in names for name in _STANDARD):
        return ("The sender writes all three: a proxy, or whoever copied the headers, left it out.",)
    return (_UNSIGNED,)


def unreadable(refused: Refused, request: Request) -> tuple[str, ...]:
    """What a header may be that has not the form of its own."""
    names = {name.lower(): text.strip() for name, text in request.headers.items()}
    if refused.fault is Fault.TIMESTAMP_MALFORMED:
        if _MILLISECONDS.fullmatch(names.get("webhook-timestamp", "")):
            return ("These are milliseconds: the sender has to write, and sign, seconds.",)
        return ()
    text = names.get("webhook-signature", names.get("svix-signature", ""))
    if refused.fault is Fault.SIGNATURE_MALFORMED:
        if text.startswith("t="):
            return ("It looks like Stripe's own scheme, `t=...,v1=...`, which is another one.",)
        if "," in text and " " not in text and text.count("v1") > 1:
            return ("Several signatures are joined by commas: between them belongs a blank.",)
        if "," not in text:
            return ("The version is missing, or is not followed by a comma: `v1,` stands before the base64.",)
    return ()


def about_versions(refused: Refused, stamped: Stamped) -> tuple[str, ...]:
    """Which key is asked for instead."""
    versions = [version for version, _ in stamped.signatures]
    if "v1a" in versions:
        remedy = (
            "The sender signs with an ed25519 key: ask it for the public one, and give --public-key whpk_..."
        )
    elif "v1" in versions:
        remedy = "The sender signs with a secret that you have both: give --secret-file FILE."
    else:
        remedy = "This is no version of Standard Webhooks 1.0.0: ask the sender how to verify it."
    return (f"{refused.why[:1].upper()}{refused.why[1:]}.", remedy)


def hints(request: Request, keys: Keys, stamped: Stamped | None) -> tuple[str, ...]:
    """What is left over when no usual mistake gives the signature, in the order in which to look."""
    key = "secret" if any(isinstance(text, str) for text in keys.written) else "key"
    if stamped is not None and len({version for version, _ in stamped.signatures}) > 1:
        key = "secret or key"
    what = "the body" if keys.header else "the id, the timestamp or the body"
    lines = [f"No signature fits: the sender signed with another {key}, or {what} is not what was signed."]
    lines += _about_length(request)
    lines += _about_form(request.body)
    if len(lines) == 1:
        lines.append(
            f"None of the usual mistakes explains it, so look at the {key} first: is it that of this sender, of this "
            "destination, the newest? Then take headers and body of one and the same request, as they arrived."
        )
    return tuple(lines)


def _about_length(request: Request) -> list[str]:
    length = {name.lower(): text.strip() for name, text in request.headers.items()}.get("content-length", "")
    if not (length.isascii() and length.isdecimal()) or int(length[:12]) == len(request.body):
        return []
    sizes = f"Content-Length says {length[:12]} bytes, here are {len(request.body)}"
    return [f"The body is another one: {sizes}. Take it as it arrived."]


def _about_form(body: bytes) -> list[str]:
    if not body:
        return ["The body is empty: it was read already, or not saved."]
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return (
            ["The body is not JSON: is it all there, and is it the body alone?"] if body[:1] in b"{[" else []
        )
    if not isinstance(value, dict):
        return []
    if len(value) > 1 and list(value) == sorted(value):
        return [_PARSED]
    return []
