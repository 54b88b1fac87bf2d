"""Tokens of OAuth 2.0 client credentials (RFC 6749, 4.4): fetched, kept until they expire, renewed.

One token serves all attempts of a destination, and those that need one at once wait for one request.
A request that fails, fails for all who waited: a token endpoint that is down is not knocked at once
for each of them.

Rules for whoever changes this: no secret and nothing that the endpoint says freely gets into a message
(it may repeat what it was sent); its redirects are not followed; what it answers is bounded.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote_plus, urlencode

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent import __version__
from agent.clock import Clock
from agent.http.access import OAuth2, basic
from agent.http.errors import Failure, explain, of_token_endpoint
from agent.http.proxy import Way
from agent.http.trust import Trust, UnusableError
from agent.http.urls import is_plain
from agent.model import SECOND, Blocked

_LARGEST: Final = 65_536
_EARLY: Final = 60.0  # seconds before it expires; of a short-lived one a tenth
_KEPT: Final = 300.0  # seconds, where the endpoint does not say: RFC 6749, 5.1, only recommends it
_LONGEST: Final = 86_400.0
# RFC 6749, 5.2: what an endpoint may say of a refusal, and what to look at.
_REFUSALS: Final = {
    "invalid_client": "check client_id, client_secret and client_auth",
    "invalid_grant": "the client has no right to client credentials",
    "invalid_request": "it may want a scope, an audience, or client_auth: client_secret_post",
    "invalid_scope": "check scope",
    "unauthorized_client": "the client has no right to client credentials",
    "unsupported_grant_type": "it knows no client credentials: check token_url",
}
_MAY_PASS: Final = frozenset({408, 425, 429})


class NoTokenError(Exception):
    """There is no token; `failure` says why, and names the endpoint."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.why)
        self.failure = failure


class _Granted(BaseModel):
    """What a token endpoint answers, as far as it matters (RFC 6749, 5.1)."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    access_token: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")]
    token_type: Annotated[str, Field(pattern=r"^[Bb][Ee][Aa][Rr][Ee][Rr]$")] = "bearer"  # noqa: S105 - a kind of token, none itself
    expires_in: float | None = None


class _Refused(BaseModel):
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Token:
    header: str
    until: int


class Tokens:
    """The token of one destination. `header` gives the value of `Authorization`."""

    def __init__(
        self, config: OAuth2, session: aiohttp.ClientSession, trust: Trust, way: Way, clock: Clock
    ) -> None:
        self._url = config.token_url
        self._plain = is_plain(config.token_url)
        self._headers, self._body = _request(config, way)
        self._session = session
        self._trust = trust
        self._way = way
        self._clock = clock
        self._token: _Token | None = None
        self._fetching = asyncio.Lock()
        self._fetched = 0
        self._failure: Failure | None = None

    @property
    def place(self) -> str:
        """Where tokens come from, for a message."""
        return self._way.target

    async def header(self) -> tuple[str, bool]:
        """Give the value of `Authorization`, and whether the token is new: not one that was kept.

        Raises:
            NoTokenError: there is no token.
        """
        while (token := self._kept()) is None:
            fetched = self._fetched
            async with self._fetching:
                if self._fetched == fetched:
                    return (await self._fetch()).header, True
                if self._failure is not None:  # of the request that this one has waited for
                    raise NoTokenError(self._failure)
                if self._token is not None:
                    return self._token.header, True
        return token.header, False

    def refused(self, header: str) -> None:
        """The receiver did not accept a token that was kept: the next is a new one."""
        if self._token is not None and self._token.header == header:
            self._token = None

    def _kept(self) -> _Token | None:
        if self._token is not None and self._clock.monotonic() >= self._token.until:
            self._token = None
        return self._token

    async def _fetch(self) -> _Token:
        """Ask for a token; cancelled, it leaves that to the next who needs one.

        Raises:
            NoTokenError: there is none.
        """
        began = self._clock.monotonic()
        try:
            granted = _granted(*await self._ask())
        except NoTokenError as error:
            self._failure = of_token_endpoint(error.failure, self.place)
            self._fetched += 1
            raise NoTokenError(self._failure) from None
        lasts = _KEPT if granted.expires_in is None else min(granted.expires_in, _LONGEST)
        lasts -= min(_EARLY, lasts / 10)
        self._token = _Token(f"Bearer {granted.access_token}", began + round(lasts * SECOND))
        self._failure = None
        self._fetched += 1
        return self._token

    async def _ask(self) -> tuple[int, bytes]:
        """Make the request; give status and body of the answer.

        Raises:
            NoTokenError: no answer came.
        """
        try:
            context = True if self._plain else await self._trust.context()
            async with self._session.post(
                self._url,
                data=self._body,
                headers=self._headers,
                allow_redirects=False,
                ssl=context,
                proxy=self._way.proxy,
                proxy_headers=self._way.connect_headers,
            ) as response:
                content = bytearray()
                while len(content) < _LARGEST and (chunk := await response.content.read(_LARGEST)):
                    content += chunk
                return response.status, bytes(content)
        except UnusableError as error:
            raise NoTokenError(Failure(str(error), blocked=Blocked.CONFIGURATION)) from None
        except aiohttp.ClientError as error:
            raise NoTokenError(explain(error, self._way)) from None


def _request(config: OAuth2, way: Way) -> tuple[Mapping[str, str], bytes]:
    """Give the headers and the body that ask for a token; they are the same each time."""
    form = {"grant_type": "client_credentials", "scope": config.scope, "audience": config.audience}
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": f"edge-relay/{__version__}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        **way.request_headers,
    }
    secret = config.client_secret.reveal()
    if config.client_auth == "client_secret_basic":  # RFC 6749, 2.3.1: encoded as in a form before that
        headers["Authorization"] = basic(quote_plus(config.client_id), quote_plus(secret))
    else:
        form |= {"client_id": config.client_id, "client_secret": secret}
    return headers, urlencode({key: text for key, text in form.items() if text}).encode()


def _granted(status: int, content: bytes) -> _Granted:
    """Read what was answered.

    Raises:
        NoTokenError: it is no token.
    """
    if status in _MAY_PASS or status >= 500:  # noqa: PLR2004 - speaks in statuses
        raise NoTokenError(Failure(f"it answered {status}"))
    if 200 <= status < 300:  # noqa: PLR2004 - as above
        try:
            return _Granted.model_validate_json(content)
        except ValidationError:
            why = f"it answered {status} without a bearer token in JSON: check token_url"
    elif 300 <= status < 400:  # noqa: PLR2004 - as above
        why = f"it answered {status}, a redirect, which is never followed: check token_url"
    else:
        why = f"it answered {status}: {_remedy(content)}"
    raise NoTokenError(Failure(why, blocked=Blocked.CONFIGURATION))


def _remedy(content: bytes) -> str:
    try:
        word = _Refused.model_validate_json(content).error
    except ValidationError:
        word = ""
    if word in _REFUSALS:
        return f"{word}, {_REFUSALS[word]}"
    return "check token_url, client_id and client_secret"
