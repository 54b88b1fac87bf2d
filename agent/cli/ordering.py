"""What the commands share by which a person operates alarms: which rules, why, who, and what became of it."""

import argparse
import os
import sys

from agent.cli.arguments import add_config_option
from agent.cli.asking import add_json_option, ask, print_answer, told
from agent.config.agent_section import load_agent
from agent.model import Action, Json


def add_order_options(
    parser: argparse.ArgumentParser, *, reason: bool = False, all_at_once: bool = False
) -> None:
    """Declare which rules are meant and why; `reason`: it must be said; `all_at_once`: with `--all`."""
    parser.add_argument(
        "rules",
        nargs="*" if all_at_once else "+",
        metavar="RULE",
        help="id of a rule, for all of its instances, or one instance: pumps-bearing/P101",
    )
    parser.add_argument("--reason", required=reason, default="", help="why, for whoever reads it later")
    parser.add_argument(
        "--by",
        default=os.environ.get("SUDO_USER", ""),
        metavar="NAME",
        help="who does it, if your login name does not tell; it is noted beside that",
    )
    add_config_option(parser)
    add_json_option(parser)


def order(arguments: argparse.Namespace, action: Action, done: str, **more: Json) -> int:
    """Have it done and say for which instances it was; `done` goes on after a name: `is shelved`."""

    async def work() -> int:
        body: dict[str, Json] = {"rules": arguments.rules, "reason": arguments.reason, "by": arguments.by}
        directory = load_agent(arguments.config).data_dir
        answer = await ask(directory, "POST", f"/api/alarms/{action.value}", body=body | more)
        instances, refused = (_list(answer, key) for key in ("done", "refused"))
        said = [f"{name} {done}" for name in instances] or ([] if refused else ["nothing to do"])
        print_answer(answer, arguments, lambda: print(*said, sep="\n", end="\n" if said else ""))
        for why in refused:
            print(f"edge-relay: {why}", file=sys.stderr)
        return 1 if refused else 0

    return told(work)


def _list(answer: Json, key: str) -> list[Json]:
    found = answer.get(key) if isinstance(answer, dict) else None
    return found if isinstance(found, list) else []
