"""`edge-relay enable`: take up a destination that asked not to be sent to any more."""

import argparse

from agent.cli.arguments import add_config_option
from agent.cli.asking import ask, told
from agent.config.agent_section import load_agent

SUMMARY = "take up a disabled destination again; what waits for it is sent"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("what", metavar="destination:NAME")
    add_config_option(parser)
    parser.epilog = """examples:
  edge-relay enable destination:cmms     after it had answered 410, or `webhook-delivery: disable`
"""


def run(arguments: argparse.Namespace) -> int:
    """Ask for it."""

    async def work() -> int:
        name = arguments.what.removeprefix("destination:")
        await ask(load_agent(arguments.config).data_dir, "POST", f"/api/destinations/{name}/enable")
        print(f"{name} is enabled")
        return 0

    return told(work)
