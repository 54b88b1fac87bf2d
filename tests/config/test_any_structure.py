"""Whatever structure a file has, it is loaded or refused: no mistake is so odd that it raises."""

import json
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config.load import load
from agent.config.schema import json_schema
from agent.errors import ConfigError


def words_of(schema):
    for key, value in schema.items():
        if key in {"properties", "$defs"}:
            yield from value
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from words_of(inner)
            elif isinstance(inner, str) and key in {"const", "enum", "default"}:
                yield inner


JARGON = re.compile("Input|pydantic|Value error|class|not permitted|expected expected")
ODD = ["1s", "5%", "[", "${env:X}", "{tag}", "${file:/}", "tcp://h", "whsec_AAAA", ""]
WORDS = [*sorted(set(words_of(json_schema()))), *ODD]
KEYS = st.sampled_from(WORDS) | st.integers(-1, 3)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)


def entries(kind):
    """An entry of a section that begins as one of its kind does, and goes on anyhow."""
    return st.dictionaries(st.sampled_from(["a", "b"]), ANYTHING | st.builds(lambda start, more: {**more, **start}, kind, st.dictionaries(KEYS, ANYTHING, max_size=4)), max_size=2)  # fmt: skip


TAGS = st.dictionaries(st.sampled_from(["T", "U"]), ANYTHING, max_size=2)
SOURCE = st.builds(lambda of, tags: {"type": of, "tags": tags}, st.sampled_from(["modbus", "opcua", "mqtt", "simulated"]), TAGS)  # fmt: skip
IMPORT = st.sampled_from(["list.csv", "none.csv"]) | st.fixed_dictionaries({"file": st.just("list.csv")}, optional={"addresses": st.sampled_from(["manual", "offset"]), "area": st.just("holding"), "columns": ANYTHING}) | ANYTHING  # fmt: skip
USE = {
    "template": st.sampled_from(["a", "b", "c"]) | ANYTHING, "prefix": st.sampled_from(["T.", "", "{", 5]), "omit": ANYTHING | st.just(["T"]),
    "url": st.sampled_from(["tcp://h", "x"]), "type": st.sampled_from(["modbus", "simulated", "x"]),
    "tags": TAGS | ANYTHING | st.builds(lambda listed, more: {"import": listed, **more}, IMPORT, TAGS),
}  # fmt: skip
DEVICE = st.fixed_dictionaries({}, optional=USE)
LIST = "Name,Register,Type\nT,40001,INT16\nU,40002,?\nV,40003,REAL\n"
NAMES = st.sampled_from(["T", "U", "V", "W", "plc"])
EXPRESSIONS = st.sampled_from(
    ["T > 5", "T and U", "T-1 >", "active('a')", "active('b') or {each}", "age('T')", ""]
)
SOME = {
    "for_each": st.lists(st.sampled_from(["T", "U", "x/y", ""])), "high": NAMES | st.floats(), "low": SCALARS,
    "is": ANYTHING, "bits": st.dictionaries(st.integers(-1, 70), NAMES), "codes": st.dictionaries(KEYS, SCALARS),
    "change": ANYTHING, "expect": st.dictionaries(st.sampled_from(["sample", "change", "within"]), SCALARS),
    "counter": SCALARS, "window": ANYTHING, "deviation_from": NAMES, "rate_of_change": ANYTHING,
    "count": ANYTHING, "profile": NAMES, "on_bad": SCALARS, "when": EXPRESSIONS, "settle": SCALARS,
    "suppress_while": EXPRESSIONS, "active_hours": ANYTHING, "trial": SCALARS, "was": NAMES | ANYTHING,
    "fields": st.dictionaries(KEYS, NAMES), "send_to": NAMES, "message": st.sampled_from(WORDS), "priority": SCALARS,
}  # fmt: skip
RULE = st.fixed_dictionaries(
    {}, optional={"tag": NAMES | st.just("{each}"), "calc": EXPRESSIONS, "source": NAMES, **SOME}
)
DESTINATION = st.fixed_dictionaries({"url": st.just("https://example.com/")}, optional={"signing": ANYTHING})
FILE = st.fixed_dictionaries(
    {},
    optional={
        "agent": ANYTHING, "store": ANYTHING, "http": ANYTHING, "defaults": ANYTHING, "other": ANYTHING,
        "sources": ANYTHING | entries(SOURCE), "templates": ANYTHING | entries(SOURCE), "rules": ANYTHING | entries(RULE),
        "destinations": ANYTHING | entries(DESTINATION),
        "profiles": ANYTHING, "maintenance": ANYTHING | st.lists(ANYTHING), "flood": ANYTHING,
        "chattering": ANYTHING, "watch": ANYTHING,
    },
)  # fmt: skip


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILE)
def test_any_structure_is_loaded_or_refused_in_words(tmp_path, data):
    """And never in pydantic's words."""
    path = tmp_path / "any.yaml"
    path.write_text(json.dumps(data))  # JSON is YAML, but for NaN, which is text here
    try:
        load(path, {})
    except ConfigError as error:
        texts = [problem.text for problem in error.problems]

        assert texts
        assert [text for text in texts if JARGON.search(text)] == []


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(["a", "b"]), DEVICE | ANYTHING),
    st.dictionaries(st.sampled_from(["p", "q", "r"]), DEVICE, min_size=1),
)
def test_any_templates_and_lists_are_loaded_or_refused_in_words(tmp_path, templates, sources):
    """Whatever stands in a template, in what uses it, and under `import`; every problem has its place."""
    (tmp_path / "list.csv").write_text(LIST)
    path = tmp_path / "any.yaml"
    path.write_text(json.dumps(PLANT | {"templates": templates, "sources": sources}))
    try:
        load(path, {})
    except ConfigError as error:
        problems = error.problems

        assert [problem for problem in problems if JARGON.search(problem.text) or not problem.line] == []


WINDOW = st.fixed_dictionaries({"over": st.just("1m"), "take": st.sampled_from(["max", "stdev"])})
RATE = st.just({"per": "1m", "over": "30s"})
LIMIT = NAMES | st.integers(-5, 5) | st.fixed_dictionaries({"at": NAMES | st.integers()}, optional={"on_delay": st.just("1s"), "deadband": st.sampled_from([1, "1%"])})  # fmt: skip
LIKELY = st.fixed_dictionaries(
    {},
    optional={
        "tag": NAMES | st.just("{each}"), "calc": EXPRESSIONS, "source": NAMES, "low": LIMIT, "high": LIMIT,
        "for_each": st.lists(st.sampled_from(["T", "U", "V"]), min_size=1), "is": st.sampled_from([True, 1, "x", [1, "y"]]),
        "bits": st.just({0: "x", 3: "y"}), "codes": st.just({1: "x", "true": "y"}), "change": st.just({"deadband": "1%"}),
        "expect": st.sampled_from([{"sample": "any", "within": "1m"}, {"change": 1, "within": "1m"}, {"connection": "up", "within": "1m"}]),
        "counter": st.just(True), "window": WINDOW, "deviation_from": NAMES, "rate_of_change": RATE,
        "count": st.just({"times": 2, "in": "1m"}), "profile": NAMES, "deadband": st.sampled_from([1, "1%"]),
        "on_bad": st.sampled_from(["alarm", "clear"]), "when": EXPRESSIONS, "suppress_while": EXPRESSIONS,
        "trial": st.just("until 2026-12-15"), "was": NAMES, "fields": st.dictionaries(NAMES, NAMES), "send_to": NAMES,
        "message": st.sampled_from(["{tag}", "{T}", "{meaning}", "{"]), "priority": st.sampled_from(["journal", "high"]),
        "latch": st.booleans(),
    },
)  # fmt: skip
PLANT = {
    "agent": {"site": "s", "name": "n"},
    "sources": {"plc": {"type": "simulated", "tags": {
        "T": {"signal": "sine", "range": [0, 100]},
        "U": {"signal": "steps", "values": [True, False]},
        "V": {"signal": "steps", "values": ["a"]},
        "T-1": {"signal": "steps", "values": [1, 2]},
    }}},
    "profiles": {"T": {"deadband": "1%", "on_delay": "1s"}},
    "maintenance": [{"match": "a*", "from": "2026-12-01", "to": "2026-12-02", "reason": "r"}],
}  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), LIKELY, min_size=1))
def test_any_rules_over_a_good_plant_are_loaded_or_refused(tmp_path, rules):
    """Whatever keys stand together; and every rule that is named in a problem is one of them."""
    path = tmp_path / "any.yaml"
    path.write_text(json.dumps(PLANT | {"rules": rules}))
    try:
        configuration = load(path, {})
    except ConfigError as error:
        texts = [problem.text for problem in error.problems]

        assert [text for text in texts if JARGON.search(text)] == []
    else:
        names = [spec.name for spec in configuration.rules]

        assert len(set(names)) == len(names)
        assert {spec.rule or spec.name for spec in configuration.rules} - {"plc.communication"} == set(rules)
