"""The house's own source, parsed, for the tests that hold its rules."""

import ast
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Source:
    """One Python file; `path` is relative to the repository (`agent/rules/engine.py`)."""

    path: str
    text: str

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Everything in it, parsed."""
        return tuple(ast.walk(ast.parse(self.text, self.path)))

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


Rule = Callable[[Source], Iterable[tuple[int, str]]]


def sources(*folders: str) -> Iterator[Source]:
    for folder in folders:
        yield from _below(folder)


@cache
def _below(folder: str) -> tuple[Source, ...]:
    """All of a folder but what is installed there; once, for parsing is what the tests of the house cost."""
    found: list[Source] = []
    for place, folders, files in os.walk(ROOT / folder):
        folders[:] = sorted(set(folders) - {"node_modules", "__pycache__"})
        paths = (Path(place, file) for file in sorted(files) if file.endswith(".py"))
        found += (Source(str(path.relative_to(ROOT)), path.read_text()) for path in paths)
    return tuple(found)


def forget() -> None:
    """Let go of what was parsed: a million nodes, at which the garbage collector would look in every test to come."""
    _below.cache_clear()


def violations(rule: Rule, found: Iterable[Source]) -> list[str]:
    """Every place where the rule is broken, as an editor can jump to: `FILE:LINE: what`."""
    return [f"{source.path}:{line}: {what}" for source in found for line, what in rule(source)]
