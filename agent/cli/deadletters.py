"""`edge-relay deadletters`: what was given up, why, and how to have it sent after all."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from agent.cli.arguments import add_config_option
from agent.cli.asking import add_json_option, print_list, told
from agent.cli.letters_shown import show_letter, show_letters
from agent.cli.moving import Part, add_moving_options, carry_out
from agent.cli.opened import Outbox
from agent.cli.selecting import add_limit, moment, query
from agent.errors import EdgeRelayError
from agent.model import Json

SUMMARY = "list, show, resend or drop events that were given up"
_HELP: Final = ("-h", "--help")
_SELECTION: Final = ("destination", "seq", "id", "rule", "reason", "since", "until")


def completed(words: Sequence[str]) -> Sequence[str]:
    """The words with the verb that is meant where none is given: to look comes before everything else."""
    return ["list", *words] if not words or (words[0].startswith("-") and words[0] not in _HELP) else words


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    verbs = parser.add_subparsers(dest="verb", metavar="list|show|resend|drop", required=True)
    listing = verbs.add_parser("list", help="what was given up and why, newest last")
    _add_selection(listing)
    add_limit(listing)
    add_json_option(listing, lines=True)
    show = verbs.add_parser("show", help="one dead letter: its body, and every attempt that is kept")
    show.add_argument("which", metavar="DESTINATION SEQ | EVENT-ID", help="as `deadletters list` shows it")
    show.add_argument("seq", type=int, nargs="?", metavar="", help=argparse.SUPPRESS)
    add_json_option(show)
    for verb, meaning in (
        ("resend", "send them again, with the same webhook-id"),
        ("drop", "give them up for good"),
    ):
        command = verbs.add_parser(verb, help=meaning)
        _add_selection(command)
        command.add_argument(
            "--all", action="store_true", help="all of them; needed when nothing else is selected"
        )
        add_moving_options(command)
    for command in verbs.choices.values():
        add_config_option(command)
    parser.epilog = """examples:
  edge-relay deadletters
  edge-relay deadletters list --destination cmms
  edge-relay deadletters show cmms 1042
  edge-relay deadletters resend --destination cmms --since 2d --dry-run
  edge-relay deadletters resend --reason '*answered 400*'
  edge-relay deadletters drop --seq 1042

More than one is moved only after the question, or with --yes. What is sent again is `late: true` and keeps its id.
Works while the agent runs (it is asked) and while it does not (its store is opened).
"""


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--destination", metavar="NAME", help="of this destination")
    parser.add_argument("--seq", type=int, help="of this event")
    parser.add_argument("--id", metavar="EVENT-ID", help="of this event: evt_...")
    parser.add_argument(
        "--rule", metavar="NAME", help="of this rule; * and ? stand for any text and character"
    )
    parser.add_argument(
        "--reason", metavar="TEXT", help="given up for a reason that begins so, or fits it: '*answered 400*'"
    )
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
    async with Outbox(arguments.config) as outbox:
        rows = await _letters(outbox, query(arguments, *_SELECTION, "limit"))
    print_list(rows, arguments, show_letters)
    return 0


async def _letters(outbox: Outbox, wanted: Mapping[str, str]) -> list[Json]:
    answer = await outbox.ask("GET", "/api/deadletters", lambda desk: desk.dead_letters(wanted), wanted)
    return answer if isinstance(answer, list) else []


async def _show(arguments: argparse.Namespace) -> int:
    destination, seq = arguments.which, arguments.seq
    async with Outbox(arguments.config) as outbox:
        if seq is None:
            destination, seq = await _find(outbox, arguments.which)
        path = f"/api/deadletters/{destination}/{seq}"
        letter = await outbox.ask("GET", path, lambda desk: desk.dead_letter(destination, seq))
    if arguments.json:
        print(json.dumps(letter, indent=2, ensure_ascii=False))
    elif isinstance(letter, dict):
        show_letter(letter)
    return 0


async def _find(outbox: Outbox, event_id: str) -> tuple[str, int]:
    """The letter of an event; of several destinations that did not take it, a person names one."""
    rows = await _letters(outbox, {"id": event_id})
    found = [(str(row["destination"]), int(str(row["seq"]))) for row in rows if isinstance(row, dict)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise EdgeRelayError(
            f"there is no dead letter with the id {event_id}: `edge-relay deadletters list` shows all"
        )
    which = " or ".join(f"`edge-relay deadletters show {name} {seq}`" for name, seq in found)
    raise EdgeRelayError(f"{event_id} is a dead letter of several destinations: choose one, {which}")


async def _move(arguments: argparse.Namespace) -> int:
    wanted, verb = query(arguments, *_SELECTION), arguments.verb
    if not wanted and not arguments.all:
        print(f"edge-relay: which ones? Select some (see --help), or {verb} them --all", file=sys.stderr)
        return 2
    resends = verb == "resend"
    what = "dead letters would be sent again" if resends else "dead letters would be given up for good"
    async with Outbox(arguments.config) as outbox:
        parts = (_part(outbox, wanted, "count"), _part(outbox, wanted, verb))
        return await carry_out(
            arguments, what, "resent" if resends else "dropped", parts, damaged_too=not resends
        )


def _part(outbox: Outbox, wanted: Mapping[str, str], verb: str) -> Part:
    """What does a part of an order: counts, resends or drops."""

    async def part(place: dict[str, int]) -> Mapping[str, Json]:
        asked = {**wanted, **{key: str(number) for key, number in place.items()}}
        method = "GET" if verb == "count" else "POST"
        answer = await outbox.ask(
            method,
            f"/api/deadletters/{verb}",
            lambda desk: {"count": desk.count, "resend": desk.resend, "drop": desk.drop}[verb](asked),
            asked,
        )
        return answer if isinstance(answer, dict) else {}

    return part
