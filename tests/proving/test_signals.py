"""Signals as words: what each means, and what is said of those that mean nothing."""

import pytest

from agent.model import Kind, Quality
from agent.proving.signals import GAP, parse_connection, parse_signal

GOOD = Quality.GOOD


def values(written, kind=Kind.ANY, samples=None):
    signal = parse_signal(written, kind, "seed")
    return [signal.sample(number)[0] for number in range(samples or len(signal.samples))]


@pytest.mark.parametrize(
    ("written", "samples"),
    [
        ("165 x2, 172.5 x1", [(165, GOOD), (165, GOOD), (172.5, GOOD)]),
        ("true x1, false x1", [(True, GOOD), (False, GOOD)]),
        ("'AUTO' x1, 'a, b' x1, 'x3' x1", [("AUTO", GOOD), ("a, b", GOOD), ("x3", GOOD)]),
        ("bad x1, gap x1", [(None, Quality.BAD), GAP]),
        ("uncertain -3e2 x1", [(-300.0, Quality.UNCERTAIN)]),
        ("ramp 1..2 x3, ramp 0 .. -1.5 x2", [(1, GOOD), (1.5, GOOD), (2, GOOD), (0, GOOD), (-1.5, GOOD)]),
        (" 5  x2 ,7 x1", [(5, GOOD), (5, GOOD), (7, GOOD)]),
        ("0x10 x1", [(16, GOOD)]),
    ],
)
def test_each_word_gives_its_samples(written, samples):
    """N of them, in the order of the words."""
    assert list(parse_signal(written, Kind.ANY, "").samples) == samples


def test_the_last_word_lasts_to_the_end():
    """And a value that stands alone never changes."""
    assert values("1 x1, 2", samples=4) == [1, 2, 2, 2]
    assert values(True, samples=2) == [True, True]
    assert values("1 x1, bad", samples=3) == [1, None, None]


def test_noise_is_the_same_in_every_run():
    """It stays within its bounds, and differs from that of another signal."""
    first = values("noise 170+-0.5 x500")

    assert first == values("noise 170+-0.5 x500")
    assert first != [sample[0] for sample in parse_signal("noise 170+-0.5 x500", Kind.ANY, "other").samples]
    assert 169.5 <= min(first) < 169.6
    assert 170.4 < max(first) <= 170.5


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [(Kind.NUMBER, "165 x1", "165.0"), (Kind.WHOLE, "165.0 x1", "165"), (Kind.SWITCH, "true x1", "True")],
)
def test_a_value_is_of_the_kind_that_its_source_delivers(kind, written, value):
    """A rule sees in the test what it sees in the plant."""
    assert [repr(each) for each in values(written, kind)] == [value]


@pytest.mark.parametrize(
    ("written", "kind", "message"),
    [
        ("165 x60, 172, 165 x60", Kind.ANY, "`172` does not say for how long: write 172 x1"),
        ("ramp 1..2", Kind.ANY, "`ramp 1..2` does not say for how long: write ramp 1..2 x60"),
        ("ramp 165-175 x20", Kind.ANY, "`ramp 165-175` is not understood: expected ramp 165..175 x20"),
        ("noise 170 x20", Kind.ANY, "`noise 170` is not understood: expected noise 170+-0.5 x60"),
        ("AUTO x20", Kind.ANY, "unknown word `AUTO`: a text needs single quotes ('AUTO')"),
        ("bda x20", Kind.ANY, "unknown word `bda`"),
        ("_ x20", Kind.ANY, "unknown word `_`"),
        (".nan x20", Kind.ANY, "`.nan` is no value that a device reads: write bad"),
        ("1 x9999999", Kind.ANY, "more than 1,000,000 samples: use a longer `every`"),
        ("", Kind.ANY, "expected words such as"),
        ("1 x5", Kind.SWITCH, "`1` is no value of this tag, which is true or false: write true or false"),
        ("1 x5", Kind.TEXT, "`1` is no value of this tag, which is a text: write '1'"),
        ("1.5 x5", Kind.WHOLE, "`1.5` is no value of this tag, which is a whole number: write 12"),
        (True, Kind.NUMBER, "`True` is no value of this tag, which is a number"),
    ],
)
def test_what_means_nothing_is_named_with_its_remedy(written, kind, message):
    """No word is guessed at."""
    with pytest.raises(ValueError, match=r"\w") as refused:
        parse_signal(written, kind, "")

    assert str(refused.value).startswith(message)


def test_connections_are_up_or_down():
    """The same grammar, two words."""
    signal = parse_connection("up x2, down")

    assert [signal.sample(number)[0] for number in range(4)] == [True, True, False, False]
    with pytest.raises(ValueError, match="unknown word `off`: expected up x60 or down x30"):
        parse_connection("off x3")
