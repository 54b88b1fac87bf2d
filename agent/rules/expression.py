"""Expressions over tags: `calc`, `when`, `suppress_while` (design: rules, "Expressions").

    P101.CMD and not P101.RUN_FB        (HX1.T_IN - HX1.T_OUT) / HX1.FLOW        R1.MODE == "AUTO"
    tag("TT-101") > 5 or age("TT-101") > 60        suppress: active("K1-trip")

Bare names are letters, digits, `_` and `.`; any other name is quoted. What a term means stands in
`terms`, the grammar in `syntax`.

Rules for whoever changes it: parsed once, when the configuration is read, and every mistake that can be
known then is told then; evaluation is a call of closures, without I/O, clock or state.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from agent.rules.syntax import Parser
from agent.rules.terms import Evaluate, ExpressionError, Holds, Kind, Scope, truth

__all__ = ["Expression", "ExpressionError", "Kind", "Scope"]


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression.

    Attributes:
        text: as it is written; two expressions of the same text are the same.
        tags: every tag it reads, those of `age` included.
        ages: the tags it asks the age of: its value may change although nothing is read.
        rules: the rules whose alarms it asks for.
        evaluate: its value in a scope; None: unknown. Raises TypeError, with a sentence for a person,
            when the data are of a kind that it cannot be asked of (a text in arithmetic).
        holds: its value as a gate reads it: a number is false if it is 0. Raises TypeError as
            `evaluate`, and for a text.
        kind: of its value, as far as it is known beforehand.
        tag_places, rule_places: the column, from 1, of the first reference to each.
    """

    text: str
    tags: frozenset[str] = field(compare=False, repr=False)
    ages: frozenset[str] = field(compare=False, repr=False)
    rules: frozenset[str] = field(compare=False, repr=False)
    evaluate: Evaluate = field(compare=False, repr=False)
    holds: Holds = field(compare=False, repr=False)
    kind: Kind = field(compare=False, repr=False)
    tag_places: Mapping[str, int] = field(compare=False, repr=False)
    rule_places: Mapping[str, int] = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> "Expression":
        """Parse `text`.

        Raises:
            ExpressionError: with the column and the remedy.
        """
        parser = Parser(text)
        term = parser.whole()
        tags, rules = parser.places["tag"], parser.places["rule"]
        return cls(
            text=text,
            tags=frozenset(tags),
            ages=frozenset(parser.ages),
            rules=frozenset(rules),
            evaluate=term.evaluate,
            holds=truth(term, "a condition"),
            kind=term.kind,
            tag_places=tags,
            rule_places=rules,
        )

    def unquoted(self, tag: str, known: Iterable[str]) -> str | None:
        """Find the known tag that was meant where `tag`, which is none, was read.

        `TT-101 > 5` reads the tag `TT` less 101; if there is a tag `TT-101`, it had to be quoted.
        """
        at = self.tag_places[tag] - 1
        for name in sorted(known, key=len, reverse=True):
            begin = self.text.find(name, max(0, at + len(tag) - len(name)))
            if 0 <= begin <= at and len(name) > len(tag):
                return name
        return None
