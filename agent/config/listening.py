"""Addresses that are listened on, as the configuration writes them.

Rules for whoever changes this: a name is never looked up; what a server may be reached from is said by its
address alone.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

_LARGEST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen(value: object) -> Listen:
    """Read `127.0.0.1:8470` or `[::1]:8470`; loopback only, as long as no token can be given (X6).

    Raises:
        ValueError: not an address and a port, or an address that others can reach.
    """
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > _LARGEST_PORT:
        raise ValueError("expected an address and a port, such as 127.0.0.1:8470")
    host = host.removeprefix("[").removesuffix("]")
    try:
        loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        raise ValueError(
            f"expected an IP address before the port, got {host!r}: write 127.0.0.1:{port}"
        ) from None
    if not loopback:
        raise ValueError(
            f"{host} can be reached from other machines, and health and metrics ask for no token yet: "
            f"listen on 127.0.0.1:{port} and put a proxy with a login before it"
        )
    return Listen(host, int(port))


def parse_address(value: object) -> Listen:
    """Read `0.0.0.0:8471` or `[::]:8471`.

    Raises:
        ValueError: not an address and a port.
    """
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    host = host.removeprefix("[").removesuffix("]")
    try:
        ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        host = ""
    if not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > _LARGEST_PORT:
        raise ValueError("expected an IP address and a port, such as 127.0.0.1:8471 or 0.0.0.0:8471")
    return Listen(host, int(port))


def is_loopback(listen: Listen) -> bool:
    """Whether no other machine reaches it."""
    return listen.host == "localhost" or ip_address(listen.host).is_loopback
