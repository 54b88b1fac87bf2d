"""`edge-relay backtest`: recorded values through the rules, before the rules run."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.arguments import add_config_option
from agent.cli.asking import print_problems
from agent.clock import Clock, SystemClock
from agent.errors import ConfigError, EdgeRelayError
from agent.model import SECOND

if TYPE_CHECKING:
    from agent.proving.backtest import Candidate, Progress
    from agent.proving.results import Backtest

SUMMARY = "play recorded values to the rules: how many alarms, and which"
_SHOW_EVERY = SECOND // 5
_BAR = 30

_EPILOG = """\
examples:
  edge-relay backtest week.csv -c config
  edge-relay backtest mon.csv.gz tue.csv.gz -c config --report report.html --events events.jsonl
  edge-relay backtest week.csv -c new --against old --max-new 5        did my change make it worse?
  edge-relay backtest week.csv -c config --max-per-day 150 --json      in CI
  edge-relay backtest week.csv -c config --rule 'R1-*'

a history, as CSV with a header, gzip or not, comma, semicolon (then with decimal comma) or tab:
  time,tag,value,quality             long: one sample a row; quality (good, uncertain, bad, 192, 64, 0) is optional
  time,R1.TT101,P101.RUN_FB          wide: one instant a row; an empty cell is no sample, `nan` or `bad` a bad one
Times are ISO 8601, 21.11.2026 08:00:00, or counts since 1970 (s, ms); without a zone they are of the
configuration's `agent: zone`. Several files may follow each other, or lie side by side (one a tag).

There is no connection in a history: a value is fresh for its tag's `stale_after`, or for three times the tag's
median interval where the history is coarser than that. Rules over connections are left out; rules on
trial are shown as if in force. No secrets are needed.

exit status: 0 good, 1 more alarms than --max-per-day or --max-new allow, 2 it could not be played
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("history", nargs="+", type=Path, metavar="HISTORY.csv", help="recorded values")
    add_config_option(parser)
    parser.add_argument("--against", type=Path, metavar="OLD", help="an old configuration to compare with")
    parser.add_argument("--rule", default="*", metavar="GLOB", help="only rules with such a name")
    parser.add_argument(
        "--max-per-day", type=float, metavar="N", help="exit status 1 if there are more alarms a day"
    )
    parser.add_argument(
        "--max-new",
        type=int,
        metavar="N",
        help="exit status 1 if a rule has more than N alarms more than in OLD",
    )
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="write a report with plots")
    parser.add_argument(
        "--events", type=Path, metavar="FILE", help="write each event as it would be sent, as JSON lines"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document, for scripts")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Play it, and say what came of it."""
    from agent.cli.backtest_shown import as_json, print_result

    if arguments.max_new is not None and arguments.against is None:
        print(
            "edge-relay: --max-new compares with an old configuration: name it with --against",
            file=sys.stderr,
        )
        return 2
    try:
        outcome = _play(arguments)
        if arguments.report is not None:
            _write_report(arguments.report, outcome)
    except ConfigError as error:
        print_problems(error)
        return 2
    except EdgeRelayError as error:
        print(f"edge-relay: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"edge-relay: {error.filename}: cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if arguments.json:
        print(as_json(outcome))
    else:
        print_result(outcome)
    reasons = list(too_many(outcome, arguments.max_per_day, arguments.max_new))
    for reason in reasons:
        print(f"edge-relay: {reason}", file=sys.stderr)
    return 1 if reasons else 0


def too_many(outcome: "Backtest", max_per_day: float | None, max_new: int | None) -> Iterator[str]:
    """Why the rules are not good enough."""
    per_day = outcome.side.total.per_day
    if max_per_day is not None and per_day > max_per_day:
        yield f"{per_day:.4g} alarms a day, and --max-per-day allows {max_per_day:g}"
    for each in outcome.differences:
        more = (each.after or 0) - (each.before or 0)
        if max_new is not None and more > max_new:
            yield f"{each.rule} has {more} alarms more than before, and --max-new allows {max_new}"


def _play(arguments: argparse.Namespace) -> "Backtest":
    from agent.proving.backtest import backtest

    candidate = _candidate(arguments.config)
    against = None if arguments.against is None else _candidate(arguments.against)
    with contextlib.ExitStack() as stack:
        write: Callable[[bytes], object] | None = None
        if arguments.events is not None:
            write = stack.enter_context(arguments.events.open("wb")).write
        progress = stack.enter_context(_progress(SystemClock())) if sys.stderr.isatty() else None
        return backtest(
            arguments.history, candidate, against, rule=arguments.rule, write=write, progress=progress
        )


def _candidate(path: Path) -> "Candidate":
    from agent.config.load import load
    from agent.config.secrets import NOT_NEEDED
    from agent.proving.backtest import Candidate

    return Candidate(str(path), load(path, NOT_NEEDED))


def _write_report(path: Path, outcome: "Backtest") -> None:
    from agent.proving.report.page import render

    path.write_text(render(outcome), encoding="utf-8")


@contextlib.contextmanager
def _progress(clock: Clock) -> "Iterator[Progress]":
    """A bar on the terminal, drawn over itself, gone when all is done."""
    began = shown = clock.monotonic()

    def draw(share: float, samples: int) -> None:
        nonlocal shown
        now = clock.monotonic()
        if now - shown < _SHOW_EVERY:
            return
        shown = now
        done = round(share * _BAR)
        rate = samples * SECOND / (now - began)
        bar = "#" * done + "." * (_BAR - done)
        print(
            f"\r{bar} {share:4.0%}  {samples:,} samples, {rate:,.0f}/s", end="", file=sys.stderr, flush=True
        )

    try:
        yield draw
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
