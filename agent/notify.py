"""The agent's word to systemd: ready, reloading, stopping, and still at work.

The protocol is sd_notify(3): one datagram of `KEY=VALUE` lines to the socket named by NOTIFY_SOCKET.
Without systemd every call does nothing, so callers never ask.

Rules for whoever changes this: nothing here blocks the loop or raises, for a service manager that
does not listen is no reason to stop reading PLCs. The watchdog is fed only while the loop and the
store's writer make progress; a stuck source or destination is the supervisor's, and a writer that
waits for room on the disk is at work.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from agent.model import SECOND

_log = logging.getLogger(__name__)

_MICROSECOND: Final = 1_000
# A 20 s fsync of a worn flash card is progress; with WatchdogSec=30 a dead disk restarts us within 70 s.
_WRITER_PATIENCE: Final = 30 * SECOND
# What opens a store may have to salvage it first: 90 s, and as long as the disk takes to write that down.
_PATIENCE: Final = 60 * SECOND
_ASK_EVERY_S: Final = 10.0
_ASK_TIMES: Final = 60


@dataclass(frozen=True, slots=True)
class Systemd:
    """What the service manager asked for in our environment.

    Attributes:
        address: where it listens: a path, or `@name` in the abstract namespace; empty: nobody listens.
        feed_every: nanoseconds between two feeds of the watchdog; None: nobody watches.
    """

    address: str = ""
    feed_every: int | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], pid: int) -> Self:
        """Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID."""
        address = environ.get("NOTIFY_SOCKET", "")
        return cls(address if address.startswith(("/", "@")) else "", watchdog_interval(environ, pid))

    def ready(self) -> None:
        """The store is open and the sources are started (or: the reload is over)."""
        self._send("READY=1")

    def reloading(self, now: int) -> None:
        """A reload begins at the monotonic instant `now` (ns); it ends with `ready`."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={now // _MICROSECOND}")

    def stopping(self) -> None:
        """The agent is going down in good order."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows."""
        self._send("STATUS=" + " ".join(text.split()))

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def be_patient(self) -> None:
        """A start, or a start anew in the same process, takes longer than usual."""
        self._send(f"EXTEND_TIMEOUT_USEC={_PATIENCE // _MICROSECOND}\nWATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self.address:
            return
        # sd_notify(3): a leading @ stands for the NUL byte of an abstract address.
        address = "\0" + self.address[1:] if self.address[0] == "@" else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)  # a full queue must not hold up the loop
                channel.sendto(message.encode(), address)
        except OSError as error:
            _log.warning("systemd was not told %s: %s", message.partition("=")[0], error)


def watchdog_interval(environ: Mapping[str, str], pid: int) -> int | None:
    """How often the watchdog wants to be fed, nanoseconds; None if nobody watches this process.

    A third of the limit: one late feed is forgiven. WATCHDOG_PID names another process when a
    wrapper started us (sd_watchdog_enabled(3)).
    """
    limit = environ.get("WATCHDOG_USEC", "")
    if not limit.isdecimal() or int(limit) == 0 or environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    return int(limit) * _MICROSECOND // 3


def stuck(writing_since: int | None, now: int) -> str:
    """Why the agent is not alive, for a person; empty while it is.

    Beside the loop itself the store's writer must get on: it is asked since when it waits for the
    disk (monotonic nanoseconds; None: it does not). Waiting for work, or for room, is no waiting.
    """
    if writing_since is None or (busy := now - writing_since) <= _WRITER_PATIENCE:
        return ""
    return f"the store has waited {busy // SECOND} s for the disk; look for a failing or hung disk"


async def feed_watchdog(systemd: Systemd, stuck: Callable[[], str]) -> None:
    """Feed the watchdog for as long as this loop runs and nothing is `stuck`; return if nobody watches."""
    if systemd.feed_every is None:
        return
    fed = True
    while True:
        reason = stuck()
        if not reason:
            systemd.alive()
        elif fed:
            _log.error("the watchdog is no longer fed, systemd will restart the agent: %s", reason)
        fed = not reason
        await asyncio.sleep(systemd.feed_every / SECOND)


async def ask_for_patience(systemd: Systemd) -> None:
    """Have the service manager wait while this is running, ten minutes at the most; whoever is done cancels it.

    Else it would end what takes long, and the next start would begin with it anew, for ever.
    """
    for _ in range(_ASK_TIMES):
        systemd.be_patient()
        await asyncio.sleep(_ASK_EVERY_S)
