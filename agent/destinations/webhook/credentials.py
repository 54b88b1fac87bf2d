"""What of a request must not stand in an answer that people are shown: a receiver may say back what it was sent.

Frameworks in their debugging mode do, and gateways with what they do not route; the excerpt of an answer is
kept with the attempts of a dead letter, in the database, on a terminal and on a page.

Rules for whoever changes this: whatever is added to a request and opens something has its line here. Words that a
person needs to understand the answer (`bucket "plant" not found`) must stay.
"""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from agent.config.secrets import Secret
from agent.destinations.webhook.config import WebhookDestination
from agent.http.access import AuthSection, ProxySection, basic
from agent.http.urls import SecretAddress

_NO_SECRETS: Final = frozenset({"accept", "content-type", "user-agent"})
_LONG: Final = 16  # characters: what is shorter and stands in an address is a word more often than a key


def credentials(config: WebhookDestination) -> Mapping[str, Secret]:
    """All that is known when the destination is opened, with the secrets of its bodies; longer ones first."""
    texts = {secret.reveal() for secret in config.secrets.values()}
    texts.update(_of_auth(config.auth), _of_proxy(config.proxy), _of_address(config.url))
    for name, value in config.headers.items():
        if name.lower() not in _NO_SECRETS:
            texts.update(_of_header(value.reveal()))
    return _named(texts)


def with_token(known: Mapping[str, Secret], header: str) -> Mapping[str, Secret]:
    """Those, and the token that this attempt was made with."""
    return {**_named(set(_of_header(header))), **known} if header else known


def _named(texts: set[str]) -> Mapping[str, Secret]:
    return {text: Secret(text) for text in sorted(texts, key=len, reverse=True)}


def _of_header(value: str) -> Iterator[str]:
    """As a whole, and without the word for its kind: `Bearer ...`, `Token ...`."""
    yield value
    yield value.rpartition(" ")[2]


def _of_auth(auth: AuthSection | None) -> Iterator[str]:
    if auth is not None and auth.bearer is not None:
        yield auth.bearer.reveal()
    if auth is not None and auth.basic is not None:
        yield auth.basic.password.reveal()
        yield from _of_header(auth.basic.header())


def _of_proxy(proxy: ProxySection | None) -> Iterator[str]:
    """Where it speaks in the receiver's place, over plain HTTP."""
    if proxy is not None and proxy.password is not None:
        yield proxy.password.reveal()
        yield from _of_header(basic(proxy.user, proxy.password.reveal()))


def _of_address(url: str) -> Iterator[str]:
    """The pairs of its query, and what in them is long enough for a key; of a secret address all behind the host."""
    parts = urlsplit(url)
    pairs = [pair for pair in parts.query.split("&") if "=" in pair]
    keys = [pair.partition("=")[2] for pair in pairs]
    yield from pairs
    if isinstance(url, SecretAddress):
        yield parts.path
        yield parts.query
        keys += parts.path.split("/")
    for key in keys:
        if len(key) >= _LONG:
            yield from (key, unquote(key))
