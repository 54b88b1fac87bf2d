"""`edge-relay status`: what is going on, on one screen."""

import argparse
import json

from agent.cli.arguments import add_config_option
from agent.cli.asking import LOOK_WITHIN_S, add_json_option, ask, told
from agent.cli.status_shown import show_status
from agent.config.agent_section import load_agent

SUMMARY = "show what the running agent is doing"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_config_option(parser)
    parser.add_argument(
        "--all", action="store_true", help="every alarm, source and destination, also those that are well"
    )
    add_json_option(parser)
    parser.epilog = """examples:
  edge-relay status
  edge-relay status --all
  edge-relay status --json | jq '.destinations'

The exit status is 1 while the agent does not do all of its work.
"""


def run(arguments: argparse.Namespace) -> int:
    """Ask for it and print it."""

    async def work() -> int:
        status = await ask(
            load_agent(arguments.config).data_dir, "GET", "/api/status", within_s=LOOK_WITHIN_S
        )
        if not isinstance(status, dict):
            return 1
        if arguments.json:
            print(json.dumps(status, indent=2, ensure_ascii=False))
        else:
            show_status(status, whole=arguments.all)
        return 1 if status["problems"] else 0

    return told(work)
