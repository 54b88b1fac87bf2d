"""What is allowed but hardly meant is told with its place and its remedy; what is meant is left alone."""

from datetime import UTC, datetime

import pytest

from agent.config.doubts import doubts
from agent.config.load import load
from agent.model import SECOND, TagSpec

PLANT = """\
agent: {site: dresden, name: line-4}
sources:
  plc:
    type: modbus
    url: tcp://plc
    poll_every: 2s
    tags:
      TT: {address: "40001", type: int16, scale: 0.1, unit: °C, range: [0, 250]}
      LT: {address: "30001", type: uint16, raw_range: [0, 65535], range: [0, 100], unit: "%"}
      WORD: {address: "40002", type: uint16}
      SIGNED: {address: "40003", type: int16}
      FT: {address: "40004", type: float32, range: [0, 30]}
      SAFE: {address: "40006", type: int16, scale: 0.1, valid_range: [-50, 300]}
      RUN: {address: "00001"}
  broker:
    type: mqtt
    url: mqtt://localhost
    keep_session: false
    tags:
      ANY: {topic: t}
"""


MARK = "→"


def marked(rules):
    """Line and column of the mark; rules begin in line 1."""
    before = rules[: rules.index(MARK)].split("\n")
    return f"{len(before)}:{len(before[-1]) + 1}"


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Give the warnings over some rules: line of the rules, column, text."""
    monkeypatch.chdir(tmp_path)

    def told(rules, plant=PLANT):
        (tmp_path / "a.yaml").write_text(f"{plant}{rules}")
        problems = load(tmp_path / "a.yaml", {}).warnings
        first = plant.count("\n") + 1
        return [f"{problem.line - first}:{problem.column}: {problem.text}" for problem in problems]

    return told


# The mark stands where the warning points to.
VALUES = [
    # --- what can never be shown
    (
        "  a: {tag: SAFE, high: →301, deadband: 1}",
        "rule a, high: it will never be raised: SAFE shows 300 at most",
    ),
    (
        "  a: {tag: SAFE, low: →-51, deadband: 1}",
        "rule a, low: it will never be raised: SAFE shows -50 at least",
    ),
    (
        "  a: {tag: WORD, low: →-1}",
        "rule a, low: it will never be raised: WORD shows 0 at least",
    ),
    (
        "  a: {tag: WORD, →high: {at: 70000}}",
        "rule a, high: it will never be raised: WORD shows 65535 at most",
    ),
    (
        "  a: {tag: WORD, high: →5, deadband: 5}",
        "rule a, high: it will never return: that takes below 0, and WORD shows 0 at least",
    ),
    (
        "  a: {tag: SIGNED, low: →32000, deadband: 800}",
        "rule a, low: it will never return: that takes above 32800, and SIGNED shows 32767 at most",
    ),
    (
        "  a: {tag: SAFE, high: →300, deadband: 1}",
        (
            "rule a, high: only the very last value that SAFE can show, 300, raises it: leave a step of the "
            "register between"
        ),
    ),
    (
        "  a: {tag: TT, high: →260, deadband: 1}",
        "rule a, high: it may never be raised: 260 is outside of the range [0, 250] of TT",
    ),
    (
        "  a: {tag: FT, low: →20, deadband: 12}",
        "rule a, low: it may never return: that takes 32, outside of the range [0, 30] of FT",
    ),
    (
        "  a: {tag: WORD, window: {over: 1m, take: max}, high: →70000}",
        "rule a, high: it will never be raised: WORD shows 65535 at most",
    ),
    (
        "  a: {tag: WORD, →is: [7, 70000]}",
        "rule a, is: WORD never is 70000: it shows 0 to 65535; look at its type",
    ),
    (
        "  a: {tag: WORD, bits: {3: overload, 16: →trip}}",
        "rule a, bits: bit 16 is never set: WORD has 16 bits, of which 0 is the least significant",
    ),
    # --- noise
    (
        "  a: {tag: TT, high: →170, deadband: 0.1}",
        (
            "rule a, high: the flicker of the last digit passes a deadband of 0.1: a step of TT is 0.1; "
            "write 0.2 or more"
        ),
    ),
    (
        "  a: {tag: TT, high: →170}",
        (
            "rule a, high: while TT hovers at it, it is raised and returned with every reading: write a "
            "deadband, a delay or both"
        ),
    ),
    (
        "  a: {tag: TT, change: {deadband: →0.05}}",
        (
            "rule a, change.deadband: it holds nothing back: a step of TT is 0.1, and a deadband of 0.05 is "
            "less; write 0.1 or more"
        ),
    ),
    (
        "  a: {tag: TT, →change: {}}",
        ("rule a, change: every reading is an event, up to 43200 a day: write a deadband or at_most_every"),
    ),
    (
        "  a: {tag: TT, deviation_from: FT, low: →3, deadband: 1}",
        "rule a, low: it is raised without any deviation: a low deviation is negative",
    ),
    (
        "  a: {tag: TT, deviation_from: FT, high: →0, deadband: 1}",
        "rule a, high: it is raised without any deviation: a high deviation is positive",
    ),
    (
        "  a: {tag: TT, rate_of_change: {per: 1m, over: 10s}, high: →0.5}",
        (
            "rule a, high: the flicker of the last digit raises it: one step of TT is 0.6 °C/min over such a "
            "time; write a longer over"
        ),
    ),
]
VALUES += [
    (
        "  a: {tag: TT, rate_of_change: {per: 1m, over: 10s}, low: →-0.5, high: 2}",
        VALUES[-1][1].replace("high", "low"),
    ),
]
TIMES = [
    (
        "  a: {tag: RUN, is: false, on_delay: →1s}",
        (
            "rule a, on_delay: a single reading raises it, as without a delay: on_delay 1s is over when the "
            "next one comes (every 2s); write more than that"
        ),
    ),
    (
        "  a: {tag: TT, high: {at: 170, deadband: 1, on_delay: →2s}}",
        (
            "rule a, high.on_delay: a single reading raises it, as without a delay: on_delay 2s is over when "
            "the next one comes (every 2s); write more than that"
        ),
    ),
    (
        "  a: {tag: RUN, is: false, off_delay: →500ms}",
        (
            "rule a, off_delay: a single reading returns it, as without a delay: off_delay 500ms is over when "
            "the next one comes (every 2s); write more than that"
        ),
    ),
    (
        "  a: {calc: RUN and TT > 2, is: true, on_delay: →1s}",
        (
            "rule a, on_delay: a single reading raises it, as without a delay: on_delay 1s is over when the "
            "next one comes (every 2s); write more than that"
        ),
    ),
    (
        "  a: {tag: RUN, is: true, →count: {times: 3, in: 8s}}",
        "rule a, count: it never comes 3 times in 8s: read every 2s, that takes more than 8s",
    ),
    (
        "  a: {tag: RUN, is: true, stale_after: →1s}",
        (
            "rule a, stale_after: a value counts as unknown between two readings: read every 2s, write 4s "
            "or more"
        ),
    ),
    (
        "  a: {tag: RUN, is: true, stale_after: →3s}",
        (
            "rule a, stale_after: a value counts as unknown when one answer is late: read every 2s, write 4s "
            "or more"
        ),
    ),
    (
        "  a: {tag: TT, expect: {sample: any, within: →5s}}",
        "rule a, expect.within: one late answer raises it: read every 2s, write 6s or more",
    ),
    (
        "  a: {tag: TT, expect: {change: 0.1, within: →5s}}",
        "rule a, expect.within: one late answer raises it: read every 2s, write 6s or more",
    ),
    (
        "  a: {tag: TT, rate_of_change: {per: 1m, over: →3s}, high: 50}",
        (
            "rule a, rate_of_change.over: two readings make no slope in that time: read every 2s, write 4s "
            "or more"
        ),
    ),
    (
        "  a: {tag: TT, window: {over: →3s, take: average}, high: 50}",
        "rule a, window.over: it holds a single reading: read every 2s, write 4s or more",
    ),
    (
        "  a: {tag: RUN, is: false, on_delay: 10m, time_to_respond: →10m}",
        (
            "rule a, time_to_respond: nobody can respond in time: it is noticed only after 10 min 2 s: read "
            "every 2 s + 10 min delay; shorten that, or allow more"
        ),
    ),
]
PEOPLE = [
    (
        "  a: {tag: RUN, is: false, priority: →high}",
        ("rule a, priority: who gets it is not told what to do: write a response, or a priority below high"),
    ),
    (
        "  a: {tag: TT, deadband: 1, high: 9, high_high: {at: 20, priority: →critical}}",
        (
            "rule a, high_high.priority: who gets it is not told what to do: write a response, or a priority "
            "below critical"
        ),
    ),
    (
        "  a: {tag: RUN, is: false}\n  b: {tag: RUN, is: →false, off_delay: 9s, priority: low}",
        "rule b, is: a is raised by the same: one cause, two alarms; delete one of them",
    ),
    (
        "  a: {tag: TT, high: 9, deadband: 1}\n  b: {tag: TT, →high: {at: 9.0, deadband: 2}}",
        "rule b, high: a is raised by the same: one cause, two alarms; delete one of them",
    ),
    (
        '  a: {for_each: [WORD, SIGNED], tag: "{each}", is: 5, priority: →high}',
        ("rule a, priority: who gets it is not told what to do: write a response, or a priority below high"),
    ),
]


@pytest.mark.parametrize(("rules", "warning"), [*VALUES, *TIMES, *PEOPLE])
def test_what_is_hardly_meant_is_told_with_its_place(told, rules, warning):
    """One sentence, where the engineer has to type, with what will never happen and the remedy."""
    assert told(f"rules:\n{rules.replace(MARK, '')}\n") == [f"{marked(rules)}: {warning}"]


@pytest.mark.parametrize(
    "rules",
    [
        # at the ends, where it is meant
        "  a: {tag: WORD, low: 0}",
        "  a: {tag: LT, low: 0, deadband: 1}",
        "  a: {tag: TT, high: 250, deadband: 1}",
        "  a: {tag: SAFE, high: 299.9, deadband: 1}",
        "  a: {tag: SIGNED, bits: {20: sign}}",
        "  a: {tag: WORD, is_not: [0, 70000]}",
        "  a: {tag: WORD, is: 65535}",
        # what is compared is no longer the value
        "  a: {tag: SAFE, deviation_from: TT, high: 301}",
        "  a: {tag: WORD, counter: {rollover_at: 65536}, high: 100000}",
        "  a: {tag: TT, rate_of_change: {per: 1m, over: 30s}, high: 5, low: -8}",
        "  a: {tag: WORD, rate_of_change: {per: 1h, over: 15m}, high: 4}",
        # one of the remedies is enough
        "  a: {tag: TT, high: 170, deadband: 0.2}",
        "  a: {tag: TT, high: 170, on_delay: 5s}",
        "  a: {tag: TT, high: 170, off_delay: 5s}",
        "  a: {tag: TT, high: 170, latch: true}",
        "  a: {tag: TT, high: 170, priority: journal}",
        "  a: {tag: TT, window: {over: 1m, take: average}, high: 170}",
        "  a: {tag: TT, change: {at_most_every: 10s}}",
        "  a: {tag: TT, change: {deadband: 0.1}}",
        "  a: {tag: TT, high: 170}\nchattering: {raises: 3, in: 60s, quiet: 10m}",
        # a state is no noise, and of other sources the pace is not known
        "  a: {tag: RUN, is: false}",
        "  a: {tag: WORD, high: 100}",
        "  a: {tag: ANY, high: 100, on_delay: 1ms}",
        "  a: {tag: ANY, high: {at: 100, deadband: 0.000001}}",
        "  a: {tag: ANY, expect: {sample: any, within: 1s}, time_to_respond: 5s}",
        "  a: {calc: RUN and ANY > 2, is: true, on_delay: 1s}",
        # in time
        "  a: {tag: RUN, is: false, on_delay: 3s, off_delay: 3s, time_to_respond: 5s}",
        "  a: {tag: RUN, is: true, count: {times: 3, in: 9s}}",
        "  a: {tag: RUN, is: true, stale_after: 4s}",
        "  a: {tag: TT, expect: {sample: any, within: 6s}}",
        # people
        "  a: {tag: RUN, is: false, priority: high, response: Start the pump}",
        "  a: {source: plc, expect: {connection: up, within: 15s}, priority: critical}",
        "  a: {tag: RUN, is: false}\n  b: {tag: RUN, is: false, on_delay: 9s}",
        "  a: {tag: RUN, is: false}\n  b: {tag: RUN, is: false, when: TT > 5}",
        "  a: {tag: RUN, is: false}\n  b: {tag: RUN, is: false, priority: journal}",
        "  a: {tag: WORD, high: 9}\n  b: {tag: WORD, low: 9}\n  c: {tag: SIGNED, high: 9}",
        "  a: {tag: WORD, high: 9, on_bad: alarm}\n  b: {tag: WORD, high: 19, on_bad: alarm}",
    ],
)
def test_what_an_engineer_writes_on_purpose_is_left_alone(told, rules):
    """A warning that is not believed hides the next one."""
    assert told(f"rules:\n{rules}\n") == []


def test_of_many_instances_the_first_speaks_for_all(told):
    """Fifty pumps of one rule are one mistake, in one line."""
    rules = 'rules:\n  a: {for_each: [TT, SAFE], tag: "{each}", high: 170, deadband: 0.1}\n'

    assert told(rules) == [
        (
            "1:50: rule a, high: the flicker of the last digit passes a deadband of 0.1: a step of TT is 0.1; "
            "write 0.2 or more"
        )
    ]


def test_freshness_of_a_whole_source_is_doubted_once(told):
    """Seven tags of one source are one mistake, in its line; a tag's own is its own."""
    source = PLANT.replace("poll_every: 2s", "poll_every: 2s\n    stale_after: 3s")
    tag = PLANT.replace("type: float32", "stale_after: 1s, type: float32")
    late, between = "when one answer is late", "between two readings"

    assert told("", source) == [
        f"-15:18: source plc, stale_after: a value counts as unknown {late}: read every 2s, write 4s or more"
    ]
    assert told("", tag) == [
        f"-9:43: tag FT, stale_after: a value counts as unknown {between}: read every 2s, write 4s or more"
    ]


@pytest.mark.parametrize(("loud", "told_so"), [(5, False), (6, True)])
def test_where_all_is_urgent_nothing_is(told, loud, told_so):
    """Judged of twenty rules and more; a quarter of them may be loud."""
    rules = [
        f"  r{number}: {{tag: WORD, is: {number}, priority: {'high' if number < loud else 'low'}, response: Go}}"
        for number in range(20)
    ]
    text = (
        "0:1: rules: 6 of 20 rules are high or critical, so none stands out: keep these for what must be "
        "answered at once (usual is one in twenty)"
    )

    assert told("rules:\n" + "\n".join(rules)) == ([text] if told_so else [])
    assert told("rules:\n" + "\n".join(rules[:19])) == []


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (None, []),
        (1, []),
        (
            2_000_000_000 * SECOND,
            [
                (
                    ("rules", "a", "trial"),
                    "it is over, and events are sent: delete this line, or set a later date",
                )
            ],
        ),
    ],
)
def test_a_trial_that_is_over_is_told_by_whoever_has_a_clock(tmp_path, now, expected):
    """The loader has none, so that the same files always load the same."""
    (tmp_path / "a.yaml").write_text(
        f"{PLANT}rules:\n  a: {{tag: RUN, is: false, trial: until 2026-12-15}}\n"
    )
    configuration = load(tmp_path / "a.yaml", {})

    assert list(doubts(configuration.rules, configuration.tags, now)) == expected


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ("from: 2026-10-01, to: →2026-10-02", "it is over: delete it, or set it anew"),
        ("from: 2026-10-01, to: 2026-11-22", None),
        (
            "from: →2027-03-28T02:30, to: 2027-03-28T06:00",
            "no clock in Europe/Berlin shows this time on that day: 03:30 is taken",
        ),
        (
            "from: 2027-10-31T01:30, to: →2027-10-31T02:30",
            (
                "clocks in Europe/Berlin show this time twice on that day: write 2027-10-31T02:30+02:00, which "
                "is taken, or 2027-10-31T02:30+01:00"
            ),
        ),
        ("from: 2027-10-31T01:30, to: 2027-10-31T02:30+01:00", None),
    ],
)
def test_maintenance_that_is_over_or_at_an_odd_time(tmp_path, span, expected):
    """Who plans a shutdown in the night of the change of clocks is told which hour is taken."""
    plant = PLANT.replace("name: line-4", "name: line-4, zone: Europe/Berlin")
    rules = f'rules: {{a: {{tag: RUN, is: false}}}}\nmaintenance: [{{match: "*", reason: seals, {span}}}]\n'
    (tmp_path / "a.yaml").write_text(plant + rules.replace(MARK, ""))
    now = round(datetime(2026, 11, 21, tzinfo=UTC).timestamp()) * SECOND
    told = load(tmp_path / "a.yaml", {}, now).warnings

    where = "from" if f"from: {MARK}" in span else "to"
    assert [problem.text for problem in told] == ([f"maintenance, {where}: {expected}"] if expected else [])


@pytest.mark.parametrize(("rules", "warning"), [*VALUES, *TIMES])
def test_what_is_unknown_of_a_tag_is_not_judged(tmp_path, rules, warning):
    """Of a tag about which nothing is known only the rule itself can be doubted."""
    (tmp_path / "a.yaml").write_text(f"{PLANT}rules:\n{rules.replace(MARK, '')}\n")
    configuration = load(tmp_path / "a.yaml", {})
    bare = {name: TagSpec(name, tag.source) for name, tag in configuration.tags.items()}
    of_rule = [warning.partition(": ")[2]] if "deviation is" in warning else []

    assert [text for _, text in doubts(configuration.rules, bare)] == of_rule
