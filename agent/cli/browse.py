"""`edge-relay browse`: what a source has that could become tags."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from agent.cli.arguments import add_config_option, duration
from agent.cli.probe import as_json

if TYPE_CHECKING:
    from agent.cli.commissioning import Progress
    from agent.sources.exploring import Found, Scope

SUMMARY = "find what a source has: registers, nodes, topics"

_WIDTHS: Final = (1, 16, 8, 12, 20, 0)
_UNITS: Final = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")
_HIGHEST_UNIT: Final = 255


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", metavar="SOURCE", help="its name in the configuration, or a url")
    parser.add_argument(
        "start",
        nargs="?",
        default="",
        metavar="START",
        help="40001-40100, holding:0-99; a node; a topic filter",
    )
    parser.add_argument("--depth", type=int, metavar="N", help="levels below the start (OPC UA)")
    parser.add_argument(
        "--limit", type=int, default=10_000, metavar="N", help="no more than N (default: 10000)"
    )
    parser.add_argument(
        "--listen", type=duration, default="10s", metavar="DURATION", help="for messages (MQTT; default: 10s)"
    )
    parser.add_argument("--unit-ids", type=_units, default=(), metavar="1-10", help="who is asked (Modbus)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document, for scripts")
    form.add_argument(
        "--yaml", action="store_true", help="print a `tags:` block, to be pasted under the source"
    )
    add_config_option(parser)
    parser.epilog = """examples:
  edge-relay browse tcp://192.168.1.5:502                  holding and input registers 0 to 999
  edge-relay browse tcp://192.168.1.5:502 --unit-ids 1-10  who answers behind a gateway
  edge-relay browse plc-line1 40001-40100                  each single address of a range
  edge-relay browse plc-line1 coil:0-63
  edge-relay browse boiler Objects/Boiler --depth 3 --yaml > tags.yaml
  edge-relay browse shop-floor "plant/#" --listen 1m

Modbus: blocks are read, and halved where the device refuses them; without a range, of 8 addresses that
are refused together only the first is tried alone. Two registers that make a sensible number are
shown as float32, others as uint16: `edge-relay probe` finds out what they are.
Nothing is written to the device.

exit status: 0 something was found, 1 nothing, or no connection, 2 usage or configuration
"""


def run(arguments: argparse.Namespace) -> int:
    """Browse and print."""
    from agent.cli.commissioning import asked

    return asked(lambda: _browse(arguments))


def _units(text: str) -> tuple[int, ...]:
    """Read `1-10`, `1,2,17` as unit ids."""
    units: list[int] = []
    for part in text.split(","):
        match = _UNITS.fullmatch(part.strip())
        first = int(match[1]) if match else _HIGHEST_UNIT + 1
        last = int(match[2] or match[1]) if match else 0
        if not first <= last <= _HIGHEST_UNIT:
            raise argparse.ArgumentTypeError(
                f"{text!r}: expected unit ids from 0 to 255, such as 1-10 or 1,2,17"
            )
        units += range(first, last + 1)
    return tuple(units)


async def _browse(arguments: argparse.Namespace) -> int:
    from agent.cli.commissioning import closing, hinting, progress, source_of
    from agent.clock import SystemClock
    from agent.sources import explorer
    from agent.sources.exploring import Scope

    config = source_of(arguments.source, arguments.config)
    scope = Scope(arguments.start, arguments.depth, arguments.limit, arguments.listen, arguments.unit_ids)
    printer = _Printer(arguments)
    async with (
        hinting(arguments.source, arguments.config),
        progress(f"{arguments.source} {arguments.start}".rstrip()) as shown,
        closing(explorer(arguments.source, config, SystemClock()).browse(scope)) as browsing,
    ):
        async for found in browsing:
            printer.take(found, shown)
    return printer.end(scope, config.type)


class _Printer:
    """Prints what is found, in the form that is wanted."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from agent.cli.tables import Rows

        self._form = "json" if arguments.json else "yaml" if arguments.yaml else "table"
        self._where = f"{arguments.source} {arguments.start}".rstrip()
        self._rows = Rows(("", "name", "type", "value", "place", ""), _WIDTHS)
        self._found: list[Found] = []

    def take(self, found: "Found", progress: "Progress") -> None:
        """One more: a row of the table at once; the documents are printed at the end."""
        self._found.append(found)
        progress.count += bool(found.name)
        if self._form == "table":
            from agent.cli.commissioning import shown

            progress.clear()
            if found.name:
                note = "; ".join(
                    filter(None, (f"read as {found.read_as}" if found.read_as else "", found.note))
                )
                mark = "*" if found.read_as else ""
                self._rows.print((mark, found.name, found.type, shown(found.value), found.place, note))
            else:
                self._rows.line(f"{found.place}: {found.note}")

    def end(self, scope: "Scope", kind: str) -> int:
        """Print what is still to be printed; the exit status."""
        named = [each for each in self._found if each.name]
        match self._form:
            case "json":
                print(json.dumps([as_json(each) for each in self._found], indent=2, ensure_ascii=False))
            case "yaml":
                _print_yaml(self._found)
            case _:
                limit = (
                    f" (the limit: --limit {10 * scope.limit} finds more)"
                    if len(named) >= scope.limit
                    else ""
                )
                print(f"{self._where}: {len(named)} found{limit}", file=sys.stderr)
                if any(each.read_as for each in named):
                    print("* is read already, by a tag of this source", file=sys.stderr)
                if kind == "mqtt" and not named:
                    print("nothing was published there meanwhile: --listen 1m waits longer", file=sys.stderr)
                if self._rows.cut:
                    print("what does not fit the terminal is cut: --yaml has all of it", file=sys.stderr)
        return 0 if self._found else 1


def _print_yaml(found: "Sequence[Found]") -> None:
    """A block that can be pasted under a source; what cannot be read stands in it as a remark."""
    from agent.cli.commissioning import flow, shown

    tags = any(each.name and each.value is not None and not each.read_as for each in found)
    print("    tags:" if tags else "    # nothing was found that could be a new tag")
    for each in found:
        note = " ".join(each.note.split())
        if each.name and each.value is not None:
            value = " ".join(shown(each.value).split())
            known = f"# read as {each.read_as}: " if each.read_as else ""
            print(f"      {known}{flow(each.name)}: {flow(dict(each.tag))}  # {value}")
        else:
            print(f"      # {each.place}: {note}")
