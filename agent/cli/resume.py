"""`edge-relay resume`: read a paused source again."""

import argparse
from contextlib import suppress

from agent.cli.arguments import add_config_option, source_name
from agent.cli.asking import RefusedError, ask, told
from agent.cli.pause import sharing
from agent.config.agent_section import load_agent

SUMMARY = "connect to a paused device again, before its pause is over"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", type=source_name, metavar="source:NAME", help="the source")
    parser.add_argument(
        "--shared", action="store_true", help="the other sources of its connection too (Modbus)"
    )
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
        for name in sorted(sharing(arguments.config, arguments.source)) if arguments.shared else ():
            with suppress(RefusedError):  # it is not paused, as is wanted
                await ask(directory, "POST", f"/api/sources/{name}/resume")
                print(f"{name} is read again")
        return 0

    return told(work)
