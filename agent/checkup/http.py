"""One address over HTTP: whether it is reached, and who answers there. No event, nothing of ours is sent.

It is asked OPTIONS, which is safe by definition (RFC 9110, 9.2.1) and runs no handler of a receiver, where a
GET or a HEAD may; without credentials, so that a 401 is an answer like any other: what a receiver makes of an
event `edge-relay send-test` shows.

Rules for whoever changes this: chain and host name are always checked, but for the one look at a certificate
that was refused already, over which nothing is sent; nothing of the address is told beyond host and port.
"""

import asyncio
import os
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

import aiohttp
from cryptography import x509

from agent import __version__
from agent.checkup.certificates import lifetime, parsed, shown
from agent.checkup.finding import Finding, Subject, Verdict, parted
from agent.checkup.reach import HaltedError, Steps, connect
from agent.clock import Clock
from agent.delivery.http_time import receiver_time
from agent.http.access import ProxySection, TlsSection
from agent.http.errors import explain
from agent.http.network import CONNECT_SECONDS, Resolver, open_socket
from agent.http.proxy import Way, way_to
from agent.http.trust import Trust, UnusableError
from agent.http.urls import is_plain
from agent.sources.opcua.certificates import name_of

_ANSWER_S: Final = 5.0
_LOOK: Final = "look at the receiver, and at proxies on the way"
_PROXIES: Final = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY")
_PROXY_AUTHENTICATION: Final = 407
_NOT_IMPLEMENTED: Final = 501
"""What small servers say to OPTIONS."""
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(slots=True)
class Answered:
    """What one look has found.

    Attributes:
        utc_offset: UTC minus monotonic time, nanoseconds, by a verified `Date`; None: there was none.
    """

    findings: list[Finding]
    utc_offset: int | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """What is asked, and how it is reached."""

    url: str
    tls: TlsSection | None
    proxy: ProxySection | None


async def examine_address(subject: Subject, thing: str, address: Address, clock: Clock) -> Answered:
    """Come as far as there is a way, and say how far."""
    way = way_to(address.url, address.proxy)
    steps = Steps(subject, thing, way.target, clock)
    by_proxy = urlsplit(way.proxy or address.url)
    host, port = by_proxy.hostname or "", by_proxy.port or _PORTS[by_proxy.scheme.lower()]
    try:
        await connect(host, port, steps)
    except HaltedError as halted:
        if way.proxy is not None:
            said = f"the proxy {way.via}, by which it is reached: {halted.said}"
            return Answered(steps.bad(said, f"{halted.remedy}; or mend `proxy`"))
        return Answered(steps.bad(halted.said, halted.remedy + hint_of_proxy(os.environ)))
    certificates: list[bytes] = []
    steps.begin()
    try:
        status, date = await _talk(thing, address, way, clock, certificates)
        now = clock.monotonic()
    except HaltedError as halted:
        return Answered(steps.bad(halted.said, halted.remedy))
    steps.end("TLS and HTTP" if way.encrypted else "HTTP")
    if certificate := parsed(certificates[0] if certificates else None):
        steps.more += shown(subject, thing, certificate, clock.wall())
        steps.done.append(f"certificate {lifetime(certificate, clock.wall())}")
    told = receiver_time(date) if certificates else None
    return Answered(_judged(status, steps, way), None if told is None else told - now)


async def _talk(
    thing: str, address: Address, way: Way, clock: Clock, certificates: list[bytes]
) -> tuple[int, str | None]:
    """Ask, and give status and `Date`; the certificate that was accepted is put into `certificates`.

    Raises:
        HaltedError: no answer came.
    """
    try:
        plain = is_plain(address.url)
        context: ssl.SSLContext | Literal[True] = (
            True if plain else await _context(thing, address.tls, clock, certificates)
        )
        async with asyncio.timeout(_ANSWER_S):
            return await _ask(address.url, way, context)
    except aiohttp.ClientError as error:
        if getattr(error, "status", None) == _PROXY_AUTHENTICATION:
            raise HaltedError(*_of_proxy(way)) from None
        said, remedy = parted(explain(error, way).why, _LOOK)
        if isinstance(error, aiohttp.ClientConnectorCertificateError) and way.proxy is None:
            said += await _who_is_it(address.url, clock)
        raise HaltedError(said, remedy) from None
    except UnusableError as error:
        raise HaltedError(*parted(str(error), "mend `tls`")) from None
    except TimeoutError:
        said = f"it takes the connection and says nothing for {_ANSWER_S:g} s"
        remedy = f"check that it is a web server, the port, and http or https; {_LOOK}"
        raise HaltedError(said, remedy) from None


def _judged(status: int, steps: Steps, way: Way) -> list[Finding]:
    answered = f"it answers {status} to a question without content"
    if status == _PROXY_AUTHENTICATION:
        return steps.bad(*_of_proxy(way))
    if status >= 500 and status != _NOT_IMPLEMENTED:  # noqa: PLR2004 - speaks in statuses
        remedy = "look at the receiver's own log; of 502, 503 and 504 at what stands before it"
        return steps.bad(f"reached, but {answered}", remedy, Verdict.WARNING)
    if 300 <= status < 400:  # noqa: PLR2004 - as above
        remedy = "check `url`: a redirect is never followed; or somebody on the way wants a login first"
        return steps.bad(f"{answered}, a redirect", remedy, Verdict.WARNING)
    return steps.good(f"{answered}: reached")


def _of_proxy(way: Way) -> tuple[str, str]:
    who = f"the proxy {way.via}" if way.proxy else "a proxy on the way"
    return f"{who} answers 407: it wants to know who asks", "write `user` and `password` under `proxy`"


async def _ask(url: str, way: Way, context: ssl.SSLContext | Literal[True]) -> tuple[int, str | None]:
    """Ask once; status and `Date`.

    Raises:
        aiohttp.ClientError: no answer.
    """
    headers = {"User-Agent": f"edge-relay/{__version__}", **way.request_headers}
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=Resolver(), socket_factory=open_socket),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            auto_decompress=False,
        ) as session,
        session.options(
            url,
            headers=headers,
            allow_redirects=False,
            ssl=context,
            proxy=way.proxy,
            proxy_headers=way.connect_headers,
        ) as response,
    ):
        return response.status, response.headers.get("Date")


async def _context(
    thing: str, tls: TlsSection | None, clock: Clock, certificates: list[bytes]
) -> ssl.SSLContext:
    """Trust whom the agent would trust, and keep the certificate that was accepted."""
    context = await Trust(thing, tls, clock).context()
    checked = context.sslobject_class

    class Kept(checked):  # type: ignore[misc,valid-type]
        def do_handshake(self) -> None:
            super().do_handshake()
            certificates.append(self.getpeercert(binary_form=True))

    context.sslobject_class = Kept
    return context


async def _who_is_it(url: str, clock: Clock) -> str:
    """Look at a certificate that was refused: whose it is says whether somebody on the way has put in his own."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS["https"]
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with suppress(OSError, ValueError):
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
        encoded = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
        presented = x509.load_der_x509_certificate(encoded)
        issuer = "by itself" if presented.issuer == presented.subject else f"by {_issuer(presented)}"
        return f"; it shows {name_of(presented)}, signed {issuer}, {lifetime(presented, clock.wall())}"
    return ""


def _issuer(certificate: x509.Certificate) -> str:
    text = certificate.issuer.rfc4514_string()
    return "".join(each if each.isprintable() else "?" for each in text)


def hint_of_proxy(environment: Mapping[str, str]) -> str:
    """Say that this machine knows a proxy, which the agent is never told by the environment; host and port alone."""
    for name in _PROXIES:
        value = environment.get(name, "")
        parts = urlsplit(value if "//" in value else f"http://{value}")
        if value and parts.hostname and re.fullmatch(r"[\w.:-]+", parts.hostname):
            with suppress(ValueError):
                return (
                    f"; the environment names a proxy, which the agent takes from its configuration alone: "
                    f"proxy: {{url: http://{parts.hostname}:{parts.port or 3128}}}"
                )
    return ""
