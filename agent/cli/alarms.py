"""`edge-relay alarms`: what is open, and what nobody would be told of."""

import argparse
from collections.abc import Mapping
from typing import Final

from agent.cli.arguments import add_config_option
from agent.cli.asking import LOOK_WITHIN_S, add_json_option, ask, print_list, told
from agent.cli.tables import local_stamp, print_table
from agent.config.agent_section import load_agent
from agent.model import Json

SUMMARY = "list open alarms, and rules of which nothing would be told"
_HEAD: Final = ("alarm", "level", "priority", "since", "value", "")
_WORDS: Final = {
    "disabled": "not watched: `when` is false, or it is outside its hours",
    "settling": "not watched yet: it settles",
    "undecided": "not watched yet: something that decides was not read",
    "by_design": "suppressed: `suppress_while` is true",
    "maintenance": "in maintenance",
    "trial": "on trial",
}
_BY_HAND: Final = ("shelved", "out_of_service")  # said with who, why and until when


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_config_option(parser)
    parser.add_argument(
        "--all",
        action="store_true",
        help="also the rules that are shelved, out of service, on trial, disabled or blind",
    )
    add_json_option(parser, lines=True)
    parser.epilog = """examples:
  edge-relay alarms
  edge-relay alarms --all
  edge-relay alarms --jsonl | jq -r 'select(.priority == "critical").rule'

What nobody has acknowledged comes first, then the louder, then the newer.
"""


def run(arguments: argparse.Namespace) -> int:
    """Get them and print them."""

    async def work() -> int:
        answer = await ask(
            load_agent(arguments.config).data_dir, "GET", "/api/alarms", within_s=LOOK_WITHIN_S
        )
        standing, unwatched = (_rows(answer, key) for key in ("open", "unwatched"))
        rows = [*standing, *unwatched] if arguments.all else standing
        print_list([*rows], arguments, lambda _: show_alarms(standing, unwatched, whole=arguments.all))
        return 0

    return told(work)


def _rows(answer: Json, key: str) -> list[dict[str, Json]]:
    rows = answer.get(key) if isinstance(answer, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def show_alarms(standing: list[dict[str, Json]], unwatched: list[dict[str, Json]], *, whole: bool) -> None:
    """Print the open alarms, and (`whole`) the rules of which nothing would be told."""
    if standing:
        print_table(_HEAD, [_cells(row) for row in standing])
    else:
        print("no alarm is open")
    if not unwatched:
        return
    print()
    if not whole:
        many = f"{len(unwatched)} rules" if len(unwatched) > 1 else "1 rule"
        print(f"nothing would be told of {many} now: `edge-relay alarms --all` says why")
        return
    print_table(("rule", "level", "why nothing would be told of it now"), [_silent(row) for row in unwatched])


def _cells(row: Mapping[str, Json]) -> tuple[str, ...]:
    return (
        str(row["rule"]),
        str(row["level"]),
        str(row["priority"]),
        local_stamp(row["since"]),
        _value(row),
        "; ".join(_notes(row)),
    )


def _silent(row: Mapping[str, Json]) -> tuple[str, ...]:
    notes = [*_worded(row["why"]), *_put_aside(row)]
    return str(row["rule"]), str(row.get("level", "")), "; ".join(notes)


def _value(row: Mapping[str, Json]) -> str:
    if "value" not in row:
        return ""
    value = row["value"]
    if value is None:
        return "unknown"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, bool):
        text = text.lower()  # as the rules are written
    return f"{text} {row.get('unit', '')}".rstrip()


def _notes(row: Mapping[str, Json]) -> list[str]:
    """What a person should know before he acts."""
    notes = [f"returned, waits for {row['needs']}"] if "needs" in row else []
    if row.get("chattering"):
        notes.append("chatters: it comes and goes; its return is told when it stays away")
    if "acknowledged_by" in row:
        notes.append(f"acknowledged by {row['acknowledged_by']}")
    return [*notes, *_worded(row.get("suppressed_by", [])), *_put_aside(row)]


def _worded(reasons: Json) -> list[str]:
    words = [str(each) for each in reasons] if isinstance(reasons, list) else []
    return [_WORDS.get(each, each) for each in words if each not in _BY_HAND]


def _put_aside(row: Mapping[str, Json]) -> list[str]:
    notes, shelf = [], row.get("shelved")
    if isinstance(shelf, dict):
        once = " or its return" if shelf["one_shot"] else ""
        notes.append(f"shelved until {local_stamp(shelf['until'])}{once} by {shelf['by']}: {shelf['reason']}")
    if "out_of_service" in row:
        notes.append(f"out of service: {row['out_of_service']}")
    return notes
