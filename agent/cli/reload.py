"""`edge-relay reload`: the running agent loads its configuration anew."""

import argparse
import json

from agent.cli.arguments import add_config_option
from agent.cli.asking import RefusedError, add_json_option, ask, print_answer, told
from agent.config.agent_section import load_agent
from agent.model import Json

SUMMARY = "load the configuration anew: all of it or none of it"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_config_option(parser)
    add_json_option(parser)
    parser.epilog = """examples:
  edge-relay reload
  edge-relay check -c config && edge-relay reload -c config

A configuration with errors is refused: the old one goes on, the errors are printed, the exit status is 1.
"""


def run(arguments: argparse.Namespace) -> int:
    """Ask for it and say what changed."""

    async def work() -> int:
        try:
            answer = await ask(load_agent(arguments.config).data_dir, "POST", "/api/reload")
        except RefusedError as error:
            raise RefusedError(f"refused, the old configuration goes on:\n{error}") from None
        print_answer(answer, arguments, lambda: _show(answer))
        return 0

    return told(work)


def _show(answer: Json) -> None:
    changed = answer["changed"] if isinstance(answer, dict) else []
    for change in changed if isinstance(changed, list) else []:
        print(_sentence(change))
    print("reloaded" if changed else "reloaded: nothing changed")


def _sentence(change: Json) -> str:
    """`rule R1-temperature, high: 170 -> 165`; of a source or a destination no more than its name."""
    if not isinstance(change, dict):
        return str(change)
    kind, name = next(iter(change.items()))
    what = f"{kind} {name}, {change['key']}" if "key" in change else f"{kind} {name}"
    if "from" not in change:
        return what
    before, after = (json.dumps(change[side], ensure_ascii=False) for side in ("from", "to"))
    return f"{what}: {before} -> {after}"
