"""What is wrong with a text that is not YAML, in the words of someone who edits it.

The parser speaks of block mappings and tokens. Both of PyYAML's parsers (C and Python) are
recognised by the words that they share; whatever is not in the table is passed on as it is.
"""

import re
from collections.abc import Sequence
from typing import Final

import yaml

from agent.errors import Problem

_MESSAGES: Final = (
    ("cannot start any token", "a text that begins with `{character}` needs quotes"),
    (
        "mapping values are not allowed",
        "a second `: ` here: check the indentation, or put the text in quotes",
    ),
    (
        "quoted scalar: found unexpected",
        "the quote that opens in line {opened} is never closed: add it at the end of the text",
    ),
    ("unknown escape", "an unknown escape after `\\`: use single quotes for a text with backslashes"),
    ("parsing a flow mapping", "expected `,` or `}}`: the map `{{` opens in line {opened}"),
    ("parsing a flow sequence", "expected `,` or `]`: the list `[` opens in line {opened}"),
    (
        "parsing a block",
        "this does not fit the lines before: check the indentation, or put the text in quotes",
    ),
    ("could not find expected ':'", "expected `:` after the key"),
    ("duplicate %YAML", "a second %YAML line: delete it"),
)

_LINE_ENDS: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
# What a person means as text: a name alone in braces, as the value of a key.
_NAME_IN_BRACES: Final = re.compile(r": +(?P<brace>\{)[^{}:,]+\}")
# What the parser says where the mistake is in the line before: `tag:TT101` is a text that may go on.
_BEGAN_BEFORE: Final = ("mapping values are not allowed", "parsing a block", "could not find expected ':'")
_KEY_WITHOUT_SPACE: Final = re.compile(r"\s*(?:- +)?\w+:[^\s:/]\S*\s*(?:#.*)?$")


def explain(error: yaml.MarkedYAMLError, file: str, text: str) -> Problem:
    """Say where a text stops being YAML, and what to look at."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Problem(file, 0, 0, f"not YAML ({error.problem}): check indentation, quotes and brackets")
    opened = (error.context_mark or mark).line + 1
    column = mark.column + 1
    lines = [*_LINE_ENDS.split(text), ""]  # by the parser's idea of lines; the mark may be at the end
    line = lines[mark.line] if mark.line < len(lines) else ""
    character = line[mark.column : mark.column + 1]
    said = f"{error.context or ''}: {error.problem}"
    if character == "\t" and "cannot start any token" in said:
        message = "a tab cannot indent: use spaces"
    elif brace := _unquoted_brace(line, mark.column):
        column = brace
        message = "a text that begins with `{{` needs quotes"
    elif any(words in said for words in _BEGAN_BEFORE) and (before := _without_space(lines[: mark.line])):
        message = f"a space belongs after `:` in line {before}: write it"
    else:
        known = (message for words, message in _MESSAGES if words in said)
        message = next(known, "not YAML: " + str(error.problem).replace("{", "{{").replace("}", "}}"))
    return Problem(file, mark.line + 1, column, message.format(character=character, opened=opened))


def _unquoted_brace(line: str, column: int) -> int:
    """Where a text such as `{each}.FLOW` begins, from 1, if the parser stopped in it; else 0."""
    for name in _NAME_IN_BRACES.finditer(line):
        if name.end() <= column and not line[name.end() : column].strip(" >|"):
            return name.start("brace") + 1
    return 0


def _without_space(lines: Sequence[str]) -> int:
    """The number of the last line, if it is a key whose value stands too near: `tag:TT101`; else 0."""
    last = next((index for index in reversed(range(len(lines))) if lines[index].strip()), -1)
    return last + 1 if last >= 0 and _KEY_WITHOUT_SPACE.match(lines[last]) else 0
