"""Whether the file system under the data directory keeps what was synced to it, by its kind and its options.

Rules for whoever changes this: pure but for `mount_of`, which is handed the text of /proc/self/mountinfo
(proc_pid_mountinfo(5)). What an option means for ext4 stands in the kernel's Documentation/admin-guide/ext4.rst.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.checkup.finding import Finding, Subject

_DISK: Final = Subject("disk")
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")
_JOURNALLED: Final = {"ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "ubifs", "bcachefs"}
_MEMORY: Final = {"tmpfs", "ramfs"}
_LAYERS: Final = {"overlay", "aufs"}
_WEAK: Final = {"vfat", "msdos", "exfat", "ntfs", "ntfs3", "fuseblk", "ext2"}
_NETWORK: Final = re.compile(
    r"nfs4?|cifs|smb\w*|9p|afs|ceph|glusterfs|virtiofs|fuse\.(?:sshfs|glusterfs|ceph\S*|rclone|s3fs)"
)
_LOCAL: Final = "set `agent: {data_dir: ...}` to a folder of a local disk with ext4, xfs or btrfs"


@dataclass(frozen=True, slots=True)
class Mount:
    """What a folder lies on.

    Attributes:
        point: where it is mounted.
        kind: of file system.
        device: what is mounted, as it is written there.
        options: of the mount and of the file system; those without a value are empty.
    """

    point: str
    kind: str
    device: str
    options: Mapping[str, str]


def mount_of(folder: Path, mountinfo: str) -> Mount | None:
    """Find what a folder, without symbolic links in it, lies on; None: the text does not tell.

    Of two mounts at one place the later one counts, which hides the other.
    """
    best: Mount | None = None
    for line in mountinfo.splitlines():
        left, separated, right = line.partition(" - ")
        fields, tail = left.split(), right.split()
        if not separated or len(fields) < 6 or len(tail) < 3:  # noqa: PLR2004 - what the manual page lists
            continue
        point = _plain(fields[4])
        inside = folder == Path(point) or Path(point) in folder.parents
        if inside and (best is None or len(point) >= len(best.point)):
            written = [*fields[5].split(","), *tail[2].split(",")]
            options = {name: value for name, _, value in (each.partition("=") for each in written)}
            best = Mount(point, tail[0], _plain(tail[1]), options)
    return best


def judge_mount(mount: Mount) -> Iterator[Finding]:
    """Say what the file system does to what was synced."""
    kind, place = mount.kind, f"{mount.kind} on {mount.device}, mounted at {mount.point}"
    if kind in _MEMORY:
        yield _DISK.problem("file system", f"{place}: it is memory, gone with the power", _LOCAL)
    elif kind in _LAYERS:
        said = f"{place}: the layer of a container, gone when it is made anew"
        yield _DISK.problem("file system", said, "mount a volume at data_dir (`-v edge-relay:/data`)")
    elif _NETWORK.fullmatch(kind):
        said = f"{place}: a network file system: what is synced and locked there cannot be relied on"
        yield _DISK.problem("file system", said, _LOCAL)
    elif kind in _WEAK:
        said = f"{place}: it has no journal, a power cut may damage all of it"
        yield _DISK.problem("file system", said, _LOCAL)
    elif kind not in _JOURNALLED:
        said = f"{place}: nobody has shown that it survives a power cut"
        yield _DISK.warning("file system", said, _LOCAL)
    else:
        yield _DISK.good("file system", place)
    yield from _options(mount)


def _options(mount: Mount) -> Iterator[Finding]:
    options = mount.options
    again = f"change it in /etc/fstab, then `mount -o remount {mount.point}`"
    if "ro" in options:
        said = f"{mount.point} is mounted read-only (ro): nothing can be stored"
        remedy = f"`dmesg` says whether the kernel did that after an error; then fsck, or `mount -o remount,rw {mount.point}`"
        yield _DISK.problem("mount options", said, remedy)
    if "nobarrier" in options or options.get("barrier") == "0":
        said = "barriers are off (nobarrier): a power cut may lose what was stored, and damage the store"
        yield _DISK.problem("mount options", said, f"delete nobarrier or barrier=0: {again}")
    if options.get("data") == "writeback":
        said = "data=writeback: after a power cut files may hold what stood on the disk before"
        yield _DISK.warning("mount options", said, f"delete data=writeback: {again}")
    if "noauto_da_alloc" in options:
        said = "noauto_da_alloc: a configuration that is saved in a power cut may come back empty"
        yield _DISK.warning("mount options", said, f"delete noauto_da_alloc: {again}")
    if "nojournal" in options or "norecovery" in options or "noload" in options:
        said = "the journal of the file system is off: a power cut may damage all of it"
        yield _DISK.problem("mount options", said, f"mount it with its journal: {again}")


def _plain(text: str) -> str:
    """Take the octal escapes of blanks out."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), text)
