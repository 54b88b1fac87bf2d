"""What this machine says of the agent: the programs on it, its files, its process, systemd and the journal."""

import asyncio
import json
import os
import platform
import shutil
import struct
import sys
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from agent import __version__
from agent.bundling.asked import MissingError
from agent.model import Json
from agent.paths import SAMPLES, STORE
from agent.stamps import utc_text

_UNIT: Final = "edge-relay"
_UNIT_FACTS: Final = (
    "LoadState,ActiveState,SubState,Result,ExecMainStatus,ExecMainCode,NRestarts,MainPID,ActiveEnterTimestamp,"
    "InactiveEnterTimestamp,MemoryCurrent,TasksCurrent,CPUUsageNSec,WatchdogUSec,FragmentPath,DropInPaths,NeedDaemonReload"
)  # not Environment, not the unit's text: secrets may stand there
_HEAD: Final = 100
_PROC: Final = ("status", "wchan", "limits", "io")


def versions() -> str:
    """Ours, Python's, the system's, the libraries'."""
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    libraries = sorted({f"{each.metadata['Name']} {each.version}" for each in distributions()}, key=str.lower)
    facts = [
        f"edge-relay {__version__}",
        f"Python {sys.version}",
        f"{release.get('PRETTY_NAME', '')} {platform.platform()} on {os.cpu_count()} processors",
        f"load {os.getloadavg()}",
    ]
    return "\n".join([*facts, "", *libraries, ""])


def store_facts(data_dir: Path) -> str:
    """Sizes, and what the head of each database says; nothing is opened by SQLite, which would leave files behind.

    Raises:
        MissingError: there is no such folder, or it may not be looked into.
    """
    try:
        files = sorted(path for path in data_dir.rglob("*") if path.is_file())
        disk = shutil.disk_usage(data_dir)
    except OSError as error:
        raise MissingError(f"{data_dir}: {error.strerror}") from None
    facts: dict[str, Json] = {"data_dir": str(data_dir), "disk": {"total": disk.total, "free": disk.free}}
    facts["files"] = {str(path.relative_to(data_dir)): _file(path) for path in files}
    return json.dumps(facts, indent=2)


def _file(path: Path) -> Json:
    try:
        is_now = path.stat()
        facts: dict[str, Json] = {
            "bytes": is_now.st_size,
            "changed": utc_text(is_now.st_mtime_ns),
            "mode": oct(is_now.st_mode),
        }
        if path.name.startswith((STORE, SAMPLES)) and "-" not in path.name:
            with path.open("rb") as file:
                facts |= _database(file.read(_HEAD))
    except OSError as error:
        return {"error": error.strerror}
    return facts


def _database(head: bytes) -> dict[str, Json]:
    """The head of a database, by SQLite's description of its file format, 1.3."""
    if len(head) < _HEAD or not head.startswith(b"SQLite format 3\0"):
        return {"database": "its head is damaged, or it is empty"}
    (page,) = struct.unpack_from(">H", head, 16)
    pages, free, schema = (struct.unpack_from(">I", head, at)[0] for at in (28, 36, 60))
    return {
        "page_size": 65536 if page == 1 else page,
        "pages": pages,
        "free_pages": free,
        "schema_version": schema,
    }


def process_facts(pid: int | None) -> str:
    """What the kernel says of it and of each of its threads.

    Raises:
        MissingError: there is no such process.
    """
    if pid is None:
        raise MissingError("no agent is running")
    lines: list[str] = []
    for path in [Path(f"/proc/{pid}"), *sorted(Path(f"/proc/{pid}/task").glob("*"))]:
        names = _PROC if path.parent.name == "proc" else ("comm", "wchan", "stat")
        lines += [f"== {path / name}\n{_content(path / name)}" for name in names]
    return "\n".join(lines)


def _content(path: Path) -> str:
    try:
        return path.read_text(errors="backslashreplace")
    except OSError as error:
        return f"({error.strerror})"


async def journal() -> str:
    """The last lines of the unit's journal.

    Raises:
        MissingError: there is no journal here, or nothing in it.
    """
    text = await output_of(
        ["journalctl", "-u", _UNIT, "-n", "5000", "--no-pager", "-q", "-o", "short-iso-precise"], 30
    )
    if not text.strip():
        raise MissingError(
            f"the journal has no lines of the unit {_UNIT} (or none that you may read: use sudo)"
        )
    return text


async def unit() -> str:
    """How systemd sees it.

    Raises:
        MissingError: there is no systemd here.
    """
    return await output_of(["systemctl", "show", _UNIT, "--no-pager", "-p", _UNIT_FACTS], 10)


async def output_of(words: Sequence[str], within_s: float) -> str:
    """Run a program; what it wrote to stdout and then to stderr.

    Raises:
        MissingError: it is not there, or does not end.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise MissingError(f"{words[0]}: {error.strerror}") from None
    try:
        output, errors = await asyncio.wait_for(process.communicate(), within_s)
    except TimeoutError:
        raise MissingError(f"{' '.join(words[:4])} has not ended within {within_s:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return (output + errors).decode(errors="backslashreplace")
