"""What a terminal of an engineer's laptop shows, and what a pipe gets."""

import os
import pty
import subprocess
import sys

import pytest

from agent.cli.tables import coloured

PRINTED = """
from agent.cli.tables import Rows
rows = Rows(("tag", "value"), (4, 5))
rows.print(("T1", "21.5"))
rows.print(("a-longer-name", "x" * 60))
rows.line("    the cause of it, which is long enough to be wrapped: the remedy stands at the end")
rows.print(("T2", "7"))
"""
COMMAND = (sys.executable, "-c", PRINTED)
EVENTS = """
from agent.cli.events import HEAD, cells, show_events
from agent.cli.following import _WIDTHS
from agent.cli.tables import Rows
data = {"priority": "high", "message": "press 4: pressure 171 bar is beyond its high limit 50 bar, reached 180 bar"}
row = {"seq": 7, "timestamp": "2026-11-21T08:00:03.120Z", "type": "alarm.raised", "data": data,
       "deliveries": [{"destination": "cloud", "state": "pending"}]}
show_events([row])
Rows(HEAD, _WIDTHS, below=True).print(cells(row))
"""


def on_a_terminal(program, columns):
    """What it prints there, line by line."""
    ours, theirs = pty.openpty()
    try:
        environment = {**os.environ, "COLUMNS": str(columns), "TZ": "UTC"}
        subprocess.run(
            (sys.executable, "-c", program), stdout=theirs, env=environment, check=True, timeout=30
        )
        return os.read(ours, 4096).decode().splitlines()
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("columns", [40, 80])
def test_what_does_not_fit_stands_below_its_row(columns):
    """The message of an event is read whole on the narrowest terminal, listed and followed."""
    shown = on_a_terminal(EVENTS, columns)
    text = " ".join(" ".join(shown).split())

    assert text.count("press 4: pressure 171 bar is beyond its high limit 50 bar, reached 180 bar") == 2
    assert max(map(len, shown)) <= columns
    assert not any("…" in line for line in shown)
    assert "7    2026-11-21 08:00:03" in shown[2 if columns == 40 else 1]


def test_on_a_terminal_rows_are_cut_and_reasons_wrapped():
    """The remedy at the end of a reason is never lost; a wider cell widens its column from there on."""
    shown = on_a_terminal(PRINTED, 40)

    assert shown == [
        "tag   value",
        "T1    21.5",
        f"a-longer-name  {'x' * 24}…",
        "    the cause of it, which is long",
        "    enough to be wrapped: the remedy",
        "    stands at the end",
        "T2             7",
    ]


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colours_gets_none(name, value, monkeypatch):
    """A terminal alone is no reason."""
    monkeypatch.setattr("agent.cli.tables.sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert coloured()
    monkeypatch.setenv(name, value)
    assert not coloured()


def test_a_pipe_gets_all_of_it():
    """`grep` finds what a terminal would have cut."""
    shown = subprocess.run(
        COMMAND, capture_output=True, text=True, check=True, timeout=30
    ).stdout.splitlines()

    assert shown[2].endswith("x" * 60)
    assert shown[3].endswith("to be wrapped: the remedy stands at the end")
