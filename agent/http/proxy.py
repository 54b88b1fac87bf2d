"""The way to a host: straight, or by an HTTP proxy.

What goes to https:// is tunnelled: the proxy learns host and port and nothing else, and the certificate
is the receiver's own. What goes to http:// it reads, and can answer in the receiver's place.

Behind a proxy the name is looked up by the proxy, so that of the addresses to which nothing is ever
sent (`agent.http.addresses`) only those are refused that stand in `url` themselves,
and the proxy's own: where a name leads is then the proxy's to allow.

Rules for whoever changes this: the credentials of the proxy reach the proxy alone, those of the receiver
and the message's own headers never a proxy that only tunnels; no proxy is taken from the environment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network

from agent.http.access import ProxySection, basic
from agent.http.urls import host_of, is_plain, place_of


@dataclass(frozen=True, slots=True)
class Way:
    """How one address is reached.

    Attributes:
        target: HOST:PORT of it, for a message.
        encrypted: it is spoken to over TLS.
        proxy: the proxy's address; None: straight.
        via: HOST:PORT of the proxy, for a message; empty: straight.
        connect_headers: what only the proxy is told, when it is asked for a tunnel.
        request_headers: what it is told beside a request that it passes on, and does not pass on itself.
    """

    target: str
    encrypted: bool
    proxy: str | None = None
    via: str = ""
    connect_headers: Mapping[str, str] = field(default_factory=dict)
    request_headers: Mapping[str, str] = field(default_factory=dict)


def way_to(url: str, section: ProxySection | None) -> Way:
    """Decide it for an address; nothing is looked up."""
    plain = is_plain(url)
    target = place_of(url)
    if section is None or any(_covers(entry, host_of(url)) for entry in section.no_proxy):
        return Way(target, not plain)
    headers = {}
    if section.user:
        password = section.password.reveal() if section.password else ""
        headers["Proxy-Authorization"] = basic(section.user, password)
    way = Way(target, not plain, section.url, place_of(section.url))
    return replace(way, request_headers=headers) if plain else replace(way, connect_headers=headers)


def _covers(entry: str, host: str) -> bool:
    """Whether an entry of `no_proxy` means a host: a network, or the end of a name."""
    try:
        return ip_address(host) in ip_network(entry)
    except ValueError:
        return host == entry.lstrip(".") or host.endswith("." + entry.lstrip("."))
