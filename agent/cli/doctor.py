"""`edge-relay doctor`: what is wrong with clock, disk, names, links and certificates, and what to do.

Rules for whoever changes this: what is found is `agent.checkup`'s; here it is asked for and shown, the worst last,
where the eye is.
"""

import argparse
import asyncio
import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final

from agent.cli.arguments import add_config_option
from agent.cli.asking import (
    LOOK_WITHIN_S,
    NoAgentError,
    SilentError,
    add_json_option,
    ask,
    print_problems,
    told,
)
from agent.cli.tables import coloured
from agent.errors import ConfigError, EdgeRelayError
from agent.model import Json

if TYPE_CHECKING:
    from agent.checkup.case import Case
    from agent.checkup.finding import Finding

SUMMARY = "say what is wrong around the agent, and what to do"
_WIDTH: Final = 80
_COLOURS: Final = {"good": "32", "warning": "33", "problem": "31", "skipped": "2"}
_UNUSABLE: Final = 2


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_config_option(parser)
    add_json_option(parser)
    parser.add_argument(
        "--offline", action="store_true", help="look at this machine alone, connect to nothing"
    )
    parser.add_argument(
        "--connect",
        action="store_true",
        help="connect to what the running agent is connected to as well, which a device with one connection "
        "may answer by throwing it out",
    )
    parser.epilog = """examples:
  edge-relay doctor
  sudo edge-relay doctor                  sees all files, and who holds a port
  edge-relay doctor -c config --offline
  edge-relay doctor --json | jq '.findings[] | select(.verdict == "problem")'

It changes nothing, sends no event, opens no store, and works whether the agent
runs or not. While it runs its word counts for the devices that it is connected
to. Receivers are asked OPTIONS, without credentials: what one makes of an event
shows `edge-relay send-test NAME`.

exit status: 0 nothing is wrong (there may be warnings), 1 a problem was found,
2 usage, or a configuration that does not even say who the agent is
"""


def run(arguments: argparse.Namespace) -> int:
    """Examine, and show what was found."""
    if arguments.offline and arguments.connect:
        print("edge-relay: --offline and --connect contradict each other", file=sys.stderr)
        return _UNUSABLE
    return told(lambda: _examine(arguments))


async def _examine(arguments: argparse.Namespace) -> int:
    from agent.checkup.all import examine
    from agent.checkup.case import Case, parts_of
    from agent.checkup.finding import Verdict, worst
    from agent.cli.commissioning import progress
    from agent.clock import SystemClock

    try:
        parts = await asyncio.to_thread(parts_of, arguments.config)
    except ConfigError as error:
        print_problems(error)
        return _UNUSABLE
    case = Case(arguments.config, parts, connect=arguments.connect, offline=arguments.offline)
    case, silence = await _ask_agent(case)
    async with progress("examining", "asked") as shown:

        def one_more() -> None:
            shown.count += 1

        found = await examine(case, silence, SystemClock(), one_more)
    if arguments.json:
        print(json.dumps(_document(found), indent=2, ensure_ascii=False))
    else:
        show(found, width=_width(), coloured=coloured())
    return 1 if worst(found) is Verdict.PROBLEM else 0


async def _ask_agent(case: "Case") -> tuple["Case", str]:
    """Add what the agent of this data directory says, if one runs; else why it does not answer."""
    from dataclasses import replace

    try:
        status = await ask(case.parts.agent.data_dir, "GET", "/api/status", within_s=LOOK_WITHIN_S)
    except NoAgentError:
        return case, ""
    except EdgeRelayError as error:
        return replace(case, running=True, hangs=isinstance(error, SilentError)), str(error)
    return replace(case, running=True, told=status if isinstance(status, dict) else {}), ""


def _document(found: Sequence["Finding"]) -> Json:
    from agent.checkup.finding import Finding, worst

    names = Finding.__slots__
    rows: list[Json] = [{name: str(getattr(finding, name)) for name in names} for finding in found]
    counts: dict[str, Json] = {
        verdict: sum(row["verdict"] == verdict for row in rows if isinstance(row, dict))
        for verdict in _COLOURS
    }
    return {"verdict": str(worst(found)), "counts": counts, "findings": rows}


def show(found: Sequence["Finding"], *, width: int, coloured: bool) -> None:
    """Print all that was found, then what is to be done, problems first."""

    def word(verdict: str) -> str:
        padded = f"{verdict:<7}"
        return f"\x1b[{_COLOURS[verdict]}m{padded}\x1b[0m" if coloured else padded

    for subject, group in groupby(found, lambda finding: finding.subject):
        print(subject)
        for finding in group:
            how = f": {finding.remedy}" if finding.verdict == "skipped" and finding.remedy else ""
            _print(f"  {word(finding.verdict)}  ", f"{finding.thing}: {finding.said}{how}", width, 11)
        print()
    wrong = [each for verdict in ("problem", "warning") for each in found if each.verdict == verdict]
    for finding in wrong:
        names = dict.fromkeys((finding.subject, finding.thing))  # `agent, agent` says no more than `agent`
        _print(f"{word(finding.verdict)}  ", f"{', '.join(names)}: {finding.said}", width, 9)
        _print("    do:  ", finding.remedy, width, 9)
    counts = [sum(finding.verdict == verdict for finding in found) for verdict in ("problem", "warning")]
    if wrong:
        words = [
            f"{n} {what}{'' if n == 1 else 's'}"
            for n, what in zip(counts, ("problem", "warning"), strict=True)
            if n
        ]
        print(f"\n{' and '.join(words)}")
    else:
        print("nothing is wrong")


def _print(head: str, text: str, width: int, indent: int) -> None:
    lines = textwrap.wrap(text, width - indent, break_long_words=False, break_on_hyphens=False) or [""]
    print(head + lines[0])
    for line in lines[1:]:
        print(" " * indent + line)


def _width() -> int:
    """As wide as the terminal, and 80 columns for a file or a mail."""
    return shutil.get_terminal_size((_WIDTH, 24)).columns if sys.stdout.isatty() else _WIDTH
