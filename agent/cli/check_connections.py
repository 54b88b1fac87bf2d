"""`edge-relay check --connections`: every address and port that the agent opens or listens on.

What goes into a firewall request; needs no secret, no network and no device.

Rules for whoever changes this: a port that the agent opens stands here, whatever opens it; mypy names
the kind that was forgotten.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, assert_never
from urllib.parse import urlsplit

from agent.cli.asking import told
from agent.model import Json

if TYPE_CHECKING:
    from agent.config.model import Configuration
    from agent.destinations.config import DestinationConfig
    from agent.http.access import ProxySection
    from agent.inbound.config import RelayConfig
    from agent.nats.servers import NatsSection

_PORTS: Final = {"http": 80, "https": 443}
_HERE: Final = "this machine"


@dataclass(frozen=True, slots=True)
class Way:
    """One line of a firewall request.

    Attributes:
        to: host or address.
        port: of TCP.
        protocol: what is spoken.
        out: the agent opens it; else it listens.
        encrypted: `no`, or how.
        purpose: what it is for.
    """

    to: str
    port: int
    protocol: str
    out: bool
    encrypted: str
    purpose: str


def check_connections(arguments: argparse.Namespace) -> int:
    """List them."""

    async def work() -> int:
        from agent.cli.commissioning import without_secrets

        configuration = without_secrets(arguments.config)
        ways, remarks = ways_of(configuration), list(_remarks(configuration))
        if arguments.json:
            rows: list[Json] = [_json(way) for way in ways]
            print(json.dumps({"connections": rows, "remarks": remarks}, indent=2, ensure_ascii=False))
        elif arguments.csv:
            _print_csv(ways, remarks)
        else:
            _show(configuration, ways, remarks)
        return 0

    return told(work)


def ways_of(configuration: "Configuration") -> list[Way]:
    """Every connection once, whoever shares it; those that go out first."""
    purposes: dict[Way, list[str]] = {}
    for way in _all(configuration):
        purposes.setdefault(Way(way.to, way.port, way.protocol, way.out, way.encrypted, ""), []).append(
            way.purpose
        )
    return [
        Way(way.to, way.port, way.protocol, way.out, way.encrypted, ", ".join(dict.fromkeys(what)))
        for way, what in purposes.items()
    ]


def _all(configuration: "Configuration") -> Iterator[Way]:
    from agent.sources import reached

    for name, source in configuration.sources.items():
        if (place := reached(source)) is not None and place.port is not None:
            yield Way(place.host, place.port, place.protocol, True, place.encrypted, f"source {name}")
    for name, relay in configuration.inbound.items():
        yield from _relay(f"relay {name}", relay)
    for name, destination in configuration.outlets.items():
        yield from _deliveries(name, destination)
    http = configuration.http
    what = f"page, API, health and metrics{'' if http.is_open else ', for this machine alone'}"
    tls = "TLS" if http.tls else "no"
    yield Way(http.listen.host, http.listen.port, "HTTP", False, tls, what)


def _deliveries(name: str, config: "DestinationConfig") -> Iterator[Way]:
    from agent.destinations.mqtt.config import MqttDestination
    from agent.destinations.nats.config import NatsDestination
    from agent.destinations.webhook.config import WebhookDestination

    purpose = f"destination {name}"
    match config:
        case WebhookDestination():
            urls = {config.url: purpose}
            if config.auth is not None and config.auth.oauth2 is not None:
                urls.setdefault(config.auth.oauth2.token_url, f"{purpose}, its tokens")
            yield from _requests(urls, config.proxy)
        case NatsDestination():
            yield from _servers(purpose, config)
        case MqttDestination():
            tls = "TLS" if config.url.tls else "no"
            yield Way(config.url.host, config.url.port, "MQTT", True, tls, purpose)
        case _:
            assert_never(config)


def _relay(purpose: str, config: "RelayConfig") -> Iterator[Way]:
    from agent.inbound.nats.config import NatsRelay
    from agent.inbound.poll.config import PollRelay
    from agent.inbound.sse.config import SseRelay

    match config:
        case PollRelay() | SseRelay():
            yield from _requests({config.url: purpose}, config.proxy)
        case NatsRelay():
            yield from _servers(purpose, config)
        case _:
            assert_never(config)


def _servers(purpose: str, config: "NatsSection") -> Iterator[Way]:
    for server in config.servers:
        yield Way(server.host, server.port, "NATS", True, "TLS" if server.tls else "no", purpose)


def _requests(urls: Mapping[str, str], proxy: "ProxySection | None") -> Iterator[Way]:
    """Addresses and what they are for; of what goes by a proxy the proxy, for the firewall sees no other."""
    from agent.http.proxy import way_to
    from agent.http.urls import is_known

    for url, what in urls.items():
        way = way_to(url, proxy)
        if not (way.proxy or is_known(url)):
            continue
        parts = urlsplit(way.proxy or url)
        scheme = parts.scheme.lower()
        protocol = "HTTP proxy" if way.proxy else "HTTPS" if scheme == "https" else "HTTP"
        target = f" ({way.target})" if way.proxy and is_known(url) else ""
        tls = "TLS" if way.encrypted else "no"
        yield Way(parts.hostname or "", parts.port or _PORTS[scheme], protocol, True, tls, what + target)


def _unknown(configuration: "Configuration") -> Iterator[str]:
    """Destinations and relays whose address is a secret."""
    from agent.destinations.webhook.config import WebhookDestination
    from agent.http.urls import is_known
    from agent.inbound.http_access import HttpRelaySection

    for name, relay in configuration.inbound.items():
        if isinstance(relay, HttpRelaySection) and not is_known(relay.url):
            yield f"relay {name}: its address is a secret and not shown; HTTPS, TCP 443 as a rule"
    for name, config in configuration.outlets.items():
        if isinstance(config, WebhookDestination) and not is_known(config.url):
            yield f"destination {name}: its address is a secret and not shown; HTTPS, TCP 443 as a rule"


def _remarks(configuration: "Configuration") -> Iterator[str]:
    from agent.sources import reached

    for name, source in configuration.sources.items():
        place = reached(source)
        if place is None:
            yield f"source {name} is simulated: no connection"
        elif place.port is None:
            yield f"source {name}: serial port {place.host} of this machine, no network"
    yield from _unknown(configuration)
    names = sorted({way.to for way in ways_of(configuration) if way.out and not _is_address(way.to)})
    if names:
        yield f"names to be resolved (DNS, UDP and TCP 53, by this machine's resolver): {', '.join(names)}"
    if configuration.agent.clock == "check":
        yield "time: this machine's own synchronisation (NTP, UDP 123); the agent opens nothing for it"
    yield "every connection is opened from here; nothing reaches the agent from other machines"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _show(configuration: "Configuration", ways: Iterable[Way], remarks: Iterable[str]) -> None:
    from agent.cli.tables import print_table

    print(f"{configuration.agent.site}/{configuration.agent.name}; all are TCP")
    head = ("from", "to", "port", "protocol", "direction", "encrypted", "what for")
    rows = [
        (_HERE, way.to, way.port, way.protocol, "out" if way.out else "listens", way.encrypted, way.purpose)
        for way in ways
    ]
    print_table(head, rows, whole=True)
    for remark in remarks:
        print(remark)


def _print_csv(ways: Iterable[Way], remarks: Iterable[str]) -> None:
    """What a spreadsheet opens; the remarks, which are no rows, on stderr."""
    rows = [_json(way) for way in ways]
    table = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    for remark in remarks:
        print(remark, file=sys.stderr)


def _json(way: Way) -> dict[str, Json]:
    return {
        "from": _HERE,
        "to": way.to,
        "port": way.port,
        "transport": "tcp",
        "protocol": way.protocol,
        "direction": "out" if way.out else "listens",
        "encrypted": way.encrypted,
        "purpose": way.purpose,
    }
