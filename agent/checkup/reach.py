"""The way to one thing, step by step: DNS, TCP, then what is spoken there, each with its time and its remedy.

Rules for whoever changes this: a step that fails ends the look at one thing with what failed and what to do; a
connection that was opened is closed; nothing blocks the loop, a resolver that hangs least of all.
"""

import asyncio
import errno
import os
import socket
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from aiohttp import AddrInfoType

from agent.checkup.finding import Finding, Subject, Verdict, parted
from agent.clock import Clock
from agent.errors import EdgeRelayError
from agent.http.network import CONNECT_SECONDS, ForbiddenAddressError, Resolver, open_socket
from agent.model import MILLISECOND

RESOLVERS: Final = Path("/etc/resolv.conf")
_UNKNOWN: Final = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", -5)}
_ALL: Final = "`edge-relay check --connections` lists what firewalls must let through"
_LOOK: Final = "look at what is spoken there, and at what stands between"
_REFUSED: Final = {
    errno.ECONNREFUSED: "check that the program there runs, and the port",
    errno.ENETUNREACH: "this machine has no way there: check its address, its cable and its default route (`ip route`)",
    errno.EHOSTUNREACH: "nobody answers for that address: check it, the cables, and that the device is on",
}


class HaltedError(EdgeRelayError):
    """A step failed, and with it the look at one thing; `said` and `remedy` are those of its finding."""

    def __init__(self, said: str, remedy: str) -> None:
        super().__init__(f"{said}: {remedy}")
        self.said = said
        self.remedy = remedy


@dataclass(slots=True)
class Steps:
    """The steps that one look has come through.

    Attributes:
        place: what is connected to, `HOST:PORT`.
        done: each with its time.
        more: what else is worth a line of its own.
    """

    subject: Subject
    thing: str
    place: str
    clock: Clock
    done: list[str] = field(default_factory=list)
    more: list[Finding] = field(default_factory=list)
    _began: int = 0

    def begin(self) -> None:
        """A step begins."""
        self._began = self.clock.monotonic()

    def end(self, what: str) -> None:
        """It has succeeded."""
        took = (self.clock.monotonic() - self._began) / MILLISECOND
        self.done.append(f"{what} {took:.0f} ms" if took >= 1 else f"{what} {took:.1f} ms")

    def good(self, said: str) -> list[Finding]:
        """All went well; give what was found."""
        text = f"{self.place}: {', '.join(self.done)}{f'; {said}' if said else ''}"
        return [self.subject.good(self.thing, text), *self.more]

    def bad(self, said: str, remedy: str, verdict: Verdict = Verdict.PROBLEM) -> list[Finding]:
        """Something did not; give what was found."""
        so_far = f" ({', '.join(self.done)})" if self.done else ""
        text = f"{self.place}{so_far}: {said}" if self.place not in said else f"{said}{so_far}"
        return [Finding(self.subject.name, self.thing, verdict, text, remedy), *self.more]


async def look_up(host: str, port: int, steps: Steps) -> list[str]:
    """Give the addresses of a host.

    Raises:
        HaltedError: it has none, or nobody tells.
    """
    try:
        return [str(ip_address(host))]
    except ValueError:
        steps.begin()
    try:
        found = await Resolver().resolve(host, port)
    except OSError as error:
        raise _not_found(host, error) from None
    steps.end("DNS")
    return [each["host"] for each in found]


async def connect(host: str, port: int, steps: Steps) -> None:
    """Look a host up and open a connection to it, which is closed again.

    Raises:
        HaltedError: there is no way there.
    """
    failure: OSError | None = None
    addresses = await look_up(host, port, steps)
    steps.begin()
    for address in dict.fromkeys(addresses):
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await _open(address, port)
        except OSError as error:
            failure = error
        else:
            steps.end("TCP")
            return
    raise _not_reached(host, port, failure)


async def _open(address: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    target: tuple[str, int] = (address, port)
    info: AddrInfoType = (family, socket.SOCK_STREAM, 0, "", target)
    with open_socket(info) as opened:
        opened.setblocking(False)
        await loop.sock_connect(opened, target)


def _not_found(host: str, error: OSError) -> HaltedError:
    servers = name_servers(RESOLVERS)
    asked = f" (asked: {', '.join(servers)})" if servers else " (none stands in /etc/resolv.conf)"
    if error.errno == errno.ETIMEDOUT:
        said = f"DNS: no name server answers for {host} in time{asked}"
    elif error.errno in _UNKNOWN:
        return HaltedError(
            f"DNS: the name {host} does not exist{asked}",
            "check its spelling; a name of the plant is known to the plant's own name server alone, which must "
            "be that of /etc/resolv.conf",
        )
    else:
        said = f"DNS: {host} is not found{asked}: {error.strerror or error}"
    return HaltedError(
        said,
        "check the network, and the name server in /etc/resolv.conf (UDP and TCP 53 through the firewall); "
        "or write the IP address",
    )


def name_servers(file: Path) -> list[str]:
    """Whom this machine asks for names, as resolv.conf(5) has it."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [words[1] for line in lines if (words := line.split())[:1] == ["nameserver"] and words[1:]]


def _not_reached(host: str, port: int, failure: OSError | None) -> HaltedError:
    place = f"{host}:{port}"
    if isinstance(failure, ForbiddenAddressError):
        return HaltedError(*parted(f"TCP: {place}: {failure.strerror}", _LOOK))
    if failure is None or isinstance(failure, TimeoutError) or failure.errno == errno.ETIMEDOUT:
        return HaltedError(
            f"TCP: {place} does not answer within {CONNECT_SECONDS} s",
            f"check the address, that it is switched on, and the firewalls on the way ({_ALL})",
        )
    why = os.strerror(failure.errno) if failure.errno else str(failure)
    return HaltedError(f"TCP: {place}: {why.lower()}", _REFUSED.get(failure.errno or 0, _LOOK))
