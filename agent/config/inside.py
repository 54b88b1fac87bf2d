"""Where a character of a text stands in its file: quotes, escapes and folded lines lie between.

Rules for whoever changes this: it runs for a message alone, so it reads the file's text once more
instead of keeping a place for every character; where it cannot tell, the nearest place before.
"""

import re
from bisect import bisect_right
from typing import Final

from agent.config.yaml_text import Position

EACH: Final = "{each}"
"""In a rule with `for_each`: the name that it stands for."""
_BREAK: Final = r"(?:\r\n|[\r\n\x85\u2028\u2029])"
_LINE: Final = re.compile(_BREAK)
_FOLDED: Final = re.compile(rf"[ \t]*{_BREAK}\s*")
_BEFORE: Final = re.compile(r"(?:[&!]\S*[ \t]+)*")
_BLOCK: Final = re.compile(rf"[|>].*{_BREAK}( *)")
_ESCAPED: Final = {"x": 4, "u": 6, "U": 10}


def position_inside(file: str, start: Position, column: int) -> Position:
    """Give the position of a character of a scalar.

    Args:
        file: the text of the whole file.
        start: where the scalar begins.
        column: of the character in the scalar's own text, from 1.
    """
    lines = [0, *(match.end() for match in _LINE.finditer(file))]
    at = lines[start.line - 1] + start.column - 1
    if before := _BEFORE.match(file, at):
        at = before.end()
    fold, quote = _FOLDED, ""
    if block := _BLOCK.match(file, at):
        at, fold = block.end(), re.compile(f"{_BREAK} {{0,{len(block[1])}}}")
    elif file.startswith(("'", '"'), at):
        at, quote = at + 1, file[at]
    for _ in range(column - 1):
        at = min(_next(file, at, quote, fold), len(file))
    line = bisect_right(lines, at) - 1
    return Position(start.file, line + 1, at - lines[line] + 1)


def _next(file: str, at: int, quote: str, fold: re.Pattern[str]) -> int:
    """The end of the character that stands at `at`, as a scalar of this style has it."""
    if quote == "'" and file.startswith("''", at):
        return at + 2
    if quote == '"' and file.startswith("\\", at):
        return at + _ESCAPED.get(file[at + 1 : at + 2], 2)
    folded = fold.match(file, at)
    return folded.end() if folded else at + 1


def written_column(text: str, each: str, column: int) -> int:
    """Where a column of a text with `each` filled in stands in the text as it is written; from 1."""
    filled = written = 0
    for piece in text.split(EACH):
        if column - 1 <= filled + len(piece):
            return column - filled + written
        filled += len(piece) + len(each)
        written += len(piece) + len(EACH)
        if column - 1 < filled:
            return written - len(EACH) + 1
    return column
