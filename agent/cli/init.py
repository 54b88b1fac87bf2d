"""`edge-relay init`: a starter configuration to edit."""

import argparse
import sys
from pathlib import Path

SUMMARY = "write a commented starter configuration"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "directory", type=Path, metavar="DIR", help="where to write it; nothing is overwritten"
    )
    parser.epilog = """examples:
  edge-relay init ./plant && edge-relay check -c ./plant
  sudo edge-relay init /etc/edge-relay
"""


def run(arguments: argparse.Namespace) -> int:
    """Write the files and name them."""
    from agent.config.starter import write_starter

    try:
        written = write_starter(arguments.directory)
    except OSError as error:  # without a reason of the system: the starter's own
        text = f"{error.filename} cannot be made: {error.strerror}" if error.strerror else str(error)
        print(f"edge-relay: {text}", file=sys.stderr)
        return 1
    for path in written:
        print(path)
    folder = arguments.directory
    print(
        f"next: edit them, then `edge-relay check -c {folder}`, `edge-relay test {folder}/tests/*.yaml`, and"
    )
    print(f"`edge-relay run -c {folder}`, whose page is http://127.0.0.1:8470/")
    return 0
