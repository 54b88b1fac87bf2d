"""Device types: `templates:` describe one once, sources are made of them; and lists of tags are read in.

A source as it is written becomes a source as its protocol knows it before anything is validated, so no
other part of the house knows of templates, prefixes and lists. What was brought from elsewhere and is
wrong is told where it stands, once, however many sources have it.

Rules for whoever changes this: no key of an adapter but `type` and `tags` is known here; what a source
says itself wins; the data of a template is shared by its sources, never copied.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from pydantic import TypeAdapter, ValidationError

from agent.config.checking import Checking, Origin
from agent.config.imported import SOURCE, read_import
from agent.config.layers import Expanded, Layer
from agent.config.messages import did_you_mean, findings
from agent.config.register_map.options import Import
from agent.config.register_map.reading import TagList
from agent.config.register_map.text import ListError
from agent.config.source_use import IMPORT, SourceUse
from agent.config.walk import keys_of
from agent.config.yaml_text import Key, Keys, Plain
from agent.errors import Problem
from agent.sources import SourceConfig

__all__ = ["SOURCE", "Expanding"]

_USE: Final = TypeAdapter(SourceUse)
_IMPORT: Final = TypeAdapter(Import)
_MISSPELT: Final = "unknown key `{}`: did you mean `template`?"
_USE_KEYS: Final = frozenset(SourceUse.model_fields)


class Expanding(Checking):
    """Puts templates and lists into the sources that use them.

    Attributes:
        unsure: names of tags may be missing, because of an error that is told already.
        made: the sources that are not what is written, by their paths; None: one that could not be made.
    """

    unsure = False
    made: Mapping[Keys, Expanded | None] = MappingProxyType({})

    def expand_sources(self) -> None:
        """Make every source what its protocol knows."""
        made: dict[Keys, Expanded | None] = {}
        self._layers: dict[tuple[str, str], tuple[Layer, ...] | None] = {}
        self._clashes: set[tuple[str, str]] = set()
        for name, entry in self.named("sources").items():
            if not isinstance(entry, dict):
                continue
            if not {"type", "template"} & entry.keys() and (
                misspelt := get_close_matches("template", map(str, entry))
            ):
                self.report(("sources", name, misspelt[0]), _MISSPELT.format(misspelt[0]), at_key=True)
                made["sources", name] = None
            elif _USE_KEYS & entry.keys() or IMPORT in keys_of(entry, "tags"):
                made["sources", name] = self._expand(name, entry)
        self._check_templates()
        self.made = made
        self.unsure = None in made.values()

    def named(self, section: str) -> dict[str, Plain]:
        """See `Checking.named`; sources as they were made, without those that could not be."""
        entries = super().named(section)
        for path, made in self.made.items():
            if path[0] == section and made is None:
                del entries[str(path[1])]
            elif path[0] == section == "sources" and made is not None:
                entries[str(path[1])] = made.entry
        return entries

    def origin(self, path: Keys) -> Origin:
        """See `Checking.origin`."""
        made = self.made.get(path[:2])
        return Origin(path) if made is None else made.origin(path)

    def sources(self) -> dict[str, SourceConfig]:
        """Validate every source; the tags that a template gives to many are validated once, and shared."""
        valid: dict[str, SourceConfig] = {}
        # By the identity of what is written, which is the same for all of them.
        shared: dict[int, object] = {}
        for name, entry in self.named("sources").items():
            path: Keys = ("sources", name)
            config = self._with_shared(path, shared) or self.validate(path, entry, SOURCE)
            if config is not None:
                valid[name] = config
                written = entry.get("tags") if isinstance(entry, dict) else None
                if path in self.made and isinstance(written, dict):
                    shared |= {id(of): config.tags[str(tag)] for tag, of in written.items()}
        return valid

    def _with_shared(self, path: Keys, shared: Mapping[int, object]) -> SourceConfig | None:
        """Validate a source with the tags that others share with it; None: there are none, or it has errors."""
        made = self.made.get(path)
        tags = None if made is None else made.entry.get("tags")
        if made is None or not isinstance(tags, dict) or self.empty:
            return None
        known = {tag: shared.get(id(of), of) for tag, of in tags.items()}
        try:
            return SOURCE.validate_python({**made.entry, "tags": known}, context=self.context)
        except ValidationError:
            return None

    def unusable(self, source: str) -> Iterator[str]:
        """The names of a source's tags that a list cannot give."""
        made = self.made.get(("sources", source))
        return iter(()) if made is None else made.unusable()

    def clash(self, source: str, tag: str, other: str) -> None:
        """Tell that a name is read by another source already: once, where a prefix would mend all of them."""
        path: Keys = ("sources", source, "tags", tag)
        made = self.made.get(path[:2])
        if made is None or self.origin(path) == Origin((*path[:3], tag.removeprefix(made.prefix))):
            self.report(
                path, f"tag `{tag}` is read by source {other} already: give one another name", at_key=True
            )
            return
        text = f"its tags are called as those of source {other} are (`{tag}`): give it a prefix of its own, such as "
        if (source, other) not in self._clashes:
            self._clashes.add((source, other))
            self.report(("sources", source), f'{text}prefix: "{source}."')

    def _expand(self, name: str, entry: dict[Key, Plain]) -> Expanded | None:
        path: Keys = ("sources", name)
        use = self.validate(path, {key: of for key, of in entry.items() if key in _USE_KEYS}, _USE)
        template = None if use is None else self._template(path, use.template)
        if use is None or template is None:
            return None
        own = {key: of for key, of in entry.items() if key not in _USE_KEYS}
        if "type" in own and "type" in template:
            text = f"template {use.template} says the type already: delete it"
            self.report((*path, "type"), text, at_key=True)
        kind = own.get("type", template.get("type"))
        layers = self._layers_of((*path, "tags"), own.get("tags"), kind)
        below = self._layers_of_template(use.template, template, kind)
        if layers is None or below is None:
            return None
        self._check_prefix(use, layers)
        made = Expanded.of(own, template, use, (*layers, *below))
        self._check_omitted(path, use, made)
        self._note_lists(made, use.omit)
        return made

    def _template(self, path: Keys, name: str | None) -> dict[Key, Plain] | None:
        """Give a template as it is written; an empty one for a source without."""
        if name is None:
            return {}
        templates = self.named("templates")
        if name not in templates:
            known = (
                did_you_mean(name, templates) if templates else ": there is no section `templates:`, add it"
            )
            self.report((*path, "template"), f"there is no template `{name}`{known}")
        template = templates.get(name)
        return (
            {key: of for key, of in template.items() if key not in _USE_KEYS}
            if isinstance(template, dict)
            else None
        )

    # --- tags ------------------------------------------------------------------------------------------

    def _layers_of_template(
        self, name: str | None, template: dict[Key, Plain], kind: Plain
    ) -> tuple[Layer, ...] | None:
        """The tags of a template, read once for all its sources of a kind."""
        if name is None:
            return ()
        if (name, str(kind)) not in self._layers:
            path = ("templates", name, "tags")
            self._layers[name, str(kind)] = self._layers_of(path, template.get("tags"), kind)
        return self._layers[name, str(kind)]

    def _layers_of(self, path: Keys, tags: Plain, kind: Plain) -> tuple[Layer, ...] | None:
        """What is written, and below it what a list brings; None: the list cannot be used."""
        if tags is None:
            return ()
        if not isinstance(tags, dict):
            self.report(path, "expected a map: the name of each tag, and what it is")
            return None
        written = Layer.written(path, {str(name): of for name, of in tags.items() if name != IMPORT})
        if IMPORT not in tags:
            return (written,)
        listed = self._listed((*path, IMPORT), tags[IMPORT], kind)
        if listed is None:
            return None
        if not listed.entries:
            for _, problem in listed.problems:
                self.note(problem)
            if not listed.problems:
                self.report((*path, IMPORT), "no row below the headings of this list is a value to be read")
            return None
        return written, Layer.of_list(path, listed)

    def _listed(self, path: Keys, written: Plain, kind: Plain) -> TagList | None:
        wanted = self.validate(path, {"file": written} if isinstance(written, str) else written, _IMPORT)
        if wanted is None:
            return None
        try:
            return read_import(wanted, str(kind), self.context.folder)
        except ListError as error:
            if error.option:
                self.report((*path, *error.option), str(error))
            elif error.line:
                self.note(Problem(str(wanted.file), error.line, error.column, str(error)))
            else:
                self.report((*path, "file"), str(error))
            return None

    def _note_lists(self, made: Expanded, omitted: Sequence[str]) -> None:
        """Tell what is wrong with the rows that are wanted."""
        for layer in made.layers:
            for name, problem in layer.problems:
                if name not in omitted:
                    self.note(problem)

    def _check_omitted(self, path: Keys, use: SourceUse, made: Expanded) -> None:
        known = {name for layer in made.layers for name in (*layer.tags, *layer.unusable)}
        for index, name in enumerate(use.omit):
            if name not in known:
                self.report((*path, "omit", index), f"there is no tag `{name}`{did_you_mean(name, known)}")

    def _check_prefix(self, use: SourceUse, layers: Sequence[Layer]) -> None:
        for layer in layers[:1] if use.prefix else ():
            for name in layer.tags:
                if name.startswith(use.prefix):
                    text = f"the prefix stands before every name: write {name.removeprefix(use.prefix) or 'the rest'}"
                    self.report((*layer.path, name), text, at_key=True)

    # --- templates as such -----------------------------------------------------------------------------

    def _check_templates(self) -> None:
        used = [entry.get("template") for entry in self.named("sources").values() if isinstance(entry, dict)]
        for name, entry in self.named("templates").items():
            path: Keys = ("templates", name)
            if not isinstance(entry, dict):
                self.report(path, "expected a map: what its sources have in common")
                continue
            for key in sorted(_USE_KEYS & entry.keys()):
                self.report(
                    (*path, key),
                    f"`{key}` belongs to the sources that use the template: write it there",
                    at_key=True,
                )
            if name not in used:
                self.report(
                    path,
                    f"no source has `template: {name}`: write that at one, or delete the template",
                    "warning",
                )
                self._check_alone(path, name)

    def _check_alone(self, path: Keys, name: str) -> None:
        """Tell what is wrong with a template already; what is missing, a source may bring."""
        template = self._template(path, name) or {}
        layers = self._layers_of_template(name, template, template.get("type"))
        if layers is None or "type" not in template:
            return
        alone = Expanded.of(template, {}, SourceUse(), layers)
        self._note_lists(alone, ())
        try:
            SOURCE.validate_python(alone.entry, context=self.context)
        except ValidationError as error:
            self.made = {path: alone}
            for found in findings(error, alone.entry, SOURCE):
                if found.path and self.origin((*path, *found.path)).path not in self.empty:
                    self.report((*path, *found.path), found.text, at_key=found.at_key)
            self.made = {}
