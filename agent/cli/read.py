"""`edge-relay read`: tags as they are now, from the devices themselves."""

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING

from agent.cli.arguments import add_config_option, duration
from agent.model import SECOND

if TYPE_CHECKING:
    from agent.cli.commissioning import Progress
    from agent.cli.looking import Wanted
    from agent.config.model import Configuration
    from agent.sources.exploring import Look

SUMMARY = "read tags from their devices now: value, quality, latency"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("tags", nargs="*", metavar="TAG", help="names, or globs in quotes: 'R1.*'; none: all")
    parser.add_argument("--source", metavar="NAME", help="of this source only")
    parser.add_argument("--every", type=duration, metavar="DURATION", help="again and again, until Ctrl-C")
    parser.add_argument(
        "--count", type=int, metavar="N", help="so many times (default with --every: for ever)"
    )
    parser.add_argument(
        "--timeout", type=duration, default="30s", metavar="DURATION", help="for one source (default: 30s)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document, for scripts")
    form.add_argument("--jsonl", action="store_true", help="print one JSON object a line")
    add_config_option(parser)
    parser.epilog = """examples:
  edge-relay read -c config
  edge-relay read 'R1.*' TANK1.LT
  edge-relay read --source plc-line1 --every 1s
  edge-relay read COMP1.CURRENT --jsonl --every 5s --count 12

All sources are read at the same time, each over a connection of its own beside the running agent's. Where
a device takes one connection only: `edge-relay pause source:NAME 10m` first. Secrets of the sources that
are read must be there, others need not. Nothing is written to the devices, and nothing is sent.

exit status: 0 all are good, 1 at least one is bad, 2 usage or configuration
"""


def run(arguments: argparse.Namespace) -> int:
    """Read and print."""
    if arguments.json and (arguments.every or (arguments.count or 1) > 1):
        print(
            "edge-relay: --json is one document: take --jsonl where it is read more than once",
            file=sys.stderr,
        )
        return 2
    from agent.cli.commissioning import asked

    return asked(lambda: _read(arguments))


async def _read(arguments: argparse.Namespace) -> int:
    from agent.cli.commissioning import with_secrets, without_secrets
    from agent.cli.looking import Wanted, chosen

    configuration = without_secrets(arguments.config)
    tags = chosen(configuration, arguments.tags, arguments.source)
    sources = with_secrets(arguments.config, configuration, {tag.source for tag in tags.values()})
    wanted = Wanted(tags, sources, arguments.timeout)
    times = arguments.count or (0 if arguments.every else 1)
    return await _Reader(configuration, wanted, arguments).read(times, arguments.every or SECOND)


class _Reader:
    """Reads, once or again and again, and prints."""

    def __init__(
        self, configuration: "Configuration", wanted: "Wanted", arguments: argparse.Namespace
    ) -> None:
        from agent.cli.looking import LookTable
        from agent.clock import SystemClock

        self._clock = SystemClock()
        self._configuration, self._wanted = configuration, wanted
        self._form = "json" if arguments.json else "jsonl" if arguments.jsonl else "table"
        self._table = LookTable(wanted.tags, self._clock)
        self._looks: list[Look] = []
        self._bad = False

    async def read(self, times: int, every: int) -> int:
        """Read so many times, 0: for ever; the exit status."""
        from agent.cli.commissioning import hint_of_pause, progress
        from agent.cli.looking import look_at

        due, done = self._clock.monotonic(), 0
        hinted: set[str] = set()
        while True:
            async with progress(f"of {len(self._wanted.tags)} tags", "read") as shown:
                failures = await look_at(self._wanted, self._clock, lambda look: self._take(look, shown))
            for hint in await hint_of_pause(self._configuration.agent.data_dir, failures):
                if hint not in hinted:
                    print(f"edge-relay: {hint}", file=sys.stderr)
                    hinted.add(hint)
            done += 1
            if done == times:
                break
            due = max(due + every, self._clock.monotonic())
            await asyncio.sleep((due - self._clock.monotonic()) / SECOND)
            if self._form == "table":
                print()
        if self._form == "json":
            print(json.dumps([self._json(look) for look in self._looks], indent=2, ensure_ascii=False))
        return 1 if self._bad else 0

    def _take(self, look: "Look", progress: "Progress") -> None:
        from agent.cli.looking import is_bad

        progress.count += 1
        progress.clear()
        self._bad |= is_bad(look)
        match self._form:
            case "table":
                self._table.print(look)
            case "jsonl":
                print(json.dumps(self._json(look), ensure_ascii=False), flush=True)
            case _:
                self._looks.append(look)

    def _json(self, look: "Look") -> object:
        from agent.cli.looking import as_json

        return as_json(look, self._wanted.tags[look.reading.tag], self._clock)
