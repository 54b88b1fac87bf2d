"""What a disk is, and whether it complains: by folders of sysfs as real machines have them."""

import pytest

from agent.checkup.finding import Verdict
from agent.checkup.medium import judge_medium, medium_of


def disk(sys, place, numbers, *, part="", **files):
    """Make a disk, perhaps with a partition; `files` by their path, a dot for each slash."""
    folder = sys / "devices" / place
    for name, text in files.items():
        file = folder / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    (folder / "queue").mkdir(parents=True, exist_ok=True)
    target = folder
    if part:
        target = folder / part
        target.mkdir()
        (target / "partition").write_text("2\n")
    (sys / "dev/block").mkdir(parents=True, exist_ok=True)
    (sys / "dev/block" / numbers).symlink_to(target)
    return folder


@pytest.mark.parametrize(
    ("place", "files", "kind", "quick"),
    [
        ("platform/mmc0/block/mmcblk0", {"device__type": "SD"}, "SD card", False),
        ("platform/mmc1/block/mmcblk1", {"device__type": "MMC"}, "eMMC", False),
        ("pci/ata1/block/sda", {"queue__rotational": "1", "device__vendor": "ATA"}, "hard disk", False),
        ("pci/ata1/block/sda", {"queue__rotational": "0", "device__model": "Samsung SSD"}, "SSD", False),
        ("pci/usb1/1-1/block/sdb", {"queue__rotational": "0"}, "USB disk", False),
        ("pci/block/sda", {"device__vendor": "QEMU", "queue__rotational": "1"}, "virtual disk", True),
        ("pci/block/sda", {"device__vendor": "VMware"}, "virtual disk", True),
        ("pci/block/vda", {}, "virtual disk", True),
        ("pci/nvme/nvme0/nvme0n1", {}, "NVMe", True),
    ],
)
def test_it_is_known_what_a_disk_is(tmp_path, place, files, kind, quick):
    """By its name, its bus and its own word; found from its partition too."""
    disk(tmp_path, place, "8:2", part="p2", queue__write_cache="write back", **files)
    found = medium_of("8:2", tmp_path)

    assert (found.name, found.kind, found.quick, found.cache) == (
        place.rpartition("/")[2],
        kind,
        quick,
        "write back",
    )


def test_a_volume_is_what_lies_below_it(tmp_path):
    """Encryption or LVM on the partition of a card is that card; nothing is known of a network."""
    card = disk(tmp_path, "mmc/block/mmcblk0", "179:2", part="mmcblk0p2", device__type="SD")
    volume = disk(tmp_path, "virtual/block/dm-0", "253:0")
    (volume / "slaves").mkdir()
    (volume / "slaves/mmcblk0p2").symlink_to(card / "mmcblk0p2")

    assert medium_of("253:0", tmp_path).kind == "SD card"
    assert medium_of("0:51", tmp_path) is None


@pytest.mark.parametrize(
    ("files", "thing", "verdict"),
    [
        ({"device__ioerr_cnt": "0x5"}, None, None),
        ({"device__ioerr_cnt": "0x1f3"}, "errors of the medium", Verdict.WARNING),
        ({"device__life_time": "0x01 0x02", "device__pre_eol_info": "0x01"}, None, None),
        ({"device__life_time": "0x01 0x09", "device__pre_eol_info": "0x01"}, "wear", Verdict.WARNING),
        ({"device__life_time": "0x01 0x01", "device__pre_eol_info": "0x02"}, "wear", Verdict.WARNING),
        ({"device__life_time": "0x0b 0x01", "device__pre_eol_info": "0x01"}, "wear", Verdict.PROBLEM),
        ({"device__life_time": "0x00 0x00", "device__pre_eol_info": "0x03"}, "wear", Verdict.PROBLEM),
        ({"device__life_time": "rubbish"}, None, None),
    ],
)
def test_a_disk_that_complains_is_heard(tmp_path, files, thing, verdict):
    """Counted errors and the wear that an eMMC admits; few errors are the usual thing with SCSI."""
    disk(tmp_path, "block/sda", "8:0", **files)
    found = [each for each in judge_medium(medium_of("8:0", tmp_path), tmp_path) if each.thing != "medium"]

    assert [(each.thing, each.verdict) for each in found] == ([] if thing is None else [(thing, verdict)])


def test_errors_of_the_file_system_are_a_problem(tmp_path):
    """ext4 counts them for each partition."""
    disk(tmp_path, "block/sda", "8:1", part="sda1")
    (tmp_path / "fs/ext4/sda1").mkdir(parents=True)
    (tmp_path / "fs/ext4/sda1/errors_count").write_text("3\n")
    found = [each for each in judge_medium(medium_of("8:1", tmp_path), tmp_path, "sda1") if each.remedy]

    assert [(each.verdict, "3 errors" in each.said) for each in found] == [(Verdict.PROBLEM, True)]
