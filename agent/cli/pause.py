"""`edge-relay pause`: leave a device to somebody else for a while."""

import argparse
import os
from pathlib import Path

from agent.cli.arguments import add_config_option, duration, source_name
from agent.cli.asking import ask, told
from agent.cli.tables import wrapped
from agent.config.agent_section import load_agent
from agent.config.fields import format_duration
from agent.errors import ConfigError
from agent.model import SECOND, Json
from agent.web.orders import LONGEST_PAUSE

SUMMARY = "disconnect from a device for a while, so that somebody else can connect to it"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", type=source_name, metavar="source:NAME", help="the source")
    parser.add_argument(
        "duration", type=_pause, metavar="DURATION", help="for how long: 10m, 1h; a day at the most"
    )
    parser.add_argument(
        "--shared",
        action="store_true",
        help="the other sources of its connection too (Modbus), so that it is closed",
    )
    parser.add_argument(
        "--by",
        default=os.environ.get("SUDO_USER", ""),
        metavar="NAME",
        help="who needs it, if your login name does not tell; it is noted beside that",
    )
    add_config_option(parser)
    parser.epilog = """examples:
  edge-relay pause source:plc-line1 10m     a PLC with one connection, and your laptop needs it
  edge-relay pause source:drive7 10m --shared   all drives behind the same gateway
  edge-relay resume source:plc-line1        give it back sooner

Meanwhile the source's tags are bad, with your name and the end of the pause as the reason, and receivers
are told of the interval afterwards (agent.blind). It ends by itself; a restart of the agent ends it as well.
"""


def _pause(text: str) -> int:
    length = duration(text)
    if not 0 < length <= LONGEST_PAUSE:
        raise argparse.ArgumentTypeError(
            f"a pause lasts a day at the most, because nothing is watched meanwhile; got {text}"
        )
    return length


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
    from agent.cli.commissioning import states_of

    async def work() -> int:
        body: Json = {"for_s": arguments.duration / SECOND, "by": arguments.by}
        directory = load_agent(arguments.config).data_dir
        lasts = format_duration(arguments.duration)
        others = sharing(arguments.config, arguments.source)
        names = [arguments.source, *(sorted(others) if arguments.shared else ())]
        for name in names:
            await ask(directory, "POST", f"/api/sources/{name}/pause", body=body)
        states = await states_of(directory)
        going_on = {name for name in others if states.get(name) != "paused"}
        are = "is" if len(names) == 1 else "are"
        free = "" if going_on else ": nothing is connected to it"
        print(wrapped(f"{', '.join(names)} {are} paused for {lasts}{free}"))
        if going_on:
            print(
                wrapped(f"its connection stays open, for others read over it: {', '.join(sorted(going_on))}")
            )
            print(f"to close it: edge-relay pause source:{arguments.source} {lasts} --shared")
        print(f"sooner: edge-relay resume source:{arguments.source}{' --shared' if arguments.shared else ''}")
        return 0

    return told(work)
