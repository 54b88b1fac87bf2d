"""What a file system does to what was synced: by real lines of /proc/self/mountinfo."""

from pathlib import Path

import pytest

from agent.checkup.finding import Verdict
from agent.checkup.mounts import judge_mount, mount_of

PI = "26 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw"
TABLE = f"""{PI}
32 26 0:28 / /run rw,nosuid,nodev shared:13 - tmpfs tmpfs rw,size=379112k,mode=755
81 26 8:1 / /mnt/usb\\040stick rw,relatime shared:41 - vfat /dev/sda1 rw,fmask=0022,dmask=0022
95 26 0:51 / /srv/store rw,relatime shared:52 - nfs4 nas.plant:/export/store rw,vers=4.2,hard
99 26 179:3 / /var/lib rw - ext4 /dev/mmcblk0p3 rw,nobarrier,data=writeback
a line that nobody understands
"""


def kinds(line):
    return {(finding.thing, finding.verdict) for finding in judge_mount(mount_of(Path("/data"), line))}


def line(kind, options="rw", device="/dev/sda1"):
    return f"40 1 8:1 / /data {options.split(';')[0]} - {kind} {device} {options.split(';')[-1]}"


@pytest.mark.parametrize(
    ("folder", "point", "kind"),
    [
        ("/var", "/", "ext4"),
        ("/var/lib/edge-relay", "/var/lib", "ext4"),
        ("/var/library", "/", "ext4"),
        ("/run/edge-relay", "/run", "tmpfs"),
        ("/mnt/usb stick/data", "/mnt/usb stick", "vfat"),
        ("/srv/store", "/srv/store", "nfs4"),
    ],
)
def test_a_folder_lies_on_the_mount_that_is_nearest(folder, point, kind):
    """The longest mount point counts, whole names of folders, octal escapes read; what is no line is passed over."""
    found = mount_of(Path(folder), TABLE)

    assert (found.point, found.kind) == (point, kind)


def test_of_two_mounts_at_one_place_the_later_hides_the_other():
    """As `mount` does it."""
    found = mount_of(Path("/data"), f"{line('ext4')}\n{line('tmpfs')}")

    assert found.kind == "tmpfs"
    assert mount_of(Path("/data"), "") is None


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "f2fs", "ext3"])
def test_a_journal_on_a_local_disk_is_good(kind):
    """And harmless options say nothing."""
    assert kinds(line(kind, "rw,lazytime,noatime;rw,discard,data=ordered,barrier=1")) == {
        ("file system", Verdict.GOOD)
    }


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("tmpfs", Verdict.PROBLEM),
        ("overlay", Verdict.PROBLEM),
        ("nfs", Verdict.PROBLEM),
        ("nfs4", Verdict.PROBLEM),
        ("cifs", Verdict.PROBLEM),
        ("smb3", Verdict.PROBLEM),
        ("9p", Verdict.PROBLEM),
        ("fuse.sshfs", Verdict.PROBLEM),
        ("vfat", Verdict.PROBLEM),
        ("exfat", Verdict.PROBLEM),
        ("ext2", Verdict.PROBLEM),
        ("reiserfs", Verdict.WARNING),
    ],
)
def test_what_loses_data_is_named(kind, verdict):
    """Memory, layers of containers, networks and what has no journal are problems; the unknown is a warning."""
    [finding] = judge_mount(mount_of(Path("/data"), line(kind)))

    assert finding.verdict is verdict
    assert kind in finding.said
    assert finding.remedy


@pytest.mark.parametrize(
    ("options", "verdict", "word"),
    [
        ("ro;rw", Verdict.PROBLEM, "read-only"),
        ("rw;ro", Verdict.PROBLEM, "read-only"),
        ("rw;rw,nobarrier", Verdict.PROBLEM, "barriers are off"),
        ("rw;rw,barrier=0", Verdict.PROBLEM, "barriers are off"),
        ("rw;rw,data=writeback", Verdict.WARNING, "data=writeback"),
        ("rw;rw,noauto_da_alloc", Verdict.WARNING, "noauto_da_alloc"),
        ("rw;ro,noload", Verdict.PROBLEM, "journal"),
    ],
)
def test_each_option_that_breaks_a_promise_has_its_remedy(options, verdict, word):
    """Of the mount and of the file system alike."""
    found = [
        each for each in judge_mount(mount_of(Path("/data"), line("ext4", options))) if word in each.said
    ]

    assert [each.verdict for each in found] == [verdict]
    assert found[0].remedy
