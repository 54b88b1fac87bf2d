"""`edge-relay pause`: leave a device to somebody else for a while, or hold back what a receiver is sent."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agent.cli.arguments import add_config_option, duration, part_name
from agent.cli.asking import add_json_option, ask, print_answer, told
from agent.cli.tables import wrapped
from agent.config.agent_section import load_agent
from agent.config.fields import format_duration
from agent.errors import ConfigError
from agent.model import SECOND, Json
from agent.web.orders import LONGEST_PAUSE

SUMMARY = "leave a device alone for a while, or hold a destination back"

_EPILOG: Final = """examples:
  edge-relay pause source:plc-line1 10m     a PLC with one connection, and your laptop needs it
  edge-relay pause source:drive7 10m --shared   all drives behind the same gateway
  edge-relay resume source:plc-line1        give it back sooner
  edge-relay pause destination:cmms 2h --reason "their database moves"
  edge-relay pause destination:cmms         until `edge-relay resume destination:cmms`

Meanwhile a source's tags are bad, with your name and the end of the pause as the reason, and receivers
are told of the interval afterwards (agent.blind). It ends by itself; a restart of the agent ends it as well.

What is for a paused destination waits on disk and is sent afterwards, in order: nothing is lost. The pause
outlasts a restart, and status says so as long as it lasts. A `fallback` of the destination goes on.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "what",
        type=part_name,
        metavar="source:NAME|destination:NAME",
        help="what is to be paused; a name alone is a source",
    )
    parser.add_argument(
        "duration",
        nargs="?",
        type=duration,
        metavar="DURATION",
        help="for how long: 10m, 1h; a source for a day at the most, a destination without one until `resume`",
    )
    parser.add_argument(
        "--shared",
        action="store_true",
        help="the other sources of its connection too (Modbus), so that it is closed",
    )
    parser.add_argument("--reason", default="", help="why, for whoever wonders tomorrow (of a destination)")
    parser.add_argument(
        "--by",
        default=os.environ.get("SUDO_USER", ""),
        metavar="NAME",
        help="who needs it, if your login name does not tell; it is noted beside that",
    )
    add_config_option(parser)
    add_json_option(parser)
    parser.epilog = _EPILOG
    parser.set_defaults(usage=parser.error)


def _wrong(arguments: argparse.Namespace) -> str:
    """What is wrong with the options together; empty: nothing."""
    kind, name = arguments.what
    if kind == "destination":
        if arguments.duration is not None and arguments.duration <= 0:
            return "a pause lasts longer than nothing; without a DURATION it lasts until `edge-relay resume`"
        return f"--shared is for sources: {name} is a destination" if arguments.shared else ""
    if arguments.reason:
        return "--reason is for destinations; of a source, --by tells who has it"
    if arguments.duration is None:
        return (
            "the following arguments are required: DURATION (a source is not left unwatched without an end)"
        )
    if not 0 < arguments.duration <= LONGEST_PAUSE:
        lasts = format_duration(arguments.duration)
        return f"argument DURATION: a pause lasts a day at the most, because nothing is watched meanwhile; got {lasts}"
    return ""


def sharing(path: Path, source: str) -> set[str]:
    """The other sources at the same address and port: of Modbus, they share one connection (design: sources)."""
    from agent.cli.commissioning import without_secrets
    from agent.sources.modbus.config import ModbusSource
    from agent.sources.modbus.sharing import line_key

    try:
        sources = without_secrets(path).sources
    except ConfigError:  # edited since the agent has loaded it: nothing is known of them
        return set()
    lines = {name: line_key(each) for name, each in sources.items() if isinstance(each, ModbusSource)}
    return {name for name, line in lines.items() if name != source and line == lines.get(source)}


def run(arguments: argparse.Namespace) -> int:
    """Have it paused."""
    if wrong := _wrong(arguments):
        arguments.usage(wrong)
    if arguments.what[0] == "destination":
        return told(lambda: _hold(arguments))
    return _leave(arguments)


async def _hold(arguments: argparse.Namespace) -> int:
    """Have a destination held back."""
    name, lasts = arguments.what[1], arguments.duration
    body: Json = {
        "for_s": None if lasts is None else lasts / SECOND,
        "reason": arguments.reason,
        "by": arguments.by,
    }
    directory = load_agent(arguments.config).data_dir
    answer = await ask(directory, "POST", f"/api/destinations/{name}/pause", body=body)
    print_answer(answer, arguments, lambda: _show_held(name, lasts))
    return 0


def _show_held(name: str, lasts: int | None) -> None:
    until = "until somebody resumes it" if lasts is None else f"for {format_duration(lasts)}"
    print(wrapped(f"{name} is paused {until}: what is for it waits and is sent afterwards"))
    print(f"{'then' if lasts is None else 'sooner'}: edge-relay resume destination:{name}")


def _leave(arguments: argparse.Namespace) -> int:
    """Have a source left to somebody else."""
    from agent.cli.commissioning import states_of

    source = arguments.what[1]

    async def work() -> int:
        body: Json = {"for_s": arguments.duration / SECOND, "by": arguments.by}
        directory = load_agent(arguments.config).data_dir
        others = sharing(arguments.config, source)
        names = [source, *(sorted(others) if arguments.shared else ())]
        for name in names:
            await ask(directory, "POST", f"/api/sources/{name}/pause", body=body)
        states = await states_of(directory)
        going_on = sorted(name for name in others if states.get(name) != "paused")
        answer: Json = {"paused": [*names], "kept_open_by": [*going_on]}
        print_answer(answer, arguments, lambda: _show_left(arguments, names, going_on))
        return 0

    return told(work)


def _show_left(arguments: argparse.Namespace, names: Sequence[str], going_on: Sequence[str]) -> None:
    source, lasts = names[0], format_duration(arguments.duration)
    are = "is" if len(names) == 1 else "are"
    free = "" if going_on else ": nothing is connected to it"
    print(wrapped(f"{', '.join(names)} {are} paused for {lasts}{free}"))
    if going_on:
        print(wrapped(f"its connection stays open, for others read over it: {', '.join(going_on)}"))
        print(f"to close it: edge-relay pause source:{source} {lasts} --shared")
    print(f"sooner: edge-relay resume source:{source}{' --shared' if arguments.shared else ''}")
