"""The file behind `tags: {import: registers.csv}`: found beside the configuration, and read.

Rules for whoever changes this: a list is read only where a change of it is noticed as one of the
configuration (`files.list_files`).
"""

from pathlib import Path

from agent.config.files import LIST_SUFFIXES, list_files
from agent.config.messages import did_you_mean
from agent.config.register_map.headings import FIELDS
from agent.config.register_map.options import Import
from agent.config.register_map.reading import TagList, read_list
from agent.config.register_map.text import ListError

KINDS = frozenset(FIELDS)
"""The protocols that have lists."""


def read_import(wanted: Import, kind: str, folder: Path) -> TagList:
    """Read a list.

    Args:
        wanted: the file, and how it is to be read.
        kind: the protocol, one of `KINDS`.
        folder: of the configuration.

    Raises:
        ListError: nothing of it can be used.
    """
    if kind not in KINDS:
        raise ListError(f"a source of type {kind} has no list: write its tags here")
    if wanted.file.suffix.lower() in {".xlsx", ".xls", ".xlsm", ".ods"}:
        raise ListError("a workbook, not a text: open it and save the sheet as CSV (UTF-8)")
    known = {file.resolve(): file for file in list_files(folder)}
    if wanted.file.resolve() not in known:
        raise ListError(_not_there(wanted.file, folder, list(known.values())))
    try:
        content = wanted.file.read_bytes()
    except OSError as error:
        raise ListError(f"cannot be read: {error.strerror}") from None
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
