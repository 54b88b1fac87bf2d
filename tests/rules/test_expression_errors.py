"""What is no expression: each mistake with its column, and what to write instead."""

import pytest

from agent.rules.expression import Expression, ExpressionError
from agent.rules.terms import MAX_DEPTH
from agent.rules.tokens import MAX_LENGTH

REFUSED = {
    "": (1, "the expression is empty: write a condition such as TT1 > 5"),
    "  ": (1, "the expression is empty: write a condition such as TT1 > 5"),
    "A = 1": (3, "write `==` instead of `=`"),
    "A := 1": (3, "write `==` instead of `:=`"),
    "A && B": (3, "write `and` instead of `&&`"),
    "A & B": (3, "write `and` instead of `&`"),
    "A || B": (3, "write `or` instead of `||`"),
    "!A": (1, "write `not` instead of `!`"),
    "A <> 1": (3, "write `!=` instead of `<>`"),
    "A => 1": (3, "write `>=` instead of `=>`"),
    "A ≥ 1": (3, "write `>=` instead of `≥`"),
    "A AND B": (3, "write `and` instead of `AND`"),
    "Not A": (1, "write `not` instead of `Not`"),
    "A == TRUE": (6, "write `true` instead of `TRUE`"),
    "A is 1": (3, "write `==` instead of `is`"),
    "{A} > 1": (
        1,
        "`{`: braces only interpolate, in messages and with for_each; a tag's name stands without them",
    ),
    "A % 2": (3, "`%`: percent and remainder are not known here; write the number itself"),
    "A ** 2": (3, "`**`: powers are not known here; write a product"),
    "A == [1]": (6, "`[`: there are no lists; compare with each value, joined by `or`"),
    "A == “x”": (6, "`“`: a text stands in straight quotes: \"AUTO\" or 'AUTO'"),
    'A == "x': (6, 'the text that begins here is never closed: a " is missing, add it'),
    "A ? B": (3, '`?` means nothing here; a name that has it is quoted: tag("...")'),
    "A > 60s": (
        5,
        (
            "`60s`: a number ends with its digits; a duration is a number of seconds, "
            'and a name that begins with a digit is quoted: tag("1A")'
        ),
    ),
    "A > 1e999": (5, "`1e999` is too large a number: write a smaller one"),
    "A > " + "9" * 400: (5, f"`{'9' * 400}` is too large a number: write a smaller one"),
    "1 < A < 2": (7, "comparisons cannot be chained; join two of them by `and`: ... A and A < ..."),
    "A == B + 1 == 2": (
        12,
        "comparisons cannot be chained; join two of them by `and`: ... B + 1 and B + 1 == ...",
    ),
    "(A > 1": (1, "this `(` is never closed: a `)` is missing, add it"),
    "A > 1)": (6, "this `)` closes nothing: delete it, or add its `(`"),
    "()": (2, "a value is missing after `(`, before `)`: write a tag or a number"),
    "A and": (6, "a value is missing after `and`: write a tag or a number"),
    "and A": (1, "a value is missing, before `and`: write a tag or a number"),
    "A == * 2": (6, "a value is missing after `==`, before `*`: write a tag or a number"),
    "A == not B": (6, "put `not` and what follows it in parentheses: (not ...)"),
    "A > 1,5": (6, "write a decimal fraction with a point: 0.5"),
    "Tank 1 > 5": (
        6,
        (
            "`1` cannot follow `Tank`: an operator such as `and` or `==` is missing, "
            'or the quotes of a name with blanks: tag("...")'
        ),
    ),
    "mix(A, B)": (1, "unknown function `mix`: did you mean `min`?"),
    "ABS(A)": (1, "unknown function `ABS`: did you mean `abs`?"),
    "__import__('os')": (1, "unknown function `__import__`: known are abs, active, age, max, min, tag"),
    "abs(A, B)": (1, "abs takes one value; here are 2"),
    "abs()": (1, "abs takes one value; here are 0"),
    "1 + min(A)": (5, "min takes two values or more; here are 1"),
    "max(A,)": (7, "a value is missing after `,`, before `)`: write a tag or a number"),
    "age > 5": (1, '`age` is a function: write age("..."); a tag of this name is tag("age")'),
    "age(P101.FT) > 5": (5, 'age takes the name of a tag in quotes: age("P101.FT")'),
    "active(K1-trip)": (8, 'active takes the name of a rule in quotes: active("K1-trip")'),
    "tag()": (5, 'tag takes the name of a tag in quotes: tag("...")'),
    'tag(" ")': (5, 'tag takes the name of a tag in quotes: tag("...")'),
    'tag("A", "B")': (8, "tag takes one name"),
    'tag("A"': (4, "this `(` is never closed: a `)` is missing, add it"),
    '"a" + 1': (1, '`"a"` is a text, but `+` needs numbers'),
    'A + -"a"': (6, '`"a"` is a text, but `-` needs numbers'),
    'not "x"': (5, '`"x"` is a text, but `not` needs true or false'),
    'A and "x"': (7, '`"x"` is a text, but `and` needs true or false'),
    '"a" < 1': (1, '`"a"` is a text, which `<` cannot compare with `1`'),
    'A + 1 >= "a"': (10, '`"a"` is a text, which `>=` cannot compare with `A + 1`'),
    '"AUTO"': (1, '`"AUTO"` is a text, but a condition needs true or false'),
    "A + " * 499 + "A": (
        1,
        f"more than {MAX_DEPTH} terms inside one another; split the expression into rules",
    ),
    "x" * 2001: (
        MAX_LENGTH + 1,
        f"an expression has at most {MAX_LENGTH} characters; this one has 2001: split it into rules",
    ),
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:20])
def test_what_is_no_expression_is_refused_where_it_goes_wrong(text):
    """Each mistake has its column, and says what to write."""
    with pytest.raises(ExpressionError) as caught:
        Expression.parse(text)

    assert (caught.value.column, str(caught.value)) == REFUSED[text]
