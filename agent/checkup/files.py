"""The files that the agent needs: its secrets and its data directory, and whether its user may use them.

Rules for whoever changes this: of a secret its file's name and mode are told, nothing else; who else could read
it is the loader's to tell.
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent.checkup.case import Case
from agent.checkup.finding import Finding, Subject
from agent.checkup.users import User
from agent.paths import STORE
from agent.store.limits import LEAST_FREE
from agent.store.notices import size_text

_FILES: Final = Subject("files")
_FILE: Final = re.compile(r"\$\{(?:insecure_)?file:([^{}]+)\}")
_LEAST_INODES: Final = 1_000
_EVERYBODY: Final = stat.S_IROTH | stat.S_IWOTH


def examine_files(case: Case, user: User) -> Iterator[Finding]:
    """Look at all of them."""
    yield from _secrets(case, user)
    yield from _data_dir(case, user)


def _secrets(case: Case, user: User) -> Iterator[Finding]:
    folder = case.path if case.path.is_dir() else case.path.parent
    names = dict.fromkeys(name for text in case.parts.texts for name in _FILE.findall(text))
    keys = [key for each in _sections(case) if (key := getattr(each, "key", None)) is not None]
    for file in dict.fromkeys([folder / name for name in names] + keys):
        try:
            blocked = user.blocked_at(file, os.R_OK)
            mode = file.stat().st_mode
        except PermissionError:
            yield _FILES.skipped(str(file), "you may not look at it", "use sudo")
        except OSError:
            continue  # what is not there, the configuration's own check has said
        else:
            if blocked is not None:
                said = (
                    f"{user.name}, as whom the agent runs, may not read it, because of the mode of {blocked}"
                )
                remedy = f"`chgrp {user.name} {blocked}` and `chmod g+r{'x' if blocked.is_dir() else ''} {blocked}`"
                yield _FILES.problem(str(file), said, remedy)
            elif file in keys and mode & _EVERYBODY:
                yield _FILES.warning(
                    str(file), "a private key that everybody may read", f"chmod o-rwx {file}"
                )
            else:
                yield _FILES.good(str(file), f"{user.name} may read it (mode {stat.S_IMODE(mode):04o})")


def _sections(case: Case) -> Iterator[object]:
    """Whatever has certificates."""
    parts = case.parts
    for entry in (*parts.sources.values(), *parts.destinations.values(), *parts.relays.values(), parts.http):
        if (tls := getattr(entry, "tls", None)) is not None:
            yield tls


def _data_dir(case: Case, user: User) -> Iterator[Finding]:
    folder = case.parts.agent.data_dir
    try:
        blocked = user.blocked_at(folder, os.R_OK | os.W_OK | os.X_OK)
        found = folder.stat()
    except FileNotFoundError:
        yield _FILES.warning(
            str(folder), "there is no data directory yet", "start the agent: it makes one; or mend data_dir"
        )
        return
    except OSError as error:
        yield _FILES.problem(
            str(folder), f"it cannot be looked at ({error.strerror})", "use sudo; check data_dir"
        )
        return
    mode = stat.S_IMODE(found.st_mode)
    if blocked is not None:
        said = f"{user.name}, as whom the agent runs, may not write there, because of the mode of {blocked}"
        yield _FILES.problem(str(folder), said, f"`chown {user.name} {folder}` and `chmod 750 {folder}`")
    elif mode & stat.S_IWOTH:
        said = f"everybody may write there (mode {mode:04o}): anyone on this machine can replace the store"
        yield _FILES.warning(str(folder), said, f"chmod o-w {folder}")
    else:
        yield _FILES.good(
            str(folder), f"{user.name}, as whom the agent runs, may write there (mode {mode:04o})"
        )
    yield _space(folder, case.parts.store.max_size)
    try:
        yield from _store(case, folder)
    except PermissionError:
        yield _FILES.skipped(str(folder / STORE), "you may not look at it", "use sudo")


def _space(folder: Path, limit: int) -> Finding:
    room = os.statvfs(folder)
    free = room.f_bavail * room.f_frsize
    taken = sum(file.stat().st_size for file in folder.glob(f"{STORE}*") if file.is_file())
    has = f"has {size_text(taken)} and " if os.access(folder, os.R_OK | os.X_OK) else ""
    said = f"{size_text(free)} free; the store {has}may take {size_text(limit)}"
    if room.f_files and room.f_favail < _LEAST_INODES:
        said = f"only {room.f_favail} more files can be made there (inodes)"
        return _FILES.problem(
            "room on the disk", said, "delete what is many: `df -i`, then `du --inodes -x /`"
        )
    if free < LEAST_FREE:
        return _FILES.problem(
            "room on the disk", said, "make room: `du -xh / | sort -h | tail` names what is large"
        )
    if free + taken < limit:
        remedy = f"make room, or set `store: {{max_size: {max(50, (free + taken) // 2_000_000)}MB}}`"
        return _FILES.warning("room on the disk", f"{said}: the disk is full before the store is", remedy)
    return _FILES.good("room on the disk", said)


def _store(case: Case, folder: Path) -> Iterator[Finding]:
    file = folder / STORE
    if not file.exists():
        if case.running:
            yield _FILES.problem(str(file), "the running agent's store was deleted", "restart the agent")
        else:
            yield _FILES.skipped(str(file), "there is no store yet")
        return
    log, shared = (file.with_name(f"{STORE}-{each}") for each in ("wal", "shm"))
    if shared.exists():
        said = f"{shared.name} lies there: another program has opened the store, which the agent never shares"
        yield _FILES.warning(
            str(file), said, "end that program (`fuser -v` names it); copy the file, and read the copy"
        )
    elif log.exists() and log.stat().st_size and not case.running:
        said = "the agent did not end by itself (its log of writes is there): the next start takes that in"
        yield _FILES.good(str(file), said)
    else:
        yield _FILES.good(str(file), size_text(file.stat().st_size))
