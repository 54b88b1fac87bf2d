"""Events in any form, and what independent readers make of the bodies that formats write."""

import re

from hypothesis import strategies as st
from pydantic import TypeAdapter

from agent.config.fields import TAG_NAME
from agent.delivery.body import Identity, Place, sendable
from agent.destinations.config import DestinationConfig
from agent.model import SECOND, Event, EventType, Priority

IDENTITY = Identity("dresden", "line-4", "k3v9")
OFFSET = 1_795_248_000 * SECOND
PLACE = Place(17, 12, OFFSET)
_SECTION = TypeAdapter(DestinationConfig)

# Also half a character, and what other notations take for the end of something.
TEXTS = st.text(st.characters(), max_size=12) | st.sampled_from(
    ['"', "\\", "a\\", "\n", "a,b= c", "#", "{{ 1 }}", "</script>", "\u2028", "\ud800", "&<>", "'", ""]
)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@st.composite
def events(draw, kinds=tuple(EventType)):
    """Any event: names, texts and values out of a plant that nobody has tidied up."""
    known = st.sampled_from(
        ["value", "message", "unit", "level", "condition", "reason", "response", "quality"]
    )
    data = draw(st.dictionaries(known, JSON, max_size=6))
    data |= {"fields": draw(st.dictionaries(TEXTS, JSON, max_size=2))}
    texts = ("message", "unit", "level", "condition", "reason", "response", "quality")
    data |= {name: draw(TEXTS) for name in texts if name in data}
    data |= {"value": draw(st.none() | st.booleans() | NUMBERS | TEXTS)} if "value" in data else {}
    return sendable(
        Event(
            "evt_01937f3e-7c00-7000-8000-000000000001",
            draw(st.sampled_from(kinds)),
            draw(st.integers(0, 10**15)),
            "R1",
            draw(st.sampled_from(Priority)),
            data,
            {},
            draw(NAMES.filter(TAG_NAME.fullmatch).filter(lambda name: name.rstrip("\\")) | st.just("")),
            draw(st.sampled_from(["", "R1", "Прес-1", "a.b_c"])),
        )
    )


def section(**keys):
    """A destination that says this of its bodies."""
    return _SECTION.validate_python({"url": "https://example.com/", "signing": "none", **keys})


def event(kind=EventType.ALARM_RAISED, **changes):
    """An alarm, but for what is said otherwise."""
    fields = {
        "at": 3_120_000_000,
        "subject": "R1-temperature",
        "priority": Priority.CRITICAL,
        "data": {
            "value": 171.53,
            "unit": "°C",
            "limit": 170,
            "message": 'R1 is 171.5 °C: "hot"',
            "rules_hash": "ab",
        },
        "instants": {"onset": 1_000_000},
        "tag": "R1.TT101",
        "rule": "R1-temperature",
    }
    return Event("evt_1", kind, **{**fields, **changes})


def points(text):
    """Read InfluxDB's line protocol as its reference says, strictly: `(measurement, tags, fields, time)` a line."""
    return [_point(line) for line in text.split("\n")]


def _point(line):
    assert not line.startswith("#"), "a comment: the line is lost"
    reader = _Reader(line)
    measurement = reader.name(", ")
    tags = {}
    while reader.take(","):
        key = reader.name("=, ")
        reader.need("=")
        assert key not in tags
        tags[key] = reader.name("=, ")
    reader.need(" ")
    fields = {}
    while True:
        key = reader.name("=, ")
        reader.need("=")
        assert key not in fields
        fields[key] = reader.value()
        if not reader.take(","):
            break
    reader.need(" ")
    assert re.fullmatch(r"-?\d{1,19}", reader.rest()), reader.rest()
    return measurement, tags, fields, int(reader.rest())


class _Reader:
    def __init__(self, line):
        self.line, self.at = line, 0

    def rest(self):
        return self.line[self.at :]

    def take(self, mark):
        if self.line.startswith(mark, self.at):
            self.at += 1
            return True
        return False

    def need(self, mark):
        assert self.take(mark), f"{mark!r} was expected before {self.rest()!r}"

    def name(self, ends):
        """Up to a separator that no backslash stands before."""
        name = ""
        while self.at < len(self.line) and self.line[self.at] not in ends:
            if self.line[self.at] == "\\" and self.line[self.at + 1 : self.at + 2] in tuple(ends):
                self.at += 1
            name += self.line[self.at]
            self.at += 1
        assert name, "an empty name"
        return name

    def value(self):
        if self.take('"'):
            text = ""
            while not self.take('"'):
                if self.rest().startswith(('\\"', "\\\\")):
                    self.at += 1
                assert self.at < len(self.line), "a text without an end"
                text += self.line[self.at]
                self.at += 1
            return text
        written = re.match(r"[^, ]*", self.rest())[0]
        self.at += len(written)
        if written in {"true", "false"}:
            return written == "true"
        assert re.fullmatch(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", written), written
        return float(written)
