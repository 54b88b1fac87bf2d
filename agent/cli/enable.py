"""`edge-relay enable`: take up a destination that asked not to be sent to any more."""

import argparse

from agent.cli.arguments import add_config_option
from agent.cli.asking import add_json_option, ask, print_answer, told
from agent.config.agent_section import load_agent
from agent.model import Json

SUMMARY = "take up a disabled destination again, or try one at once"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("what", metavar="destination:NAME")
    add_config_option(parser)
    add_json_option(parser)
    parser.epilog = """examples:
  edge-relay enable destination:cmms     after it had answered 410, or `webhook-delivery: disable`; or when you
                                         have mended what it failed of, and will not wait five minutes

A destination that a person has paused is taken up by `edge-relay resume`.
"""


def run(arguments: argparse.Namespace) -> int:
    """Ask for it."""

    async def work() -> int:
        name = arguments.what.removeprefix("destination:")
        path = f"/api/destinations/{name}/enable"
        answer = await ask(load_agent(arguments.config).data_dir, "POST", path)
        print_answer(answer, arguments, lambda: _show(name, answer))
        return 0

    return told(work)


def _show(name: str, answer: Json) -> None:
    print(f"{name} is enabled")
    if isinstance(answer, dict) and answer.get("state") == "paused":
        print(f"it is still paused {answer['reason']}: edge-relay resume destination:{name}")
