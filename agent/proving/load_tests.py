"""Loading a file of unit tests: all of it, or all that is wrong with it, each with its place."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from agent.config.messages import findings
from agent.config.model import Configuration
from agent.proving.compile_test import UnitTest, compile_test
from agent.proving.notes import Notes
from agent.proving.sections import TestFile

_FILE: Final = TypeAdapter(TestFile)


@dataclass(frozen=True, slots=True)
class Suite:
    """A file of tests without an error, and the configuration that they are about."""

    file: Path
    configuration: Configuration
    tests: tuple[UnitTest, ...]


def load_tests(file: Path, under_test: Path | None, load: Callable[[Path], Configuration]) -> Suite:
    """Load a file of tests.

    Args:
        file: where they are written.
        under_test: the configuration under test; None: the one that the file names.
        load: gives the configuration of a path.

    Raises:
        ConfigError: an error was found, in this file or in the configuration.
    """
    notes = Notes(file)
    written = _validated(notes)
    if written is not None and written.rules is None and under_test is None:
        notes.report((), "which rules? Write `rules: PATH` at the top of the file, or use -c PATH")
    notes.refuse()
    assert written is not None  # noqa: S101 - what is wrong with it was noted
    configuration = load(under_test or file.parent / (written.rules or ""))
    tests = [
        compile_test(test, configuration, notes, ("tests", index)) for index, test in enumerate(written.tests)
    ]
    notes.refuse()
    return Suite(file, configuration, tuple(tests))


def _validated(notes: Notes) -> TestFile | None:
    if not notes.document.complete:
        return None
    data = notes.document.data
    try:
        return _FILE.validate_python(data)
    except ValidationError as error:
        for found in findings(error, data, _FILE):
            notes.report(found.path, found.text, at_key=found.at_key)
        return None
