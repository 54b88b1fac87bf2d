"""What a terminal of an engineer's laptop shows, and what a pipe gets."""

import os
import pty
import subprocess
import sys

PRINTED = """
from agent.cli.tables import Rows
rows = Rows(("tag", "value"), (4, 5))
rows.print(("T1", "21.5"))
rows.print(("a-longer-name", "x" * 60))
rows.line("    the cause of it, which is long enough to be wrapped: the remedy stands at the end")
rows.print(("T2", "7"))
"""
COMMAND = (sys.executable, "-c", PRINTED)


def test_on_a_terminal_rows_are_cut_and_reasons_wrapped():
    """The remedy at the end of a reason is never lost; a wider cell widens its column from there on."""
    ours, theirs = pty.openpty()
    try:
        subprocess.run(COMMAND, stdout=theirs, env={**os.environ, "COLUMNS": "40"}, check=True, timeout=30)
        shown = os.read(ours, 4096).decode().splitlines()
    finally:
        os.close(ours)
        os.close(theirs)

    assert shown == [
        "tag   value",
        "T1    21.5",
        f"a-longer-name  {'x' * 24}…",
        "    the cause of it, which is long",
        "    enough to be wrapped: the remedy",
        "    stands at the end",
        "T2             7",
    ]


def test_a_pipe_gets_all_of_it():
    """`grep` finds what a terminal would have cut."""
    shown = subprocess.run(
        COMMAND, capture_output=True, text=True, check=True, timeout=30
    ).stdout.splitlines()

    assert shown[2].endswith("x" * 60)
    assert shown[3].endswith("to be wrapped: the remedy stands at the end")
