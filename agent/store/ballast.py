"""A file that only takes room: let go when somebody else has filled the disk, so that the store can still write.

On a full disk nothing can even be deleted, for a deletion is written too. With the ballast gone, outcomes are
written, what is delivered makes room within the store's own file, and new events go on for a while.

Rules: it holds real blocks (`posix_fallocate`), else it would be no ballast; it is taken only where plenty is left,
and taken again when there is. All of it runs in a thread of its own: a full or dying disk is slow.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

# So much of it must be free besides, or the ballast itself would be what fills the disk.
_SPARE: Final = 2


class Ballast:
    """See the module.

    Attributes:
        held: it is there, whole.
        spent: the disk was full, and there was no room to take it again yet.
    """

    def __init__(self, path: Path) -> None:
        self.held = False
        self.spent = False
        self._path = path
        self._thread = ThreadPoolExecutor(1, "ballast")

    async def take(self, size: int) -> None:
        """Have a ballast of so many bytes, if the disk has plenty of room."""
        self.held = await self._do(lambda: self._take(size))
        if self.held and self.spent:
            _log.warning("the disk has room again: there is a ballast again, %s", self._path)
            self.spent = False

    async def release(self) -> bool:
        """Give its room to the store; False: there is none to give."""
        self.spent = True
        if not self.held:
            return False
        self.held = False
        _log.warning(
            "the disk is full: the ballast %s is let go for outcomes and events; make room", self._path
        )
        return await self._do(self._release)

    def close(self) -> None:
        """Let go of the thread; the file stays."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _take(self, size: int) -> bool:
        try:
            there = self._path.stat().st_blocks * 512 if self._path.exists() else 0
            if there >= size and self._path.stat().st_size == size:
                return True
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize + there < (1 + _SPARE) * size:
                return False
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                os.posix_fallocate(file, 0, size)
                os.ftruncate(file, size)
            finally:
                os.close(file)
        except OSError:
            self._release()  # half of it is no help, and takes room that somebody needs
            return False
        return True

    def _release(self) -> bool:
        with suppress(FileNotFoundError):
            self._path.unlink()
            return True
        return False

    async def _do(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
