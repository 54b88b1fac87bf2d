"""`edge-relay receiver`: receives webhooks, verifies them, and shows each on a line."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from agent.cli.arguments import duration
from agent.clock import SystemClock
from agent.errors import EdgeRelayError

SUMMARY = "receive webhooks: verify signatures, show each event"
_VARIABLE = "EDGE_RELAY_RECEIVER_SECRET"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=9000, help="default: %(default)s")
    secret = parser.add_mutually_exclusive_group()
    secret.add_argument(
        "--secret-file", type=Path, metavar="FILE", help="a file that holds the whsec_ secret"
    )
    secret.add_argument(
        "--secret",
        metavar="WHSEC",
        help=f"the secret itself: everyone on this machine can read it in the process list, so prefer --secret-file "
        f"or the environment variable {_VARIABLE}",
    )
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="append a JSON line an arrival; known again at start"
    )
    parser.add_argument(
        "--fail", type=_status, metavar="STATUS", help="answer this status (400 to 599) to everything"
    )
    parser.add_argument(
        "--delay", type=duration, default=0, metavar="DURATION", help="answer this much later, say 2s"
    )
    parser.epilog = f"""examples:
  edge-relay keygen > secret && edge-relay receiver --secret-file secret
  {_VARIABLE}=$(cat secret) edge-relay receiver --port 9000 --log received.jsonl
  edge-relay receiver --secret-file secret --fail 503      see the backlog grow
  edge-relay receiver --secret-file secret --delay 20s     see time-outs and what is sent again
"""


def run(arguments: argparse.Namespace) -> int:
    """Run until Ctrl-C."""
    from agent.cli.foreground import run_until_stopped

    try:
        if arguments.secret_file:
            secret = arguments.secret_file.read_text(encoding="utf-8").strip()
        else:
            secret = arguments.secret or os.environ.get(_VARIABLE, "")
    except (OSError, UnicodeDecodeError) as error:
        print(f"{arguments.secret_file}: cannot be read as a secret: {error}", file=sys.stderr)
        return 2
    if not secret:
        print(
            f"no secret: give --secret-file or set {_VARIABLE}; `edge-relay keygen` makes one",
            file=sys.stderr,
        )
        return 2
    try:
        run_until_stopped(_receive(arguments, secret))
    except EdgeRelayError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


async def _receive(arguments: argparse.Namespace, secret: str) -> None:
    from agent.cli.foreground import say
    from agent.demo.lines import Tone, arrival_line, tone_of
    from agent.demo.receiver import Misbehaviour, Receiver

    receiver = Receiver(
        secret,
        SystemClock(),
        lambda arrival: say(arrival_line(arrival), tone_of(arrival)),
        arguments.log,
        Misbehaviour(arguments.fail, arguments.delay),
    )
    await receiver.start(arguments.host, arguments.port)
    say(f"listening on http://{arguments.host}:{arguments.port}/ (any path); Ctrl-C ends it", Tone.SCENE)
    try:
        await asyncio.Event().wait()
    finally:
        await receiver.stop()


def _status(text: str) -> int:
    if not (text.isdecimal() and 400 <= int(text) <= 599):  # noqa: PLR2004 - what HTTP calls errors
        raise argparse.ArgumentTypeError(f"expected a status from 400 to 599, got {text!r}")
    return int(text)
