"""Every key of a rule becomes what the engine runs, in base units, with every default filled in."""

import pytest
from rigs.written_rules import WrittenRules

from agent.changes import changes
from agent.model import SECOND, Priority
from agent.rules.hours import Hours, Span
from agent.rules.spec import (
    Absence,
    Announcement,
    Awaited,
    Bit,
    Chattering,
    Count,
    Counter,
    Deviation,
    FloodSpec,
    Gate,
    Limit,
    Maintenance,
    OnBad,
    Rate,
    State,
    Still,
    Take,
    Unusual,
    Window,
)

MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
TEN_ON_DECEMBER_1 = 1_796_115_600 * SECOND  # 2026-12-01T10:00+01:00
PROFILES = (
    "profiles:\n  flow: {deadband: 5%, on_delay: 15s, off_delay: 16s, on_bad: clear, stale_after: 9s}\n"
)


@pytest.fixture
def rules(tmp_path):
    return WrittenRules(tmp_path)


def say(name, rank=1, on=0, off=0, **more):
    return Announcement(name, rank, on * SECOND, off * SECOND, more.pop("priority", Priority.MEDIUM), **more)


@pytest.mark.parametrize(
    ("keys", "conditions"),
    [
        ("tag: TT1, low: 5, high: 7", (Limit(say("low"), -1, 5.0), Limit(say("high"), 1, 7.0))),
        ("tag: TT1, low_low: 1, high_high: 9", (Limit(say("low_low", 2), -1, 1.0), Limit(say("high_high", 2), 1, 9.0))),
        ("tag: TT1, high: TT2", (Limit(say("high"), 1, "TT2"),)),
        ("tag: TT1, low: TT2, high: 5, deadband: 3", (Limit(say("low"), -1, "TT2", 3.0), Limit(say("high"), 1, 5.0, 3.0))),
        ("tag: TT1, high: 5, deadband: 1%", (Limit(say("high"), 1, 5.0, 2.0),)),
        ("tag: TT1, high: {at: TT2, deadband: 1%, on_delay: 2s, off_delay: 3s, priority: low}",
         (Limit(say("high", on=2, off=3, priority=Priority.LOW), 1, "TT2", 2.0),)),
        ("tag: TT1, high: 5, count: {times: 3, in: 1m}", (Limit(say("high", count=Count(3, MINUTE)), 1, 5.0),)),
        ("tag: RUN, is: true", (State(say("is"), (True,)),)),
        ("tag: RUN, is: 1", (State(say("is"), (1,)),)),
        ("tag: MODE, is_not: [AUTO, MANUAL]", (State(say("is_not"), ("AUTO", "MANUAL"), negated=True),)),
        ("calc: RUN and TT1 > 5, is: true, on_delay: 8s", (State(say("is", on=8), (True,)),)),
        ("calc: TT1 - TT2, high: 5", (Limit(say("high"), 1, 5.0),)),
        ("tag: TT1, counter: true, is: 5", (State(say("is"), (5,)),)),
        ("tag: CODE, bits: {3: emergency stop}", (Bit(say("bits"), 3),)),
        ("tag: TT1, expect: {sample: any, within: 30s}", (Absence(say("sample"), Awaited.SAMPLE, 30 * SECOND),)),
        ("tag: TT1, expect: {change: 0.1, within: 2h}", (Still(say("change", on=7200), 0.1),)),
        ("tag: RUN, expect: {change: 1, within: 10s}", (Still(say("change", on=10), 1.0),)),
        ("calc: TT1 * 2, expect: {increase: 1, within: 10m}",
         (Still(say("increase", on=600), 1.0, rising=True),)),
        ("source: plant, expect: {connection: up, within: 15s}, priority: high",
         (Absence(say("connection", priority=Priority.HIGH), Awaited.CONNECTION, 15 * SECOND),)),
        ("tag: TT1, high: 5, on_bad: alarm, on_delay: 3s",
         (Limit(say("high", on=3), 1, 5.0), Absence(say("quality", 0, on=3), Awaited.QUALITY, 3 * SECOND))),
        ("tag: CODE, bits: {3: stop}, on_bad: alarm",
         (Bit(say("bits"), 3), Absence(say("quality", 0), Awaited.QUALITY, 0))),
    ],
)  # fmt: skip
def test_the_keys_of_a_condition(rules, keys, conditions):
    """Limits, states, bits, absences; what is compared may be a measure or a calculation."""
    assert rules.one(keys).conditions == conditions


@pytest.mark.parametrize(
    ("keys", "measures"),
    [
        ("counter: {rollover_at: 65536}", (Counter(65536.0),)),
        ("counter: {}", (Counter(None),)),
        ("counter: true", (Counter(None),)),
        *((f"window: {{over: 10m, take: {take}}}", (Window(10 * MINUTE, Take(take)),)) for take in Take),
        ("deviation_from: TT2", (Deviation("TT2"),)),
        ("rate_of_change: {per: 1m, over: 30s}", (Rate(MINUTE, 30 * SECOND),)),
        ("unusual: {learn: 14d}", (Unusual(14 * DAY, 0.0),)),
        ("unusual: {learn: 14d, method: robust_z, at_least: 0.5}", (Unusual(14 * DAY, 0.5),)),
        (
            "unusual: {learn: 1d}, rate_of_change: {per: 1h, over: 15m}, deviation_from: TT2, window: {over: 1m, take: max}, counter: true",
            (Counter(None), Window(MINUTE, Take.MAX), Deviation("TT2"), Rate(HOUR, 15 * MINUTE), Unusual(DAY)),
        ),
    ],
)  # fmt: skip
def test_the_keys_of_a_measure(rules, keys, measures):
    """Each alone, and all together in the order of the engine, whatever that of the file."""
    assert rules.one(f"tag: TT1, high: 5, {keys}").measures == measures
    assert rules.one(f"tag: TT1, change: {{deadband: 1}}, {keys}").measures == measures


def test_a_calculation_is_watched_in_the_place_of_a_tag(rules):
    """Its subject is empty, its text is the file's."""
    spec = rules.one("calc: (TT1 - TT2) / 2, high: 5")

    assert (spec.subject, spec.calc.text, spec.of_source) == ("", "(TT1 - TT2) / 2", False)


def test_for_each_makes_an_instance_of_every_text(rules):
    """Tag, limit by tag, expressions, words, facts: wherever {each} stands."""
    specs = rules.specs(
        '  pumps:\n    for_each: [TT1, TT2]\n    tag: "{each}"\n    high: 5\n    deviation_from: FT1\n'
        '    when: "{each} > 1 and RUN"\n    suppress_while: active("K-{each}")\n'
        '    message: "{each} is at {value}"\n    response: look at {each}\n    fields: {it: "{each}"}\n'
        '  K-TT1: {tag: RUN, is: true}\n  K-TT2: {tag: RUN, is: true}\n'
        '  limits: {for_each: [TT2], tag: TT1, high: "{each}"}\n  calc: {for_each: [TT2], calc: "{each} * 2", high: 5}'
    )  # fmt: skip
    spec = specs["pumps/TT2"]

    assert [name for name in specs if "/" in name] == ["pumps/TT1", "pumps/TT2", "limits/TT2", "calc/TT2"]
    assert (spec.rule, spec.subject, spec.wording.response) == ("pumps", "TT2", "look at TT2")
    assert (spec.gate.when.text, spec.gate.suppress_while.text) == ("TT2 > 1 and RUN", 'active("K-TT2")')
    assert spec.wording.message.fill({"value": 5}) == "TT2 is at 5"
    assert spec.wording.fields == {"it": "TT2"}
    assert specs["limits/TT2"].conditions[0].at == "TT2"
    assert specs["calc/TT2"].calc.text == "TT2 * 2"


def test_every_bit_is_an_alarm_of_its_own(rules):
    """Named by the rule, the name that stands for {each}, and the bit."""
    specs = rules.specs(
        "  faults: {tag: CODE, bits: {0: overload, 3: emergency stop}, priority: high, response: look}\n"
        '  more: {for_each: [CODE], tag: "{each}", bits: {1: low oil}}'
    )

    assert {name: (spec.rule, spec.conditions[0].number) for name, spec in specs.items()} == {
        "faults/overload": ("faults", 0),
        "faults/emergency stop": ("faults", 3),
        "more/CODE/low oil": ("more", 1),
    }
    assert specs["faults/overload"].digest != specs["faults/emergency stop"].digest


@pytest.mark.parametrize(
    ("keys", "more", "waits"),
    [
        ("high: 5", "", (0.0, 0, 0)),
        ("high: 5", "defaults: {deadband: 1, on_delay: 2s, off_delay: 3s}\n", (1.0, 2, 3)),
        (
            "high: 5, profile: flow",
            "defaults: {deadband: 1, on_delay: 2s, off_delay: 3s}\n" + PROFILES,
            (10.0, 15, 16),
        ),
        ("high: 5, profile: flow, on_delay: 0s, deadband: 0", PROFILES, (0.0, 0, 16)),
        ("high: {at: 5, off_delay: 0s, deadband: 2}, profile: flow, on_delay: 7s", PROFILES, (2.0, 7, 0)),
    ],
)
def test_the_nearest_says_how_noise_is_kept_out(rules, keys, more, waits):
    """Limit, rule, profile, defaults; a 0 is said as well."""
    [limit] = rules.one(f"tag: TT1, {keys}", more).conditions

    assert (limit.deadband, limit.say.on_delay / SECOND, limit.say.off_delay / SECOND) == waits


@pytest.mark.parametrize(
    ("keys", "more", "waits"),
    [
        ("high: 5, count: {times: 3, in: 1m}", "defaults: {on_delay: 2s}\n", (0, Count(3, MINUTE))),
        ("high: {at: 5, on_delay: 4s}, count: {times: 3, in: 1m}", "", (4 * SECOND, None)),
        ("high: 5, on_delay: 0s", "defaults: {count: {times: 3, in: 1m}}\n", (0, None)),
    ],
)
def test_a_count_and_an_on_delay_never_wait_together(rules, keys, more, waits):
    """The nearest of both holds, so a default of one is no mistake beside the other."""
    [limit] = rules.one(f"tag: TT1, {keys}", more).conditions

    assert (limit.say.on_delay, limit.say.count) == waits


def test_a_profile_says_what_bad_and_stale_mean_as_well(rules):
    """The rule's own word is nearer."""
    own = rules.one("tag: TT1, high: 5, profile: flow, on_bad: hold, stale_after: 1s", PROFILES)
    profiles = rules.one("tag: TT1, high: 5, profile: flow", PROFILES)

    assert (own.on_bad, own.stale_after) == (OnBad.HOLD, SECOND)
    assert (profiles.on_bad, profiles.stale_after) == (OnBad.CLEAR, 9 * SECOND)


@pytest.mark.parametrize(
    ("measure", "deadband"),
    [("window: {over: 1m, take: average}", 2.0), ("deviation_from: TT2", 2.0), ("counter: true", 2.0)],
)
def test_a_percentage_is_of_the_range_where_the_unit_is_the_tags(rules, measure, deadband):
    """A rate and a robust z-score are in other units: refused (bad/percent-of-another-unit)."""
    assert rules.one(f"tag: TT1, high: 5, deadband: 1%, {measure}").conditions[0].deadband == deadband


@pytest.mark.parametrize(
    ("keys", "hours"),
    [
        (
            '{days: mon-fri, from: "06:00", to: "22:00"}',
            Hours(frozenset(range(5)), 360, 1320, "Europe/Berlin"),
        ),
        ("{from: 22:00, to: 06:00, zone: UTC}", Hours(frozenset(range(7)), 1320, 360, "UTC")),
        ("{days: [Sat, sun], from: 00:00, to: 24:00}", Hours(frozenset({5, 6}), 0, 0, "Europe/Berlin")),
        (
            "{days: fri-mon, from: 06:30, to: 06:30}",
            Hours(frozenset({4, 5, 6, 0}), 390, 390, "Europe/Berlin"),
        ),
    ],
)
def test_active_hours(rules, keys, hours):
    """In the zone of the rule, else the agent's; the week goes round, the day ends at 24:00."""
    assert rules.one(f"tag: TT1, high: 5, active_hours: {keys}").gate.hours == hours


@pytest.mark.parametrize(
    ("written", "agent", "until"),
    [
        ("until 2026-12-15", "zone: Europe/Berlin", 1_797_289_200),
        ("until 2026-12-15", "data_dir: d", 1_797_292_800),
        ("until 2026-12-15T06:00", "zone: Europe/Berlin", 1_797_310_800),
        ("until 2026-12-15T06:00Z", "zone: Europe/Berlin", 1_797_314_400),
        ("until 2026-07-01", "zone: Europe/Berlin", 1_782_856_800),
    ],
)
def test_a_trial_ends_when_its_day_begins(rules, written, agent, until):
    """At midnight in the zone of the agent (UTC if it names none), summer and winter."""
    spec = rules.one(
        f'tag: TT1, high: 5, trial: "{written}"', agent=f"agent: {{site: s, name: n, {agent}}}\n"
    )

    assert spec.gate.trial_until == until * SECOND


def test_the_other_keys_of_the_gate(rules):
    """As they stand."""
    gate = rules.one("tag: TT1, high: 5, when: RUN, settle: 45s, suppress_while: MODE == 'AUTO'").gate

    assert (gate.when.text, gate.settle, gate.suppress_while.text) == ("RUN", 45 * SECOND, "MODE == 'AUTO'")
    assert rules.one("tag: TT1, change: {deadband: 1}, when: RUN").gate.when.text == "RUN"
    assert rules.one("tag: TT1, high: 5").gate == Gate()


@pytest.mark.parametrize(
    ("match", "held"),
    [
        ("P1*", {"P101", "P102/TT1", "P102/TT2"}),
        ("P102", {"P102/TT1", "P102/TT2"}),
        ("*/TT2", {"P102/TT2"}),
        ("plant.*", set()),
        ("p101", set()),
    ],
)
def test_maintenance_is_for_whom_its_pattern_names(rules, match, held):
    """A rule with all its instances, or instances; upper and lower case differ."""
    more = f'maintenance:\n  - {{match: "{match}", from: 2026-12-01T10:00, to: 2026-12-01T10:30Z, reason: seal}}\n'
    specs = rules.specs(
        '  P101: {tag: TT1, high: 5}\n  P102: {for_each: [TT1, TT2], tag: "{each}", high: 5}', more
    )
    span = Maintenance(Span(TEN_ON_DECEMBER_1, TEN_ON_DECEMBER_1 + 90 * MINUTE), "seal")

    assert {name for name, spec in specs.items() if spec.gate.maintenance} == held
    assert all(spec.gate.maintenance in {(), (span,)} for spec in specs.values())


def test_a_pattern_that_names_nobody_is_a_warning(rules):
    """A maintenance that holds nothing back is found before the night in which it was meant to."""
    more = 'maintenance:\n  - {match: "X*", from: 2026-12-01, to: 2026-12-02, reason: seal}\n'
    [warning] = rules.configuration("  P101: {tag: TT1, high: 5, deadband: 1}", more).warnings

    assert (
        warning.text
        == "maintenance, match: no rule is called X*: nothing is held back by it, check the pattern"
    )


def test_the_keys_of_the_event(rules):
    """None of them decides anything; facts, codes and destinations are as they are written."""
    spec = rules.one(
        "tag: CODE, is_not: [0, 1], codes: {7: door open, 9: drive fault}, priority: critical, latch: true, "
        'acknowledge: true, remind_every: 30m, message: "{rule}: {meaning}, batch {batch}", response: Call, '
        "time_to_respond: 10m, fields: {batch: MODE}, send_to: [cmms, mes], was: [old, older]"
    )
    wording = spec.wording

    assert spec.conditions[0].say.priority is Priority.CRITICAL
    assert (spec.latch, spec.acknowledge, spec.remind_every, spec.was) == (
        True,
        True,
        30 * MINUTE,
        ("old", "older"),
    )
    assert (
        wording.message.fill({"rule": "R", "meaning": "door open", "batch": "B1"}) == "R: door open, batch B1"
    )
    assert (wording.response, wording.time_to_respond, wording.fields) == (
        "Call",
        10 * MINUTE,
        {"batch": "MODE"},
    )
    assert (wording.codes, wording.send_to) == ({7: "door open", 9: "drive fault"}, ("cmms", "mes"))
    assert rules.one("tag: TT1, high: 5, send_to: mes").wording.send_to == ("mes",)


def test_a_former_name_is_that_of_the_same_instance(rules):
    """A rule renamed keeps its instances; single rules that became one are named with {each}."""
    specs = rules.specs(
        '  pumps: {for_each: [TT1, TT2], tag: "{each}", high: 5, was: [bearings, "{each}-bearing"]}\n'
        "  faults: {tag: CODE, bits: {0: overload}, was: word}"
    )

    assert specs["pumps/TT2"].was == ("bearings/TT2", "TT2-bearing")
    assert specs["faults/overload"].was == ("word/overload",)


def test_flood_and_chattering_and_watch(rules):
    """Without their sections nothing is held back, and nothing is watched."""
    plain = rules.configuration("  R: {tag: TT1, high: 5}")
    more = rules.configuration(
        "  R: {tag: TT1, high: 5}\n  J: {tag: TT1, high: 5, priority: journal}",
        "flood: {more_than: 10 in 10m, until: 5 in 5m, digest_every: 60s, always: [critical, high]}\n"
        "chattering: {raises: 3, in: 60s, quiet: 10m}\nwatch: true\n",
    )

    assert (plain.flood, plain.watch, plain.rules[0].chattering) == (None, False, None)
    assert more.flood == FloodSpec(
        10, 10 * MINUTE, 5, 5 * MINUTE, MINUTE, frozenset({Priority.CRITICAL, Priority.HIGH})
    )
    assert more.watch
    chattering = Chattering(3, MINUTE, 10 * MINUTE)
    assert {spec.name: spec.chattering for spec in more.rules} == {
        "R": chattering,
        "J": None,
        "plant.communication": chattering,
    }


@pytest.mark.parametrize("kind", ["flood", "chattering", "maintenance", "profiles", "rules"])
def test_a_section_with_everything_below_it_commented_out_is_none(rules, kind):
    """As for every other section."""
    agent = "agent: {site: s, name: n}\n" + ("" if kind == "rules" else f"{kind}:\n#  nothing\n")

    assert rules.configuration("", agent=agent).flood is None


@pytest.mark.parametrize("keys", ["sample: any", "change: 1"])
def test_an_absence_waits_for_nothing_but_its_within(rules, keys):
    """A default on_delay or count is for conditions that come and go."""
    for more in ("defaults: {on_delay: 9s}\n", "defaults: {count: {times: 3, in: 1m}}\n"):
        [condition] = rules.one(f"tag: TT1, expect: {{{keys}, within: 30s}}", more).conditions

        assert condition.say.count is None
        assert condition.say.on_delay == (0 if isinstance(condition, Absence) else 30 * SECOND)


def test_a_source_that_a_rule_watches_has_no_rule_of_its_own(rules):
    """Its name is free: nobody can ask for it, and a rule may have been it before."""
    comm = "  comm: {source: plant, expect: {connection: up, within: 1m}, was: plant.communication}\n"

    assert [spec.name for spec in rules.configuration(comm).rules] == ["comm"]
    assert rules.refused(comm + "  a: {tag: TT1, high: 5, when: active('plant.communication')}") == [
        "rule a, when: unknown rule 'plant.communication': expected one of comm, a"
    ]


def test_a_changed_rule_is_told_once_and_not_once_an_instance(rules):
    """What people and receivers are told of a reload names the rule of the file."""
    rule = '  pumps: {{for_each: [TT1, TT2], tag: "{{each}}", high: {high}}}'
    before, after = (rules.configuration(rule.format(high=high)) for high in (5, 6))

    assert changes(before, after) == [{"rule": "pumps", "key": "high", "from": 5, "to": 6}]
    assert len(after.rules) == 3
    assert after.summary().startswith("1 source, 7 tags, 1 rule and 1 over connections, 2 destinations")


DECIDING = [
    "high: 6", "deadband: 1", "on_delay: 2s", "off_delay: 1s", "count: {times: 2, in: 1m}", "on_bad: clear",
    "priority: low", "stale_after: 1s", "when: RUN", "when: RUN, settle: 1s", "suppress_while: RUN",
    "active_hours: {from: 06:00, to: 22:00}", "latch: true", "acknowledge: true", "remind_every: 1h",
    "window: {over: 1m, take: max}", "rate_of_change: {per: 1m, over: 30s}", "deviation_from: TT2",
]  # fmt: skip


def test_what_decides_changes_the_digest(rules):
    """Each key another one; an alarm under a changed rule is looked at again."""
    written = ["tag: TT1, high: 5", *(f"tag: TT1, high: {{at: 5}}, {keys}" for keys in DECIDING[1:])]
    others = [
        "tag: TT2, high: 5",
        "tag: TT1, high: 6",
        "tag: TT1, low: 5",
        "calc: TT1, high: 5",
        "tag: TT1, high: TT2",
    ]
    digests = [rules.one(keys).digest for keys in [*written, *others]]

    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    ("keys", "more"),
    [
        ('message: "{tag}"', ""),
        ("response: look", ""),
        ("fields: {run: RUN}", ""),
        ("codes: {5: a}", ""),
        ("send_to: cmms", ""),
        ("time_to_respond: 5m", ""),
        ("trial: until 2026-12-15", ""),
        ("was: old", ""),
        ("profile: none", "profiles:\n  none: {off_delay: 0s}\n"),
        ("stale_after: 3s", "chattering: {raises: 3, in: 60s, quiet: 10m}\n"),
        (
            "stale_after: 3s",
            'maintenance:\n  - {match: "R", from: 2026-12-01, to: 2026-12-02, reason: seal}\n',
        ),
    ],
)
def test_what_only_tells_leaves_the_digest(rules, keys, more):
    """An alarm goes on under a new sentence as if nothing had changed."""
    before = "tag: TT1, high: {at: 5, message: old}" + (", stale_after: 3s" if "stale" in keys else "")

    assert rules.one(f"tag: TT1, high: 5, {keys}", more).digest == rules.one(before).digest


def test_who_asks_for_the_alarms_of_another_comes_after_it(rules):
    """By its id, by an instance, through two; everything else stays where it stands in the file."""
    specs = rules.specs(
        '  last: {tag: TT1, high: 5, when: active("middle")}\n'
        '  middle: {calc: active("first/TT2"), is: true}\n'
        '  alone: {tag: TT1, high: 5, suppress_while: active("plant.communication")}\n'
        '  first: {for_each: [TT1, TT2], tag: "{each}", high: 5}\n'
        "  end: {tag: TT1, high: 6}"
    )

    assert list(specs) == ["first/TT1", "first/TT2", "middle", "last", "end", "alone"]


def test_an_instance_may_ask_for_another_of_its_rule(rules):
    """Only a circle is refused."""
    specs = rules.specs(
        '  a: {for_each: [TT1, TT2], tag: "{each}", high: 5}\n'
        "  b: {for_each: [TT1, TT2], tag: '{each}', low: 1, suppress_while: 'active(\"a/{each}\")'}"
    )

    assert list(specs) == ["a/TT1", "a/TT2", "b/TT1", "b/TT2"]


@pytest.mark.parametrize("asked", ["a", "a/x"])
def test_a_rule_with_a_mistake_is_no_unknown_rule_to_others(rules, asked):
    """One mistake makes no other."""
    rule = f"  b: {{tag: TT1, high: 5, suppress_while: active('{asked}')}}"

    assert rules.refused(f"  a: {{tag: TT1, hihg: 5}}\n{rule}") == [
        "rule a: unknown key `hihg`: did you mean `high`?"
    ]
