"""What the loader finds in a format: any text is a template, or is refused in words, and soon."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rigs.bodies import IDENTITY, section

from agent.formats.checking import Trial, mistakes

PIECES = st.sampled_from(
    [
        *("{{", "}}", "{%", "%}", "{#", "#}", "{", "}", "[", "]", "(", ")", '"', "'", "|", ".", "~", "+", "*", " ", "\n", ","),
        *("if", "for", "in", "set", "endif", "endfor", "macro", "include", "range", "loop", "secrets", "data", "not"),
        *("value", "message", "tag", "peak", "time", "json", "round", "local", "x", "1", "0", "-", "/", "==", "is", "known"),
        *("{{ value }}", "{% if value %}", "{% endif %}", "{% for a in data %}", "{% endfor %}", "{{ data | json }}"),
    ]
)  # fmt: skip


def told(template, **keys):
    """What `check` would say."""
    found = section(format="template", template=template, **keys)
    return list(mistakes(found, Trial(IDENTITY, found.subscription())))


@settings(max_examples=150)
@given(st.lists(PIECES, min_size=1, max_size=14).map("".join))
def test_any_text_is_a_template_or_is_refused_in_words(template):
    """Nothing raises; each mistake has a place in the text, or is about all of it."""
    for mistake in told(template, events=["alarm.raised"]):
        assert mistake.keys == ("template",)
        assert 0 <= mistake.column <= len(template) + 1
        assert not any(word in mistake.text for word in ("object at", "Traceback", "None", "jinja2", "__"))


@pytest.mark.parametrize(
    "template",
    [
        "{{ 1" + "+1" * 5000 + " }}",
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{{ value" + "|upper" * 5000 + " }}",
        "{% for a in data %}" * 500 + "x" + "{% endfor %}" * 500,
        "{% if value %}" * 1000 + "x" + "{% endif %}" * 1000,
    ],
    ids=["sums", "brackets", "filters", "loops", "conditions"],
)
def test_what_is_endless_is_refused(template):
    """In one sentence, and not by an exception of the interpreter."""
    assert [mistake.text for mistake in told(template)] == [
        "loops, conditions or brackets stand within each other too deep: write it with fewer of them"
    ]


@pytest.mark.parametrize(
    ("keys", "right"),
    [
        ({"events": ["tag.changed"]}, True),
        ({"events": ["alarm.*"]}, False),  # of a lost connection it has no tag
        ({"events": ["alarm.*"], "tags": ["R1.*"]}, True),
        ({"tags": ["line2.*"]}, True),
        ({"rules": ["R2-*"]}, False),
        (
            {"events": ["agent.*"], "priority": ["critical"]},
            True,
        ),  # the agent's own are never critical: none comes
    ],
)
def test_it_is_tried_on_what_can_come(keys, right):
    """Neither more (who asks for tags gets none without one) nor less."""
    assert (not told("{{ tag | influx_tag }}", **keys)) == right


def test_a_flood_is_tried_where_there_is_one():
    """A digest has no tag: who asks for an alarm gets it, if the configuration speaks of floods."""
    found = section(
        format="template", template="{{ tag | influx_tag }}", events=["alarm.raised"], tags=["R*"]
    )
    trials = [Trial(IDENTITY, found.subscription(), floods=floods) for floods in (False, True)]

    assert [bool(list(mistakes(found, trial))) for trial in trials] == [False, True]
