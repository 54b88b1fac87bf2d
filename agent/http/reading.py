"""Asking one address by HTTP GET: how the relays that are asked by HTTP are reached, and how they fail.

Rules for whoever changes this: no redirect is followed, no cookie kept, no proxy taken from the
environment, no certificate left unchecked, nothing unpacked that came compressed; every wait ends; what
goes wrong is a `RelayError` that names host and port, the step that failed and the remedy, and never the
address's path or query, or the token. The session has no headers of its own: aiohttp would show them,
the token too, to a proxy that is asked for a tunnel.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import aiohttp

from agent import __version__
from agent.clock import Clock
from agent.config.secrets import Secret
from agent.errors import RelayError
from agent.http.access import ProxySection, TlsSection
from agent.http.errors import explain
from agent.http.network import CONNECT_SECONDS, Resolver, open_socket
from agent.http.proxy import way_to
from agent.http.trust import Trust, UnusableError
from agent.http.urls import is_plain

OK: Final = 200
_LOOK: Final = "look at the relay, and at proxies on the way"
_HAS_REMEDY: Final = re.compile(r"\b(?:check|compare|look|name|raise|wants?|write)\b")
_UNAUTHORIZED: Final = frozenset({401, 403})
_NOT_FOUND: Final = frozenset({404, 410})


@asynccontextmanager
async def open_reader(
    name: str,
    url: str,
    clock: Clock,
    *,
    token: Secret | None = None,
    tls: TlsSection | None = None,
    proxy: ProxySection | None = None,
) -> AsyncIterator["Reader"]:
    """Open what asks the relay `name` at `url`; one question at a time, over one connection that is kept."""
    connector = aiohttp.TCPConnector(limit=1, resolver=Resolver(), socket_factory=open_socket)
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        # The question as a whole has its own, which `get` sets.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        # A compressed answer could be made to fill the memory; none is asked for.
        auto_decompress=False,
    ) as session:
        yield Reader(session, url, token, proxy, Trust(name, tls, clock, kind="relay"))


class Reader:
    """Asks one address."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        token: Secret | None,
        proxy: ProxySection | None,
        trust: Trust,
    ) -> None:
        self._session = session
        self._url = url
        self._plain = is_plain(url)
        self._trust = trust
        self._way = way_to(url, proxy)
        self._has_token = token is not None
        self._headers = {
            "User-Agent": f"edge-relay/{__version__}",
            "Accept-Encoding": "identity",
            **self._way.request_headers,
        }
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token.reveal()}"

    @asynccontextmanager
    async def get(
        self, params: Mapping[str, str], headers: Mapping[str, str], within_s: float
    ) -> AsyncIterator["Opened"]:
        """Ask, and give the answer once its headers are there; left before its end, the connection is closed.

        Args:
            params: added to the query of the address.
            headers: added to those of every question (`Accept`).
            within_s: seconds until the answer's headers are there, and until `Opened.whole` has its end.

        Raises:
            RelayError: no answer came.
        """
        deadline = asyncio.get_running_loop().time() + within_s
        response: aiohttp.ClientResponse | None = None
        try:
            with self.weather(_late(within_s)):
                async with asyncio.timeout_at(deadline):
                    response = await self._session.get(
                        self._url,
                        params=params,
                        headers={**self._headers, **headers},
                        allow_redirects=False,
                        ssl=True if self._plain else await self._trust.context(),
                        proxy=self._way.proxy,
                        proxy_headers=self._way.connect_headers,
                    )
            yield Opened(self, response, deadline, within_s)
        finally:
            if response is not None:
                response.close()

    def error(self, why: str) -> RelayError:
        """Say what went wrong, with the relay's host and port before it."""
        return RelayError(f"{self._way.target}: {why}")

    def refused(self, status: int) -> RelayError:
        """Say what a status other than 200 means to a relay that is asked."""
        if status in _UNAUTHORIZED:
            remedy = "does not accept it for the channel in `url`" if self._has_token else "asks for one"
            return self.error(f"it answered {status}: check `token`, the relay {remedy}")
        if status in _NOT_FOUND:
            return self.error(f"it answered {status}: check `url`, there is no such channel or endpoint")
        if 300 <= status < 400:  # noqa: PLR2004 - speaks in statuses
            return self.error(f"it answered {status}, a redirect, which is never followed: check `url`")
        if status >= 500 or status in {408, 429}:  # noqa: PLR2004 - as above
            return self.error(f"it answered {status}: look at the relay, or wait until it has recovered")
        return self.error(f"it answered {status}: check `url`, and that it is a relay of this `type`")

    @contextmanager
    def weather(self, late: str) -> Iterator[None]:
        """Turn whatever a connection can do into a `RelayError`; `late` is what a timeout means."""
        try:
            yield
        except aiohttp.ClientPayloadError:
            raise self.error(f"the answer broke off: {_LOOK}") from None
        except aiohttp.ClientError as error:
            raise self.error(_of_relay(explain(error, self._way).why)) from None
        except UnusableError as error:
            raise self.error(_of_relay(str(error))) from None
        except TimeoutError:
            raise self.error(late) from None


class Opened:
    """An answer whose headers are there.

    Attributes:
        status: what it says of the question.
        headers: found by their names in any case.
    """

    def __init__(
        self, reader: Reader, response: aiohttp.ClientResponse, deadline: float, within_s: float
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._reader = reader
        self._response = response
        self._deadline = deadline
        self._within_s = within_s

    async def whole(self, at_most: int) -> bytes | None:
        """Read it to its end, within the time of the question; None: it has more than `at_most` bytes.

        Raises:
            RelayError: it broke off, came too slowly, or compressed.
        """
        self._check_encoding()
        read = bytearray()
        with self._reader.weather(_late(self._within_s)):
            async with asyncio.timeout_at(self._deadline):
                while chunk := await self._response.content.readany():
                    read += chunk
                    if len(read) > at_most:
                        return None
        return bytes(read)

    async def chunks(self, silence_s: float) -> AsyncGenerator[bytes]:
        """Give what comes, as it comes, until it ends; how much of it is kept is the caller's to bound.

        Raises:
            RelayError: it broke off, was silent for `silence_s` seconds, or came compressed.
        """
        self._check_encoding()
        while True:
            with self._reader.weather(_silent(silence_s)):
                async with asyncio.timeout(silence_s):
                    chunk = await self._response.content.readany()
            if not chunk:
                return
            yield chunk

    def _check_encoding(self) -> None:
        encoding = self.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in {"", "identity"}:
            raise self._reader.error(f"its answer is compressed, which nobody asked for: {_LOOK}")


def _late(within_s: float) -> str:
    return f"no whole answer within {within_s:g} s: check that it runs, and the way to it; or raise `timeout`"


def _silent(silence_s: float) -> str:
    return f"nothing came for {silence_s:g} s, the connection is dead: look at what stands on the way, or raise `silence`"


def _of_relay(why: str) -> str:
    """Say the same of a relay, and what to look at where the reason alone does not say it (a reset)."""
    why = why.replace("the receiver", "the relay")
    return why if _HAS_REMEDY.search(why) else f"{why}: {_LOOK}"
