"""`edge-relay ledger`: proves from a receiver's log that nothing was lost, or names what was."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from agent.cli.asking import add_json_option
from agent.cli.tables import print_table
from agent.model import MILLISECOND, Json
from agent.stamps import utc_text

if TYPE_CHECKING:
    from agent.cli.ledger_logs import Reading
    from agent.proving.ledger.statement import Statement

SUMMARY = "prove from a receiver's log that every event arrived"
COMPLETE: Final = 0
HOLES: Final = 1
UNUSABLE: Final = 2
_SHOWN: Final = 50


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="logs of ONE receiver, a body on each line; gzip too; - is stdin",
    )
    parser.add_argument(
        "--beside",
        action="append",
        default=[],
        metavar="FILE",
        help="log of another receiver of the same agents: it was told what was given up here; may be repeated",
    )
    parser.add_argument(
        "--destination",
        default="",
        metavar="NAME",
        help="what the agent calls this receiver; heartbeats say it too",
    )
    add_json_option(parser)
    parser.epilog = """examples:
  edge-relay ledger received.jsonl
  edge-relay ledger received.jsonl.2.gz received.jsonl.1.gz received.jsonl
  edge-relay ledger cmms.jsonl --beside historian.jsonl --destination cmms
  zcat archive/*.gz | edge-relay ledger --json -

Each event names the one before it that was addressed to the same destination (`previous`). What is named
and did not come is a hole, unless the agent declared it: a full store (store.overflow), a dead letter
(delivery.dead, told to the other destinations). Order and repetition in the logs do not matter. What was
lost after the last event shows only where heartbeats come (agent.heartbeat).

exit status: 0 complete, 1 holes, 2 a log that cannot be used
"""


def run(arguments: argparse.Namespace) -> int:
    """Read the logs and say what they prove."""
    from agent.cli.ledger_logs import Reading
    from agent.proving.ledger.statement import statements
    from agent.proving.ledger.streams import Streams

    facts = Streams()
    reading = Reading(facts, lambda line: print(line, file=sys.stderr))
    for name in arguments.files:
        reading.read(name)
    for name in arguments.beside:
        reading.read(name, beside=True)
    found = statements(facts, arguments.destination)
    status = _status(found, reading)
    if arguments.json:
        print(json.dumps(_document(found, reading, facts.unnumbered, status), indent=2, ensure_ascii=False))
    else:
        _show(found, reading, facts.unnumbered)
    return status


def _status(found: "Sequence[Statement]", reading: "Reading") -> int:
    if reading.unusable or not found:
        return UNUSABLE
    return COMPLETE if all(statement.complete for statement in found) else HOLES


# --- for people -------------------------------------------------------------------------------------------


def _show(found: "Sequence[Statement]", reading: "Reading", unnumbered: int) -> None:
    if found:
        head = (
            "site",
            "agent",
            "epoch",
            "received",
            "again",
            "late",
            "declared",
            "first",
            "last",
            "verdict",
        )
        print_table(head, [_row(statement) for statement in found], whole=True)
    for statement in found:
        _show_one(statement)
    if unnumbered:
        print(f"{unnumbered} arrivals carry no `seq` and `epoch`: nothing can be proved of them")
    if reading.unusable:
        print("some of it cannot be used, and is named on stderr")
    for name in reading.torn:
        print(f"{name} ends in the middle of a line, which is not counted: is it still being written?")
    for problem in reading.unusable:
        print(problem, file=sys.stderr)
    if reading.more:
        print(f"and {reading.more} more lines that cannot be used", file=sys.stderr)
    if not found:
        print("there is no numbered event in it: nothing is proved", file=sys.stderr)
    else:
        print(_verdict(found))


def _row(statement: "Statement") -> tuple[object, ...]:
    holes = len(statement.holes) + statement.more
    return (
        statement.who.site,
        statement.who.agent,
        statement.who.epoch + (f" {statement.who.path}" if statement.who.path else ""),
        statement.received,
        statement.again,
        statement.late,
        sum(declared.count for declared in statement.declared),
        _place(statement.first, statement.began),
        _place(statement.last, statement.ended),
        "complete" if statement.complete else _holes(holes),
    )


def _place(seq: int | None, at: int) -> str:
    return "none" if seq is None else f"{seq} {_utc(at)}".rstrip()


def _show_one(statement: "Statement") -> None:
    """What is missing, what was declared, what else is to be known."""
    name = f"{statement.who.agent or 'agent'} {statement.who.epoch}"
    if statement.holes:
        print(f"\n{name}: what is missing")
        rows = [
            (_span(hole.first, hole.last), _utc(hole.after) or "?", _utc(hole.before) or "?", hole.cause)
            for hole in statement.holes[:_SHOWN]
        ]
        print_table(("seq", "after", "before", "probably"), rows, whole=True)
        if (more := len(statement.holes) + statement.more - len(rows)) > 0:
            print(f"and {more} more holes (--json lists a thousand)")
    if statement.declared:
        print(f"\n{name}: what the agent declared")
        declared = [(_span(each.first, each.last), each.count, each.cause) for each in statement.declared]
        print_table(("seq", "events", "cause"), declared, whole=True)
    if statement.notes or statement.holes or statement.declared:
        print()
    for note in statement.notes:
        print(f"{name}: {note}")


def _verdict(found: "Sequence[Statement]") -> str:
    received = sum(statement.received for statement in found)
    declared = sum(each.count for statement in found for each in statement.declared)
    if holes := sum(len(statement.holes) + statement.more for statement in found):
        return f"NOT COMPLETE: {received} events received, {declared} declared lost, {_holes(holes)} that nobody declared"
    if declared:
        return f"complete: {received} events received, {declared} more declared lost by the agent, no hole"
    return f"complete: {received} events received, none is missing"


def _holes(count: int) -> str:
    return "1 hole" if count == 1 else f"{count} holes"


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _utc(at: int) -> str:
    """Milliseconds as a stamp; empty when it is not known."""
    return "" if at < 0 else utc_text(at * MILLISECOND)


# --- for scripts ------------------------------------------------------------------------------------------


def _document(
    found: "Sequence[Statement]", reading: "Reading", unnumbered: int, status: int
) -> dict[str, Json]:
    return {
        "verdict": ("complete", "holes", "unusable")[status],
        "streams": [_stream(statement) for statement in found],
        "lines": reading.lines,
        "unnumbered": unnumbered,
        "torn": list(reading.torn),
        "unusable": list(reading.unusable),
        "more_unusable": reading.more,
    }


def _stream(statement: "Statement") -> dict[str, Json]:
    who = {name: value for name, value in statement.who._asdict().items() if name != "path" or value}
    return {
        **who,
        "destination": statement.destination or None,
        "complete": statement.complete,
        "received": statement.received,
        "again": statement.again,
        "late": statement.late,
        "first": statement.first,
        "last": statement.last,
        "began": _utc(statement.began) or None,
        "ended": _utc(statement.ended) or None,
        "holes": [
            asdict(hole) | {"after": _utc(hole.after) or None, "before": _utc(hole.before) or None}
            for hole in statement.holes
        ],
        "more_holes": statement.more,
        "declared": [asdict(each) for each in statement.declared],
        "notes": list(statement.notes),
    }
