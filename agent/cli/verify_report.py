"""What `edge-relay verify` finds, and how it says it: what is wrong, whose doing it is, what to do.

Rules for whoever changes this: this is read at 3 a.m. by somebody who did not write the receiver, so
each sentence names the thing, the cause and the remedy, in this order; what is only likely is said as
such; nothing of a key is shown, and of what strangers sent only what a line can hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.cli.verify_hints import about_versions, hints, missing, unreadable
from agent.cli.verify_input import Keys, Request
from agent.config.fields import format_duration
from agent.delivery.clue import Clue
from agent.delivery.mismatch import Recipe, Subject, recipe
from agent.delivery.verifying import (
    FIVE_MINUTES,
    Fault,
    Genuine,
    Refused,
    Stamped,
    Tolerance,
    check_age,
    matches,
    no_match,
    read_stamp,
    verify_hex,
)
from agent.model import SECOND
from agent.stamps import utc_text

_COMPARES_WRONGLY: Final = (
    "What your receiver computed is right. If it refuses all the same, it compares wrongly: the header is a list; "
    "split it at blanks, take `v1,` off each part, and accept if any part is equal."
)
_COMPARES_WRONGLY_HEX: Final = (
    "What your receiver computed is right. If it refuses all the same, it compares wrongly: "
    "with what stands in the header after its prefix, the same letters, no blank."
)


@dataclass(frozen=True, slots=True)
class Arrived:
    """When the request came.

    Attributes:
        at: seconds since 1970 UTC.
        told: whether a person said so; else it is this machine's clock.
        tolerance: how far the stamp may be from it.
    """

    at: int
    told: bool = False
    tolerance: Tolerance = FIVE_MINUTES


@dataclass(frozen=True, slots=True)
class Report:
    """What came out.

    Attributes:
        fault: which part is wrong; None: it is genuine.
        sentences: for a person.
        clues: what was done otherwise, where that was found.
        key: which key it is signed with, by its name; empty if none fits.
        stamped: what the headers say; None where they say nothing.
        fits: which of its signatures are good, by their places, and the places of their keys.
    """

    fault: Fault | None
    sentences: tuple[str, ...]
    clues: tuple[Clue, ...] = ()
    key: str = ""
    stamped: Stamped | None = None
    fits: Mapping[int, int] = field(default_factory=dict)


def examine(request: Request, keys: Keys, arrived: Arrived) -> Report:
    """Verify a request, and look for what is wrong if it is not genuine."""
    if keys.header:
        return _examine_hex(request, keys)
    stamped = read_stamp(request.headers)
    if isinstance(stamped, Refused):
        return _unreadable(stamped, request, keys)
    if fits := matches(keys.verifying, stamped, request.body):
        return _fitting(stamped, fits, keys, arrived)
    refused = no_match(keys.verifying, stamped)
    found = _look([text for _, text in stamped.signatures], request, keys)
    if found is not None:
        report = _explained("The signature", found, keys, stamped)
    elif refused.fault is Fault.VERSION_UNKNOWN:
        report = Report(refused.fault, about_versions(refused, stamped), stamped=stamped)
    else:
        report = Report(Fault.MISMATCH, hints(request, keys, stamped), stamped=stamped)
    if check_age(stamped, arrived.at, arrived.tolerance) is None:
        return report
    besides = f"Besides, {_off(stamped, arrived)}."
    return Report(report.fault, (*report.sentences, besides), report.clues, report.key, stamped)


def examine_computed(computed: str, request: Request, keys: Keys) -> Report:
    """Look into what a receiver computed itself."""
    found = _look([computed], request, keys)
    if found is None:
        why = (
            "What your receiver computed comes from none of the usual mistakes: it has another secret, or it had "
            "another body. Print the length and the SHA-256 of both where it computes, and compare."
        )
        return Report(Fault.MISMATCH, (why,))
    if not found.clues:
        return Report(None, (_COMPARES_WRONGLY_HEX if keys.header else _COMPARES_WRONGLY,))
    return _explained("What your receiver computed", found, keys)


def _look(signatures: Sequence[str], request: Request, keys: Keys) -> Recipe | None:
    lower = {name.lower(): text.strip() for name, text in request.headers.items()}
    identity, timestamp = (
        lower.get(f"webhook-{part}", lower.get(f"svix-{part}", "")) for part in ("id", "timestamp")
    )
    subject = Subject(keys.written, identity, timestamp, request.body, hexadecimal=bool(keys.header))
    return recipe(signatures, subject)


def _explained(subject: str, found: Recipe, keys: Keys, stamped: Stamped | None = None) -> Report:
    made = " and ".join(clue.text for clue in found.clues)
    remedies = tuple(dict.fromkeys(clue.remedy for clue in found.clues))
    sentence = f"{subject} is that of {keys.names[found.key]}, but {made}."
    return Report(Fault.MISMATCH, (sentence, *remedies), found.clues, keys.names[found.key], stamped)


def _unreadable(refused: Refused, request: Request, keys: Keys) -> Report:
    if refused.fault is Fault.HEADER_MISSING:
        return Report(refused.fault, (f"{_capital(refused.why)}.", *missing(request)))
    sentences = (f"{_capital(refused.why)}.", *unreadable(refused, request))
    if refused.fault is not Fault.SIGNATURE_MALFORMED:
        return Report(refused.fault, sentences)
    lower = {name.lower(): text for name, text in request.headers.items()}
    text = lower.get("webhook-signature", lower.get("svix-signature", ""))
    found = _look(text.replace(",", " ").split(), request, keys)
    if found is None:
        return Report(refused.fault, sentences)
    told = f"But for that it is right: it is that of {keys.names[found.key]}."
    more = _explained("What stands there", found, keys).sentences if found.clues else (told,)
    return Report(refused.fault, (*sentences, *more), found.clues, keys.names[found.key])


def _fitting(stamped: Stamped, fits: Mapping[int, int], keys: Keys, arrived: Arrived) -> Report:
    place = min(fits)
    name = keys.names[fits[place]]
    late = check_age(stamped, arrived.at, arrived.tolerance)
    if late is not None:
        sentences = (f"The signature is right, but {_off(stamped, arrived)}.", *_about_clocks(late, arrived))
        return Report(late.fault, sentences, key=name, stamped=stamped, fits=fits)
    count = len(stamped.signatures)
    which = "" if count == 1 else f" as signature {place + 1} of {count}"
    sentences = (f"It was signed with {name}{which}, over exactly these bytes, this id and this time.",)
    version = stamped.signatures[place][0]
    if version in [before for before, _ in stamped.signatures[:place]] and len(keys.names) == 1:
        newer = "secret" if version == "v1" else "key"
        note = f"Another {version} signature stands before it: the sender has a newer {newer}. Get it before"
        sentences = (*sentences, f"{note} this one is taken away.")
    return Report(None, sentences, key=name, stamped=stamped, fits=fits)


def _off(stamped: Stamped, arrived: Arrived) -> str:
    """How far the stamp is from the arrival, and by whose clock."""
    age = arrived.at - stamped.timestamp
    side, bound = ("before", arrived.tolerance.past) if age > 0 else ("after", arrived.tolerance.future)
    clock = "the arrival that you gave" if arrived.told else "this machine's clock"
    allowed = "" if bound is None else f"; {format_duration(bound * SECOND)} are allowed"
    return (
        f"webhook-timestamp {stamped.timestamp} ({_stamp(stamped.timestamp)}) is "
        f"{format_duration(abs(age) * SECOND)} {side} {clock} ({_stamp(arrived.at)}){allowed}"
    )


def _about_clocks(late: Refused, arrived: Arrived) -> tuple[str, ...]:
    clocks = "compare `timedatectl` of the sender with that of the receiver"
    if late.fault is Fault.TOO_NEW:
        return (f"One of the two clocks is wrong: {clocks}.",)
    live = f"one of the two clocks is wrong, or something on the way kept it back or sent it again: {clocks}."
    if arrived.told:
        return (_capital(live),)
    earlier = (
        "If you look at a request from earlier, say when it arrived: --received-at 2026-11-21T08:00:05Z, "
        "or leave time aside: --tolerance none."
    )
    return (f"If it has just arrived, {live}", earlier)


def _examine_hex(request: Request, keys: Keys) -> Report:
    secrets = [text.encode() for text in keys.written if isinstance(text, str)]
    verdict = verify_hex(secrets, request.headers, request.body, header=keys.header, prefix=keys.prefix)
    if isinstance(verdict, Genuine):
        name = keys.names[verdict.key]
        return Report(None, (f"It was signed with {name}, over exactly these bytes.",), key=name)
    lower = {name.lower(): text.strip() for name, text in request.headers.items()}
    text = lower.get(keys.header.lower(), "")
    found = _look([text.removeprefix(keys.prefix)], request, keys) if text else None
    if found is not None and found.clues:
        return _explained(keys.header, found, keys)
    if found is not None:
        remedy = (
            f"But for its form it is right: give --prefix {text.partition('=')[0]}=" if "=" in text else ""
        )
        return Report(verdict.fault, tuple(filter(None, (f"{_capital(verdict.why)}.", remedy))))
    if verdict.fault is Fault.HEADER_MISSING:
        return Report(verdict.fault, (f"{_capital(verdict.why)}.", *missing(request)))
    if verdict.fault is Fault.MISMATCH:
        return Report(verdict.fault, hints(request, keys, None))
    return Report(verdict.fault, (f"{_capital(verdict.why)}.",))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def stamp_text(stamped: Stamped, arrived: Arrived) -> str:
    """The stamp for a table: `2026-11-21T08:00:03Z, 2s before this machine's clock`."""
    age = arrived.at - stamped.timestamp
    clock = "it arrived" if arrived.told else "now"
    return f"{_stamp(stamped.timestamp)}, {format_duration(abs(age) * SECOND)} {'before' if age >= 0 else 'after'} {clock}"


def _stamp(seconds: int) -> str:
    """As everyone reads it; far away from our time no calendar does."""
    try:
        return utc_text(seconds * SECOND).replace(".000Z", "Z")
    except (ValueError, OverflowError, OSError):
        return "no time of this calendar"
