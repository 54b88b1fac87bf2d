"""`edge-relay reset`: close a latched alarm that has returned."""

import argparse

from agent.cli.ordering import add_order_options, order
from agent.model import Action

SUMMARY = "close latched alarms that have returned"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_order_options(parser)
    parser.epilog = """examples:
  edge-relay reset R1-pressure

An alarm that is still active cannot be reset, nor one that has to be acknowledged first.
"""


def run(arguments: argparse.Namespace) -> int:
    """Reset them."""
    return order(arguments, Action.RESET, "is reset")
