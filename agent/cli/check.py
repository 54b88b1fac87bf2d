"""`edge-relay check`: everything that is wrong with a configuration, in one run."""

import argparse
import json
import sys

from agent.cli.arguments import add_config_option, duration
from agent.cli.asking import print_problems
from agent.clock import SystemClock
from agent.errors import ConfigError, Problem

SUMMARY = "check a configuration: every problem with its line"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_config_option(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document, for scripts")
    more = parser.add_mutually_exclusive_group()
    more.add_argument(
        "--live",
        action="store_true",
        help="read every tag once, and say which rules would raise; send nothing",
    )
    more.add_argument(
        "--connections", action="store_true", help="list every address and port, for the firewall request"
    )
    parser.add_argument(
        "--csv", action="store_true", help="of --connections: print a table for a spreadsheet"
    )
    parser.add_argument(
        "--timeout",
        type=duration,
        default="30s",
        metavar="DURATION",
        help="of --live, for one source (default: 30s)",
    )
    parser.epilog = """examples:
  edge-relay check -c config
  edge-relay check -c config --json | jq '.problems[].text'
  edge-relay check -c config --live
  edge-relay check -c config --connections
  edge-relay check -c config --connections --csv > firewall-request.csv

Each problem is one line on stderr, FILE:LINE:COLUMN: error|warning: TEXT.

--live connects to every device, reads every tag once and evaluates the rules: what would be told at once,
what if it stays so for up to an hour, and what cannot be judged. Nothing is sent, stored or written.
--connections needs neither network nor secrets.

exit status: 0 good, 1 an error was found, or (--live) a tag is bad, 2 usage; with --live and --connections
also a configuration that has errors
"""


def run(arguments: argparse.Namespace) -> int:
    """Load it and say what was found; warnings alone are no failure."""
    from agent.cli.check_connections import check_connections
    from agent.cli.check_live import check_live
    from agent.config.load import load

    if arguments.csv and (arguments.json or not arguments.connections):
        print("edge-relay: --csv is a form of --connections, instead of --json", file=sys.stderr)
        return 2
    if arguments.live:
        return check_live(arguments)
    if arguments.connections:
        return check_connections(arguments)

    try:
        configuration = load(arguments.config, now_wall=SystemClock().wall())
    except ConfigError as error:
        if arguments.json:
            _print_json(error.problems, ok=False)
        else:
            print_problems(error)
            errors = sum(problem.severity == "error" for problem in error.problems)
            print(f"{errors} error{'s' if errors != 1 else ''}: the agent would not start", file=sys.stderr)
        return 1
    if arguments.json:
        _print_json(configuration.warnings, ok=True)
        return 0
    for problem in configuration.warnings:
        print(problem, file=sys.stderr)
    print(f"good: {configuration.summary()}")
    return 0


def _print_json(problems: tuple[Problem, ...], *, ok: bool) -> None:
    rows = [{name: getattr(problem, name) for name in Problem.__slots__} for problem in problems]
    print(json.dumps({"ok": ok, "problems": rows}, indent=2, ensure_ascii=False))
