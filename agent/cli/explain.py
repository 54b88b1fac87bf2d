"""`edge-relay explain`: each rule as one plain sentence, for whoever signs it off."""

import argparse
import json
import shutil
import sys
import textwrap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from agent.cli.arguments import add_config_option
from agent.cli.asking import add_json_option, print_problems
from agent.config.model import Configuration
from agent.errors import ConfigError
from agent.model import SECOND, Json
from agent.rules.spec import AlarmSpec, RuleSpec

SUMMARY = "say in plain words what each rule does"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_config_option(parser)
    parser.add_argument(
        "rules", nargs="*", metavar="RULE", help="these rules (or instances) only; none: all of them"
    )
    add_json_option(parser)
    parser.epilog = """examples:
  edge-relay explain -c config
  edge-relay explain -c config R1-temperature pumps-bearing/P101
  edge-relay explain -c config --json | jq -r '.rules[] | [.instance, .worst_case_s] | @tsv'

One sentence a rule, in the order of the file; the rules over connections that nobody wrote come last.
The worst case counts from the moment at which the plant changed: reading, measuring, settling and
delay; the sending comes on top.
"""


def run(arguments: argparse.Namespace) -> int:
    """Load the configuration and print its rules."""
    from agent.config.load import load
    from agent.rulebook import in_file_order

    try:
        configuration = load(arguments.config)
    except ConfigError as error:
        print_problems(error)
        print(f"edge-relay: nothing to explain: `edge-relay check -c {arguments.config}`", file=sys.stderr)
        return 2
    if unknown := _unknown(arguments.rules, configuration.rules):
        for complaint in unknown:
            print(f"edge-relay: {complaint}", file=sys.stderr)
        return 2
    wanted = [
        spec
        for spec in in_file_order(configuration)
        if not arguments.rules or {spec.name, spec.rule} & set(arguments.rules)
    ]
    if arguments.json:
        rows = [_row(spec, configuration) for spec in wanted]
        print(json.dumps({"rules": rows}, indent=2, ensure_ascii=False))
    else:
        print("\n\n".join("\n".join(map(_wrapped, lines)) for lines in _told(wanted, configuration)))
    return 0


def _unknown(names: Sequence[str], specs: Collection[RuleSpec]) -> list[str]:
    from agent.config.messages import did_you_mean

    known = {name for spec in specs for name in (spec.name, spec.rule) if name}
    return [
        f"there is no rule {name}{did_you_mean(name, sorted(known))}" for name in names if name not in known
    ]


def _told(specs: Sequence[RuleSpec], configuration: Configuration) -> Iterator[Sequence[str]]:
    """The lines of each rule; what the file says of all alarms together is told together, at the end."""
    from agent.rules.sentence import chatter

    noise = {spec.chattering for spec in specs if isinstance(spec, AlarmSpec) and spec.chattering is not None}
    for spec in specs:
        own = replace(spec, chattering=None) if isinstance(spec, AlarmSpec) else spec
        yield [*_lines(own, configuration)]
    yield from ([f"Every alarm: {chatter(of)}."] for of in noise)


def _lines(spec: RuleSpec, configuration: Configuration) -> Iterator[str]:
    """The sentence, and below it what an operator asks next."""
    from agent.rulebook import is_written, sentence_of
    from agent.rules.detection import detection
    from agent.rules.phrases import duration

    nobody = "" if is_written(spec, configuration) else " (Not in the file: every source has one.)"
    yield sentence_of(spec, configuration) + nobody
    found = detection(spec, configuration.tags)
    allowed = spec.wording.time_to_respond
    respond = f"; time to respond {duration(allowed)}" if allowed is not None else ""
    yield f"  noticed: {'at worst after ' if found.worst is not None else 'after '}{found}{respond}"
    if spec.wording.response:
        yield f"  response: {spec.wording.response}"
    yield from (f"  says: {text}" for text in _messages(spec))


def _wrapped(line: str) -> str:
    """Break a line between words on a terminal; a file or a pipe gets it whole."""
    if not sys.stdout.isatty():
        return line
    width = shutil.get_terminal_size().columns
    return textwrap.fill(line, width, subsequent_indent="    ", break_on_hyphens=False)


def _messages(spec: RuleSpec) -> list[str]:
    """The texts of the rule and of its limits, as they are written."""
    own = [condition.say.message for condition in spec.conditions] if isinstance(spec, AlarmSpec) else []
    written = [message for message in (spec.wording.message, *own) if message is not None]
    return list(
        dict.fromkeys(
            "".join(text + (f"{{{name}}}" if name else "") for text, name in of.parts) for of in written
        )
    )


def _row(spec: RuleSpec, configuration: Configuration) -> Json:
    from agent.rulebook import is_written, sentence_of
    from agent.rules.detection import detection

    found = detection(spec, configuration.tags)
    allowed = spec.wording.time_to_respond
    return {
        "rule": spec.rule_id,
        "instance": spec.name,
        "written": is_written(spec, configuration),
        "sentence": sentence_of(spec, configuration),
        "worst_case_s": None if found.worst is None else found.worst / SECOND,
        "worst_case": str(found),
        "time_to_respond_s": None if allowed is None else allowed / SECOND,
        "response": spec.wording.response or None,
        "messages": [*_messages(spec)],
    }
