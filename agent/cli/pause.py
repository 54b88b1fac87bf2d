"""`edge-relay pause`: leave a device to somebody else for a while."""

import argparse
import os

from agent.cli.arguments import add_config_option, duration, source_name
from agent.cli.asking import ask, told
from agent.config.fields import format_duration
from agent.config.load import load_agent
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
        "--by",
        default=os.environ.get("SUDO_USER", ""),
        metavar="NAME",
        help="who needs it, if your login name does not tell; it is noted beside that",
    )
    add_config_option(parser)
    parser.epilog = """examples:
  edge-relay pause source:plc-line1 10m     a PLC with one connection, and your laptop needs it
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


def run(arguments: argparse.Namespace) -> int:
    """Have it paused."""

    async def work() -> int:
        body: Json = {"for_s": arguments.duration / SECOND, "by": arguments.by}
        directory = load_agent(arguments.config).data_dir
        await ask(directory, "POST", f"/api/sources/{arguments.source}/pause", body=body)
        lasts = format_duration(arguments.duration)
        print(f"{arguments.source} is paused for {lasts}: nothing is connected to it")
        print(f"sooner: edge-relay resume source:{arguments.source}")
        return 0

    return told(work)
