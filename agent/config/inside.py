"""Where a character of a text stands in its file: quotes, escapes and folded lines lie between.

Rules for whoever changes this: it runs for a message alone, so it reads the file's text once more
instead of keeping a place for every character; where it cannot tell, the nearest place before.
"""

import re
from typing import Final

from agent.config.yaml_text import Position

_LINE: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_FOLD: Final = re.compile("[ \t]*(?:\r\n|[\r\n\x85\u2028\u2029])[ \t]*")
_BEFORE: Final = re.compile(r"(?:[&!][^\s]*[ \t]+)*")
_BLOCK: Final = re.compile(r"[|>][^\n]*\n[ \t]*")
_ESCAPED: Final = {"x": 4, "u": 6, "U": 10}


def position_inside(file: str, start: Position, column: int) -> Position:
    """Give the position of a character of a scalar.

    Args:
        file: the text of the whole file.
        start: where the scalar begins.
        column: of the character in the scalar's own text, from 1.
    """
    lines = [0, *(match.end() for match in _LINE.finditer(file))]
    begin = at = lines[start.line - 1] + start.column - 1
    if before := _BEFORE.match(file, at):
        at = before.end()
    quote = file[at : at + 1] if file[at : at + 1] in {"'", '"'} else ""
    if quote:
        at += 1
    elif block := _BLOCK.match(file, at):
        at = block.end()
    for _ in range(column - 1):
        at = max(begin, min(_next(file, at, quote), len(file)))
    line = max(index for index, offset in enumerate(lines) if offset <= at)
    return Position(start.file, line + 1, at - lines[line] + 1)


def _next(file: str, at: int, quote: str) -> int:
    """The end of the character that stands at `at`, as a scalar of this style has it."""
    if quote == "'" and file.startswith("''", at):
        return at + 2
    if quote == '"' and file.startswith("\\", at):
        return at + _ESCAPED.get(file[at + 1 : at + 2], 2)
    fold = _FOLD.match(file, at)
    return fold.end() if fold else at + 1
