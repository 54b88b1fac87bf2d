"""What holds of every expression, whatever its text and whatever the plant tells."""

import itertools
import math
import operator

from hypothesis import given, settings
from hypothesis import strategies as st
from rigs.scope import Plant

from agent.rules.expression import Expression, ExpressionError
from agent.rules.terms import COMPARISONS

patient = settings(deadline=None)


def same(value, expected):
    return (value, type(value)) == (expected, type(expected))


WORDS = st.sampled_from(
    [
        *"()+-*/<>,=!{}\"'.#\\&|²½٣\x00\n ",
        *(
            "==",
            "<=",
            " and ",
            " or ",
            "not ",
            "true",
            "is ",
            "A",
            "B.C",
            "ü",
            "1",
            "2.5",
            "1e9",
            "abs(",
            "min(",
        ),
        *("max(", 'age("A")', 'tag("x-y")', 'active("R")', '"text"'),
    ]
)


def verdict(text):
    """The expression, or why there is none."""
    try:
        return Expression.parse(text)
    except ExpressionError as error:
        return error


@patient
@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=400).map("".join)))
def test_any_text_is_an_expression_or_refused_within_it(text):
    """Never another error; the column lies within the text or right behind it."""
    parsed = verdict(text)

    if isinstance(parsed, ExpressionError):
        assert str(parsed)
        assert 1 <= parsed.column <= len(text) + 1
    else:
        assert parsed.evaluate(Plant()) == parsed.evaluate(Plant())


SIGNS = {
    "and": lambda a, b: bool(a) and bool(b),
    "or": lambda a, b: bool(a) or bool(b),
    **COMPARISONS,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
FUNCTIONS = {"min": min, "max": max}
LEAVES = st.sampled_from(["P", "Q", "R", "1", "0", "2.5", "true", "false"])
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from([*SIGNS, *FUNCTIONS]), inner, inner),
        st.tuples(st.sampled_from(["not", "-"]), inner),
    ),
    max_leaves=12,
)
FILLINGS = [True, False, 0, 1, -3, 2.5, 1e300]


def written(tree):
    """The tree as an expression."""
    match tree:
        case str():
            return tree
        case sign, inner:
            return f"({sign} {written(inner)})"
        case sign, left, right if sign in SIGNS:
            return f"({written(left)} {sign} {written(right)})"
        case function, left, right:
            return f"{function}({written(left)}, {written(right)})"


def reckoned(tree, values):
    """The tree's value by Python's own operators."""
    match tree:
        case str():
            return {"true": True, "false": False, **values}[tree] if tree.isalpha() else float(tree)
        case "not", inner:
            return not reckoned(inner, values)
        case "-", inner:
            return -reckoned(inner, values)
        case sign, left, right:
            return {**SIGNS, **FUNCTIONS}[sign](reckoned(left, values), reckoned(right, values))


@patient
@given(TREES, st.sampled_from([None, *FILLINGS]), st.sampled_from([None, *FILLINGS]))
def test_no_unknown_input_can_contradict_a_definite_value(tree, p, q):
    """What is said while inputs are unknown is still said, whatever they turn out to be."""
    parsed = Expression.parse(written(tree))
    said = parsed.evaluate(Plant({"P": p, "Q": q}))

    for filling in itertools.product(*([v] if v is not None else FILLINGS for v in (p, q, None))):
        if said is not None:
            assert same(parsed.evaluate(Plant(dict(zip("PQR", filling, strict=True)))), said)


@patient
@given(TREES, st.tuples(*[st.sampled_from(FILLINGS)] * 3))
def test_where_all_is_known_the_value_is_that_of_arithmetic(tree, filling):
    """Precedence aside (the trees are in parentheses), every operator is Python's; what has no value is unknown."""
    values = dict(zip("PQR", filling, strict=True))
    value = Expression.parse(written(tree)).evaluate(Plant(values))

    try:
        expected = reckoned(tree, values)
    except (ZeroDivisionError, OverflowError):
        return
    if value is None:
        assert "*" in written(tree) or "/" in written(tree) or "+" in written(tree) or "-" in written(tree)
    elif math.isfinite(expected):
        assert value == expected


@patient
@given(TREES, st.tuples(*[st.sampled_from([*FILLINGS, "text", None])] * 3))
def test_evaluation_ends_in_a_value_or_a_sentence(tree, filling):
    """Whatever the data are, nothing but a TypeError with a sentence is raised, and no value is infinite."""
    try:
        value = Expression.parse(written(tree)).evaluate(Plant(dict(zip("PQR", filling, strict=True))))
    except TypeError as error:
        assert 'is the text "text"' in str(error)  # noqa: PT017 - the value is judged where there is one
    else:
        assert value is None or isinstance(value, str) or math.isfinite(value)
