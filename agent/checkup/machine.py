"""The machine around the agent: its service, files that may be open, memory, the page's port, the way out.

Rules for whoever changes this: `systemctl` is asked and told nothing; what a text of the kernel means is decided
by functions that are handed the text.
"""

import errno
import resource
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from agent.checkup.case import Case
from agent.checkup.finding import Finding, Subject, count
from agent.checkup.processes import PROC, listeners
from agent.config.listening import Listen
from agent.default_route import default_routes
from agent.store.notices import size_text

_MACHINE: Final = Subject("machine")
UNIT: Final = "edge-relay"
_ASKED: Final = "LoadState,ActiveState,SubState,Result,NRestarts,MainPID,User"
_WITHIN_S: Final = 5.0
_LEAST_MEMORY: Final = 64_000_000  # bytes
_LEAST_FILES: Final = 256
_FILES_EACH: Final = 4  # connections of a destination, and what is open while one is made anew
_LOG: Final = "`journalctl -u edge-relay -n 50` says why"


def ask_unit() -> dict[str, str]:
    """What systemd says of the service; empty where there is none. Blocks."""
    command = ("systemctl", "show", UNIT, f"--property={_ASKED}")
    try:
        told = subprocess.run(command, capture_output=True, check=False, timeout=_WITHIN_S, text=True)  # noqa: S603 - nothing of it is anybody's input
    except (OSError, subprocess.TimeoutExpired):
        return {}
    pairs = (line.partition("=") for line in told.stdout.splitlines())
    found = {name: value for name, _, value in pairs}
    return found if found.get("LoadState") == "loaded" else {}


def judge_unit(unit: Mapping[str, str], *, running: bool) -> Iterator[Finding]:
    """Say how the service stands."""
    if not unit:
        yield _MACHINE.skipped("service", f"systemd has no unit {UNIT} here")
        return
    state, restarts = unit.get("ActiveState", ""), int(unit.get("NRestarts") or 0)
    if state == "failed":
        said = f"the service {UNIT} has failed ({unit.get('Result', '')})"
        yield _MACHINE.problem("service", said, f"{_LOG}; then `systemctl restart {UNIT}`")
    elif state == "activating":
        said = f"the service {UNIT} is starting, again and again ({count(restarts, 'restart')})"
        yield _MACHINE.problem("service", said, _LOG)
    elif state != "active":
        yield _MACHINE.warning(
            "service", f"the service {UNIT} is {state}", f"`systemctl enable --now {UNIT}`"
        )
    elif not running:
        said = f"the service {UNIT} is active, and no agent runs with this data directory"
        yield _MACHINE.warning(
            "service", said, "name the configuration of the service: -c PATH (`systemctl cat`)"
        )
    else:
        yield _MACHINE.good("service", f"{UNIT} is active")
    if restarts and state == "active":
        said = f"it was started anew {count(restarts, 'time')} since the last `systemctl start`"
        yield _MACHINE.warning("restarts", said, f"{_LOG} (watchdog, memory, or an error)")


def examine_machine(case: Case, unit: Mapping[str, str]) -> Iterator[Finding]:
    """Look at all of it; blocks for moments."""
    yield from judge_unit(unit, running=case.running)
    pid = unit.get("MainPID", "0")
    process = pid if case.running and pid not in {"", "0"} else "self"
    yield judge_files(_text(PROC / process / "limits"), len(case.parts.named))
    yield judge_memory(_text(PROC / "meminfo"))
    if case.parts.http is not None and not case.running:
        yield _port(case.parts.http.listen)
    if not default_routes():
        said = "no default route: only this machine's own networks are reached"
        remedy = "set a gateway if a receiver, a relay or a name server lies beyond them (`ip route`)"
        yield _MACHINE.warning("network", said, remedy)


def judge_files(limits: str, parts: int) -> Finding:
    """Whether the agent may open as many files as it has connections, by the text of /proc/PID/limits."""
    rows = [line.split() for line in limits.splitlines() if line.startswith("Max open files")]
    text = rows[0][3] if rows else str(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    most = int(text) if text.isdecimal() else 1 << 30
    wanted = _LEAST_FILES + _FILES_EACH * parts
    if most < wanted:
        said = f"{most} files may be open at once, and {wanted} may be needed"
        remedy = f"set LimitNOFILE={2 * wanted} (`systemctl edit {UNIT}`), or `ulimit -n {2 * wanted}`"
        return _MACHINE.warning("open files", said, remedy)
    return _MACHINE.good("open files", f"{most} may be open at once")


def judge_memory(meminfo: str) -> Finding:
    """Whether there is memory left, by the text of /proc/meminfo."""
    rows = {name: words.split() for name, _, words in (line.partition(":") for line in meminfo.splitlines())}
    if "MemAvailable" not in rows or "MemTotal" not in rows:
        return _MACHINE.skipped("memory", "the kernel does not tell")
    available, total = (int(rows[name][0]) * 1024 for name in ("MemAvailable", "MemTotal"))
    said = f"{size_text(available)} of {size_text(total)} are available"
    if available < _LEAST_MEMORY:
        remedy = "find out who takes it (`top -o %MEM`): the kernel ends programs when it is gone"
        return _MACHINE.warning("memory", said, remedy)
    return _MACHINE.good("memory", said)


def _port(listen: Listen) -> Finding:
    """Whether the page could listen where it is to."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listen.host, listen.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                who = ", ".join(listeners(listen.port)) or "another program (`ss -ltnp` names it)"
                said = f"{listen} of the page is taken by {who}"
                return _MACHINE.problem("port", said, "end that, or set another `http: {listen: ...}`")
            said = f"the page cannot listen on {listen} ({error.strerror})"
            return _MACHINE.problem(
                "port", said, "set another `http: {listen: ...}`, an address of this machine"
            )
    return _MACHINE.good("port", f"{listen} of the page is free")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
