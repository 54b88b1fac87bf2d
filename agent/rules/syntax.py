"""The grammar of expressions: words become terms, by precedence, in one pass.

    or  <  and  <  not  <  == != < <= > >=  <  + -  <  * /  <  minus  <  ( ) and functions

Rules for whoever changes it: no Python is evaluated and nothing of Python can be reached; every error
has its column and says what to write; nesting is bounded, in the parser and in the terms it builds.
"""

from difflib import get_close_matches
from typing import Final

from agent.rules import terms
from agent.rules.terms import Evaluate, ExpressionError, Kind, Term
from agent.rules.tokens import Token, tokens

OR, AND, NOT, COMPARE, SUM, PRODUCT, MINUS = range(1, 8)
BINDING: Final = {
    "or": OR,
    "and": AND,
    **dict.fromkeys(terms.COMPARISONS, COMPARE),
    **dict.fromkeys("+-", SUM),
    **dict.fromkeys("*/", PRODUCT),
}

NAMED: Final = {
    "tag": ("tag", terms.tag_value),
    "age": ("tag", terms.tag_age),
    "active": ("rule", terms.rule_active),
}
"""Functions of one quoted name: what it names, and the term they make."""
COUNTED: Final = {"abs": "one value", "min": "two values or more", "max": "two values or more"}
"""Functions of numbers, and how many they take."""


class Parser:
    """Reads one expression.

    Attributes:
        places: the column of the first reference to each tag and to each rule.
        ages: the tags whose age is asked.
    """

    def __init__(self, text: str) -> None:
        self.places: dict[str, dict[str, int]] = {"tag": {}, "rule": {}}
        self.ages: set[str] = set()
        self._text = text
        self._tokens = list(tokens(text))
        self._at = 0

    def whole(self) -> Term:
        """Read all of the text.

        Raises:
            ExpressionError: with the column and the remedy.
        """
        if self._next.kind == "end":
            raise ExpressionError("the expression is empty: write a condition such as TT1 > 5", 1)
        term = self._term(OR, 1)
        if self._next.kind != "end":
            raise self._superfluous()
        return term

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _term(self, binding: int, depth: int) -> Term:
        """Read what binds at least as tightly as `binding`."""
        begin = self._next
        if depth > terms.MAX_DEPTH:
            raise _too_deep(begin.column)
        left = self._prefix(binding, depth)
        while (power := BINDING.get(self._sign, 0)) >= binding:
            sign = self._take().text
            parts = [left, self._term(power + 1, depth + 1)]
            while power in {OR, AND} and self._sign == sign:
                self._take()
                parts.append(self._term(power + 1, depth + 1))
            if power == COMPARE:
                self._refuse_chain(parts)
            left = self._made(begin, parts, _joined(sign, power, parts))
        return left

    @property
    def _sign(self) -> str:
        return self._next.text if self._next.kind == "sign" else ""

    def _prefix(self, binding: int, depth: int) -> Term:
        token = self._take()
        match token.kind, token.text:
            case "sign", "-":
                inner = self._term(MINUS, depth + 1)
                return self._made(token, [inner], terms.calculation("minus", [inner]))
            case "sign", "not":
                if binding > NOT:
                    raise ExpressionError(
                        "put `not` and what follows it in parentheses: (not ...)", token.column
                    )
                inner = self._term(NOT, depth + 1)
                return self._made(token, [inner], terms.negation(inner))
            case "sign", "(":
                inner = self._term(OR, depth + 1)
                self._close(token)
                return self._made(token, [inner], (inner.kind, inner.evaluate))
            case "sign", "true" | "false":
                return self._made(token, [], terms.constant(token.text == "true"))
            case "number" | "text", _:
                return self._made(token, [], terms.constant(token.value))
            case "name", _:
                return self._name(token, depth)
            case _:
                raise self._missing(token)

    def _name(self, token: Token, depth: int) -> Term:
        function = token.text
        called = self._sign == "("
        if function in NAMED or function in COUNTED:
            if not called:
                use = f'{function}("...")' if function in NAMED else f"{function}(...)"
                raise ExpressionError(
                    f'`{function}` is a function: write {use}; a tag of this name is tag("{function}")',
                    token.column,
                )
            return self._named(token) if function in NAMED else self._counted(token, depth)
        if called:
            known = sorted([*NAMED, *COUNTED])
            close = get_close_matches(function.lower(), known, n=1)
            remedy = f"did you mean `{close[0]}`?" if close else f"known are {', '.join(known)}"
            raise ExpressionError(f"unknown function `{function}`: {remedy}", token.column)
        self.places["tag"].setdefault(function, token.column)
        return self._made(token, [], terms.tag_value(function))

    def _named(self, function: Token) -> Term:
        """Read the quoted name that `tag`, `age` and `active` take."""
        opening = self._take()
        name = self._take()
        what, make = NAMED[function.text]
        if name.kind != "text" or not str(name.value).strip():
            end = self._text.find(")", opening.column)
            written = self._text[opening.column : end].strip(" \"'") if end >= 0 else ""
            shown = written if written and '"' not in written and "(" not in written else "..."
            raise ExpressionError(
                f'{function.text} takes the name of a {what} in quotes: {function.text}("{shown}")',
                name.column,
            )
        if self._sign == ",":
            raise ExpressionError(f"{function.text} takes one name", self._next.column)
        self._close(opening)
        self.places[what].setdefault(str(name.value), name.column)
        if function.text == "age":
            self.ages.add(str(name.value))
        return self._made(function, [], make(str(name.value)))

    def _counted(self, function: Token, depth: int) -> Term:
        opening = self._take()
        parts: list[Term] = []
        if self._sign != ")":
            parts.append(self._term(OR, depth + 1))
            while self._sign == ",":
                self._take()
                parts.append(self._term(OR, depth + 1))
        self._close(opening)
        if not (len(parts) == 1 if function.text == "abs" else len(parts) > 1):
            raise ExpressionError(
                f"{function.text} takes {COUNTED[function.text]}; here are {len(parts)}", function.column
            )
        return self._made(function, parts, terms.calculation(function.text, parts))

    def _made(self, begin: Token, parts: list[Term], made: tuple[Kind, Evaluate]) -> Term:
        """Put a term round `parts`; it reaches from `begin` to the word read last."""
        depth = 1 + max((part.depth for part in parts), default=0)
        if depth > terms.MAX_DEPTH:
            raise _too_deep(begin.column)
        written = self._text[begin.column - 1 : self._tokens[self._at - 1].end - 1]
        return Term(written, begin.column, *made, depth=depth)

    def _close(self, opening: Token) -> None:
        if self._sign == ")":
            self._take()
        elif self._next.kind == "end":
            raise ExpressionError("this `(` is never closed: a `)` is missing, add it", opening.column)
        else:
            raise self._superfluous()

    def _refuse_chain(self, parts: list[Term]) -> None:
        if BINDING.get(self._sign) == COMPARE:
            middle = parts[1].text
            raise ExpressionError(
                "comparisons cannot be chained; join two of them by `and`: "
                f"... {middle} and {middle} {self._sign} ...",
                self._next.column,
            )

    def _superfluous(self) -> ExpressionError:
        """Why the word that comes next cannot follow what was read."""
        token = self._next
        before = self._tokens[self._at - 1]
        match token.kind, token.text:
            case "sign", ")":
                return ExpressionError("this `)` closes nothing: delete it, or add its `(`", token.column)
            case "sign", "," if before.kind == "number":
                return ExpressionError("write a decimal fraction with a point: 0.5", token.column)
            case "name", "is":
                return ExpressionError("write `==` instead of `is`", token.column)
            case _:
                return ExpressionError(
                    f"`{token.text}` cannot follow `{before.text}`: "
                    "an operator such as `and` or `==` is missing, "
                    'or the quotes of a name with blanks: tag("...")',
                    token.column,
                )

    def _missing(self, token: Token) -> ExpressionError:
        """Why `token` cannot begin a term."""
        before = self._tokens[self._at - 2].text if self._at > 1 else ""
        after = f" after `{before}`" if before else ""
        if token.kind == "end":
            return ExpressionError(f"a value is missing{after}: write a tag or a number", token.column)
        return ExpressionError(
            f"a value is missing{after}, before `{token.text}`: write a tag or a number", token.column
        )


def _joined(sign: str, power: int, parts: list[Term]) -> tuple[Kind, Evaluate]:
    if power == OR:
        return terms.any_of(parts)
    if power == AND:
        return terms.all_of(parts)
    if power == COMPARE:
        return terms.comparison(sign, *parts)
    return terms.calculation(sign, parts)


def _too_deep(column: int) -> ExpressionError:
    return ExpressionError(
        f"more than {terms.MAX_DEPTH} terms inside one another; split the expression into rules", column
    )
