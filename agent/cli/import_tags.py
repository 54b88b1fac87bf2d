"""`edge-relay import-tags`: a vendor's list of registers as the YAML that an engineer would write."""

import argparse
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.cli.asking import add_json_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.register_map.options import ListOptions
    from agent.config.register_map.reading import TagList

SUMMARY = "turn a vendor's list of registers (CSV) into tags"

_EPILOG: Final = """\
examples:
  edge-relay import-tags em3000.csv > plant/meter.yaml
  edge-relay import-tags acs580.csv --source vfd1 --prefix VFD1. --addresses manual
  edge-relay import-tags kessel.csv --column name=Bezeichnung --area holding --addresses offset

The YAML is printed, with a source around the tags: put its url in. What cannot be used, or is doubtful, is told
on stderr, a line each: FILE:LINE:COLUMN: error|warning: TEXT. To read the list anew whenever it changes,
name it in the configuration instead: `tags: {import: em3000.csv}`, with the same options as keys.
"""
_LONGEST_PADDING: Final = 40
_REMEDY: Final = re.compile(r"(?:write )?(import|columns): \{([^{}]*)\}")
_OPTION: Final = re.compile(r"(\w+): ([^,]+)")
_LONGEST_NOTE: Final = 100


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the list, a CSV")
    parser.add_argument("--source", metavar="NAME", help="name of the source (default: that of the file)")
    parser.add_argument("--url", help="where the device listens (default: an address that nobody has)")
    parser.add_argument("--prefix", default="", help="stands before the name of every tag: VFD1.")
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=HEADING",
        help="which column holds what, where its heading is not understood: name=Bezeichnung",
    )
    parser.add_argument(
        "--addresses",
        choices=("manual", "number", "offset"),
        help="manual: 5 or 6 digits, 40011 is the eleventh; number: counted from 1; offset: from 0",
    )
    parser.add_argument(
        "--area",
        choices=("holding", "input", "coil", "discrete"),
        help="which registers, where no column says it",
    )
    parser.add_argument(
        "--scaling",
        choices=("multiply", "divide"),
        help="whether a scaling of 10 means times 10, or divided by 10",
    )
    parser.add_argument(
        "--lengths", choices=("registers", "bytes", "bits"), help="what the column of lengths counts"
    )
    add_json_option(parser)
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Read the list and print it."""
    from agent.config.imported import without_wrong
    from agent.config.register_map.reading import kind_of, read_list
    from agent.config.register_map.text import ListError

    options = _options(arguments)
    if isinstance(options, str):
        print(f"edge-relay: {options}", file=sys.stderr)
        return 2
    try:
        content = arguments.file.read_bytes()
    except OSError as error:
        print(f"edge-relay: {arguments.file} cannot be read: {error.strerror}", file=sys.stderr)
        return 2
    try:
        kind = kind_of(content, options)
        listed = without_wrong(read_list(content, str(arguments.file), kind, options), kind)
    except ListError as error:
        text = _as_options(str(error))
        print(f"{arguments.file}:{error.line}:{error.column}: error: {text}", file=sys.stderr)
        return 1
    if arguments.json:
        _print_json(listed, kind, arguments)
    else:
        _print_yaml(listed, kind, arguments)
        _print_problems(listed, arguments)
    return 1 if not listed.entries or any(each.severity == "error" for _, each in listed.problems) else 0


def _options(arguments: argparse.Namespace) -> "ListOptions | str":
    """What is said about the list, or why that cannot be."""
    from pydantic import TypeAdapter, ValidationError

    from agent.config.messages import findings
    from agent.config.register_map.options import ListOptions
    from agent.config.yaml_text import Key, Plain

    columns: dict[Key, Plain] = {}
    for each in arguments.column:
        name, equals, heading = each.partition("=")
        if not equals:
            return f"--column {each}: expected FIELD=HEADING, such as name=Bezeichnung"
        columns[name] = heading
    words = {name: getattr(arguments, name) for name in ("addresses", "area", "scaling", "lengths")}
    data: dict[Key, Plain] = {"columns": columns, **{name: word for name, word in words.items() if word}}
    adapter = TypeAdapter(ListOptions)
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        return "--column: " + "; ".join(found.text for found in findings(error, data, adapter))


def _source(arguments: argparse.Namespace) -> str:
    """The name of the source: as it is wanted, or made of the file's."""
    from agent.config.register_map.words import tag_name

    return arguments.source or tag_name(arguments.file.stem) or "device"


def _print_yaml(listed: "TagList", kind: str, arguments: argparse.Namespace) -> None:
    from agent.cli.commissioning import flow
    from agent.config.imported import BARE
    from agent.config.walk import as_json

    print(f"# {_count(listed)} of {arguments.file.name}")
    if not listed.entries:
        return
    print(f"sources:\n  {flow(_source(arguments))}:\n    type: {kind}")
    for key, value in BARE[kind].items():
        shown = arguments.url if key == "url" and arguments.url else value
        remark = "  # where the device listens" if shown is BARE[kind]["url"] else ""
        print(f"    {key}: {flow(as_json(shown))}{remark}")
    print("    tags:")
    for line in _lines(listed, arguments.prefix):
        print(line)


def _lines(listed: "TagList", prefix: str) -> "Iterator[str]":
    """A tag a line, below each other what belongs below each other."""
    from agent.cli.commissioning import flow
    from agent.config.walk import as_json

    names = [f"{flow(prefix + name)}:" for name in listed.entries]
    texts = [flow(as_json(entry.tag)) for entry in listed.entries.values()]
    width = min(max(map(len, names)), _LONGEST_PADDING)
    widest = max((len(text) for text in texts if len(text) <= 2 * _LONGEST_PADDING), default=0)
    for name, text, entry in zip(names, texts, listed.entries.values(), strict=True):
        note = f"  # {entry.note[:_LONGEST_NOTE]}" if entry.note else ""
        yield f"      {name:{width}} {text:{widest if note else 0}}{note}"


def _print_problems(listed: "TagList", arguments: argparse.Namespace) -> None:
    """What is not in the YAML, and why."""
    for _, problem in listed.problems:
        print(replace(problem, text=_as_options(problem.text)), file=sys.stderr)
    left = "".join(f", {count} {reason} left out" for reason, count in listed.left_out.items())
    wrong = len(listed.unusable)
    refused = f", {wrong} cannot be used" if wrong else ""
    print(f"{arguments.file}: {_count(listed)}{refused}{left}", file=sys.stderr)


def _as_options(text: str) -> str:
    """A remedy of the configuration, `write import: {file: a.csv, area: holding}`, as it is typed here."""
    words = _REMEDY.search(text)
    if words is None:
        return text
    each = _OPTION.findall(words[2])
    if words[1] == "columns":
        options = " ".join(f"--column {name}={word}" for name, word in each)
    else:
        options = " ".join(f"--{name} {word}" for name, word in each if name != "file")
    return f"{text[: words.start()]}say {options}{text[words.end() :]}"


def _count(listed: "TagList") -> str:
    return f"{len(listed.entries)} tag{'' if len(listed.entries) == 1 else 's'}"


def _print_json(listed: "TagList", kind: str, arguments: argparse.Namespace) -> None:
    from agent.config.walk import as_json
    from agent.errors import Problem

    document = {
        "source": _source(arguments),
        "type": kind,
        "tags": {arguments.prefix + name: as_json(entry.tag) for name, entry in listed.entries.items()},
        "notes": {
            arguments.prefix + name: entry.note for name, entry in listed.entries.items() if entry.note
        },
        "left_out": listed.left_out,
        "problems": [
            {field: getattr(problem, field) for field in Problem.__slots__} for _, problem in listed.problems
        ],
    }
    print(json.dumps(document, indent=2, ensure_ascii=False))
