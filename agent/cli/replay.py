"""`edge-relay replay`: send again what was delivered, or to a new destination what it has missed."""

import argparse
import json
from collections.abc import Mapping

from agent.cli.arguments import add_config_option
from agent.cli.asking import told
from agent.cli.moving import Count, Part, add_moving_options, carry_out
from agent.cli.opened import Outbox
from agent.cli.selecting import moment
from agent.clock import SystemClock
from agent.config.fields import format_duration
from agent.model import MILLISECOND, SECOND, Json
from agent.web.orders import ReplayOrder, read

SUMMARY = "send again what was delivered and is still kept"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--since",
        type=moment,
        required=True,
        metavar="TIME",
        help="events not older than this: 2h, 2026-11-21T08:00",
    )
    parser.add_argument("--until", type=moment, metavar="TIME", help="events older than this")
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument("--destination", metavar="NAME", help="what this one was sent (default: all of them)")
    whom.add_argument(
        "--to", metavar="NAME", help="to this one, what it wants and was never sent: it was not there yet"
    )
    parser.add_argument(
        "--rule", metavar="NAME", help="of this rule; * and ? stand for any text and character"
    )
    parser.add_argument("--type", help="types that begin so, or fit it: alarm., 'alarm.*'")
    add_moving_options(parser)
    add_config_option(parser)
    parser.epilog = """examples:
  edge-relay replay --since 2h --destination cmms --dry-run
  edge-relay replay --since 2026-11-21T08:00 --until 2026-11-21T12:00 --type 'alarm.*'
  edge-relay replay --since 7d --to historian

Each keeps its id and is `late: true`: a receiver that keeps the ids drops what it has. What waits or was given up
is left alone. Delivered events are kept for `store: {keep_delivered: 7d}`.
Works while the agent runs (it is asked) and while it does not (its store is opened).
"""


def run(arguments: argparse.Namespace) -> int:
    """Count, ask, and have it sent."""

    async def work() -> int:
        async with Outbox(arguments.config) as outbox:
            parts = (_part(outbox, arguments, dry_run=True), _part(outbox, arguments, dry_run=False))
            to = f" to {arguments.to}" if arguments.to else " again"
            what = f"events would be sent{to}"
            return await carry_out(
                arguments, what, "replayed", parts, note=lambda count: _reach(arguments, count)
            )

    return told(work)


def _reach(arguments: argparse.Namespace, count: Count) -> str:
    """Say how far back the store reaches, where more was asked for."""
    keep = count.answer.get("keep_delivered_s")
    if not isinstance(keep, int) or arguments.since * MILLISECOND >= SystemClock().wall() - keep * SECOND:
        return ""
    kept = format_duration(keep * SECOND)
    return f"what was delivered is kept for {kept} (store: keep_delivered): older events are gone"


def _part(outbox: Outbox, arguments: argparse.Namespace, *, dry_run: bool) -> Part:
    written: dict[str, Json] = {
        "since_ms": arguments.since,
        "until_ms": arguments.until,
        "destination": arguments.destination,
        "to": arguments.to,
        "rule": arguments.rule,
        "type": arguments.type,
        "dry_run": dry_run,
    }

    async def part(place: dict[str, int]) -> Mapping[str, Json]:
        order: dict[str, Json] = {**written, **place}
        answer = await outbox.ask(
            "POST",
            "/api/replay",
            lambda desk: desk.replay(read(ReplayOrder, json.dumps(order).encode())),
            body=order,
        )
        return answer if isinstance(answer, dict) else {}

    return part
