"""The words of an expression: its text cut into numbers, texts, names and signs.

What people bring along from other languages (`&&`, `=`, `AND`, quotes of a word processor) is refused
here with what to write instead.

Rules for whoever changes it: no guessing. Whatever could be meant in two ways is an error with the
remedy, at the column where it stands.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from agent.model import Value
from agent.rules.terms import ExpressionError, bounded

MAX_LENGTH: Final = 2000
"""Characters; what is longer is no rule that a person reads."""

KEYWORDS: Final = frozenset({"and", "or", "not", "true", "false"})
SIGNS: Final = ("==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "(", ")", ",")

WRITE_INSTEAD: Final = {
    "&&": "and",
    "&": "and",
    "||": "or",
    "|": "or",
    "!": "not",
    "<>": "!=",
    "=<": "<=",
    "=>": ">=",
    ":=": "==",
    "===": "==",
    "!==": "!=",
    "=": "==",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "\N{MINUS SIGN}": "-",
    "\N{EN DASH}": "-",
    "\N{MULTIPLICATION SIGN}": "*",
    "·": "*",
    "÷": "/",
}
"""What other languages and word processors write, and what it is here."""

REMEDIES: Final = {
    "{": "braces only interpolate, in messages and with for_each; a tag's name stands without them",
    "}": "braces only interpolate, in messages and with for_each; a tag's name stands without them",
    "%": "percent and remainder are not known here; write the number itself",
    "^": "powers are not known here; write a product",
    "**": "powers are not known here; write a product",
    "[": "there are no lists; compare with each value, joined by `or`",
    "]": "there are no lists; compare with each value, joined by `or`",
    **dict.fromkeys(
        "“”„«»\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}`",
        "a text stands in straight quotes: \"AUTO\" or 'AUTO'",
    ),
}

_LONGEST_FIRST = sorted({*SIGNS, *WRITE_INSTEAD, *REMEDIES}, key=len, reverse=True)
_TOKEN: Final = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[^\W\d][\w.]*)"
    r"|(?P<text>\"[^\"]*\"|'[^']*')"
    rf"|(?P<sign>{'|'.join(map(re.escape, _LONGEST_FIRST))})"
)


class Token(NamedTuple):
    """A word of the expression.

    Attributes:
        kind: number, name, text, sign (keywords are signs), or end.
        text: as it is written.
        column: from 1.
        value: of a number or a text.
    """

    kind: str
    text: str
    column: int
    value: Value = ""

    @property
    def end(self) -> int:
        """The column after it."""
        return self.column + len(self.text)


def tokens(text: str) -> Iterator[Token]:
    """Cut `text` into its words; the last one is the end.

    Raises:
        ExpressionError: a character or a word that no expression has.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"an expression has at most {MAX_LENGTH} characters; this one has {len(text)}: split it into rules",
            MAX_LENGTH + 1,
        )
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _unreadable(text, at)
        at = found.end()
        if found.lastgroup != "space":
            yield _token(str(found.lastgroup), found[0], found.start() + 1, text[at : at + 1])
    yield Token("end", "", len(text) + 1)


def _token(kind: str, word: str, column: int, follows: str) -> Token:
    match kind:
        case "number":
            if follows and (follows.isalnum() or follows in "_."):
                raise ExpressionError(
                    f"`{word}{follows}`: a number ends with its digits; a duration is a number of seconds, "
                    'and a name that begins with a digit is quoted: tag("1A")',
                    column,
                )
            return Token(kind, word, column, _number(word, column))
        case "text":
            return Token(kind, word, column, word[1:-1])
        case "name" if word in KEYWORDS:
            return Token("sign", word, column)
        case "name" if word.lower() in KEYWORDS:
            raise ExpressionError(f"write `{word.lower()}` instead of `{word}`", column)
        case "sign" if word in WRITE_INSTEAD:
            raise ExpressionError(f"write `{WRITE_INSTEAD[word]}` instead of `{word}`", column)
        case "sign" if word in REMEDIES:
            raise ExpressionError(f"`{word}`: {REMEDIES[word]}", column)
        case _:
            return Token(kind, word, column)


def _number(word: str, column: int) -> float:
    try:
        number = bounded(int(word) if word.isdigit() else float(word))
    except OverflowError:
        number = None
    if number is None:
        raise ExpressionError(f"`{word}` is too large a number: write a smaller one", column)
    return number


def _unreadable(text: str, at: int) -> ExpressionError:
    sign = text[at]
    if sign in "\"'":
        return ExpressionError(
            f"the text that begins here is never closed: a {sign} is missing, add it", at + 1
        )
    return ExpressionError(f'`{sign}` means nothing here; a name that has it is quoted: tag("...")', at + 1)
