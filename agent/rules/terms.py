"""Terms of expressions: what an operator or a function makes of values (design: rules, "Expressions").

Each builder takes the terms below it and gives one that is a closure: an expression is compiled once,
when it is parsed, and evaluated a thousand times a second. Values are three-valued: None is unknown.

    false and unknown = false      true or unknown = true      not unknown = unknown
    arithmetic and comparison with unknown = unknown      division by zero, overflow = unknown

Rules for whoever changes it: a definite result holds whatever the unknown inputs turn out to be. Coils
and flags are numbers too: true is 1 and false is 0, and a number is false if it is 0. A kind that is
certain to be wrong is an ExpressionError when the term is built, one that shows in the data a TypeError
with a sentence for a person.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Final, Protocol, TypeAlias

from agent.model import Value

MAX_DEPTH: Final = 100
"""Of nested terms: far below the interpreter's own limit, which would end more than one rule."""
SHOWN: Final = 40
"""Characters of a text that a sentence quotes."""


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


class Kind(StrEnum):
    """What is known of a term's value before there is one."""

    NUMBER = "number"
    TEXT = "text"
    TRUTH = "true or false"
    ANY = "any"


Evaluate: TypeAlias = Callable[[Scope], Value | None]
Holds: TypeAlias = Callable[[Scope], bool | None]


@dataclass(frozen=True, slots=True)
class Term:
    """A part of an expression, compiled.

    Attributes:
        text: as it is written.
        column: where it begins, from 1.
        kind: of its value.
        evaluate: its value in a scope; None: unknown. Raises TypeError on data of the wrong kind.
        depth: of the terms below it, itself included.
    """

    text: str
    column: int
    kind: Kind
    evaluate: Evaluate
    depth: int = 1


# --- leaves -------------------------------------------------------------------------------------------


def constant(value: Value) -> tuple[Kind, Evaluate]:
    """A value that stands in the expression itself."""
    return _kind_of(value), lambda _scope: value


def tag_value(name: str) -> tuple[Kind, Evaluate]:
    """The value of a tag; what is not finite is unknown."""

    def evaluate(scope: Scope) -> Value | None:
        value = scope.value(name)
        return None if isinstance(value, float) and not isfinite(value) else value

    return Kind.ANY, evaluate


def tag_age(name: str) -> tuple[Kind, Evaluate]:
    """Seconds since a tag was last read good."""
    return Kind.NUMBER, lambda scope: scope.age(name)


def rule_active(name: str) -> tuple[Kind, Evaluate]:
    """Whether a rule's alarm is active."""
    return Kind.TRUTH, lambda scope: scope.active(name)


# --- operators ----------------------------------------------------------------------------------------


def truth(term: Term, asker: str) -> Holds:
    """Read `term` as true or false; `asker` is what wants to know, for the sentence if it is a text.

    Raises:
        ExpressionError: it is certainly a text.
    """
    if term.kind is Kind.TEXT:
        raise ExpressionError(f"`{term.text}` is a text, but {asker} needs true or false", term.column)
    inner = term.evaluate

    def holds(scope: Scope) -> bool | None:
        value = inner(scope)
        if value is True or value is False or value is None:
            return value
        if isinstance(value, str):
            raise TypeError(f"`{term.text}` is {_shown(value)}, but {asker} needs true or false")
        return value != 0

    return holds


def all_of(terms: Sequence[Term]) -> tuple[Kind, Evaluate]:
    """`and`: false as soon as one is false, whatever the others are."""
    parts = tuple(truth(term, "`and`") for term in terms)

    def evaluate(scope: Scope) -> bool | None:
        unknown = False
        for part in parts:
            held = part(scope)
            if held is None:
                unknown = True
            elif not held:
                return False
        return None if unknown else True

    return Kind.TRUTH, evaluate


def any_of(terms: Sequence[Term]) -> tuple[Kind, Evaluate]:
    """`or`: true as soon as one is true, whatever the others are."""
    parts = tuple(truth(term, "`or`") for term in terms)

    def evaluate(scope: Scope) -> bool | None:
        unknown = False
        for part in parts:
            held = part(scope)
            if held is None:
                unknown = True
            elif held:
                return True
        return None if unknown else False

    return Kind.TRUTH, evaluate


def negation(term: Term) -> tuple[Kind, Evaluate]:
    """`not`."""
    holds = truth(term, "`not`")

    def evaluate(scope: Scope) -> bool | None:
        held = holds(scope)
        return None if held is None else not held

    return Kind.TRUTH, evaluate


COMPARISONS: Final[dict[str, Callable[[Value, Value], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def comparison(sign: str, left: Term, right: Term) -> tuple[Kind, Evaluate]:
    """`==` to `>=`: a text never equals a number; which of them is greater cannot be asked."""
    compare, first, second = COMPARISONS[sign], left.evaluate, right.evaluate
    kinds = {left.kind, right.kind}
    if sign not in {"==", "!="} and Kind.TEXT in kinds and not kinds <= {Kind.TEXT, Kind.ANY}:
        text, other = (left, right) if left.kind is Kind.TEXT else (right, left)
        raise ExpressionError(
            f"`{text.text}` is a text, which `{sign}` cannot compare with `{other.text}`", text.column
        )

    def evaluate(scope: Scope) -> bool | None:
        a, b = first(scope), second(scope)
        if a is None or b is None:
            return None
        try:
            return compare(a, b)
        except TypeError:
            text, value, other = (left, a, b) if isinstance(a, str) else (right, b, a)
        shown = _shown(value)
        raise TypeError(f"`{text.text}` is {shown}, which `{sign}` cannot compare with {_shown(other)}")

    return Kind.TRUTH, evaluate


CALCULATIONS: Final[dict[str, Callable[..., float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "minus": operator.neg,
    "abs": operator.abs,
    "min": min,
    "max": max,
}


def calculation(name: str, terms: Sequence[Term]) -> tuple[Kind, Evaluate]:
    """Arithmetic over one term or more; `name` is one of CALCULATIONS."""
    calculate, asker = CALCULATIONS[name], "`-`" if name == "minus" else f"`{name}`"
    for term in terms:
        if term.kind is Kind.TEXT:
            raise ExpressionError(f"`{term.text}` is a text, but {asker} needs numbers", term.column)

    def evaluate(scope: Scope) -> float | None:
        numbers: list[float] = []
        for term in terms:
            value = term.evaluate(scope)
            if value is None:
                return None
            if isinstance(value, str):
                raise TypeError(f"`{term.text}` is {_shown(value)}, but {asker} needs numbers")
            numbers.append(value)
        try:
            return bounded(calculate(*numbers))
        except (ZeroDivisionError, OverflowError):
            return None

    return Kind.NUMBER, evaluate


def bounded(number: float) -> float | None:
    """Give a number that every receiver can read: no true or false, none beyond 64 bits, none infinite.

    Raises:
        OverflowError: an integer that is too large for a floating-point number.
    """
    if isinstance(number, int):
        return +number if -(2**63) <= number < 2**64 else float(number)
    return number if isfinite(number) else None


def _kind_of(value: Value) -> Kind:
    match value:
        case bool():
            return Kind.TRUTH
        case str():
            return Kind.TEXT
        case _:
            return Kind.NUMBER


def _shown(value: Value) -> str:
    """Name a value with its kind: `the text "AUTO"`, `the number 5`, `true`."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'the text "{value if len(value) <= SHOWN else value[:SHOWN] + "…"}"'
        case _:
            return f"the number {value:.10g}"
