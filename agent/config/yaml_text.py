"""YAML as it is written: plain data, and the position of every key and value in it.

PyYAML only splits the text into events; what a scalar means is decided here, by the YAML 1.2 core
schema, because YAML 1.1 turns `22:00` into 1320, `on` into true and `010` into 8, and lets a
repeated key silently replace the first (references: gateways 1.5).

Rules for whoever changes this file: nothing is guessed and nothing is dropped; whatever is not
plain (tags, merge keys, maps as keys) is refused with the remedy. Work and memory are bounded by
the size of the file: depth, aliases and digits have limits (reliability X1).
"""

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf, isinf, nan
from typing import Final, NamedTuple, NoReturn, TypeAlias

import yaml

from agent.config.yaml_syntax import explain
from agent.errors import Problem

Key: TypeAlias = str | int
Keys: TypeAlias = tuple[Key, ...]
Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[Key, Plain] | None"

_LARGEST_FILE: Final = 16 * 1024 * 1024
_DEEPEST: Final = 32
_MOST_FROM_ALIASES: Final = 100_000
_LARGEST_INTEGER: Final = 2**64
_MOST_DIGITS: Final = 100

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, bool | float | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{sign + word: inf for sign in ("", "+") for word in (".inf", ".Inf", ".INF")},
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), nan),
}
_PLAIN_TAGS: Final = {None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
_LOADER: Final = getattr(
    yaml, "CLoader", yaml.SafeLoader
)  # the C one is ten times faster, and not everywhere


class Position(NamedTuple):
    """A place in a file; line and column count from 1, 0: the file as a whole."""

    file: str
    line: int = 0
    column: int = 0


class Place(NamedTuple):
    """Where a key and its value stand (for an item of a list: twice the item)."""

    key: Position
    value: Position


@dataclass(frozen=True, slots=True)
class Document:
    """What one file says.

    Attributes:
        data: the top-level map; a scalar is text, number, true, false or None.
        places: where everything stands, by the path of keys and list indexes that leads to it;
            what came by an alias stands where its anchor is.
        problems: everything that was refused.
        complete: False if reading stopped early (a syntax error): what is missing is not known.
        texts: what each file holds, by its name: for a place inside of a scalar.
    """

    data: dict[Key, Plain]
    places: Mapping[Keys, Place]
    problems: tuple[Problem, ...]
    complete: bool
    texts: Mapping[str, str] = field(default_factory=dict)


class _Stopped(Exception):  # noqa: N818 - not an error of the house: it ends the reading of one file
    """The rest of the file cannot be read; the problem is noted."""


def read_yaml(content: bytes, file: str) -> Document:
    """Read one file; problems are in the result, nothing is raised."""
    reader = _Reader(file)
    try:
        data = reader.read(content)
    except _Stopped:
        return Document({}, {}, tuple(reader.problems), complete=False)
    texts = {file: reader.text}
    return Document(data, dict(reader.places), tuple(reader.problems), complete=True, texts=texts)


def scalar(text: str) -> bool | int | float | str | None:
    """Read a plain scalar by the YAML 1.2 core schema.

    One exception: a number with a leading zero (`010`, `00010`) stays text. Whoever writes it means
    a register of a manual or a PIN, which a number would silently shorten.

    Raises:
        ValueError: a number that no register and no limit can hold.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        base = {"0x": 16, "0o": 8}.get(text[:2], 10)
        if len(text) > _MOST_DIGITS or abs(integer := int(text, base)) >= _LARGEST_INTEGER:
            raise ValueError("this number is larger than 64 bits: put it in quotes if it is text")
        return integer
    if _FLOAT.fullmatch(text):
        if isinf(number := float(text)):
            raise ValueError("this number is too large: put it in quotes if it is text")
        return number
    return text


class _Reader:
    """Builds the data of one file from the parser's events, noting places and problems on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.text = ""
        self.events: Iterator[yaml.Event] = iter(())
        self.problems: list[Problem] = []
        self.places: list[tuple[Keys, Place]] = []
        self.anchors: dict[str, tuple[Plain, list[tuple[Keys, Place]]]] = {}
        self.from_aliases = 0

    def read(self, content: bytes) -> dict[Key, Plain]:
        """Read the one document of the file; an empty file is an empty map.

        Raises:
            _Stopped: the rest cannot be read.
        """
        self.text = self.decode(content)
        self.events = yaml.parse(self.text, Loader=_LOADER)
        data: Plain = None
        for event in self.until(yaml.StreamEndEvent):
            if isinstance(event, yaml.NodeEvent):
                if self.places:
                    self.stop(
                        event, "a second document: `---` may only stand at the top; use a file for each"
                    )
                data = self.node(event, (), self.position(event))
                if not isinstance(data, dict | None):
                    self.stop(event, "expected a section at the beginning of a line, such as `rules:`")
        return data if isinstance(data, dict) else {}

    def decode(self, content: bytes) -> str:
        """Read the bytes as UTF-8, or as the UTF-16 of Windows' Notepad; a byte order mark is fine."""
        if len(content) > _LARGEST_FILE:
            self.refuse(0, f"larger than {_LARGEST_FILE} bytes: is it the right file?")
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        try:
            text = content.decode("utf-16" if wide else "utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            self.refuse(line, "a character in this line is not UTF-8: save the file with the encoding UTF-8")
        if strange := _CONTROL.search(text):
            line = text.count("\n", 0, strange.start()) + 1
            self.refuse(line, f"a control character (U+{ord(strange[0]):04X}) in this line: delete it")
        return text

    def next(self) -> yaml.Event:
        """Take the parser's next event."""
        try:
            return next(self.events)
        except yaml.MarkedYAMLError as error:
            self.problems.append(explain(error, self.file, self.text))
            raise _Stopped from None

    def until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        """Give the events before the one that ends the current collection."""
        while not isinstance(event := self.next(), end):
            yield event

    def position(self, event: yaml.Event) -> Position:
        """Give the position of an event; marks count from 0."""
        mark = event.start_mark
        return Position(self.file, mark.line + 1, mark.column + 1) if mark else Position(self.file)

    def note(self, event: yaml.Event, text: str) -> None:
        """Note a problem and go on."""
        self.problems.append(Problem(*self.position(event), text))

    def stop(self, event: yaml.Event, text: str) -> NoReturn:
        """Note a problem after which nothing makes sense."""
        self.note(event, text)
        raise _Stopped

    def refuse(self, line: int, text: str) -> NoReturn:
        """Note a problem of the text itself, before it is split into events."""
        self.problems.append(Problem(self.file, line, min(line, 1), text))
        raise _Stopped

    def node(self, event: yaml.Event, path: Keys, key: Position) -> Plain:
        """Build the value that begins with this event."""
        begin = len(self.places)
        self.places.append((path, Place(key, self.position(event))))
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, path)
        if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            return None  # the beginning or end of a document
        if len(path) > _DEEPEST:
            self.stop(event, f"nested more than {_DEEPEST} deep: check the indentation and the brackets")
        if event.tag not in _PLAIN_TAGS:
            self.note(event, "a text that begins with `!` needs quotes")
        data = self.content(event, path)
        if event.anchor is not None:
            inside = self.places[begin + 1 :]
            self.anchors[event.anchor] = data, [(keys[len(path) :], place) for keys, place in inside]
        return data

    def content(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, path: Keys) -> Plain:
        """Build what is inside a value."""
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        return self.mapping(path) if isinstance(event, yaml.MappingStartEvent) else self.sequence(path)

    def sequence(self, path: Keys) -> list[Plain]:
        """Build a list."""
        items: list[Plain] = []
        for event in self.until(yaml.SequenceEndEvent):
            items.append(self.node(event, (*path, len(items)), self.position(event)))
        return items

    def mapping(self, path: Keys) -> dict[Key, Plain]:
        """Build a map. A repeated key is a problem; the first counts, the second is still checked."""
        data: dict[Key, Plain] = {}
        lines: dict[Key, int] = {}
        for event in self.until(yaml.MappingEndEvent):
            key, place = self.key(event), self.position(event)
            if key in data:
                self.note(event, f"`{key}` is given twice, first in line {lines[key]}: delete one of them")
                end = len(self.places)
                self.node(self.next(), path, place)
                del self.places[end:]
            else:
                lines[key] = place.line
                data[key] = self.node(self.next(), (*path, key), place)
        return data

    def key(self, event: yaml.Event) -> Key:
        """Read a key: a whole number as such (`codes: {7: ...}`), anything else as it is written."""
        if not isinstance(event, yaml.ScalarEvent):
            self.stop(event, "a map or list cannot be a key: a text that begins with `{` or `[` needs quotes")
        if event.implicit[0] and event.value == "<<":
            self.note(event, "`<<` is not part of YAML 1.2: write the keys out, or use `defaults:`")
        value = self.scalar(event)
        return value if isinstance(value, int) and not isinstance(value, bool) else str(event.value)

    def scalar(self, event: yaml.ScalarEvent) -> Plain:
        """Read a scalar; in quotes it is text."""
        text = str(event.value)
        if not event.implicit[0]:
            return text
        try:
            return scalar(text)
        except ValueError as error:
            self.note(event, str(error))
            return text

    def alias(self, event: yaml.AliasEvent, path: Keys) -> Plain:
        """Repeat what an anchor holds: the data is shared, its places are noted once more."""
        if event.anchor not in self.anchors:
            self.stop(
                event, f"no `&{event.anchor}` stands before this: a text that begins with `*` needs quotes"
            )
        data, inside = self.anchors[event.anchor]
        self.from_aliases += len(inside) + 1
        if self.from_aliases > _MOST_FROM_ALIASES:
            self.stop(event, "aliases repeat too much: write it out")
        self.places += [((*path, *keys), place) for keys, place in inside]
        return data
