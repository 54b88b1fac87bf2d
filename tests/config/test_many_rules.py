"""A plant of thousands of rules is checked while the engineer waits."""

import gc
import time

from agent.config.load import load
from agent.config.yaml_text import read_yaml

KINDS = """\
  R{n}: {{tag: A{t}.TT, low: 10, high: 170, high_high: {{at: 185, on_delay: 0s}}, profile: usual, when: A{t}.RUN and A{t}.TT > 5, settle: 10s}}
  R{n}: {{calc: (A{t}.TT - 3) / 2 > 50 and not A{t}.RUN, is: true, on_delay: 5s, suppress_while: active('R{before}')}}
  R{n}: {{for_each: [A{t}, A0], tag: "{{each}}.TT", rate_of_change: {{per: 1m, over: 30s}}, high: 500, deadband: 5, message: "{{rule}} {{value}}"}}
  R{n}: {{tag: A{t}.TT, window: {{over: 10m, take: average}}, high: 150, deadband: 1%, active_hours: {{days: mon-fri, from: 06:00, to: 22:00}}, fields: {{run: A{t}.RUN}}}}
""".splitlines(keepends=True)
TAG = (
    "      A{n}.TT: {{signal: sine, max: 200, range: [0, 200]}}\n"
    "      A{n}.RUN: {{signal: steps, values: [true, false]}}\n"
)


def plant(rules):
    """A file of so many rules over half as many devices; every kind of key takes its turn."""
    tags = "".join(TAG.format(n=n) for n in range(rules // 2))
    written = "".join(KINDS[n % 4].format(n=n, t=n % (rules // 2), before=n - 1) for n in range(rules))
    return (
        "agent: {site: s, name: n}\nsources:\n  plc:\n    type: simulated\n    tags:\n" + tags
        + "profiles:\n  usual: {deadband: 1%, on_delay: 60s}\nrules:\n" + written
    )  # fmt: skip


def seconds(work):
    """Of the processor, the less of two: the machine has other things to do as well; and what came of it."""
    taken = []
    for _ in range(2):
        gc.collect()
        gc.freeze()  # what other tests have left is not looked at again and again
        begin = time.process_time()
        result = work()
        taken.append(time.process_time() - begin)
        gc.unfreeze()
    return min(taken), result


def test_checking_costs_a_few_times_what_reading_the_text_costs(tmp_path):
    """Twelve hundred rules with limits, expressions and for_each; and twice as many take twice as long."""
    files = {}
    for rules in (600, 1200):
        files[rules] = tmp_path / f"{rules}.yaml"
        files[rules].write_text(plant(rules))
    content = files[1200].read_bytes()
    reading, _ = seconds(lambda: read_yaml(content, "f.yaml"))
    rounds = [[seconds(lambda path=path: load(path, {})) for path in files.values()] for _ in range(2)]
    half, whole = (min(took for took, _ in sizes) for sizes in zip(*rounds, strict=True))
    configuration = rounds[0][1][1]
    print(f"1,200 rules: read {reading:.2f} s, loaded and checked {whole:.2f} s; 600: {half:.2f} s")

    assert len(configuration.rules) == 1501
    assert whole < 8 * reading
    assert whole < 3 * half
