"""A dead letter as a person reads it: what it is, why it was given up, what the receiver said each time."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final

from agent.cli.tables import local_stamp, print_table, seconds
from agent.clock import SystemClock
from agent.model import SECOND, Json

_MEANT: Final = {
    "expired": ", for it had waited longer than `max_age`",
    "destination_removed": ", for the configuration has none of that name any more",
}
_LONGEST_ANSWER: Final = 400  # of an answer on the screen; --json has all that is kept of it


def show_letters(rows: list[Json]) -> None:
    """Print a table of them."""
    if not rows:
        print("no dead letters")
        return
    now = SystemClock().wall() / SECOND
    cells = [_row(row, now) for row in rows if isinstance(row, dict)]
    head = ("seq", "age", "destination", "type", "rule", "attempts", "reason")
    print_table(head, cells)


def _row(row: Mapping[str, Json], now: float) -> tuple[str, ...]:
    data = row.get("data")
    rule = data.get("instance") or data.get("rule") or "" if isinstance(data, dict) else ""
    age = seconds(max(0.0, now - _instant(row["timestamp"]).timestamp())) if "timestamp" in row else ""
    return (
        str(row["seq"]),
        age,
        str(row["destination"]),
        str(row.get("type", "damaged on disk")),
        str(rule),
        str(row["charged"]),
        printable(str(row.get("reason", ""))),
    )


def show_letter(letter: Mapping[str, Json]) -> None:
    """Print all that is known of one."""
    name, seq = letter["destination"], letter["seq"]
    died = f" at {local_stamp(letter['settled'])}" if "settled" in letter else ""
    reason = str(letter.get("reason", ""))
    print(f"event {seq} was given up for {name}{died}: {printable(reason)}{_MEANT.get(reason, '')}")
    if letter.get("damaged"):
        print("it is damaged on disk and cannot be sent; only its number is known")
    else:
        print(f"{letter['type']} of {local_stamp(letter['timestamp'])}, {letter['id']}")
    attempts = letter["attempts"] if isinstance(letter["attempts"], list) else []
    print(f"\nits own attempts ({letter['charged']} counted, the last ten are kept):")
    for attempt in attempts:
        if isinstance(attempt, dict):
            _show_attempt(attempt)
    if not attempts:
        print("  none: it was given up without one that counted against it")
    if isinstance(letter.get("body"), str):
        print("\nwhat is sent:")
        print(_indented(str(letter["body"])))
    elif "body_error" in letter:
        print(f"\nit cannot be written for {name}: {letter['body_error']}")
    if not letter.get("damaged"):
        print(f"\nto send it again: edge-relay deadletters resend --destination {name} --seq {seq}")


def _show_attempt(attempt: Mapping[str, Json]) -> None:
    status = "no answer" if attempt["status"] is None else f"answered {attempt['status']}"
    print(f"  {local_stamp(attempt['at'])}  {status} after {float(str(attempt['latency_s'])):.3f} s")
    text = printable(str(attempt["text"]).strip())
    if text:
        more = "" if len(text) <= _LONGEST_ANSWER else f" ... ({len(text)} characters, all in --json)"
        print(f"    {text[:_LONGEST_ANSWER]}{more}")


def _indented(body: str) -> str:
    """JSON a key a line, anything else as it is; nothing that a terminal would obey."""
    with suppress(ValueError):
        body = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    return "\n".join(f"  {printable(line)}" for line in body.splitlines())


def printable(text: str) -> str:
    """Write out what a terminal would obey instead of showing it: answers are a stranger's."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _instant(stamp: Json) -> datetime:
    return datetime.fromisoformat(str(stamp))
