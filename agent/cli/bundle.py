"""`edge-relay bundle`: what support needs to see, in one file without secrets."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from agent.cli.arguments import add_config_option
from agent.clock import SystemClock

SUMMARY = "collect what support needs into one file, without secrets"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_config_option(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="where to (default: edge-relay-bundle-SITE-NAME-TIME.tar.gz here)",
    )
    parser.add_argument("--json", action="store_true", help='print {"file": ...}, for scripts')
    parser.epilog = """examples:
  sudo edge-relay bundle
  edge-relay bundle -c config -o bundle.tar.gz

In it: versions, the configuration with its secrets struck out, what `check` and `doctor` say, status, metrics, log
and journal, the last events and dead letters, and where every task stands. MANIFEST.txt says what to look at first
and what could not be had. It works with an agent that is dead or hangs, a damaged store, a broken configuration,
and changes nothing. Look through it before you send it.

exit status: 0 good, 1 it could not be written, 2 usage
"""


def run(arguments: argparse.Namespace) -> int:
    """Collect, write, and say where it is."""
    from agent.bundling.collect import collect

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    archive = asyncio.run(collect(arguments.config, SystemClock(), say))
    path = arguments.output or Path(f"{archive.root}.tar.gz")
    try:
        archive.write(path)
    except OSError as error:
        print(
            f"edge-relay: {path} cannot be written: {error.strerror}: name another with -o", file=sys.stderr
        )
        return 1
    if arguments.json:
        print(json.dumps({"file": str(path.absolute())}))
        return 0
    print(path)
    say("look through it before you send it: MANIFEST.txt says what is in it")
    return 0
