"""A relay whose disk somebody else has filled."""

import os
import subprocess

from rigs.relay_process import ROOT
from rigs.small_disk import command

HELD = """who posts is told to come again
monitoring is told why
what was taken is handed over all the same
it goes on by itself
and nothing of it is lost
"""


def test_a_full_disk_refuses_and_loses_nothing(tmp_path):
    """On a file system of 60 MB where this machine can make one, else with files that may not grow."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"}
    done = subprocess.run(
        command(tmp_path, "rigs.small_mailbox"),
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )

    assert done.stdout == HELD, done.stderr
