"""`edge-relay resume`: read a paused source again."""

import argparse

from agent.cli.arguments import add_config_option, source_name
from agent.cli.asking import ask, told
from agent.config.load import load_agent

SUMMARY = "connect to a paused device again, before its pause is over"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", type=source_name, metavar="source:NAME", help="the source")
    add_config_option(parser)
    parser.epilog = """examples:
  edge-relay resume source:plc-line1
"""


def run(arguments: argparse.Namespace) -> int:
    """Have it resumed."""

    async def work() -> int:
        directory = load_agent(arguments.config).data_dir
        await ask(directory, "POST", f"/api/sources/{arguments.source}/resume")
        print(f"{arguments.source} is read again")
        return 0

    return told(work)
