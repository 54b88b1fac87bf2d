"""The programs of this machine: their names, and who holds a file or a port.

Rules for whoever changes this: read from /proc, which hides other users' files from all but root: who cannot
be told is not guessed.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
_LISTENS: Final = "0A"  # TCP_LISTEN, include/net/tcp_states.h


def names_of_processes(proc: Path = PROC) -> frozenset[str]:
    """What is at work, as the kernel calls it (15 characters at most)."""
    found: set[str] = set()
    for process in proc.glob("[0-9]*"):
        with suppress(OSError):
            found.add((process / "comm").read_text(encoding="utf-8", errors="replace").strip())
    return frozenset(found)


def holders(target: str, proc: Path = PROC) -> list[str]:
    """Who has a file open, `NAME (PID)` each: a path, or `socket:[INODE]`; those whom we may not ask are left out."""
    found: list[str] = []
    for process in proc.glob("[0-9]*"):
        with suppress(OSError):
            if process.name != str(os.getpid()) and target in _open_files(process):
                name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                found.append(f"{name} ({process.name})")
    return found


def _open_files(process: Path) -> Iterator[str]:
    for descriptor in (process / "fd").iterdir():
        with suppress(OSError):
            yield str(descriptor.readlink())


def listeners(port: int, proc: Path = PROC) -> list[str]:
    """Who listens on a TCP port, as far as we may know."""
    found: list[str] = []
    for table in ("net/tcp", "net/tcp6"):
        with suppress(OSError):
            for line in (proc / table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                    found += holders(f"socket:[{fields[9]}]", proc)
    return found
