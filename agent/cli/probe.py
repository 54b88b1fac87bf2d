"""`edge-relay probe`: one place in every way that it could be meant, until it shows what the display shows."""

import argparse
import json
import re
from typing import TYPE_CHECKING, Final

from agent.cli.arguments import add_config_option
from agent.model import Json

if TYPE_CHECKING:
    from agent.sources import SourceConfig
    from agent.sources.exploring import Expected, Found

SUMMARY = "read one address in every type, byte order and base"

_NUMBER: Final = re.compile(r"([+-]?\d+(?:[.,](\d+))?)(?:\s+[^\d\s]\S*|\s*[°%]\S*)?")
"""As a display shows it, with a decimal comma or its unit: 21,5 °C."""
_SWITCHES: Final = {"true": True, "on": True, "false": False, "off": False}
_HIGHEST_UNIT: Final = 255
_WIDTHS: Final = (2, 27, 16, 0)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", metavar="SOURCE", help="its name in the configuration, or tcp://HOST:PORT")
    parser.add_argument(
        "address", metavar="ADDRESS", help="40011, 400011, 10, 0x0A, holding:10; a node; a topic"
    )
    parser.add_argument(
        "--expect", metavar="VALUE", help="what the display at the machine shows: 21.5, on, BATCH7"
    )
    parser.add_argument(
        "--tolerance",
        type=_decimal,
        metavar="N",
        help="how far from it a number may be (default: half of its last digit)",
    )
    parser.add_argument(
        "--unit-id", type=int, metavar="N", help="of Modbus, if not the source's (of a url: 1)"
    )
    parser.add_argument("--all", action="store_true", help="the improbable ways too")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document, for scripts")
    form.add_argument("--yaml", action="store_true", help="print the tag's line, to be pasted under `tags:`")
    add_config_option(parser)
    parser.epilog = """examples:
  edge-relay probe plc-line1 40011 --expect 21.5
  edge-relay probe tcp://192.168.1.5:502 10 --expect 21.5 --unit-id 3     before any configuration exists
  edge-relay probe plc-line1 holding:12 --expect 5.1 --tolerance 0.3 --yaml >> tags.yaml
  edge-relay probe boiler "nsu=urn:plant:boiler;s=Steam.Pressure"

Of a Modbus address both readings are tried: manuals count from 1, the wire from 0, and which of them a
manual means is not always said. What matches comes first, the exact before the scaled (0.1, 0.01, 0.001,
10, 1/16; 0..27648 where a tag there has a range). Nothing is written to the device.

exit status: 0 it was found, 1 nothing matches or can be read, 2 usage or configuration
"""


def _decimal(text: str) -> float:
    """Read `0.5`, or with a comma as the display has it."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number such as 0.5, got {text!r}") from None


def run(arguments: argparse.Namespace) -> int:
    """Probe and print."""
    from agent.cli.commissioning import asked

    return asked(lambda: _probe(arguments))


def expected(text: str, tolerance: float | None) -> "Expected":
    """What is expected: true/false/on/off, a number (also with a decimal comma, or its unit), or else a text."""
    from agent.sources.exploring import Expected

    if text.lower() in _SWITCHES:
        return Expected(_SWITCHES[text.lower()])
    number = _NUMBER.fullmatch(text.strip())
    if number is None:
        return Expected(text)
    decimals = len(number[2] or "")
    value = float(number[1].replace(",", ".")) if decimals else int(number[1])
    return Expected(value, 0.5 * 10.0**-decimals if tolerance is None else tolerance)


async def _probe(arguments: argparse.Namespace) -> int:
    from agent.cli.commissioning import closing, hinting, progress, source_of
    from agent.clock import SystemClock
    from agent.sources import explorer

    config = _with_unit(source_of(arguments.source, arguments.config), arguments.unit_id)
    expect = None if arguments.expect is None else expected(arguments.expect, arguments.tolerance)
    found: list[Found] = []
    async with (
        hinting(arguments.source, arguments.config),
        progress(f"{arguments.source} {arguments.address}") as shown,
        closing(
            explorer(arguments.source, config, SystemClock()).probe(arguments.address, expect)
        ) as probing,
    ):
        async for each in probing:
            found.append(each)
            shown.count = len(found)
    ways = [each for each in found if each.name]
    matches = [each for each in ways if each.matches]
    if arguments.json:
        _print_json(found, arguments)
    elif arguments.yaml:
        _print_yaml(matches if expect is not None else ways)
    else:
        _show(found, config.type, expect, arguments)
    return 0 if (matches if expect is not None else ways) else 1


def _with_unit(config: "SourceConfig", unit: int | None) -> "SourceConfig":
    from agent.sources.exploring import MistypedError
    from agent.sources.modbus.config import ModbusSource

    if unit is None:
        return config
    if not 0 <= unit <= _HIGHEST_UNIT:
        raise MistypedError(f"--unit-id {unit}: expected a number from 0 to {_HIGHEST_UNIT}")
    if not isinstance(config, ModbusSource):
        raise MistypedError(f"--unit-id is for Modbus, and this source is {config.type}: leave it out")
    return config.model_copy(update={"unit_id": unit})


def _show(found: "list[Found]", kind: str, expect: "Expected | None", arguments: argparse.Namespace) -> None:
    from agent.cli.commissioning import shown
    from agent.cli.tables import Rows, wrapped

    for each in found:
        if not each.name and each.type == "":
            print(wrapped(f"{each.place}  {each.note}"))
    ways = [each for each in found if each.name or each.type]
    rows = Rows(("", "place", "value", ""), _WIDTHS)
    for each in ways:
        if arguments.all or not each.doubtful:
            mark = "=>" if each.matches else ""
            rows.print((mark, _where(each), shown(each.value), each.note))
    hidden = sum(each.doubtful for each in ways)
    if hidden and not arguments.all:
        print(f"{hidden} improbable ways are not shown: --all")
    _conclude([each for each in ways if each.name], kind, expect, arguments)


def _conclude(
    ways: "list[Found]", kind: str, expect: "Expected | None", arguments: argparse.Namespace
) -> None:
    from agent.cli.commissioning import flow
    from agent.cli.tables import wrapped

    if not ways:
        print("nothing can be read there")
        return
    if expect is None and len(ways) == 1 and ways[0].tag:
        print(f"as a tag:\n  {flow(ways[0].name)}: {flow(dict(ways[0].tag))}")
        return
    if expect is None:
        print("which of these is it? --expect VALUE, with what the display at the machine shows, tells")
        return
    matches = [each for each in ways if each.matches]
    if not matches:
        what = f"the text {expect.value!r}" if isinstance(expect.value, str) else arguments.expect
        unit = " is it another unit (--unit-id)," if kind == "modbus" else ""
        print(
            wrapped(
                f"nothing there is {what}: does the value move (--tolerance 1),{unit} or is it elsewhere "
                f"(`edge-relay browse {arguments.source}`)?"
            )
        )
        return
    print(f"{arguments.expect} is {_where(matches[0])}; as a tag:")
    print(f"  {flow(matches[0].name)}: {flow(dict(matches[0].tag))}")
    if more := len(matches) - 1:
        says = "1 more way matches" if more == 1 else f"{more} more ways match"
        print(f"{says}: look again when the value has changed")


def _where(found: "Found") -> str:
    return found.place if found.type in found.place else f"{found.place}, {found.type}"


def _print_yaml(ways: "list[Found]") -> None:
    from agent.cli.commissioning import flow

    for number, each in enumerate(ways):
        if number == 0 or each.matches:
            print(f"{'# or ' if number else ''}{flow(each.name)}: {flow(dict(each.tag))}")


def _print_json(found: "list[Found]", arguments: argparse.Namespace) -> None:
    rows = [as_json(each) for each in found if arguments.all or not each.doubtful]
    print(json.dumps(rows, indent=2, ensure_ascii=False))


def as_json(found: "Found") -> dict[str, Json]:
    """One finding, for scripts."""
    return {
        "name": found.name or None,
        "place": found.place,
        "type": found.type or None,
        "value": found.value,
        "matches": found.matches,
        "read_as": found.read_as or None,
        "note": found.note,
        "tag": dict(found.tag),
    }
