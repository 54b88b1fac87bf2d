"""How long the agent was away: told by a line beside the store that a power cut may tear."""

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.stores import BOOT, HandClock, eventually

from agent.store.alive import Moment, away, boot_id, format_alive, parse_alive, read_alive, stay_alive

LINE = format_alive(Moment(BOOT, 5, 7))


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_a_moment_comes_back_as_it_went(monotonic, wall):
    """In lines of one length, so that each overwrites the last."""
    moment = Moment(BOOT, monotonic, wall)

    assert parse_alive(format_alive(moment)) == moment
    assert len(format_alive(moment)) == len(LINE)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        bytes(len(LINE)),
        LINE[:-2],
        LINE.replace(b"7", b"8", 1),
        format_alive(Moment(BOOT, 9, 9))[:60] + LINE[60:],
        b"not a line at all\n",
        b" 00000000\n",
        b"\xff\xfe 12345678\n",
    ],
)
def test_torn_content_is_none(content):
    """Zeros, halves of two lines, anything else."""
    assert parse_alive(content) is None


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        (Moment("x", 100, 5000), Moment("x", 130, 9), 30),
        (Moment("x", 100, 5000), Moment("y", 7, 5040), 40),
        (Moment("x", 100, 5000), Moment("y", 7, 4000), 0),
        (Moment("x", 100, 5000), Moment("x", 90, 6000), 0),
    ],
    ids=[
        "same boot: a wall clock that was set does not matter",
        "other boot",
        "wall clock set back",
        "never negative",
    ],
)
def test_the_time_away(last, now, expected):
    """Monotonic within a boot, by the wall clock across one."""
    assert away(last, now) == expected


def test_the_boot_is_the_kernels_or_a_new_one(tmp_path):
    """The same twice within a boot; without a kernel that tells, every start counts as a boot."""
    assert boot_id() == boot_id()
    assert boot_id({}, tmp_path / "none") != boot_id({}, tmp_path / "none")
    (tmp_path / "id").write_text(BOOT + "\n")
    assert boot_id({}, tmp_path / "id") == BOOT
    assert boot_id({"EDGE_RELAY_BOOT_ID": "told"}, tmp_path / "id") == "told"


async def test_the_line_follows_the_clock(tmp_path):
    """Rewritten in place, and readable at every moment; the last one stays when the agent dies."""
    path, clock = tmp_path / "alive", HandClock()
    assert read_alive(path) is None
    task = asyncio.create_task(stay_alive(path, clock, BOOT, every_s=0.01))
    await eventually(path.exists)
    inode = path.stat().st_ino
    clock.instant += 3
    await eventually(lambda: read_alive(path) == Moment(BOOT, clock.instant, clock.wall()))
    task.cancel()
    await asyncio.wait([task])

    assert path.stat().st_ino == inode
    assert read_alive(path) == Moment(BOOT, clock.instant, clock.wall())


async def test_a_line_that_cannot_be_written_is_told_once(tmp_path, caplog):
    """And tried again: the folder may come back."""
    path = tmp_path / "gone" / "alive"
    task = asyncio.create_task(stay_alive(path, HandClock(), BOOT, every_s=0.005))
    await eventually(lambda: caplog.records)
    await asyncio.sleep(0.05)
    path.parent.mkdir()
    await eventually(path.exists)
    task.cancel()
    await asyncio.wait([task])

    assert [record.levelno for record in caplog.records] == [logging.WARNING]
