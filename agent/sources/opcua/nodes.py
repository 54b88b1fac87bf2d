"""How a variable is named in the configuration: by node id, or by the path on which a person finds it.

Pure, and free of asyncua: what can be judged without the server is judged when the file is read.

Rules for whoever changes this file: a form that is refused is refused with an example of what to
write; a namespace by its URI is the one that survives a restart of the server, so examples show it.
"""

import base64
import re
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import unquote
from uuid import UUID

_LARGEST_NUMERIC: Final = 2**32 - 1  # a numeric identifier is a UInt32 (OPC 10000-6, 5.2.2.9)
_LARGEST_INDEX: Final = 2**16 - 1  # a namespace index is a UInt16
_NODE: Final = re.compile(r"(?:nsu=([^;]+);|ns=(\d+);)?([isgb])=(.+)", re.DOTALL)
_NODE_FORMS: Final = (
    "expected a node id: nsu=urn:plant:boiler;s=Steam.Pressure (it survives a restart of the server), "
    "ns=2;s=Steam.Pressure, or i=2258"
)
# `&` before a character that would mean something (OPC 10000-4, A.2): `A&/B` is the name A/B.
_STEP: Final = re.compile(r"(?:nsu=([^;]+);|(\d+):|(?!nsu=|\d+:))((?:&.|[^&/])+)(/|$)", re.DOTALL)
_PATH_FORMS: Final = (
    "expected a path of browse names, such as Objects/Boiler/Steam, Objects/2:Boiler/2:Steam or "
    "Objects/nsu=urn:plant:boiler;Boiler/nsu=urn:plant:boiler;Steam (`&/` is a slash within a name)"
)
_ROOTS: Final = ("Objects", "Types", "Views")

Namespace: TypeAlias = str | int
"""By URI, or by index."""


@dataclass(frozen=True, slots=True)
class Step:
    """One browse name of a path; a namespace that is None means any."""

    namespace: Namespace | None
    name: str

    def __str__(self) -> str:
        match self.namespace:
            case None:
                return self.name
            case int():
                return f"{self.namespace}:{self.name}"
            case _:
                return f"nsu={self.namespace};{self.name}"


def split_node(text: str) -> tuple[Namespace, str]:
    """Split a node id into its namespace (URI or index) and the rest, such as `s=Steam.Pressure`.

    A URI's `%3B` and `%25` stand for `;` and `%` (OPC 10000-6, 5.1.12).

    Raises:
        ValueError: not a node id.
    """
    if (match := _NODE.fullmatch(text)) is None:
        raise ValueError(f"{_NODE_FORMS}; got {text!r}")
    uri, index, kind, identifier = match.groups()
    if not _identifies(kind, identifier) or int(index or 0) > _LARGEST_INDEX:
        raise ValueError(f"{_NODE_FORMS}; {identifier!r} is not what follows {kind}=")
    return unquote(uri) if uri else int(index or 0), f"{kind}={identifier}"


def _identifies(kind: str, identifier: str) -> bool:
    try:
        match kind:
            case "i":
                return 0 <= int(identifier) <= _LARGEST_NUMERIC
            case "g":
                UUID(identifier)
            case "b":
                base64.b64decode(identifier, validate=True)
    except ValueError:
        return False
    return True


def split_path(text: str) -> tuple[Step, ...]:
    """Split a browse path into its steps below the server's root folder; `Root/` may stand before it.

    Raises:
        ValueError: not a path.
    """
    rest = text.removeprefix("/").removeprefix("Root/")
    steps: list[Step] = []
    more = bool(rest)
    while more:
        if (match := _STEP.match(rest)) is None:
            raise ValueError(f"{_PATH_FORMS}; got {text!r}")
        uri, index, name, slash = match.groups()
        if int(index or 0) > _LARGEST_INDEX:
            raise ValueError(f"{_PATH_FORMS}; there is no namespace {index}")
        steps.append(
            Step(unquote(uri) if uri else None if index is None else int(index), re.sub("&(.)", r"\1", name))
        )
        rest, more = rest[match.end() :], bool(slash)
    if not steps or steps[0].name not in _ROOTS:
        raise ValueError(f"{_PATH_FORMS}; it begins with Objects, got {text!r}")
    return tuple(steps)
