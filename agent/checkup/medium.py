"""What the data directory lies on, physically, and whether that complains: read from sysfs.

Rules for whoever changes this: the folder of sysfs is handed in; a file that is not there says nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.checkup.finding import Finding, Subject

SYS: Final = Path("/sys")
_DISK: Final = Subject("disk")
_VIRTUAL: Final = ("vd", "xvd", "zram", "nbd", "rbd")
_HYPERVISORS: Final = ("qemu", "vmware", "vbox", "virtual", "msft", "google", "amazon")
_FEW_ERRORS: Final = 20  # of a SCSI device, whose counter has what it was asked and cannot do as well
_HEX: Final = re.compile(r"0x[0-9A-Fa-f]+")
_WORN: Final = 9  # eMMC 5.0, EXT_CSD 268 and 269: 0x09 is 80 to 90 % of its life, 0x0B beyond it
_WORN_OUT: Final = 11
_URGENT: Final = 3  # PRE_EOL_INFO: 2 is 80 % of the reserved blocks consumed, 3 is 90 %


@dataclass(frozen=True, slots=True)
class Medium:
    """The disk itself.

    Attributes:
        name: as the kernel calls it: sda, mmcblk0.
        kind: for a person.
        quick: a sync may well be done within microseconds: NVMe with a power-loss protected cache, or virtual.
        cache: the kernel's word for its write cache: `write back` or `write through`; empty: none.
        folder: its folder in sysfs.
    """

    name: str
    kind: str
    quick: bool
    cache: str
    folder: Path


def medium_of(numbers: str, sys: Path = SYS) -> Medium | None:
    """Find the disk by MAJOR:MINOR of what is mounted; None where there is none, as in a network.

    A volume of several disks (LVM, encryption, RAID) is as good as its first one.
    """
    folder = (sys / "dev/block" / numbers).resolve()
    if not folder.is_dir():
        return None
    if (folder / "partition").exists():
        folder = folder.parent
    while below := sorted((folder / "slaves").glob("*")):
        folder = below[0].resolve()
        if (folder / "partition").exists():
            folder = folder.parent
    kind, quick = _kind(folder)
    return Medium(folder.name, kind, quick, _text(folder / "queue/write_cache"), folder)


def _kind(folder: Path) -> tuple[str, bool]:
    name, who = folder.name, f"{_text(folder / 'device/vendor')} {_text(folder / 'device/model')}".lower()
    if name.startswith("mmcblk"):
        return "SD card" if _text(folder / "device/type") == "SD" else "eMMC", False
    if name.startswith("nvme"):
        return "NVMe", True
    if name.startswith(_VIRTUAL) or any(word in who for word in _HYPERVISORS):
        return "virtual disk", True
    if "/usb" in str(folder):
        return "USB disk", False
    return ("hard disk", False) if _text(folder / "queue/rotational") == "1" else ("SSD", False)


def judge_medium(medium: Medium, sys: Path = SYS, part: str = "") -> Iterator[Finding]:
    """Say what it is, and whether it, or the file system on `part` of it, has seen errors."""
    cache = f", write cache: {medium.cache}" if medium.cache else ""
    yield _DISK.good("medium", f"{medium.name}, {medium.kind}{cache}")
    yield from _of_device(medium)
    errors = _number(sys / "fs/ext4" / (part or medium.name) / "errors_count")
    if errors:
        said = f"ext4 on {part or medium.name} has recorded {errors} errors: it is damaged"
        remedy = "save the data directory (`edge-relay ledger` tells what is missing), then fsck before the next start"
        yield _DISK.problem("file system errors", said, remedy)


def _of_device(medium: Medium) -> Iterator[Finding]:
    device = medium.folder / "device"
    failed = _number(device / "ioerr_cnt")
    if failed > _FEW_ERRORS:
        said = f"{medium.name} has failed {failed} commands since it was plugged in"
        yield _DISK.warning(
            "errors of the medium", said, "look at `dmesg` and `smartctl -a`; replace it in time"
        )
    ages = [int(each, 16) for each in _text(device / "life_time").split() if _HEX.fullmatch(each)]
    reserve = _number(device / "pre_eol_info")
    if max(ages, default=0) >= _WORN_OUT or reserve >= _URGENT:
        said = f"{medium.name} is worn out by its own word (life_time {max(ages, default=0) * 10} %)"
        yield _DISK.problem("wear", said, "replace it: the next thing it does is to take no more writes")
    elif max(ages, default=0) >= _WORN or reserve == _URGENT - 1:
        said = (
            f"{medium.name} has used most of its life (life_time {max(ages, default=0) * 10 - 10} % or more)"
        )
        yield _DISK.warning("wear", said, "plan its replacement")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(file: Path) -> int:
    try:
        return int(_text(file) or "0", 0)
    except ValueError:
        return 0
