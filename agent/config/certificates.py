"""Certificates that a section names: whether their files can be used, tried before the first connection.

A path with a slip in it would show at the first alarm. It is a warning and no error, for the other
destinations are told what they are to be told, and a file that is renewed may be away for a moment.

Rules for whoever changes this: what is tried is what a connection does with the files; it is for
`check`, an agent that starts looks at them when it connects, and says the same.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from agent.config.secrets import Secret
from agent.config.served import ServerTls
from agent.config.yaml_text import Keys
from agent.errors import SourceError
from agent.tls import client_context

_UNTIL_THEN: Final = {
    "sources": "nothing is read",
    "destinations": "nothing is sent",
    "inbound": "nothing comes in",
}


@runtime_checkable
class _Certificates(Protocol):
    """What the sections called `tls` have in common."""

    @property
    def ca(self) -> Path | None: ...
    @property
    def certificate(self) -> Path | None: ...
    @property
    def key(self) -> Path | None: ...


def unusable_certificates(sections: Mapping[str, Mapping[str, object]]) -> Iterator[tuple[Keys, str]]:
    """Give the path and the text of each `tls` whose files cannot be used; blocks on the files.

    Args:
        sections: the sources, the destinations and the relays, each by its name.
    """
    for section, name, entry in (
        (key, *each) for key, entries in sections.items() for each in entries.items()
    ):
        tls = getattr(entry, "tls", None)
        if not isinstance(tls, _Certificates) or not (tls.ca or tls.certificate):
            continue
        password = getattr(tls, "key_password", None)
        try:
            client_context(
                tls.ca,
                tls.certificate,
                tls.key,
                password=password.reveal() if isinstance(password, Secret) else "",
            )
        except SourceError as error:
            yield (section, name, "tls"), f"{error}; {_UNTIL_THEN[section]} until it can be used"


def unusable_server(tls: ServerTls) -> str:
    """Why the page's own certificate cannot be used; empty if it can; blocks on the files."""
    try:
        client_context(None, tls.certificate, tls.key)  # which loads a certificate as a server does
    except SourceError as error:
        return f"{error}; the page is not served until it can be used"
    return ""
