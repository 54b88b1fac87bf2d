"""The file behind `tags: {import: registers.csv}`: found beside the configuration, and read.

Rules for whoever changes this: a list is read only where a change of it is noticed as one of the
configuration (`files.list_files`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from agent.config.files import LIST_SUFFIXES, list_files
from agent.config.messages import did_you_mean, findings
from agent.config.register_map.options import Import
from agent.config.register_map.reading import TagList, read_list
from agent.config.register_map.text import ListError
from agent.config.source_use import WrittenSource
from agent.config.walk import subject_of
from agent.config.yaml_text import Key, Plain
from agent.errors import Problem
from agent.sources import SourceConfig

SOURCE: Final[TypeAdapter[SourceConfig]] = TypeAdapter(WrittenSource)
"""A source, with what it may say of templates and lists in its schema."""
BARE: Final[Mapping[str, Mapping[Key, Plain]]] = {
    "modbus": {"url": "tcp://192.0.2.1:502"},
    "opcua": {"url": "opc.tcp://192.0.2.1:4840", "security": "none"},
    "mqtt": {"url": "mqtt://192.0.2.1:1883", "keep_session": False},
}
"""The protocols that have lists, and what makes a source of such a list; nobody has this address (RFC 5737)."""


def read_import(wanted: Import, kind: str, folder: Path) -> TagList:
    """Read a list.

    Args:
        wanted: the file, and how it is to be read.
        kind: the protocol, one of `KINDS`.
        folder: of the configuration.

    Raises:
        ListError: nothing of it can be used.
    """
    if kind not in BARE:
        raise ListError(f"a source of type {kind} has no list: write its tags here")
    if wanted.file.suffix.lower() in {".xlsx", ".xls", ".xlsm", ".ods"}:
        raise ListError("a workbook, not a text: open it and save the sheet as CSV (UTF-8)")
    known = {file.resolve(): file for file in list_files(folder)}
    try:
        if wanted.file.resolve() not in known:
            raise ListError(_not_there(wanted.file, folder, list(known.values())))
        content = wanted.file.read_bytes()
    except OSError as error:
        raise ListError(f"cannot be read: {error.strerror}; check the path, and who may read it") from None
    except (RuntimeError, ValueError):  # links in a circle (before Python 3.13), a NUL
        raise ListError("cannot be read: its path leads nowhere") from None
    return read_list(content, str(wanted.file), kind, wanted)


def _not_there(file: Path, folder: Path, known: list[Path]) -> str:
    """Say why a file is not one of the lists."""
    if file.is_file():
        endings = ", ".join(sorted(LIST_SUFFIXES))
        return (
            f"a list is a file ({endings}) in the folder of the configuration, {folder}, or in a folder there, so that "
            "its changes are noticed: copy it"
        )
    names = [str(each.relative_to(folder)) for each in known]
    return f"there is no such file in {folder}{did_you_mean(file.name, names)}"


def without_wrong(listed: TagList, kind: str) -> TagList:
    """Give a list without the tags that their protocol refuses, and what it says about them."""
    for name, entry in list(listed.entries.items()):
        data: dict[Key, Plain] = {"type": kind, **BARE[kind], "tags": {name: entry.tag}}
        try:
            SOURCE.validate_python(data)
        except ValidationError as error:
            for found in findings(error, data, SOURCE):
                cell = entry.cells.get(str(found.path[2]), entry.at) if found.path[2:] else entry.at
                text = subject_of(("sources", kind, *(found.path or ("tags", name)))) + found.text
                listed.problems.append((name, Problem(entry.file, cell.line, cell.column, text)))
            listed.unusable.add(name)
            del listed.entries[name]
    return listed
