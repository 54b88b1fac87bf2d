"""`edge-relay why`: why a rule did or did not raise, from the agent's own samples."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING, Final

from agent.cli.arguments import add_config_option, duration
from agent.cli.asking import add_json_option, told
from agent.config.fields import parse_duration
from agent.errors import EdgeRelayError
from agent.model import SECOND, Json
from agent.stamps import utc_text

if TYPE_CHECKING:
    from agent.config.model import Configuration
    from agent.proving.why import Sent, Why

SUMMARY = "say why a rule did or did not raise, and what was missing"

_AROUND: Final = 300 * SECOND
_RECENT: Final = 600 * SECOND
_MOST: Final = 6  # differences that are shown: a flood holds back hundreds


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "rule", metavar="RULE", help="a rule, or an instance of one: R1-temperature, pumps/P101"
    )
    parser.add_argument(
        "--at",
        metavar="TIME",
        help="when: 14:05, 2026-11-21T14:05 (the agent's zone), or 10m (ago); 5 min before and after it "
        "are looked at (default: the last 10 min)",
    )
    parser.add_argument(
        "--last", type=duration, metavar="DURATION", help="look at so long a time, up to now or to --at: 1h"
    )
    add_config_option(parser)
    add_json_option(parser)
    parser.epilog = """examples:
  edge-relay why R1-temperature
  edge-relay why R1-temperature --at 14:05
  edge-relay why P101-low-flow --last 8h

The agent's samples are played through the very engine that runs live, with the rules as they are configured now;
what was really sent is compared. Works beside a running agent and without one. How long samples are kept:
`store: {samples: {keep: 7d, max_size: 200MB}}`.
"""


def run(arguments: argparse.Namespace) -> int:
    """Find out and say."""
    return told(lambda: _why(arguments))


async def _why(arguments: argparse.Namespace) -> int:
    from agent.cli.recalled import recalled
    from agent.clock import SystemClock
    from agent.config.load import load
    from agent.config.secrets import NOT_NEEDED
    from agent.config.times import zone_of
    from agent.proving.replay import needed, tracks_of
    from agent.proving.why import begin_of_lead, explain

    configuration = load(arguments.config, NOT_NEEDED)
    name = instance(arguments.rule, configuration)
    zone = zone_of(configuration.agent.zone)
    try:
        begin, end = interval(arguments.at, arguments.last, SystemClock().wall(), zone)
    except ValueError as error:
        print(f"edge-relay: --at: {error}", file=sys.stderr)
        return 2
    wanted = tracks_of(needed(configuration, name), configuration)
    sessions = await recalled(
        configuration.agent, wanted, begin_of_lead(configuration, name, begin), end + SECOND
    )
    sent = await _sent(configuration, name, begin, end)
    answer = explain(configuration, name, sessions, (begin, end), sent)
    if arguments.json:
        print(json.dumps(_json(answer), indent=2, ensure_ascii=False))
    else:
        show(answer, zone)
    return 0


def instance(rule: str, configuration: "Configuration") -> str:
    """The one instance that is meant.

    Raises:
        EdgeRelayError: there is none, or there are several.
    """
    from agent.config.messages import did_you_mean

    names = [spec.name for spec in configuration.rules]
    if rule in names:
        return rule
    of_rule = [spec.name for spec in configuration.rules if spec.rule == rule]
    if len(of_rule) == 1:
        return of_rule[0]
    if of_rule:
        raise EdgeRelayError(f"{rule} has {len(of_rule)} instances, name one: {', '.join(of_rule)}")
    raise EdgeRelayError(f"there is no rule {rule}{did_you_mean(rule, names)}")


def interval(at: str | None, last: int | None, now: int, zone: tzinfo) -> tuple[int, int]:
    """From when to when is looked at, UTC nanoseconds.

    Raises:
        ValueError: `at` is no time.
    """
    if at is None:
        return now - (last or _RECENT), now
    middle = min(now, moment(at, now, zone))
    if last is not None:
        return middle - last, middle
    return middle - _AROUND, min(now, middle + _AROUND)


def moment(text: str, now: int, zone: tzinfo) -> int:
    """Read `14:05` (the last one), `2026-11-21T14:05`, or `10m` (ago) as UTC nanoseconds.

    Raises:
        ValueError: none of these.
    """
    try:
        return now - parse_duration(text.removesuffix("ago").strip())
    except ValueError:
        pass
    today = datetime.fromtimestamp(now / SECOND, UTC).astimezone(zone)
    try:
        found = datetime.combine(today.date(), time.fromisoformat(text), tzinfo=zone)
        if found > today:
            found = datetime.combine(today.date() - timedelta(days=1), found.time(), tzinfo=zone)
    except ValueError:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text!r}: expected 14:05, 2026-11-21T14:05, or 10m (ago)") from None
        if found.tzinfo is None:
            found = found.replace(tzinfo=zone)
    return round(found.timestamp() * 1000) * SECOND // 1000


async def _sent(configuration: "Configuration", name: str, begin: int, end: int) -> "Sequence[Sent]":
    from agent.cli.recalled import events_since, wall_of
    from agent.proving.why import Sent

    sent: list[Sent] = []
    rule = next(spec.rule_id for spec in configuration.rules if spec.name == name)
    for row in await events_since(configuration.agent, begin, rule):
        data = row.get("data")
        if not isinstance(data, dict) or data.get("instance") != name:
            continue
        at = wall_of(row["timestamp"])
        if at <= end:
            sent.append(Sent(str(row["type"]), at, str(row["id"]), str(data.get("rules_hash", ""))))
    return sent


# --- for people, and for scripts --------------------------------------------------------------------


def show(answer: "Why", zone: tzinfo) -> None:
    """Print it."""
    from agent.cli.tables import print_table

    print(f"{answer.answer}.")
    for finding in answer.findings:
        print(f"  {finding.text}")
    if answer.moves:
        print()
        rows = [
            (_clock(move.at, zone), move.condition, f"{move.before} -> {move.after}", move.value)
            for move in answer.moves
        ]
        print_table(("time", "condition", "phase", "value"), rows, whole=True)
    if answer.differences:
        print()
        print("what was sent differs:")
    for difference in answer.differences[:_MOST]:
        print(f"  {difference}")
    if (left := len(answer.differences) - _MOST) > 0:
        print(f"  and {left} more: ask for a shorter interval, or --json")


def _clock(at: int, zone: tzinfo) -> str:
    local = datetime.fromtimestamp(at // SECOND, UTC).astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S}.{at // 1_000_000 % 1000:03}"


def _json(answer: "Why") -> dict[str, Json]:
    return {
        "rule": answer.rule,
        "from": utc_text(answer.begin),
        "to": utc_text(answer.end),
        "answer": answer.answer,
        "findings": [{"time": utc_text(each.at), "text": each.text} for each in answer.findings],
        "phases": [
            {
                "time": utc_text(move.at),
                "condition": move.condition,
                "from": move.before,
                "to": move.after,
                "value": move.value,
            }
            for move in answer.moves
        ],
        "events": [
            {"time": utc_text(event.at), "type": event.type.value, "message": event.data.get("message")}
            for event in answer.told
        ],
        "differences": list(answer.differences),
    }
