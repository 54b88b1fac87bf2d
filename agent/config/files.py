"""The files of a configuration, read and merged into one document.

Rules for whoever changes this file: nothing is overridden silently. Sections that stand in several
files are joined entry by entry; the same entry twice is an error that names both places.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

from agent.config.yaml_text import Document, Key, Keys, Place, Plain, Position, read_yaml
from agent.errors import ConfigError, Problem

LIST_SUFFIXES: Final = {".csv", ".tsv"}
"""Of vendors' lists, from which tags are imported; not .txt, which may be a log that never rests."""
Stamp: TypeAlias = tuple[tuple[str, int, int, int, int, int], ...]
"""Name, device, inode, size, and both times of each file."""


def read_files(path: Path) -> Document:
    """Read a file, or all `*.yaml` of a folder in the order of their names.

    Raises:
        ConfigError: there is nothing to read.
    """
    data: dict[Key, Plain] = {}
    places: dict[Keys, Place] = {(): Place(Position(str(path)), Position(str(path)))}
    problems: list[Problem] = []
    texts: dict[str, str] = {}
    complete = True
    for file in _readable(path, problems):
        document = read_yaml(_content(file), str(file))
        problems += document.problems
        texts |= document.texts
        complete = complete and document.complete
        problems += _merge(data, places, document)
    return Document(data, places, tuple(problems), complete, texts)


def stamp(path: Path) -> Stamp:
    """What tells one state of the files, and of the lists beside them, from another; empty while there are none to read.

    Whatever is written, replaced (an editor's rename, a checkout, a volume that is swapped), added, deleted or
    made readable changes it. Cheap: nothing is opened.
    """
    marks: list[tuple[str, int, int, int, int, int]] = []
    with suppress(OSError, ConfigError):  # what is deleted meanwhile has gone from the next stamp as well
        for file in [*_files(path, []), *list_files(path if path.is_dir() else path.parent)]:
            is_now = file.stat()
            identity, size = (is_now.st_dev, is_now.st_ino), is_now.st_size
            marks.append((str(file), *identity, size, is_now.st_mtime_ns, is_now.st_ctime_ns))
    return tuple(marks)


def list_files(folder: Path) -> list[Path]:
    """Every file in a folder, and in the folders there, from which tags could be imported."""
    found: list[Path] = []
    with suppress(OSError):
        inside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
        for each in inside:
            if each.suffix.lower() in LIST_SUFFIXES:
                found.append(each)
            elif each.is_dir():
                with suppress(OSError):
                    found += [path for path in sorted(each.iterdir()) if path.suffix.lower() in LIST_SUFFIXES]
    return [path for path in found if _is_file(path)]


def _is_file(path: Path) -> bool:
    """Whether it is one that can be looked at: a folder may name its files to us and show none of them."""
    try:
        return path.is_file()
    except OSError:
        return False


def _readable(path: Path, problems: list[Problem]) -> list[Path]:
    try:
        return _files(path, problems)
    except OSError as error:
        raise ConfigError([_unreadable(path, error)]) from None


def _unreadable(path: Path, error: OSError) -> Problem:
    """Say why; a service's configuration is for its group alone, and a person at night is not yet in it."""
    remedy = ": use sudo, or join the group edge-relay" if isinstance(error, PermissionError) else ""
    return Problem(str(path), 0, 0, f"cannot be read: {error.strerror}{remedy}")


def _files(path: Path, problems: list[Problem]) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ConfigError(
            [
                Problem(
                    str(path), 0, 0, "no such file or folder: `edge-relay init DIR` writes one to begin with"
                )
            ]
        )
    names = [file for file in sorted(path.iterdir()) if file.is_file() and not file.name.startswith(".")]
    problems += [
        Problem(str(file), 0, 0, f"this file is not read: rename it to {file.stem}.yaml", "warning")
        for file in names
        if file.suffix.lower() in {".yml", ".yaml"} and file.suffix != ".yaml"
    ]
    if files := [file for file in names if file.suffix == ".yaml"]:
        return files
    raise ConfigError(
        [
            Problem(
                str(path), 0, 0, "no *.yaml in this folder: `edge-relay init DIR` writes some to begin with"
            )
        ]
    )


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError([_unreadable(file, error)]) from None


def _merge(data: dict[Key, Plain], places: dict[Keys, Place], document: Document) -> Iterator[Problem]:
    """Add a document to what was read before it; what stands there already stays."""
    refused: set[Keys] = set()
    for section, value in document.data.items():
        entries = {} if value is None else value  # `rules:` with everything below it commented out
        known = data.get(section, {})
        if isinstance(known, dict) and isinstance(entries, dict):
            refused |= {(section, name) for name in entries.keys() & known.keys()}
            data[section] = known | {name: entry for name, entry in entries.items() if name not in known}
        elif section in data:
            refused.add((section,))
        else:
            data[section] = entries
    for path, place in document.places.items():
        if path in refused:
            first = places[path].key
            name = path[-1]
            yield Problem(
                *place.key, f"`{name}` is given twice, first in {first.file}:{first.line}: delete one of them"
            )
        if not refused.intersection((path[:1], path[:2])):
            places.setdefault(path, place)
