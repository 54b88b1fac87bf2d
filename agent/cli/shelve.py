"""`edge-relay shelve`: nothing is announced of a rule for a while; it goes on being watched."""

import argparse
from datetime import datetime, time, timedelta

from agent.cli.arguments import duration
from agent.cli.ordering import add_order_options, order
from agent.cli.tables import local, seconds
from agent.clock import SystemClock
from agent.model import SECOND, Action

SUMMARY = "put alarms aside for a while, with a reason"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_order_options(parser, reason=True)
    end = parser.add_mutually_exclusive_group(required=True)
    end.add_argument(
        "--for", dest="length", type=duration, metavar="TIME", help="for so long: 30m, 2h, a week at most"
    )
    end.add_argument(
        "--until",
        dest="length",
        type=length_until,
        metavar="TIME",
        help="until then: 14:00, 2026-11-21T14:00",
    )
    parser.add_argument("--one-shot", action="store_true", help="it ends with the next return as well")
    parser.epilog = """examples:
  edge-relay shelve P101-low-flow --for 2h --reason "seal change"
  edge-relay shelve pumps-bearing/P101 --until 14:00 --reason "sensor is being replaced" --one-shot

`edge-relay alarms --all` lists what is shelved. An alarm that is active at the end is announced then.
"""


def run(arguments: argparse.Namespace) -> int:
    """Shelve them."""
    length = arguments.length / SECOND
    done = f"is shelved for {seconds(length)}, until {local(SystemClock().wall() + arguments.length)}"
    return order(arguments, Action.SHELVE, done, for_s=length, one_shot=arguments.one_shot)


def length_until(text: str) -> int:
    """Read `14:00` (the next one), or an ISO time (naive: this machine's zone), as nanoseconds from now."""
    wall = SystemClock().wall()
    now = datetime.fromtimestamp(wall / SECOND)  # noqa: DTZ006 - the wall that the person looks at
    try:
        clock = time.fromisoformat(text)
    except ValueError:
        try:
            end = datetime.fromisoformat(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r}: expected 14:00, or 2026-11-21T14:00") from None
    else:
        end = datetime.combine(now.date(), clock)
        end += timedelta(days=end.replace(tzinfo=None) <= now)
    length = round(end.timestamp() * SECOND) - wall
    if length <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is over: expected a time to come")
    return length
