"""`edge-relay audit`: what messages asked of machines and alarms, who did, and what became of it."""

import argparse
import json

from agent.cli.arguments import add_config_option
from agent.cli.asking import add_json_option, print_list, told
from agent.cli.opened import Outbox
from agent.cli.selecting import add_limit, moment, query
from agent.cli.tables import local_stamp, print_table
from agent.model import Json

SUMMARY = "list what incoming messages asked of machines and alarms"
_KEYS = ("since", "target", "outcome", "limit")
_HEAD = ("time", "outcome", "action", "target", "old", "new", "relay", "message", "sender", "reason")
_OUTCOMES = ("acting", "done", "rejected", "repeated", "failed", "unknown")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_config_option(parser)
    parser.add_argument(
        "--since", type=moment, metavar="TIME", help="not older than this: 2h, 2026-11-21T08:00"
    )
    parser.add_argument("--target", metavar="NAME", help="of this tag, rule or destination")
    parser.add_argument("--outcome", choices=_OUTCOMES, help="with this outcome")
    add_limit(parser)
    add_json_option(parser, lines=True)
    parser.epilog = """examples:
  edge-relay audit --since 24h
  edge-relay audit --target line7.speed
  edge-relay audit --outcome unknown
  edge-relay audit --jsonl | jq -r 'select(.action == "write") | [.at, .target, .old, .new] | @tsv'

Refusals of one sender for one reason share a line an hour, which counts them. `unknown`: the agent was stopped,
or the connection lost, in the middle of a write, which is never repeated; the reason says what was read after.
Kept for 400 days. Works while the agent runs (it is asked) and while it does not (its store is read).
"""


def run(arguments: argparse.Namespace) -> int:
    """Get them and print them."""

    async def work() -> int:
        wanted = query(arguments, *_KEYS)
        async with Outbox(arguments.config) as outbox:
            rows = await outbox.ask("GET", "/api/audit", lambda desk: desk.audit(wanted), wanted)
        print_list(rows if isinstance(rows, list) else [], arguments, show_audit)
        return 0

    return told(work)


def show_audit(rows: list[Json]) -> None:
    """Print a table of them."""
    if not rows:
        print("nothing of the kind was asked for")
        return
    print_table(_HEAD, [_row(row) for row in rows if isinstance(row, dict)])


def _row(row: dict[str, Json]) -> tuple[str, ...]:
    times = f" ({row['count']} times)" if row["count"] != 1 else ""
    return (
        *(local_stamp(row["at"]), f"{row['outcome']}{times}", str(row["action"]), str(row["target"])),
        *(_value(row["old"]), _value(row["new"])),
        *(str(row[name]) for name in ("relay", "id", "sender", "reason")),
    )


def _value(value: Json) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)
