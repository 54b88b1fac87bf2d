"""`edge-relay status`: what is going on, on one screen."""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from agent.cli.arguments import add_config_option
from agent.cli.asking import add_json_option, ask, told
from agent.cli.tables import print_table, seconds
from agent.config.agent_section import load_agent
from agent.model import Json
from agent.store.notices import size_text

SUMMARY = "show what the running agent is doing"
_ALARMS: Final = 20  # as many as leave room for the rest on one screen
_PROBLEMS: Final = 5  # of a refused configuration
_LONG: Final = 60.0  # seconds: who has mended a receiver need not wait for longer


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_config_option(parser)
    add_json_option(parser)
    parser.epilog = """examples:
  edge-relay status
  edge-relay status --json | jq '.destinations'

The exit status is 1 while the agent does not do all of its work.
"""


def run(arguments: argparse.Namespace) -> int:
    """Ask for it and print it."""

    async def work() -> int:
        status = await ask(load_agent(arguments.config).data_dir, "GET", "/api/status")
        if not isinstance(status, dict):
            return 1
        if arguments.json:
            print(json.dumps(status, indent=2, ensure_ascii=False))
        else:
            show_status(status)
        return 1 if status["problems"] else 0

    return told(work)


def show_status(status: Mapping[str, Json]) -> None:
    """Print it for a person."""
    agent, store = _map(status["agent"]), _map(status["store"])
    print(
        f"{agent['site']}/{agent['name']}, version {agent['version']}, running for {seconds(_number(agent['for_s']))}; "
        f"{_count(store['seq'], 'event')} stored, {store['waiting']} waiting, {_count(store['dead'], 'dead letter')}, "
        f"{_count(len(_list(status['alarms'])), 'alarm')} open"
    )
    _show_room(_map(store["room"]))
    clock = _map(status["clock"])
    print(f"the wall clock is {clock['standing']}: {clock['why']}")
    for problem in _list(status["problems"]):
        print(f"  problem: {problem}")
    _show_rejected(_list(status.get("rejected")))
    show_alarms([_map(alarm) for alarm in _list(status["alarms"])])
    _show_part("source", ("state", "tags", "bad"), status["sources"], _source)
    for name, source in _map(status["sources"]).items():
        for note in _notes(_map(source)):
            print(f"  {name}: {note}")
    _show_part("destination", ("state", "waiting", "oldest"), status["destinations"], _destination)
    for name, destination in _map(status["destinations"]).items():
        for note in _progress(name, _map(destination)):
            print(f"  {name}: {note}")
    _show_part("relay", ("state", "taken"), status.get("relays"), _relay)


def _show_room(room: Mapping[str, Json]) -> None:
    if "size" not in room:
        return  # nobody has looked yet
    share = round(100 * _number(room["undelivered_share"]))
    print(
        f"the store takes {size_text(int(_number(room['size'])))} of {size_text(int(_number(room['limit'])))}, "
        f"undelivered events {share} % of its room{' (filling)' if room['filling'] else ''}"
    )
    for name, lost in _map(room["lost"]).items():
        print(f"  {name}: {lost} events were given up for want of room; each is named by a store.overflow")


def _show_rejected(rejected: list[Json]) -> None:
    if rejected:
        print("  a changed configuration is refused, the old one goes on:")
    for problem in rejected[:_PROBLEMS]:
        print(f"    {problem}")
    if len(rejected) > _PROBLEMS:
        print(f"    and {len(rejected) - _PROBLEMS} more: edge-relay check")


def show_alarms(alarms: list[Mapping[str, Json]]) -> None:
    """Print the open alarms, the latest first."""
    if alarms:
        print()
        rows = [(alarm["rule"], alarm["level"], seconds(_number(alarm["for_s"]))) for alarm in alarms]
        print_table(("alarm", "level", "open for"), rows[:_ALARMS])
    if len(alarms) > _ALARMS:
        print(f"and {len(alarms) - _ALARMS} more, in --json")


def _show_part(
    name: str, head: tuple[str, ...], part: Json, row: Callable[[Mapping[str, Json]], tuple[str, ...]]
) -> None:
    rows = [(key, *row(_map(value))) for key, value in _map(part).items()]
    if rows:
        print()
        print_table((name, *head, "why"), rows, whole=True)


def _source(source: Mapping[str, Json]) -> tuple[str, ...]:
    state = f"{source['state']} for {seconds(_number(source['for_s']))}"
    bad = _map(source["bad"])
    tag, told = next(iter(bad.items()), ("", ""))
    first = str(told) if str(told).startswith(tag) else f"{tag}: {told}"  # some reasons begin with the name
    why = str(source["reason"]) or first
    return state, str(source["tags"]), str(len(bad)), why


def _notes(source: Mapping[str, Json]) -> Iterator[str]:
    """What else a person should know of a source."""
    for tag, late in list(_map(source["late"]).items())[:_PROBLEMS]:
        yield f"nothing has come of {tag} for {seconds(_number(late))}"
    if source["skew_s"] is not None:
        skew = _number(source["skew_s"])
        yield f"the device's clock is {seconds(abs(skew))} {'ahead' if skew > 0 else 'behind'}"
    unreadable = _map(source["unreadable"])
    for message in _list(unreadable["last"])[:_PROBLEMS]:
        each = _map(message)
        times = f", {each['count']} times" if each["count"] != 1 else ""
        yield f"unreadable on {each['place']}, {seconds(_number(each['ago_s']))} ago{times}: {each['reason']}"
        yield f"  {each['payload']}"
    if len(_list(unreadable["last"])) > _PROBLEMS:
        yield f"{unreadable['total']} messages could not be read in all; the last of each topic stand in --json"


def _destination(destination: Mapping[str, Json]) -> tuple[str, ...]:
    oldest = destination["oldest_s"]
    age = "" if oldest is None else seconds(_number(oldest))
    return str(destination["state"]), str(destination["waiting"]), age, str(destination["reason"])


def _relay(relay: Mapping[str, Json]) -> tuple[str, ...]:
    state = f"{relay['state']} for {seconds(_number(relay['for_s']))}"
    return state, str(relay["taken"]), str(relay["reason"])


def _progress(name: str, destination: Mapping[str, Json]) -> Iterator[str]:
    """How a destination gets on that is not well, or has a backlog to drain."""
    failures, width = int(_number(destination["failures"])), int(_number(destination["width"]))
    again, state = _number(destination["retry_in_s"]), destination["state"]
    sooner = f"; sooner: edge-relay enable destination:{name}" if again >= _LONG else ""
    if failures and state in ("waiting", "failing"):
        when = f"in {seconds(again)}" if again else "now"
        yield f"{_count(failures, 'attempt')} failed in a row; the next is made {when}{sooner}"
    elif again and state in ("healthy", "failing"):
        yield f"what it refused is sent again in {seconds(again)}, and what follows it waits for that{sooner}"
    elif state == "healthy" and destination["waiting"] and width < _number(destination["concurrency"]):
        yield f"it drains, {width} at a time, and wider with each round that succeeds"


def _count(number: Json, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _number(value: Json) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
