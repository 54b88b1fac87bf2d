"""The disk of the data directory: its file system, its mount, the medium below, and whether it syncs."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent.checkup.finding import Finding, Subject
from agent.checkup.medium import Medium, judge_medium, medium_of
from agent.checkup.mounts import judge_mount, mount_of
from agent.checkup.processes import PROC
from agent.checkup.syncs import judge_syncs, time_syncs
from agent.clock import Clock

_DISK: Final = Subject("disk")


def examine_disk(data_dir: Path, clock: Clock) -> Iterator[Finding]:
    """Look at it, and time a few syncs there; blocks for as long as the disk does, about 5 s at most."""
    folder = data_dir.resolve()
    while not folder.exists():
        folder = folder.parent
    try:
        mount = mount_of(folder, (PROC / "self/mountinfo").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        mount = None
    if mount is None:
        yield _DISK.skipped("file system", f"the kernel does not tell what {folder} lies on")
    else:
        yield from judge_mount(mount)
    medium = _medium(folder, "" if mount is None else mount.device)
    if medium is not None:
        yield from judge_medium(medium, part="" if mount is None else Path(mount.device).resolve().name)
    yield from _syncs(folder, data_dir, medium, clock)


def _medium(folder: Path, device: str) -> Medium | None:
    """Find the disk by the number of the file system, or of the device that is mounted (btrfs has one of its own)."""
    for path in (folder, Path(device)):
        try:
            found = path.stat()
        except OSError:
            continue
        number = found.st_dev if path is folder else found.st_rdev
        if (medium := medium_of(f"{os.major(number)}:{os.minor(number)}")) is not None:
            return medium
    return None


def _syncs(folder: Path, data_dir: Path, medium: Medium | None, clock: Clock) -> Iterator[Finding]:
    """Time them in the data directory; in the folder that it will be made in as long as there is none."""
    if folder not in (data_dir.resolve(), data_dir.resolve().parent):
        yield _DISK.skipped("sync", f"there is no {data_dir} yet, in which a sync could be timed")
        return
    timed = time_syncs(folder, clock)
    if isinstance(timed, PermissionError):
        yield _DISK.skipped(
            "sync", "not timed: you may not write there", "use sudo, or run this as the agent's user"
        )
    elif isinstance(timed, OSError):
        said = f"a file in {folder} cannot be written ({timed.strerror})"
        yield _DISK.problem("sync", said, "look at the lines above, and at `dmesg`")
    else:
        yield from judge_syncs(timed, medium)
