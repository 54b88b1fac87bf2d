"""Expressions: what they mean, of known values, of unknown ones, and of data of the wrong kind."""

import pytest
from rigs.scope import Plant

from agent.rules.expression import Expression, ExpressionError, Kind

PLANT = Plant(
    {
        "A": 7,
        "B": 2.5,
        "ON": True,
        "OFF": False,
        "FLAG": 2,
        "ZERO": 0,
        "MODE": "AUTO",
        "TT-101": 80.0,
        "R1.TT101": 170,
        "Füllstand_1": 3,
        "INF": float("inf"),
        "BIG": 2**62,
        "HUGE": 10**400,
    },
    {"A": 12.5, "TT-101": 61.0},
    {"K1-trip": True, "pumps": False},
)


def same(value, expected):
    return (value, type(value)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 - 2 - 1", 4),
        ("12 / 2 / 3", 2.0),
        ("-A + 1", -6),
        ("2 * -A", -14),
        ("- -A", 7),
        ("A-1", 6),
        ("1e3 + .5 + 0.25", 1000.75),
        ("A / B", 2.8),
        ("abs(-A)", 7),
        ("min(A, B, 9)", 2.5),
        ("max(A, abs(-20))", 20),
        ("R1.TT101 >= 170", True),
        ("Füllstand_1 == 3", True),
        ("A < 7", False),
        ("A <= 7 and A != 6", True),
        ("A + 1 > B * 2", True),
        ('MODE == "AUTO"', True),
        ("MODE == 'MAN'", False),
        ('MODE < "B"', True),
        ("true or false and false", True),
        ("not OFF and ON", True),
        ("not A == 7", False),
        ("not not ON", True),
        ("not (ON and OFF)", True),
        ("(A > 1) == (B > 1)", True),
        ('tag("TT-101") > 5', True),
        ("tag('TT-101') - 1", 79.0),
        ('age("TT-101") > 60', True),
        ('age("A")', 12.5),
        ('active("K1-trip")', True),
        ('not active("pumps")', True),
        (" A\n  > \t1 ", True),
    ],
)
def test_what_expressions_mean(text, expected):
    """Precedence, numbers, names, texts and functions are those of an engineer's note."""
    assert same(Expression.parse(text).evaluate(PLANT), expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ON == 1", True),
        ("OFF == 0", True),
        ("ON != 0", True),
        ("1 == true", True),
        ("ON + ON + OFF >= 2", True),
        ("ON + 0", 1),
        ("-ON", -1),
        ("max(ON, OFF)", 1),
        ("FLAG and ON", True),
        ("FLAG or OFF", True),
        ("not FLAG", False),
        ("not ZERO", True),
        ("B and ZERO", False),
        ('A == "7"', False),
        ('A != "7"', True),
        ('ON == "true"', False),
    ],
)
def test_coils_and_flags_are_numbers_too_and_texts_never_are(text, expected):
    """True is 1, a number is false if it is 0, two of three is a sum; a text equals no number."""
    assert same(Expression.parse(text).evaluate(PLANT), expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NONE", None),
        ("OFF and NONE", False),
        ("NONE and OFF", False),
        ("ON and NONE", None),
        ("NONE and ON", None),
        ("ON or NONE", True),
        ("NONE or ON", True),
        ("OFF or NONE", None),
        ("NONE or OFF or NONE or ON", True),
        ("not NONE", None),
        ("NONE + 1", None),
        ("NONE * 0", None),
        ("-NONE", None),
        ("NONE == NONE", None),
        ("NONE != 1", None),
        ("NONE < 1", None),
        ("min(1, NONE)", None),
        ('age("NONE") > 5', None),
        ('active("NONE")', None),
        ("A / ZERO", None),
        ("A / OFF > 3", None),
        ("1e308 * 10", None),
        ("HUGE + 1", None),
        ("HUGE * 0.5 > 1", None),
        ("INF", None),
        ("INF > 5", None),
        ("BIG * 1000", 2.0**62 * 1000),
        (" * ".join(["BIG"] * 20), None),
    ],
)
def test_what_is_unknown_stays_unknown_unless_it_does_not_matter(text, expected):
    """Bad input, division by zero and overflow give unknown, never 0, never an error."""
    assert same(Expression.parse(text).evaluate(PLANT), expected)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("MODE + 1", '`MODE` is the text "AUTO", but `+` needs numbers'),
        ("MODE * 2", '`MODE` is the text "AUTO", but `*` needs numbers'),
        ("MODE + MODE", '`MODE` is the text "AUTO", but `+` needs numbers'),
        ("-MODE > 1", '`MODE` is the text "AUTO", but `-` needs numbers'),
        ("max(A, tag('MODE'))", "`tag('MODE')` is the text \"AUTO\", but `max` needs numbers"),
        ("MODE < 5", '`MODE` is the text "AUTO", which `<` cannot compare with the number 5'),
        ("A >= MODE", '`MODE` is the text "AUTO", which `>=` cannot compare with the number 7'),
        ("MODE > ON", '`MODE` is the text "AUTO", which `>` cannot compare with true'),
        ("MODE and ON", '`MODE` is the text "AUTO", but `and` needs true or false'),
        ("OFF or MODE", '`MODE` is the text "AUTO", but `or` needs true or false'),
        ("not (MODE)", '`(MODE)` is the text "AUTO", but `not` needs true or false'),
    ],
)
def test_data_of_the_wrong_kind_are_named(text, sentence):
    """The sentence names what was read, what it is, and what it was needed for."""
    with pytest.raises(TypeError) as caught:
        Expression.parse(text).evaluate(PLANT)

    assert str(caught.value) == sentence


def test_a_long_text_is_cut_in_the_sentence():
    """A barcode of a thousand characters does not fill the log."""
    with pytest.raises(TypeError, match=r"x{40}…") as caught:
        Expression.parse("T + 1").evaluate(Plant({"T": "x" * 1000}))

    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("sign", ["(", "-", "not ", "abs(", "1+("])
def test_nesting_is_bounded(sign):
    """However deep a text nests, it is refused with a sentence; what people write is not."""
    with pytest.raises(ExpressionError, match="inside one another"):
        Expression.parse(sign * 300 + "A")

    closing = ")" * (sign.count("(") * 20)
    assert Expression.parse(sign * 20 + "A" + closing).evaluate(PLANT) is not None


def test_a_long_list_of_alternatives_is_not_deep():
    """As many as fit may be joined by `or`."""
    assert Expression.parse("OFF or " * 280 + "ON").evaluate(PLANT) is True


def test_what_an_expression_asks_for_is_known_when_it_is_parsed():
    """Tags, ages and rules are told with the columns of their first references."""
    parsed = Expression.parse(
        'A.B > 1 and age("TT-101") > 5 or active("K1-trip") and A.B < tag("C") + tag("C")'
    )

    assert parsed.tags == {"A.B", "TT-101", "C"}
    assert parsed.ages == {"TT-101"}
    assert parsed.rules == {"K1-trip"}
    assert parsed.tag_places == {"A.B": 1, "TT-101": 17, "C": 66}
    assert parsed.rule_places == {"K1-trip": 41}


@pytest.mark.parametrize(
    ("text", "kind"),
    [("A + 1", Kind.NUMBER), ("(A > 1)", Kind.TRUTH), ('age("A")', Kind.NUMBER), ("A", Kind.ANY)],
)
def test_the_kind_of_the_value_is_known_as_far_as_it_can_be(text, kind):
    """A calculation gives a number, a comparison true or false, a tag anything."""
    assert Expression.parse(text).kind is kind


@pytest.mark.parametrize(
    ("text", "tag", "meant"),
    [
        ("TT-101 > 5", "TT", "TT-101"),
        ("1 < LINE1-TT-101", "LINE1", "LINE1-TT-101"),
        ("1 < LINE1-TT-101", "TT", "LINE1-TT-101"),
        ("XX - 101 > 5", "XX", None),
        ("X == 'TT-101' and TT > 5", "TT", None),
        ("TT > 5 and X == 'TT-101'", "TT", None),
    ],
)
def test_a_name_that_had_to_be_quoted_is_found(text, tag, meant):
    """`TT-101` reads TT less 101; the tag that was meant is known to the configuration."""
    assert Expression.parse(text).unquoted(tag, ["TT-101", "LINE1-TT-101", "TT-1"]) == meant


def test_expressions_are_their_text():
    """Equality, hash and repr are those of the text, so that specs compare and digest."""
    one, other = Expression.parse("A > 1"), Expression.parse("A > 1")

    assert (one, hash(one), repr(one)) == (other, hash(other), "Expression(text='A > 1')")
    assert one != Expression.parse("A >  1")


@pytest.mark.parametrize(
    ("text", "expected"), [("FLAG", True), ("ZERO", False), ("ON", True), ("NONE", None), ("A - 7", False)]
)
def test_a_gate_reads_any_value_as_true_or_false(text, expected):
    """`when: P101.RUN` is enough, whether the PLC tells it as a coil or as a word."""
    assert Expression.parse(text).holds(PLANT) is expected


def test_a_gate_cannot_read_a_text():
    """`when: R1.MODE` forgot the comparison."""
    with pytest.raises(TypeError, match='`MODE` is the text "AUTO", but a condition needs true or false'):
        Expression.parse("MODE").holds(PLANT)
