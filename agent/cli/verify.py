"""`edge-relay verify`: whether a webhook that arrived is genuine, and if not, which part of it is wrong."""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.cli.arguments import add_config_option, duration
from agent.clock import SystemClock
from agent.errors import ConfigError
from agent.model import SECOND, Json

if TYPE_CHECKING:
    from agent.cli.verify_input import Keys, Request
    from agent.cli.verify_report import Arrived, Report

SUMMARY = "verify a webhook that arrived, and say what is wrong with it"
_EPILOG: Final = """\
examples:
  edge-relay verify --secret-file cmms.key --headers headers.txt body.json
  edge-relay verify --public-key whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4= --headers headers.txt body.json
  edge-relay verify --destination cmms --headers request.txt            (headers, an empty line, the body)
  edge-relay verify --secret-file cmms.key --id evt_1 --timestamp 1614265330 --signature "v1,g0hM9S..." - < body
  edge-relay verify --secret-file cmms.key --headers headers.txt body.json --computed 1f0a...
  edge-relay verify --secret-file github.key --scheme hex --header X-Hub-Signature-256 --prefix sha256= \\
                    --headers headers.txt body.json

Headers are taken as they were copied: lines, `curl -v`, a JSON object, HTTP_WEBHOOK_ID of a CGI program.
The body must be the bytes that arrived: save them before anything parses or prints them.
A receiver that refuses what this command calls genuine computes something else: give that as --computed,
and you are told what was done otherwise.

exit status: 0 genuine, 1 not, 2 usage, or a file that cannot be used
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "body", nargs="?", type=Path, metavar="BODYFILE", help="the body as it arrived; - is standard input"
    )
    keys = parser.add_argument_group("keys (an option that is given twice has the keys of a change)")
    keys.add_argument(
        "--secret-file",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a file with the secret, whsec_...",
    )
    keys.add_argument(
        "--public-key", action="append", default=[], metavar="WHPK", help="the sender's public key, whpk_..."
    )
    keys.add_argument(
        "--destination", metavar="NAME", help="take the keys, and the scheme, from the configuration"
    )
    add_config_option(parser)
    _add_headers(parser)
    scheme = parser.add_argument_group("scheme")
    scheme.add_argument(
        "--scheme",
        choices=("standard", "hex"),
        default="standard",
        help="standard: Standard Webhooks (default); hex: hexadecimal digits over the body alone",
    )
    scheme.add_argument(
        "--header", default="X-Signature", help="the header of a hex signature (default: %(default)s)"
    )
    scheme.add_argument("--prefix", default="", help="what stands before it: sha256= for GitHub")
    parser.add_argument(
        "--computed", metavar="TEXT", help="what the receiver computed itself: say what it did otherwise"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document, for scripts")
    parser.epilog = _EPILOG


def _add_headers(parser: argparse.ArgumentParser) -> None:
    headers = parser.add_argument_group("headers, and when they came")
    headers.add_argument("--headers", type=Path, metavar="FILE", help="the headers as they arrived")
    headers.add_argument("--id", metavar="TEXT", help="webhook-id")
    headers.add_argument("--timestamp", metavar="SECONDS", help="webhook-timestamp")
    headers.add_argument(
        "--signature", metavar="TEXT", help="webhook-signature, or the header of a hex signature"
    )
    headers.add_argument(
        "--received-at",
        type=_instant,
        metavar="TIME",
        help="when it arrived (default: now by this machine's clock)",
    )
    headers.add_argument(
        "--tolerance",
        type=_tolerance,
        default=300,
        metavar="DURATION",
        help="how far the timestamp may be off (default: 5m, as everywhere); none: leave time aside",
    )


def run(arguments: argparse.Namespace) -> int:
    """Verify it and say what is wrong."""
    from agent.cli.asking import print_problems
    from agent.cli.verify_input import UsageError, read_keys, read_request
    from agent.cli.verify_report import Arrived, examine, examine_computed
    from agent.delivery.verifying import Tolerance

    try:
        keys = read_keys(arguments)
        request = read_request(arguments, keys.header or "webhook-signature")
    except UsageError as error:
        print(f"edge-relay: {error}", file=sys.stderr)
        return 2
    except ConfigError as error:
        print_problems(error)
        return 2
    told, bound = arguments.received_at, arguments.tolerance
    now = SystemClock().wall() // SECOND if told is None else told
    arrived = Arrived(now, told is not None, Tolerance(bound, bound))
    report = examine(request, keys, arrived)
    own = None if arguments.computed is None else examine_computed(arguments.computed, request, keys)
    if arguments.json:
        print(json.dumps(_document(report, own, arrived), indent=2, ensure_ascii=False))
    else:
        _show(report, own, request, keys, arrived)
    return 0 if report.fault is None and (own is None or own.fault is None) else 1


def _show(
    report: "Report", own: "Report | None", request: "Request", keys: "Keys", arrived: "Arrived"
) -> None:
    from agent.cli.verify_report import stamp_text

    if (stamped := report.stamped) is not None:
        print(f"webhook-id         {stamped.identity}")
        print(f"webhook-timestamp  {stamped.timestamp}, {stamp_text(stamped, arrived)}")
        for place, (version, _) in enumerate(stamped.signatures):
            fits = f"fits {keys.names[report.fits[place]]}" if place in report.fits else "fits no key given"
            print(f"{'webhook-signature' if place == 0 else '':17}  {version} {fits}")
    print(f"body               {len(request.body)} bytes")
    print()
    first, *more = report.sentences
    print(f"{'genuine' if report.fault is None else 'refused'}: {first[:1].lower()}{first[1:]}")
    for sentence in more:
        print(sentence)
    for sentence in () if own is None else ("", *own.sentences):
        print(sentence)


def _document(report: "Report", own: "Report | None", arrived: "Arrived") -> Json:
    document: dict[str, Json] = {
        "genuine": report.fault is None,
        "fault": None if report.fault is None else report.fault.value.replace(" ", "_"),
        "why": " ".join(report.sentences),
        "found": [clue.word for clue in report.clues],
        "key": report.key or None,
    }
    if (stamped := report.stamped) is not None:
        document |= {
            "id": stamped.identity,
            "timestamp": stamped.timestamp,
            "age_s": arrived.at - stamped.timestamp,
            "signatures": [
                {"version": version, "fits": place in report.fits}
                for place, (version, _) in enumerate(stamped.signatures)
            ],
        }
    if own is not None:
        document["computed"] = {
            "right": own.fault is None,
            "why": " ".join(own.sentences),
            "found": [clue.word for clue in own.clues],
        }
    return document


def _instant(text: str) -> int:
    """An ISO time (naive: this machine's zone) or seconds since 1970 UTC, as the latter."""
    if text.isascii() and text.isdecimal() and len(text) <= len("999999999999"):
        return int(text)
    try:
        return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected a time such as 2026-11-21T08:00:05Z, or seconds since 1970"
        ) from None


def _tolerance(text: str) -> int | None:
    return None if text == "none" else duration(text) // SECOND
