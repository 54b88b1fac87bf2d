"""`edge-relay deadletters`: what was given up, why, and how to have it sent after all."""

import argparse
import json
import sys
from collections.abc import Awaitable, Callable, Mapping

from agent.cli.arguments import add_config_option
from agent.cli.asking import add_json_option, ask, print_list, told
from agent.cli.opened import asked_or_opened, opened_desk
from agent.cli.selecting import add_limit, moment, query
from agent.cli.tables import print_table
from agent.config.agent_section import load_agent
from agent.desk import Desk
from agent.model import Json

SUMMARY = "list, show, resend or drop events that were given up"
_SELECTION = ("destination", "seq", "rule", "reason", "since", "until")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    verbs = parser.add_subparsers(dest="verb", metavar="list|show|resend|drop", required=True)
    listing = verbs.add_parser("list", help="what was given up and why, newest last")
    _add_selection(listing)
    add_limit(listing)
    add_json_option(listing, lines=True)
    show = verbs.add_parser("show", help="one dead letter with every attempt that is kept")
    show.add_argument("destination", help="its name in the configuration")
    show.add_argument("seq", type=int, help="the number of the event, as `deadletters list` shows it")
    for verb, meaning in (
        ("resend", "send them again, with the same webhook-id"),
        ("drop", "give them up for good"),
    ):
        command = verbs.add_parser(verb, help=meaning)
        _add_selection(command)
        command.add_argument(
            "--all", action="store_true", help="all of them; needed when nothing else is selected"
        )
    for command in verbs.choices.values():
        add_config_option(command)
    parser.epilog = """examples:
  edge-relay deadletters list --destination cmms
  edge-relay deadletters show cmms 1042
  edge-relay deadletters resend --destination cmms --since 2d
  edge-relay deadletters drop --seq 1042
"""


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--destination", metavar="NAME", help="of this destination")
    parser.add_argument("--seq", type=int, help="of this event")
    parser.add_argument("--rule", metavar="NAME", help="of this rule")
    parser.add_argument("--reason", help="given up for this reason, word for word")
    parser.add_argument(
        "--since", type=moment, metavar="TIME", help="events not older than this: 2h, 2026-11-21T08:00"
    )
    parser.add_argument("--until", type=moment, metavar="TIME", help="events older than this")


def run(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    match arguments.verb:
        case "list":
            return told(lambda: _list(arguments))
        case "show":
            return told(lambda: _show(arguments))
        case _:
            return told(lambda: _move(arguments))


async def _list(arguments: argparse.Namespace) -> int:
    wanted = query(arguments, *_SELECTION, "limit")
    rows = await _answer(arguments, "GET", "/api/deadletters", wanted, lambda desk: desk.dead_letters(wanted))
    print_list(rows if isinstance(rows, list) else [], arguments, _show_letters)
    return 0


async def _show(arguments: argparse.Namespace) -> int:
    destination, seq = arguments.destination, arguments.seq
    path = f"/api/deadletters/{destination}/{seq}"
    letter = await _answer(arguments, "GET", path, {}, lambda desk: desk.dead_letter(destination, seq))
    print(json.dumps(letter, indent=2, ensure_ascii=False))
    return 0


async def _move(arguments: argparse.Namespace) -> int:
    wanted, verb = query(arguments, *_SELECTION), arguments.verb
    if not wanted and not arguments.all:
        print(f"edge-relay: which ones? Select some (see --help), or {verb} them --all", file=sys.stderr)
        return 2

    async def by_hand(desk: Desk) -> Json:
        return (
            {"resent": await desk.resend(wanted)}
            if verb == "resend"
            else {"dropped": await desk.drop(wanted)}
        )

    answer = await _answer(arguments, "POST", f"/api/deadletters/{verb}", wanted, by_hand)
    for word, count in (answer if isinstance(answer, dict) else {}).items():
        print(f"{count} {word}")
    return 0


async def _answer(
    arguments: argparse.Namespace,
    method: str,
    path: str,
    wanted: Mapping[str, str],
    by_hand: Callable[[Desk], Awaitable[Json]],
) -> Json:
    agent = load_agent(arguments.config)

    async def opened() -> Json:
        async with opened_desk(agent) as desk:
            return await by_hand(desk)

    return await asked_or_opened(lambda: ask(agent.data_dir, method, path, wanted), opened)


def _show_letters(rows: list[Json]) -> None:
    if not rows:
        print("no dead letters")
        return
    cells = [
        (row["seq"], row["destination"], row.get("settled", ""), row.get("type", ""), row.get("reason", ""))
        for row in rows
        if isinstance(row, dict)
    ]
    print_table(("seq", "destination", "given up", "type", "reason"), cells)
