"""`edge-relay out-of-service`: nothing is announced of a rule until a person puts it in service again."""

import argparse

from agent.cli.ordering import add_order_options, order
from agent.model import Action

SUMMARY = "take alarms out of service until somebody puts them back"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_order_options(parser, reason=True)
    parser.epilog = """examples:
  edge-relay out-of-service FAN2-unusual --reason "vibration sensor is broken, spare part in March"

It has no end: for a few hours or days, `edge-relay shelve`. `edge-relay alarms --all` lists what is out of service.
"""


def run(arguments: argparse.Namespace) -> int:
    """Take them out of service."""
    return order(arguments, Action.OUT_OF_SERVICE, "is out of service")
