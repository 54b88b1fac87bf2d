"""Whether the clock may be believed: what keeps it, what the system says of it, and what receivers say.

Rules for whoever changes this: how far a clock is believed is `agent.timekeeping`'s to judge; nothing is set.
"""

import ctypes
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from agent import __released__
from agent.checkup.finding import Finding, Subject
from agent.checkup.processes import names_of_processes
from agent.clock import Clock
from agent.model import SECOND
from agent.stamps import Standing
from agent.timekeeping import SYNCHRONIZED, Evidence, judge

_CLOCK: Final = Subject("clock")
_KEEPERS: Final = {
    "systemd-timesyn": "systemd-timesyncd",
    "chronyd": "chrony",
    "ntpd": "ntpd",
    "openntpd": "OpenNTPD",
    "ptp4l": "ptp4l",
    "phc2sys": "phc2sys",
}
"""Programs that set clocks, by the name that the kernel has of them (15 characters)."""
_UNSYNCHRONIZED: Final = 0x40  # STA_UNSYNC, adjtimex(2)
_TIMEX_BYTES: Final = 208  # struct timex of 64-bit Linux
_STATUS_AT: Final = 40  # modes and padding, offset, freq, maxerror, esterror: status
_YEARS: Final = 20
_RTC: Final = Path("/sys/class/rtc/rtc0/since_epoch")
_FAR: Final = 60 * SECOND
_SET_IT: Final = (
    "let a time server set it: `timedatectl set-ntp true`, and the plant's server as NTP= in "
    "/etc/systemd/timesyncd.conf; or write `agent: {clock: trusted}` if something else does"
)


@dataclass(frozen=True, slots=True)
class Signs:
    """What this machine says of its clock.

    Attributes:
        file: systemd-timesyncd has left its mark.
        kernel: the kernel counts it as synchronized; None: it does not tell.
        keepers: the programs at work that set clocks.
        rtc: what the battery-backed clock says, nanoseconds UTC; None: there is none.
    """

    file: bool
    kernel: bool | None
    keepers: Collection[str]
    rtc: int | None


def signs() -> Signs:
    """Look at this machine."""
    running = names_of_processes()
    keepers = [name for process, name in _KEEPERS.items() if process in running]
    return Signs(SYNCHRONIZED.exists(), _kernel_says(), keepers, read_rtc(_RTC))


def read_rtc(file: Path) -> int | None:
    """Read the clock that goes on while the machine is off; None: there is none."""
    try:
        return int(file.read_text(encoding="ascii")) * SECOND
    except (OSError, ValueError):
        return None


def _kernel_says() -> bool | None:
    """Ask adjtimex(2), which changes nothing when it is asked to change nothing."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    try:
        state = ctypes.CDLL(None).adjtimex(timex)
    except (OSError, AttributeError):
        return None
    if state < 0 or ctypes.sizeof(ctypes.c_long) != 8:  # noqa: PLR2004 - bytes, of a 64-bit machine
        return None
    status = int.from_bytes(timex.raw[_STATUS_AT : _STATUS_AT + 4], "little")
    return not status & _UNSYNCHRONIZED


def judge_clock(
    clock: Clock, seen: Signs, receivers: Mapping[str, int], *, written: bool, zone: str
) -> Iterator[Finding]:
    """Say what is known.

    Args:
        clock: both clocks.
        seen: see there.
        receivers: what receivers that were asked over TLS make of our monotonic instants, by name.
        written: `clock: trusted` is.
        zone: the agent's.
    """
    wall = clock.wall()
    yield from _judged(clock, seen, receivers, written=written)
    if (
        wall
        > (datetime.fromisoformat(__released__).replace(tzinfo=UTC).timestamp() + _YEARS * 31_556_952)
        * SECOND
    ):
        yield _CLOCK.problem("year", f"it says {_utc(wall)}, which is hardly so", _SET_IT)
    for name, theirs in receivers.items():
        ahead = wall - clock.monotonic() - theirs
        said = f"this clock is {ahead / SECOND:+.0f} s from that of {name}"
        if abs(ahead) > _FAR:
            yield _CLOCK.warning("offset", said, f"find out which is right; {_SET_IT}")
        else:
            yield _CLOCK.good("offset", said)
    yield _rtc(seen.rtc, wall)
    there = datetime.fromtimestamp(wall // SECOND, ZoneInfo(zone))
    yield _CLOCK.good("time zone", f"{zone}, where it is {there:%Y-%m-%d %H:%M} now")


def _rtc(rtc: int | None, wall: int) -> Finding:
    if rtc is None:
        said = "no clock with a battery: after a start without network the time is wrong until a server is reached"
        return _CLOCK.warning(
            "RTC", said, "have a time server in the plant's own network, or fit an RTC module"
        )
    if abs(rtc - wall) > _FAR:
        said = f"it is {(rtc - wall) / SECOND:+.0f} s from the system's: the next start begins there"
        return _CLOCK.warning(
            "RTC", said, "`hwclock --systohc --utc` sets it; if it stays behind, change the battery"
        )
    return _CLOCK.good("RTC", "there is one, and it agrees")


def _judged(clock: Clock, seen: Signs, receivers: Mapping[str, int], *, written: bool) -> Iterator[Finding]:
    evidence = Evidence(written, seen.file, receivers)
    judged = judge(clock.monotonic(), clock.wall() - clock.monotonic(), evidence)
    keeper = f"set by {', '.join(seen.keepers)}" if seen.keepers else "no time server's client is at work"
    said = f"{_utc(clock.wall())}, {judged.standing.word}; {keeper}"
    if judged.standing is Standing.WRONG:
        yield _CLOCK.problem("time", f"{said}: {judged.why.partition(': ')[0]}", _SET_IT)
    elif judged.standing is Standing.TRUSTED:
        yield _CLOCK.good("time", f"{said}: {judged.why}")
    elif seen.kernel:
        said = f"{said}: the kernel counts it as synchronized, but the agent cannot tell by whom"
        yield _CLOCK.warning(
            "time", said, "write `agent: {clock: trusted}` if that is right, as with chrony or PTP"
        )
    else:
        why = "nothing proves it" if not receivers else judged.why.partition(": ")[0]
        yield _CLOCK.warning("time", f"{said}: {why}; alarms are stamped `clock: unsynchronized`", _SET_IT)


def _utc(wall: int) -> str:
    return f"{datetime.fromtimestamp(wall // SECOND, UTC):%Y-%m-%d %H:%M:%S} UTC"
