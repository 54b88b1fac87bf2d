"""A disk that somebody else has filled: the ballast, what is delivered, and then waiting for room."""

import os
import subprocess
import sys

import pytest
from rigs.small_disk import command
from rigs.source_tree import ROOT

HELD = """the ballast is there
the ballast went before an event did
what was delivered made room
events go on in it
when that is used up it says so, and is read
it comes back by itself, and so does the ballast
it opens without a byte left
"""


@pytest.mark.parametrize("kind", ["real", "paged"])
def test_a_full_disk_stops_nothing_that_can_go_on(tmp_path, kind):
    """On a file system of 60 MB where this machine can make one, and with SQLite's own bound everywhere."""
    how = (
        command(tmp_path)
        if kind == "real"
        else [sys.executable, "-m", "rigs.small_disk", str(tmp_path), "paged"]
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"}
    done = subprocess.run(how, capture_output=True, text=True, env=environment, timeout=60, check=False)

    assert done.stdout == HELD, done.stderr
