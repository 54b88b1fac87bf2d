"""`edge-relay ack`: somebody has seen the alarm."""

import argparse
import sys

from agent.cli.ordering import add_order_options, order
from agent.model import Action

SUMMARY = "acknowledge open alarms: somebody has seen them"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_order_options(parser, all_at_once=True)
    parser.add_argument("--all", action="store_true", help="every open alarm that nobody has acknowledged")
    parser.epilog = """examples:
  edge-relay ack R1-temperature
  edge-relay ack "MCC3-faults/emergency stop" --reason "electrician is on the way"
  edge-relay ack --all
"""


def run(arguments: argparse.Namespace) -> int:
    """Acknowledge them."""
    if bool(arguments.rules) == arguments.all:
        print("edge-relay: which ones? Name some (`edge-relay alarms` lists them), or --all", file=sys.stderr)
        return 2
    return order(arguments, Action.ACKNOWLEDGE, "is acknowledged", all=arguments.all)
