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


def parse_address(value: object) -> Listen:
    """Read `127.0.0.1:8470`, `0.0.0.0:8471` or `[::]:8471`.

    Raises:
        ValueError: not an IP address (or localhost) and a port.
    """
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > _LARGEST_PORT:
        raise ValueError("expected an IP address and a port, such as 127.0.0.1:8470 or 0.0.0.0:8470")
    host = host.removeprefix("[").removesuffix("]")
    try:
        ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise ValueError(
            f"expected an IP address before the port, got {host!r}: write 127.0.0.1:{port}"
        ) from None
    return Listen(host, int(port))


def parse_loopback(value: object) -> Listen:
    """The same for what asks nobody who he is: loopback only.

    Raises:
        ValueError: not an address and a port, or an address that others can reach.
    """
    listen = parse_address(value)
    if not is_loopback(listen):
        raise ValueError(
            f"{listen.host} can be reached from other machines, and health and metrics ask for no token here: "
            f"listen on 127.0.0.1:{listen.port} and put a proxy with a login before it"
        )
    return listen


def is_loopback(listen: Listen) -> bool:
    """Whether no other machine reaches it."""
    return listen.host == "localhost" or ip_address(listen.host).is_loopback
