"""Templates: what they can say, what a value can do to them, and what no slip can do to the agent."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from rigs.bodies import IDENTITY, PLACE, event, events, section

from agent.formats import FormatError, open_format
from agent.formats.template import UnfilledError
from agent.model import EventType

ROOT = Path(__file__).parents[2]


def body(template, happened=None, **keys):
    """What a template writes."""
    formatter = open_format(section(format="template", template=template, **keys), IDENTITY)
    return formatter.one(happened or event(), PLACE).decode()


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        # names
        ("{{ type }} {{ time }} {{ time_ns }} {{ time_s }}", "alarm.raised 2026-11-21T08:00:03.120Z 1795248003120000000 1795248003"),
        ("{{ id }} {{ seq }} {{ previous }} {{ site }}/{{ agent }}", "evt_1 17 12 dresden/line-4"),
        ("{{ priority }} {{ severity }} {{ tag }} {{ rule }} {{ onset }}", "critical 900 R1.TT101 R1-temperature 2026-11-21T08:00:00.001Z"),
        ("{{ data.value }} {{ data['unit'] }} {{ data | length }}", "171.53 °C 17"),
        # what is not there
        ("[{{ peak }}] [{{ blind.from }}] [{{ peak | default('?') }}]", "[] [] [?]"),
        ("{% if peak is known %}a{% else %}b{% endif %}{% if peak is defined %}a{% else %}b{% endif %}", "bb"),
        ("{% for name in fields %}{{ name }}{% endfor %}|{{ fields | items | list }}", "|[]"),
        # filters
        ("{{ value | round(1) }} {{ value | round }} {{ peak | round(1) }} {{ message | round }}", '171.5 172  R1 is 171.5 °C: "hot"'),
        ("{{ message | json }} {{ peak | json }} {{ [value, none, true] | json }}", '"R1 is 171.5 °C: \\"hot\\"" null [171.53,null,true]'),
        ("{{ onset | local('Europe/Berlin') }}", "2026-11-21 09:00:00"),
        ("{{ time | local('America/New_York', '%d.%m.%y %H:%M') }}", "21.11.26 03:00"),
        ("{{ 92.5 | duration }}|{{ peak | duration }}", "1 min 32 s|"),
        ("{{ '<a> & b' | slack }} {{ '<\"' | e }}", "&lt;a&gt; &amp; b &lt;&quot;"),
        ("{{ message | truncate(8) }} {{ unit | truncate(8) }}", "R1 is 1… °C"),
        ("{{ [3, 1, 2] | sort | join('+') }} {{ [3, 1] | sum }} {{ 'a-b' | replace('-', '_') }}", "1+2+3 4 a_b"),
        ("{{ unit | urlencode }} {{ priority | upper }} {{ priority | title }}", "%C2%B0C CRITICAL Critical"),
        # words
        ("{% set marks = {'critical': '!!'} %}{{ marks[priority] | default('-') }}", "!!"),
        ("{% for n in range(3) %}{{ n }}{% if not loop.last %},{% endif %}{% endfor %}", "0,1,2"),
        ("{{ 'a' ~ value ~ peak ~ none ~ true }} {{ 'x' if value > 5 else 'y' }}", "a171.53true x"),
        ("{{ message[:2] }}{{ [1, 2][0] }}{{ [1][5] }}", "R11"),
        ("a\n{% if true %}\nb\n{% endif %}\nc\n\n", "a\nb\nc"),
        # Python is not there
        ("{{ message.upper }}|{{ data.items }}|{{ data.keys }}|{{ ''.__class__ }}|{{ range.__globals__ }}|x", "|||||x"),
        ("{% for x in [1] %}{{ loop.index }}{{ loop.__init__ }}{{ loop._iterable }}{% endfor %}", "1"),
        ("{{ message['__class__'] }}{{ data | map(attribute='__class__') | list }}x", "[" + "null," * 16 + "null]x"),
    ],
)  # fmt: skip
def test_what_a_template_says(template, expected):
    """The words of the README."""
    assert body(template, content_type="text/plain") == expected


@pytest.mark.parametrize(
    ("template", "why", "line"),
    [
        ("\n{{ peak > 5 }}", "`peak` has no meaning for this event: `| default(...)` says what stands instead", 2),
        ("{{ none > 5 }}", "it reckons with, or compares, what is unknown or no number; `| default(0)` is for what may be unknown", 1),
        ("\n\n{{ value / 0 }}", "it divides by zero: put {% if %} around it", 3),
        ("{{ peak }}", "it writes nothing: write {% if %} so that each event has a body", 0),
        ("{{ time | local('Europe/Berln') }}", "`| local` was given no time zone that there is: expected one such as Europe/Berlin", 1),
        ("{{ tag | local('Europe/Berlin') }}", "`| local` is for times: write it behind time, onset or source_time", 1),
        ("{{ peak | influx_value }}", "InfluxDB has no word for an unknown value: put {% if value is known %} around it", 1),
        ("{{ '\\ud800' }}x", "it writes half a character, which no receiver can read", 0),
        # bounds
        ("{% for a in range(200) %}{% for b in range(200) %}{% endfor %}{% endfor %}x", "its loops take more than 10000 turns", 1),
        ("{{ range(1000000000) | list }}", "range(...) of more than 1000: write a smaller one", 1),
        ("{% for a in range(900) %}{{ 'x' * 1 }}{% endfor %}", "`*` is for numbers; texts are put together with `~`", 1),
        ("{{ '%1000000000d' % 1 }}", "`%` is for numbers; texts are put together with `~`", 1),
        ("{% set a = 'x' * 1000000000 %}{{ a }}", "`*` is for numbers; texts are put together with `~`", 1),
        ("{% set a = 'x' * 1000000000 %}", "`*` is for numbers; texts are put together with `~`", 1),
        ("{% set a = message %}" + "{% set a = a ~ a ~ a ~ a ~ a ~ a ~ a ~ a ~ a %}" * 9 + "{{ a }}", "a text grows too large", 1),
        ("{% set a = message %}" + "{% set a = a + a + a + a + a + a + a + a + a %}" * 9 + "{{ a }}", "a text or list grows too large", 1),
        ("{% set a = [1, 1, 1, 1, 1, 1, 1, 1] %}" + "{% set a = [a, a, a, a, a, a, a, a] %}" * 9 + "{{ a | json }}", "a list grows too large", 1),
        ("{% set a = 'aaaaaaaaaa' %}" + "{% set a = a | replace('a', a) %}" * 4 + "{{ a }}", "`| replace` needs something to look for, and a text that stays small", 1),
        ("{% set a = range(900) | join('" + "x" * 900 + "') %}{{ a }}", "a text grows too large", 1),
        ("{% for n in range(1000) %}{{ '" + "x" * 300 + "' }}{% endfor %}", "it writes more than 256 kB", 0),
        ("{{ range(900) | map('string') }}", "`{{ ... }}` holds nothing that can be written: a list is, with `| list`", 1),
    ],
)  # fmt: skip
def test_what_cannot_be_filled_says_why_and_where(template, why, line):
    """A sentence for a person, the line of the template; and it ends, in little memory."""
    with pytest.raises(UnfilledError) as failed:
        body(template, content_type="text/plain")

    assert (failed.value.why, failed.value.line) == (why, line)
    assert isinstance(failed.value, FormatError)


def test_what_fails_once_does_not_count_for_the_next():
    """The bounds are for one body: the tenth event has as many turns as the first."""
    text = "{% for a in range(99) %}{% for b in range(99) %}{% endfor %}{% endfor %}x"
    formatter = open_format(section(format="template", template=text), IDENTITY)

    assert {formatter.one(event(), PLACE) for _ in range(3)} == {b"x"}


@pytest.mark.parametrize(
    ("template", "content_type", "expected"),
    [
        ('{"a": 1}', None, "application/json"),
        ('\n  {# why #}{% set a = 1 %}\n [{"a": 1}]', None, "application/json"),
        ('["{{ message }}"]', None, "application/json"),
        ("[{{ priority }}] {{ message }}", None, "text/plain; charset=utf-8"),
        ("{{ message }}", None, "text/plain; charset=utf-8"),
        ("{% if true %}x{% endif %}", None, "text/plain; charset=utf-8"),
        ('{"a": 1}', "application/vnd.plant+json", "application/vnd.plant+json"),
    ],
)  # fmt: skip
def test_the_content_type_is_what_the_template_looks_like(template, content_type, expected):
    """Unless it is said; a batch has the same."""
    keys = {} if content_type is None else {"content_type": content_type}
    formatter = open_format(section(format="template", template=template, **keys), IDENTITY)

    assert (formatter.content_type, formatter.batch_content_type) == (expected, expected)


@cache
def opened(template, **keys):
    return open_format(section(format="template", template=template, **keys), IDENTITY)


JSON_BODY = """
{
  "text": "{{ message }} of {{ fields }}",
  "whole": {{ message | json }},
  "both": "{{ 'see: ' ~ message }}",
  "value": {{ value | json }},
  "data": {{ data | json }}
}
"""


@given(events())
def test_no_value_breaks_out_of_a_json_body(happened):
    """Inside quotes it is escaped by itself, outside `| json` does it; what is read is what happened."""
    read = json.loads(opened(JSON_BODY).one(happened, PLACE))
    message = happened.data.get("message") or ""

    assert read["text"].startswith(f"{message} of ")
    assert (read["whole"] or "") == message
    assert read["both"] == f"see: {message}"
    assert read["data"]["fields"] == json.loads(json.dumps(happened.data["fields"]))


@given(events())
def test_a_line_of_json_is_one_line(happened):
    """Each body is a line of its own, and so is each member of a batch."""
    text = '{"m": "{{ message }}", "d": {{ data | json }}}'
    formatter = opened(text, content_type="application/x-ndjson")
    one = formatter.one(happened, PLACE)

    assert b"\n" not in one
    assert len([json.loads(line) for line in formatter.many([one, one], 0).split(b"\n")]) == 2


@given(events())
@settings(max_examples=20)
def test_the_same_delivery_gives_the_same_bytes(happened):
    """Also from a formatter that was opened anew, as after a restart."""
    for keys in ({"format": "template", "template": JSON_BODY}, {"format": "cloudevents"}, {}):
        once, again = (open_format(section(**keys), IDENTITY) for _ in range(2))

        assert once.one(happened, PLACE) == once.one(happened, PLACE) == again.one(happened, PLACE)


@pytest.mark.parametrize("value", ["{{ secrets.x }}", "{% for", "{# a #}", "{{ 1 / 0 }}"])
def test_no_value_is_taken_for_a_template(value):
    """What looks like one is text, for a second filling as well."""
    assert (
        body("[{{ message }}{{ message | json }}]", event(data={"message": value})) == f'[{value}"{value}"]'
    )


def test_a_json_body_that_is_none_is_no_body():
    """Told without what stands in it: a secret may."""
    with pytest.raises(FormatError, match=r"^the template: what it writes is no JSON$"):
        body('{"text": {{ message }}}')


def test_the_engine_is_paid_for_by_those_who_use_it():
    """A configuration without a template imports no Jinja, though it has been checked for one."""
    code = (
        "import sys, agent.app, agent.cli.check; from pathlib import Path; from agent.config.load import load;"
        "load(Path('config/example'), {}); print('jinja2' in sys.modules)"
    )
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )

    assert (child.stdout, child.stderr) == ("False\n", "")


@pytest.mark.parametrize("kind", [EventType.AGENT_HEARTBEAT, EventType.TAG_CHANGED])
def test_an_event_of_another_kind_is_filled_too(kind):
    """What it has not is left empty; an alarm must not wait for a forgotten `default`."""
    assert body("{{ message }} {{ tag }}|", event(kind, data={}, tag="", rule="")) == "|"
