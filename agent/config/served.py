"""What the agent's page and the relay have in common as servers: the tokens they ask for, and their certificate.

Rules for whoever changes this: a token is never in a message.
"""

import re
from typing import Annotated, Final

from pydantic import AfterValidator

from agent.config.fields import FilePath, Section
from agent.config.secrets import Secret

_SHORTEST_TOKEN: Final = 16
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]+")


def _check_token(token: Secret) -> Secret:
    text = token.reveal()
    if len(text) < _SHORTEST_TOKEN:
        raise ValueError(
            f"a token of less than {_SHORTEST_TOKEN} characters can be guessed: make one with `edge-relay keygen --token`"
        )
    if not _PRINTABLE.fullmatch(text):
        raise ValueError("expected a token of printable ASCII without blanks, in one line")
    return token


Token = Annotated[Secret, AfterValidator(_check_token)]
"""What somebody shows as `Authorization: Bearer TOKEN`."""


class ServerTls(Section):
    """The server's own certificate, where no proxy stands before it."""

    certificate: FilePath
    """PEM file of the certificate, with those of its issuers."""
    key: FilePath
    """PEM file of its key, without a password. Both are read again when they change."""
