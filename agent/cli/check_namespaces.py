"""Node ids by a namespace's index, and what to write instead, as the server's own list of namespaces has it.

An index may move when the server restarts, and then a tag reads nothing or, worse, something else
(node-red-contrib-opcua#478); a namespace's URI does not.

Rules for whoever changes this: one node of each namespace is looked at; a server that cannot be asked is no
news here.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from agent.cli.commissioning import closing
from agent.clock import Clock
from agent.errors import SourceError
from agent.sources import explorer
from agent.sources.opcua.config import OpcUaSource

if TYPE_CHECKING:
    from agent.sources import SourceConfig

_INDEXED: Final = re.compile(r"ns=([1-9]\d*);(.+)", re.DOTALL)
_NAMED: Final = re.compile(r"(nsu=[^;]+);")


async def steadier_nodes(sources: Mapping[str, "SourceConfig"], clock: Clock) -> dict[str, tuple[str, str]]:
    """Give the tags whose `node` has an index: what is written, and what would survive a restart."""
    found: dict[str, tuple[str, str]] = {}
    for name, config in sources.items():
        if isinstance(config, OpcUaSource):
            uris: dict[str, str | None] = {}
            for tag, node, index, rest in _indexed(config):
                if index not in uris:
                    uris[index] = await _uri(name, config, node, clock)
                if (uri := uris[index]) is not None:
                    found[tag] = (node, f"{uri};{rest}")
    return found


def _indexed(config: OpcUaSource) -> Iterator[tuple[str, str, str, str]]:
    """Tag, node, index, and what follows it."""
    for name, tag in config.tags.items():
        if tag.node is not None and (match := _INDEXED.fullmatch(tag.node)) is not None:
            yield name, tag.node, match[1], match[2]


async def _uri(name: str, config: OpcUaSource, node: str, clock: Clock) -> str | None:
    """`nsu=URI` of the namespace that a node is in; None: the node is not there."""
    with suppress(SourceError):
        async with closing(explorer(name, config, clock).probe(node, None)) as probing:
            async for each in probing:
                if (match := _NAMED.match(str(each.tag.get("node", "")))) is not None:
                    return match[1]
    return None
