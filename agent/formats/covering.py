"""Secrets of a body, covered where a person is shown it, or what a receiver says back of it.

Rules for whoever changes this: what is covered is shown as `(not shown)`; nothing here is told how long
a secret is.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

import orjson

from agent.config.secrets import Secret
from agent.formats.config import FormatSection

_HIDDEN: Final = "(not shown)"
_SHORTEST: Final = 4  # characters; less stands in every second word
AnySection = TypeVar("AnySection", bound=FormatSection)


def shown(section: AnySection) -> AnySection:
    """The section for a body that a person is shown: written as it would be sent, without its secrets."""
    return section.model_copy(update={"secrets": {name: Secret(_HIDDEN) for name in section.secrets}})


def covered(text: str, secrets: Mapping[str, Secret]) -> str:
    """What a receiver answered, without the secrets that it may have repeated; it may be cut off within one."""
    for secret in secrets.values():
        plain = secret.reveal()
        for form in {plain, orjson.dumps(plain).decode()[1:-1]}:
            if len(form) >= _SHORTEST:
                text = _without_beginning(text.replace(form, _HIDDEN), form)
    return text


def _without_beginning(text: str, secret: str) -> str:
    """Without the part of a secret with which it ends."""
    longest = min(len(secret), len(text))
    kept = next((size for size in range(longest, _SHORTEST - 1, -1) if text.endswith(secret[:size])), 0)
    return text[: len(text) - kept] + _HIDDEN if kept else text
