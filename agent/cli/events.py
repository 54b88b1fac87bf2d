"""`edge-relay events`: what happened, and what became of it at each destination."""

import argparse
from collections.abc import Iterable, Mapping
from typing import Final

from agent.cli.arguments import add_config_option
from agent.cli.asking import add_json_option, print_list, told
from agent.cli.opened import Outbox
from agent.cli.selecting import add_limit, moment, query
from agent.cli.tables import local_stamp, print_table, seconds
from agent.model import Json

SUMMARY = "list the newest events and their deliveries"
_KEYS = ("since", "type", "rule", "state", "limit")
HEAD: Final = ("seq", "time", "type", "priority", "deliveries", "message")
_STATES: Final = ("pending", "delivered", "dead", "dropped")
_NAMED: Final = 2  # of more destinations their number is said: the message behind them is to be seen


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_config_option(parser)
    parser.add_argument(
        "--since", type=moment, metavar="TIME", help="not older than this: 2h, 2026-11-21T08:00"
    )
    parser.add_argument("--type", help="types that begin so: alarm., alarm.raised")
    parser.add_argument("--rule", help="of this rule")
    parser.add_argument("--state", choices=_STATES, help="with a delivery in this state")
    add_limit(parser)
    add_json_option(parser, lines=True)
    parser.add_argument(
        "--follow", "-f", action="store_true", help="then go on with what happens, until Ctrl-C"
    )
    parser.epilog = """examples:
  edge-relay events --since 1h
  edge-relay events --follow --type alarm.
  edge-relay events --type alarm. --state pending
  edge-relay events --jsonl | jq -r .data.message

Works while the agent runs (it is asked) and while it does not (its store is read).
"""


def run(arguments: argparse.Namespace) -> int:
    """Get them and print them."""
    if arguments.follow:
        from agent.cli.following import follow

        return told(lambda: follow(arguments, query(arguments, *_KEYS)))

    async def work() -> int:
        wanted = query(arguments, *_KEYS)
        async with Outbox(arguments.config) as outbox:
            rows = await outbox.ask("GET", "/api/events", lambda desk: desk.events(wanted), wanted)
        print_list(rows if isinstance(rows, list) else [], arguments, show_events)
        return 0

    return told(work)


def show_events(rows: list[Json]) -> None:
    """Print a table of events."""
    if not rows:
        print("no such events")
        return
    print_table(HEAD, [cells(row) for row in rows])


def cells(row: Json) -> tuple[str, ...]:
    """An event as a row of the table."""
    if not isinstance(row, dict):
        return ()
    if "damaged" in row:
        return (str(row["seq"]), "", "damaged on disk", "", "", "")
    data = row["data"] if isinstance(row["data"], dict) else {}
    deliveries = row["deliveries"] if isinstance(row["deliveries"], list) else []
    states = _told(each for each in deliveries if isinstance(each, dict))
    message = data.get("message") or data.get("reason") or ""
    if "blind" in data and not data.get("message"):
        what = f"nothing of {data['source']}" if "source" in data else "nothing"
        message = f"{what} was seen for {seconds(float(str(data['duration_s'])))}: {message}"
    return (
        str(row["seq"]),
        local_stamp(row["timestamp"]),
        str(row["type"]),
        str(data["priority"]),
        states,
        str(message),
    )


def _told(deliveries: Iterable[Mapping[str, Json]]) -> str:
    """What became of an event, what it did not come to last: `6 delivered, cmms, chat pending`."""
    names: dict[str, list[str]] = {}
    for each in deliveries:
        names.setdefault(str(each["state"]), []).append(str(each["destination"]))
    return ", ".join(
        f"{', '.join(of) if len(of) <= _NAMED else len(of)} {state}"
        for state, of in sorted(names.items(), key=lambda known: known[0] != "delivered")
    )
