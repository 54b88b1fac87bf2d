"""Expressions over tags: `calc`, `when`, `suppress_while` (design: rules, "Expressions")."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from agent.model import Value


class ExpressionError(Exception):
    """The text is no expression; `column` counts from 1 within it."""

    def __init__(self, text: str, column: int) -> None:
        super().__init__(text)
        self.column = column


class Scope(Protocol):
    """What an expression may ask for; None is unknown."""

    def value(self, tag: str) -> Value | None:
        """The tag's value; None while it is bad, stale or not read yet."""
        ...

    def age(self, tag: str) -> float | None:
        """Seconds since the tag was last read good; None before that."""
        ...

    def active(self, rule: str) -> bool | None:
        """An alarm of the rule (any of its instances) is active; None before it was decided."""
        ...


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression.

    Attributes:
        text: as it is written; two expressions of the same text are the same.
        tags: every tag it reads, those of `age` included.
        ages: the tags it asks the age of: its value may change although nothing is read.
        rules: the rules whose alarms it asks for.
        evaluate: its value in a scope; None: unknown.
    """

    text: str
    tags: frozenset[str]
    ages: frozenset[str]
    rules: frozenset[str]
    evaluate: Callable[[Scope], Value | None]

    @classmethod
    def parse(cls, text: str) -> "Expression":
        """Parse `text`.

        Raises:
            ExpressionError: with the column and the remedy.
        """
        raise NotImplementedError(text)
