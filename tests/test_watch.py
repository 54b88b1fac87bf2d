"""Files that change on disk are noticed once they are quiet, whatever way they change in; real files, virtual seconds."""

import asyncio
import os
import shutil
from contextlib import asynccontextmanager

import pytest

from agent.config.files import stamp
from agent.watch import watch_files

pytestmark = pytest.mark.virtual_time


class Watched:
    """A folder under watch; `loads` holds the second of each load."""

    def __init__(self, folder):
        self.folder = folder
        self.rules = folder / "rules.yaml"
        self.wanted = True
        self.loads = []
        self.changed = asyncio.Event()

    def load(self):
        self.loaded = stamp(self.folder)

    async def run(self):
        while True:
            await self.changed.wait()
            self.changed.clear()
            self.load()
            self.loads.append(round(asyncio.get_running_loop().time()))


@asynccontextmanager
async def watched(folder):
    (folder / "agent.yaml").write_text("agent: {}")
    (folder / "rules.yaml").write_text("rules: {}")
    it = Watched(folder)
    it.load()
    async with asyncio.TaskGroup() as tasks:
        both = [
            tasks.create_task(watch_files(folder, lambda: it.loaded if it.wanted else None, it.changed)),
            tasks.create_task(it.run()),
        ]
        yield it
        for task in both:
            task.cancel()


def in_place(it):
    it.rules.write_text("rules: {R: {}}")


def renamed_over(it):
    """As vim, sed -i and a checkout write; the size may stay."""
    new = it.folder / "rules.yaml.new"
    new.write_text("rules: []")
    new.rename(it.rules)


def with_the_old_times(it):
    """As rsync and tar write."""
    before = it.rules.stat()
    new = it.folder / ".rules"
    new.write_text("rules: []")
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.rename(it.rules)


def added(it):
    (it.folder / "more.yaml").write_text("")


def deleted(it):
    it.rules.unlink()


def all_deleted(it):
    shutil.rmtree(it.folder)


def made_unreadable(it):
    """Until the file system's clock has moved: it ticks in milliseconds, and virtual time takes none."""
    before = it.rules.stat().st_ctime_ns
    while it.rules.stat().st_ctime_ns == before:
        it.rules.chmod(0)


@pytest.mark.parametrize(
    "edit",
    [in_place, renamed_over, with_the_old_times, added, deleted, all_deleted, made_unreadable],
    ids=lambda edit: edit.__name__,
)
async def test_whatever_changes_is_loaded_once(tmp_path, edit):
    """After it was quiet for a second, and not again as long as nothing changes: also when it is refused."""
    async with watched(tmp_path) as it:
        await asyncio.sleep(5.5)
        assert it.loads == []
        edit(it)
        await asyncio.sleep(60)

        assert it.loads == [7]


@pytest.mark.parametrize(
    "name", [".rules.yaml.swp", "rules.yaml~", "4913", "rules.yml", ".hidden.yaml", "data"]
)
async def test_what_is_no_part_of_the_configuration_is_passed_over(tmp_path, name):
    """Editors keep their copies beside the file; the store may lie there as well."""
    async with watched(tmp_path) as it:
        (tmp_path / name).write_text("x")
        await asyncio.sleep(10)

        assert it.loads == []


async def test_a_file_that_is_being_written_is_waited_for(tmp_path):
    """Half of a file is no configuration."""
    async with watched(tmp_path) as it:
        await asyncio.sleep(0.5)
        for length in range(1, 20):
            it.rules.write_text("#" * length)
            await asyncio.sleep(0.5)
        await asyncio.sleep(10)

        assert it.loads == [11]


async def test_a_change_while_nobody_watched_is_loaded_when_somebody_does(tmp_path):
    """`watch` may be switched on by a reload; what was loaded by hand is not loaded again."""
    async with watched(tmp_path) as it:
        it.wanted = False
        in_place(it)
        await asyncio.sleep(10.5)
        assert it.loads == []

        it.wanted = True
        await asyncio.sleep(10)
        assert it.loads == [12]

        it.rules.write_text("rules: {another: {}}")
        it.load()
        await asyncio.sleep(10)
        assert it.loads == [12]


async def test_a_swapped_volume_is_a_change(tmp_path):
    """The files of a Kubernetes ConfigMap are links into a folder that is a link, which is replaced."""
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "rules.yaml").write_text("rules: {}")
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "..data").symlink_to(tmp_path / "1")
    (folder / "rules.yaml").symlink_to("..data/rules.yaml")
    before = stamp(folder)
    (folder / "..new").symlink_to(tmp_path / "2")
    (folder / "..new").rename(folder / "..data")

    assert stamp(folder) not in (before, ())


def test_a_stamp_needs_nothing_to_be_there(tmp_path):
    """A folder that is gone, a link to nothing."""
    (tmp_path / "link.yaml").symlink_to(tmp_path / "nothing")

    assert (stamp(tmp_path), stamp(tmp_path / "gone"), stamp(tmp_path / "link.yaml")) == ((), (), ())
