"""The document under examination: what stands in it, what is wrong with it, and where.

Rules for whoever changes this file: no check stops at its first finding; a problem stands where
the engineer has to type; nothing here knows a key of an adapter.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from agent.config.fields import PLACE, TAG_NAME
from agent.config.files import read_files, stamp
from agent.config.inside import position_inside, written_column
from agent.config.messages import did_you_mean, findings
from agent.config.secrets import SecretPlaces
from agent.config.walk import ENTRIES, keys_of, subject_of, value_at, without_value
from agent.config.yaml_text import Keys, Plain, Position
from agent.errors import Problem

Validated = TypeVar("Validated")

_NAME: Final = re.compile(r"\w[\w.-]{0,99}")
_NO_MAPS: Final = {"maintenance", "watch"}
_SCALARS: Final = (bool, int, float, str)
_NO_VALUE: Final = "a value is missing (`#` begins a comment: a text with it needs quotes)"
_NO_KEYS: Final = "nothing stands under it: indent its keys by two more spaces"


class Origin(NamedTuple):
    """Where something is written.

    Attributes:
        path: in the document; what a problem is about.
        cell: where in a list beside it, if it came from one.
    """

    path: Keys
    cell: Position | None = None


class Checking:
    """One run over all that is written; collects problems."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self.stamp = stamp(path)  # before they are read: what changes meanwhile is another state
        self.document = read_files(path)
        self.context = SecretPlaces(environment, path if path.is_dir() else path.parent)
        self.problems = list(self.document.problems)
        self.refused = {(problem.file, problem.line, problem.column) for problem in self.problems}
        self.noted: set[Problem] = set()
        self.wrong: set[Keys] = set()  # tags in which an error was found
        self.empty: set[Keys] = set()  # keys without a value

    def report(
        self,
        path: Keys,
        text: str,
        severity: str = "error",
        *,
        at_key: bool = False,
        column: int = 0,
        each: str = "",
    ) -> None:
        """Note a problem at the position of a path, or of the nearest part of it that is in a file.

        Where the text itself was refused already, nothing is added; what instances of one rule have in
        common is told once.

        Args:
            path: what it is about.
            text: what is wrong, with the remedy.
            severity: `error` or `warning`.
            at_key: the key itself is wrong, not its value.
            column: where in the value's text, from 1; 0: the value as a whole.
            each: the name that stood for `{each}` when that column was counted.
        """
        if severity == "error" and path[2:3] == ("tags",):
            self.wrong.add(path[:4])
        path, cell = self.origin(path)
        stands = path
        while stands not in self.document.places:
            stands = stands[:-1]
        written = value_at(self.document.data, stands)
        position = self.document.places[stands].key
        if not at_key and isinstance(written, _SCALARS):
            path = stands  # `high: 5` is the `at` of high
            position = self.document.places[stands].value
            if column and isinstance(written, str):
                position = self.inside(position, written_column(written, each, column))
        problem = Problem(*(cell or position), subject_of(path[:-1] if at_key else path) + text, severity)
        if position not in self.refused:
            self.note(problem)

    def origin(self, path: Keys) -> Origin:
        """Where that is written which was validated at a path."""
        return Origin(path)

    def note(self, problem: Problem) -> None:
        """Take a problem that has its place; what is told already is not told again."""
        if problem not in self.noted:
            self.noted.add(problem)
            self.problems.append(problem)

    def inside(self, start: Position, column: int) -> Position:
        """Give the position of a character of the text that begins there."""
        return position_inside(self.document.texts[start.file], start, column)

    def named(self, section: str) -> dict[str, Plain]:
        """Give the entries of a section as they are written, whether they are right or not."""
        entries = self.document.data.get(section)
        return {str(name): entry for name, entry in entries.items()} if isinstance(entries, dict) else {}

    def check_sections(self, known: Collection[str]) -> None:
        """Refuse sections that are not `known`, entries that are no map, and names that cannot be used."""
        for section, entries in self.document.data.items():
            if section not in known:
                guess = did_you_mean(section, known)
                self.report((section,), f"unknown section `{section}`{guess}", at_key=True)
            elif section in _NO_MAPS:
                pass  # its model says what it is
            elif not isinstance(entries, dict):
                self.report((section,), "expected a map: `key: value`, each on a line of its own, indented")
            elif section in ENTRIES:
                for name in entries:
                    self.check_name((section, name), _NAME, "letters, digits, `_`, `-` and `.`")
            for path in without_value(entries, (section,)):
                self.empty.add(path)
                self.report(path, _NO_KEYS if len(path) == 2 and section in ENTRIES else _NO_VALUE)  # noqa: PLR2004 - section, name
        self.check_tag_names()

    def check_tag_names(self) -> None:
        """Refuse the names of tags that cannot be used, as they are written."""
        for section in ("sources", "templates"):
            for source, entry in self.named(section).items():
                for tag in keys_of(entry, "tags"):
                    self.check_tag_name((section, source, "tags", tag))

    def check_tag_name(self, path: Keys) -> None:
        """The same for a tag, which may have {1} in its name; whether that means something, its source says."""
        if not TAG_NAME.fullmatch(PLACE.sub("1", str(path[-1]))):
            self.check_name(path, TAG_NAME, "text without braces and quotes")

    def check_name(self, path: Keys, form: re.Pattern[str], expected: str) -> None:
        """Refuse a name that expressions, file names or receivers could not hold."""
        name = path[-1]
        if not isinstance(name, str):
            self.report(path, f'a name that is a number needs quotes: "{name}"', at_key=True)
        elif not form.fullmatch(name):
            self.report(path, f"`{name}` cannot be a name: expected {expected}", at_key=True)

    def section(self, name: str, adapter: TypeAdapter[Validated]) -> Validated | None:
        """Validate a section that is one map; None if it has errors, or may stand in what was not read."""
        if name not in self.document.data and not self.document.complete:
            return None
        return self.validate((name,), self.document.data.get(name, {}), adapter)

    def optional(self, name: str, adapter: TypeAdapter[Validated]) -> Validated | None:
        """Validate a section that may be left out; None if it is, or has errors."""
        written = self.document.data.get(name)
        return None if written in (None, {}) else self.validate((name,), written, adapter)

    def entries(self, section: str, adapter: TypeAdapter[Validated]) -> dict[str, Validated]:
        """Validate each entry of a section; those with errors are left out."""
        checked = {
            name: self.validate((section, name), entry, adapter)
            for name, entry in self.named(section).items()
        }
        return {name: entry for name, entry in checked.items() if entry is not None}

    def validate(self, path: Keys, data: Plain, adapter: TypeAdapter[Validated]) -> Validated | None:
        """Validate one piece of the document, noting all that is wrong with it."""
        try:
            valid = adapter.validate_python(data, context=self.context)
        except ValidationError as error:
            for found in findings(error, data, adapter):
                if found.at_key or self.origin((*path, *found.path)).path not in self.empty:
                    self.report((*path, *found.path), found.text, at_key=found.at_key)
            return None
        return None if any(empty[: len(path)] == path for empty in self.empty) else valid
