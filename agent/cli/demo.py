"""`edge-relay demo`: the whole way on one machine, from a simulated plant to a receiver that verifies."""

import argparse
import socket
import sys
import tempfile
from pathlib import Path

from agent.cli.arguments import duration
from agent.cli.keygen import new_secret, new_token
from agent.clock import SystemClock
from agent.errors import EdgeRelayError

SUMMARY = "show the whole way on this machine: plant, outage, ledger"
_PAGE_PORT = 8470
_OUTAGE = "20s"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--once", action="store_true", help="end after the ledger; exit 0 only if it is exact"
    )
    parser.add_argument(
        "--directory",
        type=Path,
        metavar="DIR",
        help="play in this folder and keep it (default: a temporary one)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=None,
        help=f"of the page (default: {_PAGE_PORT}, or a free one if that is taken)",
    )
    parser.add_argument(
        "--outage",
        type=duration,
        default=_OUTAGE,
        metavar="DURATION",
        help="receiver's absence (default: %(default)s)",
    )
    parser.epilog = """examples:
  edge-relay demo                          plays until Ctrl-C; the page: http://127.0.0.1:8470/
  edge-relay demo --directory ./demo       keeps the folder: edit its rules.yaml and play again
  edge-relay demo --once --outage 5s       for scripts
"""


def run(arguments: argparse.Namespace) -> int:
    """Play; stopped by Ctrl-C, it has shown no exact ledger if it was to play `--once`."""
    with tempfile.TemporaryDirectory(prefix="edge-relay-demo-") as temporary:
        directory = (arguments.directory or Path(temporary)).resolve()
        try:
            exact = _play(arguments, directory)
        except EdgeRelayError as error:
            print(error, file=sys.stderr)
            return 1
    return 0 if exact or (exact is None and not arguments.once) else 1


def _play(arguments: argparse.Namespace, directory: Path) -> bool | None:
    from agent.cli.foreground import run_until_stopped, say
    from agent.demo.configuration import Keys, Stage
    from agent.demo.plant import free_port
    from agent.demo.play import Wishes, play

    page_port = arguments.port or (_PAGE_PORT if _is_free(_PAGE_PORT) else free_port())
    stage = Stage(directory, page_port, free_port())
    wishes = Wishes(arguments.outage, arguments.once)
    return run_until_stopped(play(stage, Keys(new_secret(), new_token()), SystemClock(), wishes, say))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
