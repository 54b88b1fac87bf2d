"""The command line: one module a command, one table, and the only place that prints.

A command module has `SUMMARY` (one line), `configure(parser)` (its options, and examples as epilog) and
`run(arguments) -> int`: 0 good, 1 found problems, 2 usage or a configuration that cannot be used.
Problems go to stderr as sentences, never as tracebacks.

Rules for whoever adds a command: one line in the table; what is heavy is imported inside `run`, so
that `--help` and the small commands start at once.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, Protocol, cast

from agent import __version__

COMMANDS: Final = {
    "demo": "agent.cli.demo",
    "init": "agent.cli.init",
    "check": "agent.cli.check",
    "read": "agent.cli.read",
    "probe": "agent.cli.probe",
    "browse": "agent.cli.browse",
    "trust": "agent.cli.trust",
    "import-tags": "agent.cli.import_tags",
    "explain": "agent.cli.explain",
    "test": "agent.cli.test",
    "backtest": "agent.cli.backtest",
    "run": "agent.cli.run",
    "reload": "agent.cli.reload",
    "status": "agent.cli.status",
    "alarms": "agent.cli.alarms",
    "events": "agent.cli.events",
    "inbox": "agent.cli.inbox",
    "audit": "agent.cli.audit",
    "why": "agent.cli.why",
    "ack": "agent.cli.acknowledge",
    "reset": "agent.cli.reset",
    "shelve": "agent.cli.shelve",
    "unshelve": "agent.cli.unshelve",
    "out-of-service": "agent.cli.out_of_service",
    "in-service": "agent.cli.in_service",
    "pause": "agent.cli.pause",
    "resume": "agent.cli.resume",
    "deadletters": "agent.cli.deadletters",
    "replay": "agent.cli.replay",
    "enable": "agent.cli.enable",
    "send-test": "agent.cli.send_test",
    "receiver": "agent.cli.receiver",
    "relay": "agent.cli.relay",
    "ledger": "agent.cli.ledger",
    "simulate": "agent.cli.simulate",
    "keygen": "agent.cli.keygen",
    "verify": "agent.cli.verify",
    "schema": "agent.cli.schema",
}
"""As --help lists them, in the order of the work: see it, write, connect, prove, run, ask, intervene, deliver, tools."""
_EPILOG: Final = """\
first steps:
  edge-relay demo                    see the whole way on this machine, no PLC needed
  edge-relay init /etc/edge-relay    write a starter configuration, then edit it
  edge-relay check -c /etc/edge-relay
  edge-relay run -c /etc/edge-relay

exit status: 0 good, 1 found problems, 2 usage or a configuration that cannot be used
"""


class Command(Protocol):
    """What a command module has."""

    SUMMARY: str

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare its options."""
        ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; the exit status."""
        ...


def main(words: Sequence[str] | None = None) -> int:
    """Run the command that `words` (default: the process's own) name; the exit status."""
    words = sys.argv[1:] if words is None else words
    first = words[0] if words else ""
    wanted = [first] if first in COMMANDS else [] if first == "--version" else list(COMMANDS)
    parser = argparse.ArgumentParser(
        "edge-relay",
        description="Reads PLCs, applies threshold rules, and pushes signed webhooks that survive any outage.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"edge-relay {__version__}")
    known = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")
    for name in wanted:
        module = cast("Command", import_module(COMMANDS[name]))
        child = known.add_parser(
            name,
            help=module.SUMMARY,
            description=module.SUMMARY[0].upper() + module.SUMMARY[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(child)
        child.set_defaults(run=module.run)
    arguments = parser.parse_args(words)
    try:
        return int(arguments.run(arguments))
    except BrokenPipeError:  # `| head` has read enough
        sys.stderr.close()
        return 0
