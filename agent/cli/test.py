"""`edge-relay test`: unit tests of rules, before they run."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import ConfigError, Problem
from agent.model import SECOND, Json

if TYPE_CHECKING:
    from agent.config.model import Configuration
    from agent.proving.coverage import Coverage
    from agent.proving.expectations import Row
    from agent.proving.load_tests import Suite
    from agent.proving.unit_tests import Outcome

_MOST_ROWS = 40  # on a terminal, around the first difference
SUMMARY = "run unit tests of rules: signals in, the events out"

_EPILOG = """\
examples:
  edge-relay test plant/tests/*.yaml
  edge-relay test tests.yaml -c plant -k spike --coverage
  edge-relay test tests.yaml --crash-everywhere
  edge-relay test --from-event evt_01a1fe15-dfd7-7375-9b73-882785c52566 -o tests/spike.yaml

a test file:
  rules: ..                          # the configuration, relative to this file
  tests:
    - name: a 4 s spike is not an alarm, a hold is
      start: 2026-11-21T08:00:00Z    # optional: the time of day at 0 s, for schedules
      every: 1s                      # optional: between two samples
      only: ["R1-*"]                 # optional: the rules it is about; else all that watch a signal
      signals:
        R1.TT101: "165 x60, 172 x4, ramp 165..175 x20, 175 x90, bad x30"
        P101.RUN_FB: true            # what stands alone lasts to the end of the test
      sources: {plc-line1: "up x60, down x30, up"}      # optional: else all are up
      restart: [{at: 90s, down: 40s}]                   # optional: the agent is killed
      do: [{at: 100s, shelve: R1-temperature, for: 1h, reason: seal change, by: anna}]
      expect:                        # everything that is told, in order; [] is nothing
        - {at: 120s..130s, raised: R1-temperature high, value: 175}
        - {returned: R1-temperature}

signals, separated by commas, N samples each:
  165 xN   true xN   'AUTO' xN       a number, a switch, a text
  ramp 165..175 xN                   in equal steps
  noise 170+-0.5 xN                  scattered, the same in every run
  uncertain 165 xN                   of uncertain quality
  bad xN                             could not be read
  gap xN                             nothing comes, so that the value becomes stale

expectations: raised, escalated, deescalated, returned, changed, reminder, acknowledged, reset, shelved,
unshelved, suppressed, unsuppressed, chattering, out_of_service, in_service: RULE or RULE LEVEL;
tag.changed, occurred, unknown, trial: RULE; flood: started, digest or ended. `at` is an instant or a window.
Any other key is a field of the event as receivers get it (value, priority, reason, message, initial).
Events told at the same instant may stand in any order.
steps: acknowledge, reset, shelve (for, reason, one_shot), unshelve, out_of_service (reason), in_service.

A rule takes part if the test gives a signal for what it watches; the others are left out, because nothing
is read for them (for a rule that expects samples, give `gap xN`). Between two samples a value stays fresh:
for three of them, or for its stale_after if that is longer. Secrets and certificates are not needed.

exit status: 0 all passed, 1 some failed, 2 usage, or a file that cannot be used
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="a YAML file of unit tests")
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="PATH",
        help="the configuration under test (default: the one that FILE names)",
    )
    parser.add_argument(
        "-k", dest="name", default="", metavar="NAME", help="only tests with NAME in their name"
    )
    parser.add_argument("--coverage", action="store_true", help="list what no test has shown of the rules")
    parser.add_argument(
        "--crash-everywhere",
        action="store_true",
        help="run each test once more, with all state written and read back after every sample",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document, for scripts")
    parser.add_argument(
        "--from-event", metavar="ID", help="make a test of an event of the agent of -c, with its samples"
    )
    parser.add_argument(
        "-o",
        dest="output",
        type=Path,
        metavar="FILE",
        help="where --from-event writes it (default: print it)",
    )
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Run them and say what failed."""
    from agent.cli.arguments import CONFIGURATION
    from agent.cli.asking import print_problems
    from agent.cli.from_event import write_test

    if arguments.from_event:
        return write_test(arguments.from_event, arguments.config or CONFIGURATION, arguments.output)
    if not arguments.files:
        print("edge-relay: which FILE of unit tests? Or --from-event ID, which makes one", file=sys.stderr)
        return 2
    try:
        suites = _load(arguments.files, arguments.config)
        done, coverages = _run(suites, arguments)
    except ConfigError as error:
        print_problems(error)
        return 2
    if not done:
        print(f"edge-relay: no test has {arguments.name!r} in its name", file=sys.stderr)
        return 2
    failed = sum(bool(outcome.problem) for _, outcome in done)
    if arguments.json:
        _print_json(done, coverages)
    else:
        for file, outcome in done:
            _print_outcome(file, outcome)
        for coverage in coverages:
            _print_coverage(coverage)
        print(f"{len(done)} test{'' if len(done) == 1 else 's'}, {failed or 'none'} failed")
    return 1 if failed else 0


def _load(files: Sequence[Path], under_test: Path | None) -> "list[Suite]":
    """Load everything; raises ConfigError with the problems of all files."""
    from functools import cache

    from agent.config.load import load
    from agent.config.secrets import NOT_NEEDED
    from agent.proving.load_tests import load_tests

    @cache
    def configuration(path: Path) -> "Configuration":
        return load(path, NOT_NEEDED)

    suites: list[Suite] = []
    problems: dict[Problem, None] = {}
    for file in files:
        try:
            suites.append(load_tests(file, under_test, lambda path: configuration(_short(path))))
        except ConfigError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise ConfigError(list(problems))
    return suites


def _short(path: Path) -> Path:
    """The path without `..`, as short as it can be written from here."""
    whole, here = path.resolve(), Path.cwd()
    return whole.relative_to(here) if whole.is_relative_to(here) else whole


def _run(
    suites: "Sequence[Suite]", arguments: argparse.Namespace
) -> "tuple[list[tuple[Path, Outcome]], list[Coverage]]":
    """Run what is wanted; each test with the file that it is from."""
    from agent.proving.coverage import Coverage
    from agent.proving.unit_tests import judge, judge_crashing

    coverages: dict[int, Coverage] = {}
    done: list[tuple[Path, Outcome]] = []
    for suite in suites:
        coverage = coverages.setdefault(id(suite.configuration), Coverage(suite.configuration))
        for test in suite.tests:
            if arguments.name.lower() not in test.name.lower():
                continue
            outcome = judge(test, suite.configuration, coverage.watch(test.rules))
            coverage.told(row.event for row in outcome.rows if row.event is not None)
            if arguments.crash_everywhere and not outcome.problem:
                outcome = judge_crashing(test, suite.configuration)
            done.append((suite.file, outcome))
    return done, list(coverages.values()) if arguments.coverage else []


def _print_outcome(file: Path, outcome: "Outcome") -> None:
    """One line; of a failed test the whole timeline."""
    test = outcome.test
    print(f"{'FAIL' if outcome.problem else 'ok  '}  {file}:{test.line}  {test.name}")
    if not outcome.problem:
        return
    first = next((number for number, row in enumerate(outcome.rows) if row.why), 0)
    begin = max(0, first - _MOST_ROWS // 2)
    shown = outcome.rows[begin : begin + _MOST_ROWS]
    cells = [("expected", "got", "")] + [(_expected(row), _got(row), row.why) for row in shown]
    left, middle = (max(len(cell[column]) for cell in cells) for column in (0, 1))
    for expected, got, why in cells:
        print(f"      {'! ' if why else '  '}{expected:{left}}  {got:{middle}}  {why}".rstrip())
    if len(shown) < len(outcome.rows):
        print(f"      ... {len(shown)} of {len(outcome.rows)} rows; --json has all")
    print(f"      {outcome.problem}")


def _expected(row: "Row") -> str:
    return "-" if row.expected is None else str(row.expected)


def _got(row: "Row") -> str:
    from agent.proving.unit_tests import describe

    return "-" if row.event is None else describe(row.event)


def _print_coverage(coverage: "Coverage") -> None:
    from agent.cli.tables import print_table

    rules = list(coverage.rules())
    shown, of = sum(rule.shown for rule in rules), sum(rule.of for rule in rules)
    rows = [
        (rule.rule, f"{rule.shown}/{rule.of}", _percent(rule.shown, rule.of), ", ".join(rule.missing))
        for rule in rules
    ]
    print()
    print_table(("RULE", "SHOWN", "", "MISSING"), [*rows, ("all", f"{shown}/{of}", _percent(shown, of), "")])
    print()


def _percent(shown: int, of: int) -> str:
    return f"{shown * 100 // of if of else 100} %"


def _print_json(done: "Sequence[tuple[Path, Outcome]]", coverages: "Sequence[Coverage]") -> None:
    tests: list[Json] = [
        {
            "file": str(file),
            "line": outcome.test.line,
            "name": outcome.test.name,
            "passed": not outcome.problem,
            "problem": outcome.problem,
            "timeline": [_row_json(row) for row in outcome.rows],
        }
        for file, outcome in done
    ]
    rules: list[Json] = [
        {"rule": rule.rule, "shown": rule.shown, "of": rule.of, "missing": list(rule.missing)}
        for coverage in coverages
        for rule in coverage.rules()
    ]
    failed = sum(bool(outcome.problem) for _, outcome in done)
    answer: dict[str, Json] = {"tests": tests, "passed": len(done) - failed, "failed": failed}
    if coverages:
        answer["coverage"] = rules
    print(json.dumps(answer, indent=2, ensure_ascii=False))


def _row_json(row: "Row") -> Json:
    event = row.event
    return {
        "expected": None if row.expected is None else str(row.expected),
        "got": None if event is None else _got(row),
        "at_s": None if event is None else event.at / SECOND,
        "message": None if event is None else event.data.get("message"),
        "why": row.why,
    }
