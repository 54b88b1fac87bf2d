"""The command line: one module a command, one table, and the only place that prints.

A command module has `SUMMARY` (one line, of which --help has room for sixty letters), `configure(parser)` (its options, and examples as epilog) and
`run(arguments) -> int`: 0 good, 1 found problems, 2 usage or a configuration that cannot be used.
Problems go to stderr as sentences, never as tracebacks.

Rules for whoever adds a command: one line in a group; what is heavy is imported inside `run`, so
that `--help` and the small commands start at once.
"""

import argparse
import io
import sys
import textwrap
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import groupby
from typing import Final, Protocol, cast

from agent import __version__

GROUPS: Final = {
    "see it, write it": {
        "demo": "agent.cli.demo",
        "init": "agent.cli.init",
        "check": "agent.cli.check",
        "schema": "agent.cli.schema",
    },
    "connect machines": {
        "read": "agent.cli.read",
        "probe": "agent.cli.probe",
        "browse": "agent.cli.browse",
        "import-tags": "agent.cli.import_tags",
        "trust": "agent.cli.trust",
    },
    "prove the rules": {
        "explain": "agent.cli.explain",
        "test": "agent.cli.test",
        "backtest": "agent.cli.backtest",
        "why": "agent.cli.why",
    },
    "run": {
        "run": "agent.cli.run",
        "reload": "agent.cli.reload",
    },
    "what is going on": {
        "status": "agent.cli.status",
        "alarms": "agent.cli.alarms",
        "events": "agent.cli.events",
        "inbound": "agent.cli.inbound",
        "audit": "agent.cli.audit",
        "doctor": "agent.cli.doctor",
        "bundle": "agent.cli.bundle",
    },
    "the operator's hand": {
        "ack": "agent.cli.acknowledge",
        "reset": "agent.cli.reset",
        "shelve": "agent.cli.shelve",
        "unshelve": "agent.cli.unshelve",
        "out-of-service": "agent.cli.out_of_service",
        "in-service": "agent.cli.in_service",
        "pause": "agent.cli.pause",
        "resume": "agent.cli.resume",
        "enable": "agent.cli.enable",
    },
    "deliveries": {
        "send-test": "agent.cli.send_test",
        "deadletters": "agent.cli.deadletters",
        "replay": "agent.cli.replay",
    },
    "tools": {
        "keygen": "agent.cli.keygen",
        "verify": "agent.cli.verify",
        "ledger": "agent.cli.ledger",
        "receiver": "agent.cli.receiver",
        "relay": "agent.cli.relay",
        "simulate": "agent.cli.simulate",
        "completion": "agent.cli.completion",
    },
}
"""As --help lists them, in the order of the work."""
COMMANDS: Final = {name: module for group in GROUPS.values() for name, module in group.items()}
_USAGE: Final = 2
_INTERRUPTED: Final = 130  # by Ctrl-C, as shells count it
_DESCRIPTION: Final = """\
Reads PLCs, applies threshold rules, and pushes signed webhooks that survive any
outage."""
_FIRST_STEPS: Final = """\
first steps:
  edge-relay demo                  the whole way on this machine, no PLC needed
  edge-relay init /etc/edge-relay  a starter configuration: edit it
  edge-relay check -c /etc/edge-relay
  edge-relay run -c /etc/edge-relay
  edge-relay COMMAND --help        each has examples

exit status: 0 good, 1 found problems, 2 usage, or the configuration is unusable
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


class _Overview(argparse.ArgumentParser):
    """Lists the commands in their groups: forty in one column are read by nobody."""

    def format_help(self) -> str:
        lines = [self.format_usage(), _DESCRIPTION]
        for title, group in GROUPS.items():
            lines += ["", f"{title}:"]
            lines += [f"  {name:<15} {_command(name).SUMMARY}" for name in group]
        return "\n".join([*lines, "", _FIRST_STEPS])


class _Help(argparse.RawDescriptionHelpFormatter):
    """Examples as they are written, prose as wide as the terminal."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        def shown(raw: bool, lines: list[str]) -> str:  # noqa: FBT001 - as it comes
            whole = " ".join(lines)
            filled = textwrap.fill(whole, width, initial_indent=indent, subsequent_indent=indent)
            return "\n".join(lines) if raw else filled

        return "\n".join(shown(*part) for part in _parts(text))


def _parts(text: str) -> Iterator[tuple[bool, list[str]]]:
    """The lines of a text in parts: of each whether it stays as it is (an empty line, what is indented)."""
    for raw, lines in groupby(text.splitlines(), lambda line: not line or line[0] == " "):
        yield raw, [*lines]


def _command(name: str) -> Command:
    return cast("Command", import_module(COMMANDS[name]))


def parser_of(names: Sequence[str]) -> argparse.ArgumentParser:
    """The parser that knows these commands: each of them is imported."""
    parser = _Overview("edge-relay")
    parser.add_argument("--version", action="version", version=f"edge-relay {__version__}")
    known = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=argparse.ArgumentParser
    )
    for name in names:
        module = _command(name)
        child = known.add_parser(
            name,
            help=module.SUMMARY,
            description=module.SUMMARY[0].upper() + module.SUMMARY[1:] + ".",
            formatter_class=_Help,
        )
        module.configure(child)
        child.set_defaults(run=module.run)
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Run the command that `words` (default: the process's own) name; the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no ° shows a ?, and all else
    try:
        return _main(sys.argv[1:] if words is None else words)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _main(words: Sequence[str]) -> int:
    first = words[0] if words else ""
    parser = parser_of([first] if first in COMMANDS else [])
    if not words:
        print(parser.format_help(), file=sys.stderr)
        return _USAGE
    if first not in COMMANDS and not first.startswith("-"):
        parser.error(_unknown(first))
    if first in COMMANDS:
        words = [first, *getattr(_command(first), "completed", list)(words[1:])]
    arguments = parser.parse_args(words)
    try:
        status = int(arguments.run(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        return _read_enough()
    except ExceptionGroup as errors:  # of a command whose tasks print
        if errors.split(BrokenPipeError)[1] is not None:
            raise
        return _read_enough()
    return status


def _read_enough() -> int:
    """`| head` wants no more: nothing is left to be said, not even at the end of the process."""
    sys.stderr.close()
    return 0


def _unknown(name: str) -> str:
    from agent.config.messages import did_you_mean

    return f"there is no command {name}{did_you_mean(name, COMMANDS)} (`edge-relay --help` lists them)"
