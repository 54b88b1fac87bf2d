"""The address of a server that speaks no HTTP, as the configuration writes it: `SCHEME://HOST[:PORT]`.

Rules for whoever changes this: what sources and destinations of every such kind share; no message repeats
an address, in which somebody may have written a password.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """Where a server listens; `tls`: never without."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        """`HOST:PORT`, as messages name it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UrlForm:
    """What the addresses of one protocol look like.

    Attributes:
        ports: the port of each scheme, where none is written.
        secure: the scheme that stands for TLS.
        expected: what to write, for a person.
        called: what the key is called in messages: address, url.
        elsewhere: why nothing may follow the port.
    """

    ports: Mapping[str, int]
    secure: str
    expected: str
    called: str
    elsewhere: str


def parse_server_url(value: object, form: UrlForm) -> ServerUrl:
    """Read an address of a form; one that was read already is taken as it is.

    Raises:
        ValueError: anything else; a user or password in it is not repeated.
    """
    if isinstance(value, ServerUrl):
        return value
    if not isinstance(value, str):
        raise ValueError(form.expected)  # noqa: TRY004 - pydantic reports ValueError alone
    try:
        parts = urlsplit(value.strip())
        port = parts.port
    except ValueError:
        raise ValueError(form.expected) from None
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            f"no user or password belongs in the {form.called}: write them as user: and password:"
        )
    if parts.scheme not in form.ports or not parts.hostname:
        raise ValueError(form.expected)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{form.expected}; {form.elsewhere}")
    return ServerUrl(parts.hostname, port or form.ports[parts.scheme], parts.scheme == form.secure)
