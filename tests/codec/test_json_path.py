"""Where in a document a value stands: three ways of writing it, and what is said when it leads nowhere."""

import pytest

from agent.codec.json_path import Missing, find, parse_path

DOCUMENT = {
    "current_a": 1.5,
    "data": {"temp": 20, "a.b": 3, "values": [7, {"x": True}], "0": "zero", "": "empty", "m/n": 8, "t~": 9},
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.current_a", 1.5),
        ("current_a", 1.5),
        ("/current_a", 1.5),
        ("$.data.temp", 20),
        ("data.temp", 20),
        ("/data/temp", 20),
        ("$.data.values[0]", 7),
        ("data.values[0]", 7),
        ("data.values.0", 7),
        ("/data/values/0", 7),
        ("/data/values/1/x", True),
        ("$['data'][\"a.b\"]", 3),
        ("$.data.0", "zero"),
        ("/data/0", "zero"),
        ("/data/", "empty"),
        ("/data/m~1n", 8),
        ("/data/t~0", 9),
        ("$", DOCUMENT),
    ],
)
def test_every_way_of_writing_a_path_leads_to_the_value(path, value):
    """JSONPath, dotted names and JSON Pointer name the same things."""
    assert find(DOCUMENT, parse_path(path)) == value


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("$.current", "no 'current' in it: the object there has 'current_a', 'data'"),
        ("$.data.values[2]", "no 2 in it: the array there has 2 elements"),
        ("$.data.values.x", "no 'x' in it: the array there has 2 elements"),
        ("$.data[0]", "no 0 in it: the object there has 'temp', 'a.b', 'values', '0', '', 'm/n', 't~'"),
        ("$.current_a.x", "no 'x' in it: there is a number"),
        ("/data/values/01x", "no '01x' in it: the array there has 2 elements"),
        (
            "/data/values/9999999999999999999999",
            "no '9999999999999999999999' in it: the array there has 2 elements",
        ),
    ],
)
def test_a_path_that_leads_nowhere_says_what_is_there_instead(path, why):
    """A misspelt name is found by seeing the right one."""
    assert find(DOCUMENT, parse_path(path)) == Missing(why)


def test_what_is_there_instead_is_told_in_bounds():
    """A thousand long names do not make a reason of a megabyte."""
    missing = find({f"{'x' * 500}{n}": n for n in range(1000)}, parse_path("$.y"))

    assert isinstance(missing, Missing)
    assert len(missing.why) < 400


@pytest.mark.parametrize(
    "path",
    ["", 5, None, "$..a", "$.*", "$.a[*]", "$.a[1:2]", "$[?(@.x)]", "$.a[-1]", "$a", "a..b", "/a~2b", "$.a["],
)
def test_a_path_to_many_values_or_to_none_is_refused(path):
    """Wildcards, slices, filters and typing errors are found when the configuration is loaded."""
    with pytest.raises(ValueError, match="expected a path to one value"):
        parse_path(path)
