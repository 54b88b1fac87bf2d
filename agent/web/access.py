"""Who may ask what at the TCP door: decisions only, over what stands in a request and what the configuration says.

A person or program shows a token (`Authorization: Bearer TOKEN`) and is from then on called by its name. There
are no cookies: a browser shares them between all ports of a host and sends them wherever it is told to, so any
other page could act in somebody's name. What a page must add to each request by itself, no other page can.

Rules for whoever changes this: what is not named as free needs what data needs; all tokens are compared, in
constant time, before any verdict; no verdict repeats a token.
"""

import hmac
import re
from collections.abc import Collection, Mapping, Sequence
from enum import Enum, auto
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple, TypeAlias

from agent.config.http_section import HttpSection
from agent.config.secrets import Secret
from agent.model import SECOND

_HOST: Final = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^\[\]:/?#@\s]+)(?::[0-9]{1,5})?")
_TELLABLE: Final = re.compile(r"[A-Za-z0-9._-]{1,253}")
_OWN: Final = {"", "same-origin", "none"}
_MINUTE: Final = 60 * SECOND
_AT_ONCE: Final = 10
_SLOWED_S: Final = 1.0


class Kind(Enum):
    """What is asked for."""

    FILE = auto()
    """A file of the page: the same for everyone, with no data in it."""
    PROBE = auto()
    """Whether the agent is alive, or ready: its status and no word more, for whoever has no token."""
    WHOAMI = auto()
    """Whose token it is; asked by a page that has none yet."""
    DATA = auto()
    """All else that there is."""
    NOTHING = auto()
    """No such thing."""


_FREE: Final = {Kind.FILE, Kind.PROBE, Kind.NOTHING}


class Asking(NamedTuple):
    """What stands in a request.

    Attributes:
        hosts: the Host headers.
        origin, site: `Origin` and `Sec-Fetch-Site`, by which browsers say whose page asks; empty: not said.
        authorization: the header; empty: there is none.
        media: the type of the body; None: there is no body.
        forwarded: a proxy says that it asks for somebody else.
    """

    kind: Kind
    method: str
    hosts: Sequence[str]
    origin: str = ""
    site: str = ""
    authorization: str = ""
    media: str | None = None
    forwarded: bool = False


class Refusal(NamedTuple):
    """Why not: a status and a sentence; `guess`: a wrong token was shown."""

    status: int
    sentence: str
    guess: bool = False


Verdict: TypeAlias = str | Refusal
"""The name of whoever asks (empty: nobody has said), or why not."""


def judge(asking: Asking, http: HttpSection, own: Collection[str]) -> Verdict:
    """Whether this may be asked.

    Args:
        asking: what stands in the request.
        http: what is in force.
        own: this machine's own names, in lower case.
    """
    name = _holder(_bearer(asking.authorization), http.tokens)
    wrong = _host_refused(asking.hosts, {*http.names, *own, "localhost"})
    if wrong is None and asking.kind not in _FREE:
        wrong = _refused(asking, http, name)
    return wrong or name


def _refused(asking: Asking, http: HttpSection, name: str) -> Refusal | None:
    """Refuse what `name` may not ask."""
    if _from_elsewhere(asking):
        return Refusal(403, "a page of another site has asked for this: open this agent's own page")
    if http.tokens and not name and _bearer(asking.authorization):
        return Refusal(
            401, "this token is not known: look for a slip, or ask whoever keeps the agent", guess=True
        )
    if asking.kind is Kind.DATA and not name and (wrong := _token_wanted(asking, http)):
        return wrong
    if asking.method == "POST" and asking.media not in {None, "application/json"}:
        return Refusal(415, "the body of an order is JSON: send it with Content-Type: application/json")
    return None


def _host_refused(hosts: Sequence[str], names: Collection[str]) -> Refusal | None:
    """Refuse names that are not this agent's: one that a page elsewhere has turned to this address, say (DNS rebinding).

    No browser leaves the header out, some probes do.
    """
    if not hosts:
        return None
    name = _called(hosts)
    if name in names or _address(name):
        return None
    called = name if _TELLABLE.fullmatch(name) else "this name"
    return Refusal(
        421,
        f"this agent does not answer to {called}: ask for it by its address, "
        "or add the name to `http: {names: [...]}` of its configuration",
    )


def _called(hosts: Sequence[str]) -> str:
    """The name or address by which this is asked for; empty: none that could be."""
    found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    return found["name"].lower().removesuffix(".") if found else ""


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def _from_elsewhere(asking: Asking) -> bool:
    """Whether a browser says that another page asks; one on another port of this host is another."""
    if asking.site:
        return asking.site not in _OWN
    # On http:// beyond localhost browsers say no more than this.
    place = asking.origin.partition("://")[2].lower()
    return bool(asking.origin) and place not in {host.lower() for host in asking.hosts}


def _bearer(authorization: str) -> str:
    """The token that is shown; empty where none is, or a login of a proxy before this."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _holder(shown: str, tokens: Mapping[str, Secret]) -> str:
    """Whose token this is; empty: nobody's."""
    digest = sha256(shown.encode(errors="surrogateescape")).digest()
    holder = ""
    for name, token in tokens.items():  # to the end: how long it takes tells nothing
        if hmac.compare_digest(digest, sha256(token.reveal().encode()).digest()):
            holder = name
    return holder


def may_look(asking: Asking, http: HttpSection) -> bool:
    """Whether nobody is asked who he is before he looks.

    On loopback it is somebody at this machine, unless a proxy stands there: behind one may be anybody. One with
    a login of its own may let people look where no tokens are written.
    """
    return not http.is_open and not (http.tokens and _through_a_proxy(asking))


def _through_a_proxy(asking: Asking) -> bool:
    """A proxy says so, or what is asked for is a name or an address that is not loopback's."""
    name = _called(asking.hosts)
    address = _address(name)
    here = address.is_loopback if address else name in {"localhost", ""}
    return asking.forwarded or not here


def _token_wanted(asking: Asking, http: HttpSection) -> Refusal | None:
    if asking.method in {"GET", "HEAD"} and may_look(asking, http):
        return None
    if not http.tokens:
        return Refusal(
            403,
            "this agent can only be looked at, for it has no tokens: make one with "
            '`edge-relay keygen --token --out NAME.token`, add `http: {tokens: {NAME: "${file:NAME.token}"}}` '
            "and reload; the commands of edge-relay on its machine need none",
        )
    return Refusal(401, "a token is needed: send it as Authorization: Bearer TOKEN")


class Guesses:
    """Wrong tokens: a few a minute are answered at once, each further one after a second.

    A right one never waits, so whoever guesses keeps nobody out.
    """

    def __init__(self) -> None:
        self._since = 0
        self._count = 0
        self._told = 0

    def wrong(self, now: int) -> tuple[float, int]:
        """Note one, at `now` (monotonic nanoseconds).

        Returns:
            Seconds for which its answer is held back, and how many of them a log should tell of now (0: none).
        """
        if not self._count or now - self._since >= _MINUTE:
            untold = self._count - self._told
            self._since, self._count, self._told = now, 1, 1
            return 0.0, untold + 1
        self._count += 1
        return (_SLOWED_S if self._count > _AT_ONCE else 0.0), 0
