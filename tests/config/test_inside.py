"""A column within a text becomes the place in the file where that character stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.inside import EACH, position_inside, written_column
from agent.config.yaml_text import read_yaml

WORDS = st.lists(
    st.sampled_from(["RUN", "and", '"AUTO"', "'AUTO'", "é", "\\", ">", "(5", "tag", "\t"]), min_size=1
)


def found(text, key="when"):
    """Where each character of the value of `key` is said to stand, as the file has it there."""
    document = read_yaml(text.encode(), "f.yaml")
    value, start = document.data[key], document.places[key,].value
    lines = text.split("\n")
    places = [position_inside(text, start, column) for column in range(1, len(value) + 1)]
    return value, [lines[place.line - 1][place.column - 1 : place.column] for place in places]


@given(WORDS)
def test_in_double_quotes(words):
    """Escapes count as the one character that they stand for."""
    text = " ".join(words)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("é", "\\u00e9")
    value, characters = found(f'a: 1\n"b": 2\nwhen: "{escaped}"\n')

    assert value == text
    assert characters == [char if char not in '"\\\té' else "\\" for char in value]


@given(WORDS)
def test_in_single_quotes(words):
    """A doubled quote is one."""
    text = " ".join(words)
    value, characters = found("when: '" + text.replace("'", "''") + "'\n")

    assert (value, characters) == (text, list(text))


@pytest.mark.parametrize(
    "text",
    [
        "when: RUN and X > 5  # comment\n",
        "a: 1\nwhen: RUN\n  and\n  X > 5\n",
        "when: 'RUN\n\n  and'\n",
        "when: |\n  RUN and\n  X > 5\n",
        "when: |\n  RUN and\n    X > 5\n",
        "when: >-\n    RUN and\n    X > 5\nb: 1\n",
        "when: &x RUN and\nb: *x\n",
    ],
)
def test_over_several_lines(text):
    """Every character but the breaks stands where it is said to be."""
    value, characters = found(text)
    pairs = [(char, there) for char, there in zip(value, characters, strict=True) if char not in " \n"]

    assert len(pairs) > 5
    assert [there for _, there in pairs] == [char for char, _ in pairs]


@given(
    st.lists(st.sampled_from([EACH, "a", "{", "TT1 "])).map("".join), st.sampled_from(["P", "P101.X", "{"])
)
def test_a_column_of_a_filled_text_is_counted_back(text, each):
    """To the same character, or to the `{each}` that was filled in."""
    filled = text.replace(EACH, each)
    for column, char in enumerate(filled, 1):
        there = written_column(text, each, column)

        assert 1 <= there <= len(text)
        assert text[there - 1] == char or text.startswith(EACH, there - 1)
