"""`edge-relay resume`: read a paused source again, or send to a paused destination."""

import argparse
from contextlib import suppress

from agent.cli.arguments import add_config_option, part_name
from agent.cli.asking import RefusedError, add_json_option, ask, print_answer, told
from agent.cli.pause import sharing
from agent.config.agent_section import load_agent
from agent.model import Json

SUMMARY = "connect to a paused device again, or send again"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "what",
        type=part_name,
        metavar="source:NAME|destination:NAME",
        help="what is paused; a name alone is a source",
    )
    parser.add_argument(
        "--shared", action="store_true", help="the other sources of its connection too (Modbus)"
    )
    add_config_option(parser)
    add_json_option(parser)
    parser.set_defaults(usage=parser.error)
    parser.epilog = """examples:
  edge-relay resume source:plc-line1
  edge-relay resume destination:cmms     what waited is sent, in order

A destination that is disabled, not paused, is taken up by `edge-relay enable`.
"""


def run(arguments: argparse.Namespace) -> int:
    """Have it resumed."""
    kind, name = arguments.what
    if kind == "destination" and arguments.shared:
        arguments.usage(f"--shared is for sources: {name} is a destination")

    async def resume_destination() -> int:
        directory = load_agent(arguments.config).data_dir
        answer = await ask(directory, "POST", f"/api/destinations/{name}/resume")
        print_answer(answer, arguments, lambda: _show(name, answer))
        return 0

    async def work() -> int:
        directory = load_agent(arguments.config).data_dir
        await ask(directory, "POST", f"/api/sources/{name}/resume")
        resumed = [name]
        for other in sorted(sharing(arguments.config, name)) if arguments.shared else ():
            with suppress(RefusedError):  # it is not paused, as is wanted
                await ask(directory, "POST", f"/api/sources/{other}/resume")
                resumed.append(other)
        said = (f"{each} is read again" for each in resumed)
        print_answer({"resumed": [*resumed]}, arguments, lambda: print(*said, sep="\n"))
        return 0

    return told(resume_destination if kind == "destination" else work)


def _show(name: str, answer: Json) -> None:
    """Say how a destination is that a person does not hold back any more."""
    found = answer if isinstance(answer, dict) else {}
    if found.get("state") == "disabled":
        print(f"{name} is not paused any more, but disabled: {found['reason']}")
        print(f"to take it up: edge-relay enable destination:{name}")
    else:
        print(f"{name} is sent to again; events that have waited: {found.get('waited')}")
