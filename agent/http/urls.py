"""Addresses as the configuration writes them: what can be wrong with one is found when the file is loaded.

Rules for whoever changes this: no message repeats an address, whose query may be a secret.
"""

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pydantic import ValidationInfo, ValidatorFunctionWrapHandler

from agent.config.secrets import NOT_NEEDED, SecretPlaces, refers, resolve
from agent.http.addresses import forbidden

_UNKNOWN: Final = "https://unknown.invalid/"  # where it is written elsewhere and needs not be known
_NUMERIC: Final = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)\.?")  # the WHATWG's URL standard, "ends in a number"


class SecretAddress(str):
    """An address of which a part was read from elsewhere: beyond its host nothing of it is shown."""

    __slots__ = ()


def read_url(value: object, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> str:
    """Validate an address; whoever knows that of a chat room can write into it, so it may stand elsewhere.

    Raises:
        ValueError: it cannot be one, or what it refers to is not there.
    """
    if not isinstance(value, str) or not refers(value):
        return check_url(str(check(value)))
    places = info.context if isinstance(info.context, SecretPlaces) else SecretPlaces()
    if places.environment is NOT_NEEDED and value.startswith("$"):
        return SecretAddress(_UNKNOWN)
    return SecretAddress(check_url(resolve(value, places).reveal()))


def is_known(url: str) -> bool:
    """Whether it says where it leads; one that stands elsewhere does not to whoever reads no secrets."""
    return url != _UNKNOWN


def shown(url: str) -> str:
    """An address for a person: without its query, which may hold a key."""
    parts = urlsplit(url)
    path = "/(not shown)" if isinstance(url, SecretAddress) else parts.path
    return f"{parts.scheme}://{parts.netloc}{path}"


def check_url(url: str) -> str:
    """Accept the address of a receiver, or refuse it with the remedy.

    Raises:
        ValueError: it cannot be one.
    """
    parts = _split(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("expected an address such as https://example.com/hooks/plant")
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "no user or password in the address, where logs would show it: write them under `auth`"
        )
    if parts.fragment:
        raise ValueError("an address with `#` is for browsers: leave that part out")
    _check_host(parts.hostname)
    return url


def check_proxy_url(url: str) -> str:
    """The same for a proxy, which has neither a path nor, in the address, credentials."""
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "no user or password in the address, where logs would show it: write `user`, `password`"
        )
    if parts.scheme == "https":
        raise ValueError(
            "a proxy is spoken to in plain HTTP, what goes through it has its own TLS: write http://"
        )
    plain = parts.path in {"", "/"} and not parts.query and not parts.fragment
    if parts.scheme != "http" or not parts.hostname or not plain:
        raise ValueError("expected a proxy's address such as http://proxy.plant:3128")
    _check_host(parts.hostname)
    return url


def is_plain(url: str) -> bool:
    """Whether what is sent there can be read, and answered, by whoever is on the way."""
    return urlsplit(url).scheme == "http"  # it may be written HTTP:


def host_of(url: str) -> str:
    """Its host, in lower case; a point at the end makes no difference."""
    return (urlsplit(url).hostname or "").rstrip(".")


def path_of(url: str) -> str:
    """Its path, without the query."""
    return urlsplit(url).path


def is_loopback(url: str) -> bool:
    """Whether it stays within this machine, as it is written: no name is looked up for this."""
    host = host_of(url)
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def place_of(url: str) -> str:
    """`HOST:PORT`, for a message."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (80 if parts.scheme == "http" else 443)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _check_host(host: str) -> None:
    try:
        host.encode("idna")  # what the resolver does with it
    except UnicodeError:
        raise ValueError(
            "no host can be called so: look for two dots in a row, or a part that is too long"
        ) from None
    if why := _refused(host):
        raise ValueError(why)


def _refused(host: str) -> str:
    """Why nothing is sent to a host; empty if something may be. A name's address is looked at when connected to."""
    try:
        return forbidden(ip_address(host))
    except ValueError:
        # The resolver reads 10.0.8 as 10.0.0.8, and 2852039166 as a metadata service.
        return (
            "expected four numbers up to 255, such as 192.168.0.10, or a name"
            if _NUMERIC.fullmatch(host)
            else ""
        )


def _split(url: str) -> SplitResult:
    """Take an address apart.

    Raises:
        ValueError: it is none.
    """
    if not url.isprintable() or " " in url:
        raise ValueError("a blank or an invisible character stands in the address: delete it")
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is no number
    except ValueError:
        raise ValueError("not an address: check the host and the port") from None
    return parts
