"""The house's own source, parsed, for the tests that hold its rules."""

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Source:
    """One Python file; `path` is relative to the repository (`agent/rules/engine.py`)."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


Rule = Callable[[Source], Iterable[tuple[int, str]]]


def sources(*folders: str) -> Iterator[Source]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield Source(str(path.relative_to(ROOT)), path.read_text())


def violations(rule: Rule, found: Iterable[Source]) -> list[str]:
    """Every place where the rule is broken, as an editor can jump to: `FILE:LINE: what`."""
    return [f"{source.path}:{line}: {what}" for source in found for line, what in rule(source)]
