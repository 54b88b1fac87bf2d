"""Addresses that nothing is ever sent to.

In a plant a private address is a legitimate receiver, so only those are refused that no receiver
has: 169.254.0.0/16 holds the metadata services of clouds and machines without an address, and a
multicast or unspecified address is nobody's (reliability X4).
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

# Metadata services outside of the link-local range: Amazon over IPv6, Azure, Alibaba, Oracle.
_METADATA: Final = frozenset(
    map(ip_address, ("fd00:ec2::254", "168.63.129.16", "100.100.100.200", "192.0.0.192"))
)


def forbidden(address: IPv4Address | IPv6Address) -> str:
    """Why nothing is sent to an address; empty if something may be."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    checked = mapped or address
    for kind, is_so in (
        ("link-local", checked.is_link_local),
        ("metadata", checked in _METADATA),
        ("multicast", checked.is_multicast),
        ("unspecified", checked.is_unspecified),
        ("broadcast", str(checked) == "255.255.255.255"),
    ):
        if is_so:
            return f"nothing is sent to {kind} addresses: check the address, and what its name stands for"
    return ""
