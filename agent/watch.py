"""Files that change on disk are loaded anew (`watch: true`; design: operations, "Configuration on disk").

They are looked at once a second: a few calls of stat cost microseconds, and see every way in which a file
changes, on every file system (inotify misses network and overlay file systems, and every editor's rename is a
case of its own). What has changed is loaded when two looks in a row see the same: editors and checkouts
write in several steps.

Rules for whoever changes this: nothing is loaded here, and nothing but the YAML files is looked at: a
secret that changed behind its reference is taken up by a reload that somebody asks for.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.config.files import Stamp, stamp

_EVERY_S: Final = 1.0


async def watch_files(path: Path, loaded: Callable[[], Stamp | None], changed: asyncio.Event) -> None:
    """Set `changed` whenever the files are no longer as they were loaded, and have been quiet for a second.

    Args:
        path: the file or the folder.
        loaded: the state of the files that was loaded last, accepted or not; None: nobody wants them watched.
        changed: what whoever loads them waits for.
    """
    before: Stamp | None = None
    while True:
        await asyncio.sleep(_EVERY_S)
        known = loaded()
        now = None if known is None else stamp(path)
        if now is not None and now == before and now != known:
            changed.set()
        before = now
