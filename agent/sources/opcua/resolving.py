"""From the names in the configuration to the node ids of this session of this server.

Namespaces get other numbers when a server restarts with another set of programs
(node-red-contrib-opcua#478), and a browse path may lead elsewhere, so nothing of it outlives a session.

Rules for whoever changes this file: what cannot be found is a reason for that tag alone; a path that
leads to two nodes is refused, for nobody could tell which one was read; all tags of a source are looked
up level by level, a few calls in all.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds

from agent.sources.opcua.calls import Calls
from agent.sources.opcua.config import OpcUaTag
from agent.sources.opcua.nodes import Namespace, Step, split_node, split_path

_ROOT: Final = ua.NodeId(ua.Int32(ObjectIds.RootFolder))
_CHECK: Final = "check the node id in the configuration"


def resolve(node: str, namespaces: list[str]) -> ua.NodeId:
    """Find the node's namespace in the server's array; asyncua would read `nsu=...` as namespace 0.

    Raises:
        LookupError: the server has no such namespace; the message lists those it has.
    """
    namespace, identifier = split_node(node)
    return ua.NodeId.from_string(f"ns={_index_of(namespace, namespaces)};{identifier}")


def _index_of(namespace: Namespace, namespaces: list[str]) -> int:
    if isinstance(namespace, int):
        return namespace
    if namespace not in namespaces:
        raise LookupError(
            f"the server has no namespace {namespace}; it has {', '.join(namespaces) or 'none'}"
        )
    return namespaces.index(namespace)


async def resolve_all(calls: Calls, tags: Mapping[int, OpcUaTag]) -> dict[int, ua.NodeId | str]:
    """Find the node of each tag, or say why there is none; `calls.namespaces` must be fresh."""
    found: dict[int, ua.NodeId | str] = {}
    paths: dict[int, tuple[Step, ...]] = {}
    for handle, tag in tags.items():
        if tag.browse_path is not None:
            paths[handle] = split_path(tag.browse_path)
        elif tag.node is not None:
            try:
                found[handle] = resolve(tag.node, calls.namespaces)
            except LookupError as error:
                found[handle] = f"{error}: {_CHECK}"
    return found | await _walk(calls, paths)


async def _walk(calls: Calls, paths: Mapping[int, tuple[Step, ...]]) -> dict[int, ua.NodeId | str]:
    """Follow all paths from the root, one level at a time; what many share is asked once."""
    reached: dict[int, frozenset[ua.NodeId]] = dict.fromkeys(paths, frozenset({_ROOT}))
    ended: dict[int, ua.NodeId | str] = {}
    for level in range(max(map(len, paths.values()), default=0)):
        names: dict[int, list[tuple[int, str]]] = {}
        for handle, path in paths.items():
            if handle in ended or level >= len(path):
                continue
            try:
                names[handle] = _qualified(path[level], calls.namespaces)
            except LookupError as error:
                ended[handle] = f"{error}: check the browse path in the configuration"
        questions = list(
            {(node, name) for handle in names for node in reached[handle] for name in names[handle]}
        )
        asked = [(node, ua.QualifiedName(name, ua.Int16(index))) for node, (index, name) in questions]
        below = dict(zip(questions, await calls.children(asked), strict=True))
        for handle, of_tag in names.items():
            steps = [(node, name) for node in reached[handle] for name in of_tag]
            reached[handle] = frozenset(child for step in steps for child in below[step])
            if not reached[handle]:
                so_far = "/".join(str(step) for step in paths[handle][:level]) or "the root"
                ended[handle] = (
                    f"below {so_far} there is no {paths[handle][level]}: check the browse path in the configuration "
                    "against the server's tree (the browse name counts, not the name that is displayed)"
                )
    return {handle: ended.get(handle) or _only(reached[handle]) for handle in paths}


def _qualified(step: Step, namespaces: list[str]) -> list[tuple[int, str]]:
    """Give the name with its namespace; without one, with each that the server has.

    Not as asyncua's QualifiedName, which cannot be a key.
    """
    if step.namespace is not None:
        indices: Iterable[int] = [_index_of(step.namespace, namespaces)]
    else:
        indices = range(max(len(namespaces), 1))
    return [(index, step.name) for index in indices]


def _only(nodes: frozenset[ua.NodeId]) -> ua.NodeId | str:
    if len(nodes) == 1:
        return next(iter(nodes))
    listed = ", ".join(sorted(node.to_string() for node in nodes))
    return f"the browse path leads to {len(nodes)} nodes: {listed}: name one of them as `node`"
