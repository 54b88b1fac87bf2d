"""Options that choose events and dead letters, and what of them goes into a question."""

import argparse
from datetime import UTC, datetime

from agent.clock import SystemClock
from agent.config.fields import parse_duration
from agent.model import MILLISECOND


def moment(text: str) -> int:
    """Read `2h` (ago), or an ISO time (naive: this machine's zone), as milliseconds since 1970 UTC."""
    try:
        return (SystemClock().wall() - parse_duration(text)) // MILLISECOND
    except ValueError:
        pass
    try:
        return round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected 2h, 30m, or a time such as 2026-11-21T08:00"
        ) from None


def add_limit(parser: argparse.ArgumentParser) -> None:
    """Declare `--limit`."""
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many, the newest (default: 100)")


def query(arguments: argparse.Namespace, *names: str) -> dict[str, str]:
    """The options that were given, as the parameters of a question."""
    given = {name: getattr(arguments, name) for name in names}
    return {name: str(value) for name, value in given.items() if value is not None}
