"""The tags that rules may name: those that are declared, and those that a source names itself (MQTT wildcards).

Which of the latter exist shows only when messages arrive; what counts here is that a rule names one.
So a look-up finds it, and remembers it: the engine gets the tags that somebody asked for, and no more.

Rules for whoever changes this: how a name is made is the source's business; nothing here knows a
protocol.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from agent.config.fields import PLACE
from agent.config.messages import did_you_mean
from agent.model import TagSpec
from agent.sources import SourceConfig

_WORD: Final = re.compile(r"[^\W\d_]{3}")


class KnownTags(Mapping[str, TagSpec]):
    """Every tag by name; a look-up may add one.

    Attributes:
        declared: as they are written; a name with {1} in it stands for all that could be made of it.
    """

    def __init__(self) -> None:
        self.declared: dict[str, TagSpec] = {}
        self._known: dict[str, TagSpec] = {}
        self._makers: dict[str, SourceConfig] = {}
        self._forms: list[tuple[re.Pattern[str], TagSpec]] = []

    def declare(self, spec: TagSpec) -> None:
        """Take a tag as it is written."""
        self.declared[spec.name] = spec
        if PLACE.search(spec.name):
            form = "(.+?)".join(map(re.escape, PLACE.split(spec.name)))
            self._forms.append((re.compile(form), spec))
        else:
            self._known[spec.name] = spec

    def ask(self, source: str, config: SourceConfig) -> None:
        """Find the tags that this source names itself, if it does."""
        if any(PLACE.search(name) for name in config.tags):
            self._makers[source] = config

    def __getitem__(self, name: str) -> TagSpec:
        if name not in self._known:
            self._known[name] = self._made(name)
        return self._known[name]

    def _made(self, name: str) -> TagSpec:
        for source, config in self._makers.items():
            if (spec := config.tag_named(source, name)) is not None:
                return spec
        # A source with errors makes none; a rule over what it would make is not wrong as well.
        for form, spec in self._forms:
            if form.fullmatch(name) and not PLACE.search(name):
                return replace(spec, name=name)
        raise KeyError(name)

    def guess(self, name: str) -> str:
        """Say of a name that nothing has which tag was probably meant, or what makes such tags."""
        patterns = [spec.name for _, spec in self._forms]
        if name in patterns:
            return ": it stands for many tags: name those that are meant, each with what its topic gives"
        if not (self._known or patterns):
            return ": there is no tag yet"
        guess = did_you_mean(name, [*self._known, *patterns], "") or did_you_mean(
            name, patterns or self._known
        )
        return f"{guess} ({{1}} stands for what its topic gives)" if PLACE.search(guess) else guess

    def doubts(self) -> Iterator[tuple[str, str, str]]:
        """Give the names that read as one word where two meet, with their source and what makes them.

        COMPRESSOR7 could be made by COMP{1}, of a topic with RESSOR7 in it: there will hardly be one.
        """
        for name in self._known:
            form, spec = next((one for one in self._forms if one[0].fullmatch(name)), (None, None))
            if form is None or spec is None or name in self.declared:
                continue
            pieces, taken = PLACE.split(spec.name), form.fullmatch(name)
            for before, text in zip(pieces, taken.groups() if taken else (), strict=False):
                if before[-1:].isalpha() and _WORD.match(text):
                    yield (
                        spec.source,
                        spec.name,
                        (
                            f"a rule names {name}, which this makes of a topic with {text} in it: "
                            f"look whether there is one"
                        ),
                    )

    def clashes(self) -> Iterator[tuple[str, str, str]]:
        """Give the names that a second source makes as well: name, the first and the second source."""
        for spec in self._known.values():
            for source, config in self._makers.items():
                if source != spec.source and config.tag_named(source, spec.name) is not None:
                    yield spec.name, spec.source, source

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._known))  # a look-up on the way may add to them

    def __len__(self) -> int:
        return len(self._known)
