"""What is wrong with a text that is not YAML, in the words of someone who edits it.

The parser speaks of block mappings and tokens. Both of PyYAML's parsers (C and Python) are
recognised by the words that they share; whatever is not in the table is passed on as it is.
"""

import re
from typing import Final

import yaml

from agent.errors import Problem

_MESSAGES: Final = (
    ("cannot start any token", "a text that begins with `{character}` needs quotes"),
    (
        "mapping values are not allowed",
        "a second `: ` here: check the indentation, or put the text in quotes",
    ),
    ("quoted scalar: found unexpected", "the quote that opens in line {opened} is never closed"),
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


def explain(error: yaml.MarkedYAMLError, file: str, text: str) -> Problem:
    """Say where a text stops being YAML, and what to look at."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Problem(file, 0, 0, f"not YAML: {error.problem}")
    opened = (error.context_mark or mark).line + 1
    character = _character(text, mark.line, mark.column)
    said = f"{error.context or ''}: {error.problem}"
    if character == "\t" and "cannot start any token" in said:
        message = "a tab cannot indent: use spaces"
    else:
        known = (message for words, message in _MESSAGES if words in said)
        message = next(known, "not YAML: " + str(error.problem).replace("{", "{{").replace("}", "}}"))
    return Problem(file, mark.line + 1, mark.column + 1, message.format(character=character, opened=opened))


def _character(text: str, line: int, column: int) -> str:
    """Give the character at a mark, by the parser's idea of lines; empty at the end of the text."""
    lines = re.split("\r\n|[\r\n\x85\u2028\u2029]", text)
    return lines[line][column : column + 1] if line < len(lines) else ""
