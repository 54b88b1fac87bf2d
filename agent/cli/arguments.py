"""Argument types that several commands take."""

import argparse
from pathlib import Path
from typing import Final

from agent.config.fields import parse_duration

CONFIGURATION: Final = Path("/etc/edge-relay")


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """Declare which agent is meant, by its configuration."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        default=CONFIGURATION,
        metavar="PATH",
        help="configuration of the agent, a file or a folder (default: %(default)s)",
    )


def duration(text: str) -> int:
    """`20s`, `500ms`, `1h30m` as nanoseconds, for `add_argument(type=duration)`."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def part_name(text: str) -> tuple[str, str]:
    """`source:NAME` or `destination:NAME` as kind and name; the name alone is a source's."""
    kind, _, name = text.rpartition(":")
    if kind not in ("", "source", "destination") or not name:
        raise argparse.ArgumentTypeError(f"expected source:NAME or destination:NAME, got {text!r}")
    return kind or "source", name
