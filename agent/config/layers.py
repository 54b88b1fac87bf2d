"""A source that was put together: what the source says over what its template says over what a list brings.

Rules for whoever changes this: the parts are shared, not copied; for everything in the whole it can be
told where it is written.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent.config.checking import Origin
from agent.config.register_map.reading import TagList
from agent.config.register_map.row import Entry
from agent.config.source_use import SourceUse
from agent.config.yaml_text import Key, Keys, Plain, Position
from agent.errors import Problem


@dataclass(frozen=True, slots=True)
class Layer:
    """Tags that were brought together.

    Attributes:
        path: of the `tags` under which they are written, or named as a list.
        tags: by name, without the prefix.
        rows: of a list: where each stands.
        unusable: of a list: the names of the rows that cannot be used.
        problems: of a list: with the name of the tag that each is about (empty: the list).
    """

    path: Keys
    tags: Mapping[str, Plain]
    rows: Mapping[str, Entry]
    unusable: frozenset[str] = frozenset()
    problems: tuple[tuple[str, Problem], ...] = ()

    @classmethod
    def written(cls, path: Keys, tags: Mapping[str, Plain]) -> "Layer":
        """Tags as they are written."""
        return cls(path, tags, {})

    @classmethod
    def of_list(cls, path: Keys, listed: TagList) -> "Layer":
        """The tags of a list."""
        tags: dict[str, Plain] = {name: entry.tag for name, entry in listed.entries.items()}
        return cls(path, tags, listed.entries, frozenset(listed.unusable), tuple(listed.problems))

    def has(self, name: str, inner: Keys) -> bool:
        """Whether a tag, or a key of it, comes from here."""
        tag = self.tags.get(name)
        return name in self.tags and (not inner or (isinstance(tag, dict) and inner[0] in tag))

    def origin(self, name: str, inner: Keys) -> Origin:
        """Where a tag, or a part of it, is written."""
        path = (*self.path, name, *inner)
        if (row := self.rows.get(name)) is None:
            return Origin(path)
        cell = row.cells.get(str(inner[0]), row.at) if inner else row.at
        return Origin(path, Position(row.file, cell.line, cell.column))


@dataclass(frozen=True, slots=True)
class Expanded:
    """A source as its protocol knows it.

    Attributes:
        entry: what is validated.
        own: the keys of the protocol that the source says itself.
        template: the path of the template; empty: none.
        prefix: before the name of every tag.
        omitted: the names of tags that the source does not have, without the prefix.
        layers: where the tags come from; what comes first wins.
    """

    entry: dict[Key, Plain]
    own: frozenset[Key]
    template: Keys
    prefix: str
    omitted: frozenset[str]
    layers: tuple[Layer, ...]

    @classmethod
    def of(
        cls, own: dict[Key, Plain], template: dict[Key, Plain], use: SourceUse, layers: tuple[Layer, ...]
    ) -> "Expanded":
        """Put it together, key by key."""
        entry, omitted = {**template, **own}, frozenset(use.omit)
        if layers:
            merged = _merged(layers)
            entry["tags"] = {use.prefix + name: of for name, of in merged.items() if name not in omitted}
        where = () if use.template is None else ("templates", use.template)
        return cls(entry, frozenset(own), where, use.prefix, omitted, layers)

    def origin(self, path: Keys) -> Origin:
        """Where something in this source is written."""
        if path[2:3] == ("tags",) and len(path) > 3:  # noqa: PLR2004 - sources, name, tags, tag
            name, inner = str(path[3]).removeprefix(self.prefix), path[4:]
            for part in (inner, ()):
                for layer in self.layers:
                    if layer.has(name, part):
                        return layer.origin(name, inner)
        elif self.template and len(path) > 2 and path[2] not in self.own:  # noqa: PLR2004 - sources, name, key
            return Origin((*self.template, *path[2:]))
        return Origin(path)

    def unusable(self) -> Iterator[str]:
        """The names of the tags that a list cannot give."""
        names = {name for layer in self.layers for name in layer.unusable} - self.omitted
        return (self.prefix + name for name in sorted(names))


def _merged(layers: tuple[Layer, ...]) -> dict[str, Plain]:
    """Tags by name; of one that several layers have, each key from the first that has it."""
    merged: dict[str, Plain] = {}
    for layer in reversed(layers):
        for name, tag in layer.tags.items():
            below = merged.get(name)
            merged[name] = {**below, **tag} if isinstance(below, dict) and isinstance(tag, dict) else tag
    return merged
