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
RULE = st.fixed_dictionaries(
    {"tag": st.sampled_from(["T", "U", "V"])}, optional={"high": ANYTHING, "is": ANYTHING}
)
DESTINATION = st.fixed_dictionaries({"url": st.just("https://example.com/")}, optional={"signing": ANYTHING})
FILE = st.fixed_dictionaries(
    {},
    optional={
        "agent": ANYTHING, "store": ANYTHING, "http": ANYTHING, "defaults": ANYTHING, "other": ANYTHING,
        "sources": ANYTHING | entries(SOURCE), "rules": ANYTHING | entries(RULE),
        "destinations": ANYTHING | entries(DESTINATION),
    },
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
