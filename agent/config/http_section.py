"""`http:`, the agent's door for people and monitoring: where it listens, and who may do what there.

Rules for whoever changes this: no message holds a token; whoever can be reached from other machines asks for one.
"""

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from agent.config.fields import Section
from agent.config.listening import Listen, is_loopback, parse_address
from agent.config.served import ServerTls, Token
from agent.config.yaml_text import Keys

_PERSON: Final = re.compile(r"\w(?:[\w .@-]{0,61}[\w.])?")
_HOST: Final = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*")


def _check_person(name: str) -> str:
    if not _PERSON.fullmatch(name):
        raise ValueError(
            "expected a name of 1 to 63 letters, digits, `_`, `-`, `.`, `@` and blanks, such as anna"
        )
    return name


def _check_host(name: str) -> str:
    """A host name in lower case, as it is compared."""
    if not _HOST.fullmatch(text := name.lower().removesuffix(".")):
        raise ValueError(
            "expected the bare name of a host, without https:// and port, such as plant-pc.local"
        )
    return text


class HttpSection(Section):
    """The page, its API, health and metrics."""

    listen: Annotated[
        Listen,
        BeforeValidator(parse_address),
        WithJsonSchema({"type": "string", "examples": ["127.0.0.1:8470", "0.0.0.0:8470"]}),
        Field(json_schema_extra={"default": "127.0.0.1:8470"}),
    ] = Listen("127.0.0.1", 8470)
    """Address and port of the page, its API, /health and /metrics; beyond loopback with `tokens` only."""
    tokens: dict[Annotated[str, AfterValidator(_check_person)], Token] = Field(default={})
    """Who may operate, by name: {anna: "${file:anna.token}"}; the name stands in events and logs. Without any, the page is read-only; with some, who comes through a proxy shows one to look."""
    names: Annotated[tuple[Annotated[str, AfterValidator(_check_host)], ...], Field(strict=False)] = ()
    """Host names by which the page is reached, [plant-pc.local], beside addresses, localhost and this machine's own name."""
    tls: ServerTls | None = None
    """The page's own certificate, where no proxy stands before it."""

    @property
    def is_open(self) -> bool:
        """Whether other machines reach it."""
        return not is_loopback(self.listen)


class Wrong(NamedTuple):
    """What is wrong with the section, and where; severity: error or warning."""

    path: Keys
    text: str
    severity: str


def check_http(http: HttpSection, *, tokens_known: bool) -> Iterator[Wrong]:
    """What is wrong with the section as a whole; `tokens_known`: they were looked up."""
    listen, port = ("http", "listen"), http.listen.port
    if http.is_open and not http.tokens:
        text = (
            f"{http.listen.host} can be reached from other machines, and without a token anybody there could look: "
            'make one with `edge-relay keygen --token --out NAME.token`, add `tokens: {NAME: "${file:NAME.token}"}`, '
            f"or listen on 127.0.0.1:{port}"
        )
        yield Wrong(listen, text, "error")
    elif http.is_open and http.tls is None:
        text = (
            f"{http.listen.host} can be reached from other machines, and tokens and values travel readable: "
            "add `tls: {certificate: FILE, key: FILE}`, or "
            f"listen on 127.0.0.1:{port} and put a proxy that speaks TLS before it, which passes `Host` on"
        )
        yield Wrong(listen, text, "warning")
    for first, second in combinations(http.tokens, 2):
        if tokens_known and http.tokens[first] == http.tokens[second]:
            text = f"it is the token of {first} as well, and nobody could tell who it was: make another"
            yield Wrong(("http", "tokens", second), text, "error")
