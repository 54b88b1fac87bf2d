"""Whether a disk syncs: timed on this one, on one that takes its time, and on one that lies."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rigs.source_tree import ROOT

from agent.checkup.finding import Verdict
from agent.checkup.medium import Medium
from agent.checkup.syncs import Timed, judge_syncs, time_syncs, timed
from agent.clock import SystemClock
from agent.model import MILLISECOND

CARD = Medium("mmcblk0", "SD card", quick=False, cache="", folder=Path("/"))
NVME = Medium("nvme0n1", "NVMe", quick=True, cache="", folder=Path("/"))
MEASURE = """
import dataclasses, json, sys
from pathlib import Path
from agent.checkup.syncs import time_syncs
from agent.clock import SystemClock
print(json.dumps(dataclasses.asdict(time_syncs(Path(sys.argv[1]), SystemClock()))))
"""


def measured(folder, injected):
    """Time syncs in a process of which strace makes something else."""
    command = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
        f"inject=fdatasync:{injected}",
    ]
    run = subprocess.run(
        [*command, sys.executable, "-c", MEASURE, str(folder)],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return Timed(**json.loads(run.stdout))


def verdict(median, medium):
    [finding] = judge_syncs(Timed(median, median, 100), medium)
    return finding.verdict


def test_it_is_timed_and_nothing_is_left(tmp_path):
    """In a file of its own, gone afterwards."""
    found = time_syncs(tmp_path, SystemClock())

    assert found.count > 0
    assert 0 < found.median <= found.slowest
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_file_says_why(tmp_path):
    """The error is the answer."""
    assert isinstance(time_syncs(tmp_path / "not there", SystemClock()), FileNotFoundError)


def test_a_slow_disk_is_noticed_and_the_look_is_bounded(tmp_path):
    """A real process whose every sync takes 150 ms more: fewer are made, and the rate is told."""
    found = measured(tmp_path, "delay_exit=150000")
    [finding] = judge_syncs(found, CARD)

    assert found.median > 150 * MILLISECOND
    assert found.count < 100
    assert finding.verdict is Verdict.WARNING
    assert "commits a second" in finding.said


def test_a_disk_that_does_nothing_is_faster_than_one_that_does(tmp_path):
    """Memory in the place of a card: no card is that fast, so its word is not believed."""
    [finding] = judge_syncs(time_syncs(Path("/dev", "shm"), SystemClock()), CARD)

    assert finding.verdict is Verdict.WARNING
    assert "too fast for mmcblk0 (SD card)" in finding.said
    assert "power-loss protection" in finding.remedy


@pytest.mark.parametrize(
    ("median", "medium", "expected"),
    [
        (8 * MILLISECOND, CARD, Verdict.GOOD),
        (MILLISECOND // 10, CARD, Verdict.GOOD),
        (MILLISECOND // 100, CARD, Verdict.WARNING),
        (MILLISECOND // 100, NVME, Verdict.GOOD),
        (MILLISECOND // 100, None, Verdict.WARNING),
        (101 * MILLISECOND, NVME, Verdict.WARNING),
        (99 * MILLISECOND, CARD, Verdict.GOOD),
    ],
)
def test_the_same_time_means_different_things_of_different_disks(median, medium, expected):
    """What only a protected cache does in that time is believed of those that have one."""
    assert verdict(median, medium) is expected


def test_the_worst_of_a_hundred_is_told_beside_the_middle():
    """One hiccup does not change the middle."""
    found = timed([1] * 99 + [1000])

    assert (found.median, found.slowest, found.count) == (1, 1000, 100)
