"""`edge-relay check --live`: every tag read once, the rules evaluated, and nothing sent."""

import argparse
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from agent.cli.asking import told
from agent.model import SECOND, Json

if TYPE_CHECKING:
    from agent.cli.check_rules import Foreseen, Judgement
    from agent.config.model import Configuration
    from agent.sources.exploring import Look

_MOST: Final = 40  # lines of one list: a dead PLC makes every rule over it unknown


def check_live(arguments: argparse.Namespace) -> int:
    """Read, evaluate and print."""
    return told(lambda: _check(arguments))


async def _check(arguments: argparse.Namespace) -> int:
    from agent.cli.check_namespaces import steadier_nodes
    from agent.cli.check_rules import judge
    from agent.cli.commissioning import hint_of_pause, progress, with_secrets, without_secrets
    from agent.cli.looking import LookTable, Wanted, is_bad, look_at
    from agent.clock import SystemClock

    configuration = without_secrets(arguments.config)
    sources = with_secrets(arguments.config, configuration, configuration.sources)
    clock = SystemClock()
    looks: list[Look] = []
    table = LookTable(configuration.tags, clock)

    def take(look: "Look") -> None:
        looks.append(look)
        waiting.count += 1
        waiting.clear()
        if not arguments.json:
            table.print(look)

    async with progress(f"of {len(configuration.tags)} tags", "read") as waiting:
        failures = await look_at(Wanted(configuration.tags, sources, arguments.timeout), clock, take)
    judgement = judge(
        configuration, [look.reading for look in looks], failures, clock.monotonic(), clock.wall()
    )
    reached = {name: source for name, source in sources.items() if name not in failures}
    nodes = await steadier_nodes(reached, clock)
    if arguments.json:
        document = _json(configuration, looks, failures, judgement)
        document["steadier_nodes"] = {tag: after for tag, (_, after) in nodes.items()}
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        hints = await hint_of_pause(configuration.agent.data_dir, failures)
        _show(judgement, failures, hints, nodes)
    return 1 if any(map(is_bad, looks)) else 0


# --- for people ------------------------------------------------------------------------------------------


def _show(
    judgement: "Judgement",
    failures: Mapping[str, str],
    hints: Iterable[str],
    nodes: Mapping[str, tuple[str, str]],
) -> None:
    from agent.cli.tables import wrapped
    from agent.rules.phrases import duration

    for name, why in failures.items():
        print()
        print(wrapped(f"source {name} cannot be read: {why}"))
    for hint in hints:
        print(wrapped(f"  {hint}"))
    now = [each for each in judgement.foreseen if not each.after]
    later = [each for each in judgement.foreseen if each.after]
    _show_list("told at once:", [_told(each) for each in now])
    _show_list(
        "told if it stays so:",
        [f"after {duration(each.after // SECOND * SECOND)}: {_told(each)}" for each in later],
    )
    _show_list(
        "cannot be judged, or is not watched, now:", [f"{name}: {why}" for name, why in judgement.unjudged]
    )
    _show_list(
        "node ids by an index, which may move when the server restarts:",
        [f'{tag}: "{before}" -> "{after}"' for tag, (before, after) in nodes.items()],
    )
    print(
        f"\n{_count(judgement.rules, 'rule')}: {len(now)} told at once, {len(later)} within an hour if nothing "
        f"changes, {len(judgement.unjudged)} not judged; nothing was sent or stored"
    )


def _show_list(title: str, lines: list[str]) -> None:
    from agent.cli.tables import wrapped

    if lines:
        print(f"\n{title}")
    for line in lines[:_MOST]:
        print(wrapped(f"  {line}"))
    if (left := len(lines) - _MOST) > 0:
        print(f"  and {left} more: --json has all")


def _told(foreseen: "Foreseen") -> str:
    event = foreseen.event
    to = ", ".join(foreseen.receivers) or "nobody"
    said = event.data.get("message")
    return f"{event.type} {event.subject} ({event.priority.word}, to {to}){f': {said}' if said else ''}"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


# --- for scripts -----------------------------------------------------------------------------------------


def _json(
    configuration: "Configuration",
    looks: "Iterable[Look]",
    failures: Mapping[str, str],
    judgement: "Judgement",
) -> dict[str, Json]:
    from agent.cli.looking import as_json
    from agent.clock import SystemClock

    clock = SystemClock()
    return {
        "tags": [as_json(look, configuration.tags[look.reading.tag], clock) for look in looks],
        "sources": {name: failures.get(name) for name in configuration.sources},
        "events": [
            {
                "after_s": each.after / SECOND,
                "type": each.event.type.value,
                "rule": each.event.rule,
                "instance": each.event.subject,
                "priority": each.event.priority.word,
                "to": [*each.receivers],
                "message": each.event.data.get("message"),
            }
            for each in judgement.foreseen
        ],
        "not_judged": [{"instance": name, "why": why} for name, why in judgement.unjudged],
    }
