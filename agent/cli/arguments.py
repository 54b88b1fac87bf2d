"""Argument types that several commands take."""

import argparse

from agent.config.fields import parse_duration


def duration(text: str) -> int:
    """`20s`, `500ms`, `1h30m` as nanoseconds, for `add_argument(type=duration)`."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
