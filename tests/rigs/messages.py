"""Every message of the product that reports a problem, as it stands in the source.

    .venv/bin/python -m tests.rigs.messages            all, one a line
    .venv/bin/python -m tests.rigs.messages --wanting  only those that a test would refuse

Found by reading the syntax trees of `agent/`: what an error of the house is made of (and what a
validator of the configuration raises), each warning and error of the log, each `Problem`, `Doubt`
and `Finding`. A placeholder is kept as `{its expression}`.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_LOGGED: Final = frozenset({"warning", "error", "critical"})
_TEXT_OF: Final = {"Problem": 3, "Doubt": 1, "Finding": 1}
"""What carries a text of the configuration's check, and as which argument."""
_PARTS: Final = frozenset({"ValueError", "TypeError", "ArgumentTypeError"})
"""Errors whose text stands behind the name of what is wrong: the loader or the command puts it there."""


@dataclass(frozen=True, slots=True)
class Message:
    """A text, where it stands, and what is made of it (`log`, or the name of a class)."""

    path: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.kind}: {self.text}"


def text_of(node: ast.expr) -> str:
    """Write an expression as its reader sees it, as far as that stands in the source."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(map(text_of, values))
        case ast.FormattedValue(value=value):
            return "{" + ast.unparse(value) + "}"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return text_of(left) + text_of(right)
        case _:
            return "{" + ast.unparse(node) + "}"


def texts_of(node: ast.expr) -> list[str]:
    """Give each text that an expression may be: a choice has two."""
    if isinstance(node, ast.IfExp):
        return [*texts_of(node.body), *texts_of(node.orelse)]
    return [text_of(node)]


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


@cache
def house_errors() -> frozenset[str]:
    """Name all classes of exceptions that are defined in the product, by reading who is derived from whom."""
    bases: dict[str, set[str]] = {}
    for path in sorted((ROOT / "agent").rglob("*.py")):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
    known = {"Exception", "ValueError", "OSError", "RuntimeError", "SSLCertVerificationError"}
    while more := {name for name, of in bases.items() if of & known} - known:
        known |= more
    return frozenset(known & bases.keys())


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _carried(node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """Give what a call makes, and the expressions of its text."""
    name = _called(node)
    of = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
    if name in _LOGGED and of.endswith("log"):
        yield "log", node.args[0]
    elif name in _TEXT_OF and len(node.args) > _TEXT_OF[name]:
        yield name, node.args[_TEXT_OF[name]]
    elif name in house_errors() | _PARTS and node.args:
        yield (
            name,
            max(
                node.args,
                key=lambda arg: (
                    len(text_of(arg)) * isinstance(arg, ast.Constant | ast.JoinedStr | ast.BinOp | ast.IfExp)
                ),
            ),
        )


def messages() -> Iterator[Message]:
    """Give all messages that stand in the source, file by file."""
    for path in sorted((ROOT / "agent").rglob("*.py")):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Call):
                for kind, expression in _carried(node):
                    for text in texts_of(expression):
                        yield Message(str(path.relative_to(ROOT)), node.lineno, kind, text)


_REMEDY: Final = re.compile(
    r"""(?ix) \b(expected|did.you.mean|write|see|look|check|give|choose|set|put|move|delete|leave|use|add|
    make|mend|join|restart|install|name|take|send|allow|export|sort|renew|raise|copy|open|save|group|begin|
    try|wait|remove|trust|read|turn|chmod|lower|ask|grant|end|run|enable|split|have|accept|replace|quoted?)\b
    | `edge-relay\ [a-z] | `systemctl | remedy | explain\( | did_you_mean""",
)


def wanting(message: Message) -> str:
    """Say what a message lacks, as far as a machine can tell; empty where nothing is."""
    text = message.text
    if re.fullmatch(r"\{.*\}|%s|%s: %s", text) and "}" not in text[:-1]:
        return ""  # it is put together elsewhere
    if not _REMEDY.search(re.sub(r"\{(?![^}]*(remedy|explain|did_you))[^}]*\}", "", text)):
        return "no remedy"
    return ""


if __name__ == "__main__":
    chosen = argparse.ArgumentParser()
    chosen.add_argument("--wanting", action="store_true")
    only = chosen.parse_args().wanting
    for each in messages():
        lack = wanting(each)
        if not only or lack:
            sys.stdout.write(f"{lack + ': ' if lack else ''}{each}\n")
