"""`edge-relay inbound`: the messages that came in by relays, and where each stands."""

import argparse

from agent.cli.arguments import add_config_option
from agent.cli.asking import add_json_option, print_list, told
from agent.cli.opened import Outbox
from agent.cli.selecting import add_limit, query
from agent.cli.tables import local_stamp, print_table
from agent.model import Json

SUMMARY = "list the newest messages that came in by relays"
_COLUMNS = ("relay", "id", "type", "route", "state", "outcome", "reason")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_config_option(parser)
    add_limit(parser)
    add_json_option(parser, lines=True)
    parser.epilog = """examples:
  edge-relay inbound --limit 20
  edge-relay inbound --jsonl | jq -r 'select(.outcome == "rejected") | .reason'

A message is waiting to be acted on, acting (begun), sent (on its way to its service), or settled with its outcome.
Messages that nobody has signed are not listed: `edge-relay audit` counts them. Remembered for 30 days.
Works while the agent runs (it is asked) and while it does not (its store is read).
"""


def run(arguments: argparse.Namespace) -> int:
    """Get them and print them."""

    async def work() -> int:
        wanted = query(arguments, "limit")
        async with Outbox(arguments.config) as outbox:
            rows = await outbox.ask("GET", "/api/inbound", lambda desk: desk.inbox(wanted), wanted)
        print_list(rows if isinstance(rows, list) else [], arguments, show_messages)
        return 0

    return told(work)


def show_messages(rows: list[Json]) -> None:
    """Print a table of them."""
    if not rows:
        print("no message has come in")
        return
    cells = [_row(row) for row in rows if isinstance(row, dict)]
    print_table(("time", "relay", "message", *_COLUMNS[2:]), cells)


def _row(row: dict[str, Json]) -> tuple[str, ...]:
    state = f"{row['state']}, damaged on disk" if "damaged" in row else str(row["state"])
    shown = {**row, "state": state}
    return (local_stamp(row["at"]), *(str(shown[name]) for name in _COLUMNS))
