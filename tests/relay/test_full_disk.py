"""A relay whose disk somebody else has filled."""

import os
import subprocess
import sys

import pytest
from rigs.relay_process import ROOT
from rigs.small_disk import command

MODULE = "rigs.small_mailbox"
HELD = """who posts is told to come again
monitoring is told why
what was taken is handed over all the same
it goes on by itself
and nothing of it is lost
"""


@pytest.mark.parametrize("kind", ["real", "limited"])
def test_a_full_disk_refuses_and_loses_nothing(tmp_path, kind):
    """On a file system of 60 MB where this machine can make one, and with files that may not grow everywhere."""
    how = (
        command(tmp_path, MODULE)
        if kind == "real"
        else [sys.executable, "-m", MODULE, str(tmp_path), "limited"]
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"}
    done = subprocess.run(how, capture_output=True, text=True, env=environment, timeout=120, check=False)

    assert done.stdout == HELD, done.stderr
