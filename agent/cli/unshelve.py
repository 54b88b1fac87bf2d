"""`edge-relay unshelve`: what was put aside is announced again."""

import argparse

from agent.cli.ordering import add_order_options, order
from agent.model import Action

SUMMARY = "end a shelf before its time"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_order_options(parser)
    parser.epilog = """examples:
  edge-relay unshelve P101-low-flow
"""


def run(arguments: argparse.Namespace) -> int:
    """Unshelve them."""
    return order(arguments, Action.UNSHELVE, "is not shelved any more")
