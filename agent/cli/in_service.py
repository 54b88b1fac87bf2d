"""`edge-relay in-service`: what was taken out of service is announced again."""

import argparse

from agent.cli.ordering import add_order_options, order
from agent.model import Action

SUMMARY = "put alarms in service again"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_order_options(parser)
    parser.epilog = """examples:
  edge-relay in-service FAN2-unusual
"""


def run(arguments: argparse.Namespace) -> int:
    """Put them in service."""
    return order(arguments, Action.IN_SERVICE, "is in service")
