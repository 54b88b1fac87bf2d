"""What `edge-relay status` prints for people: the verdict first, and all of it on one screen.

Rules for whoever changes this: what is not well comes before what is, and is never left out for it; a reason
stands on a line of its own, whole, for the remedy is at its end; what was left out is counted.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from agent.cli.tables import part_of_screen, print_table, seconds, wrapped
from agent.model import Json
from agent.store.notices import size_text

_NOTES: Final = 5  # of one source
_LONG: Final = 60.0  # seconds: who has mended a receiver need not wait for longer


def show_status(status: Mapping[str, Json], *, whole: bool = False) -> None:
    """Print it; `whole`: also what is well, however much that is."""
    rows = sys.maxsize if whole else part_of_screen()
    _show_verdict(status)
    _show_rejected(_list(status.get("rejected")), rows)
    show_alarms([_map(alarm) for alarm in _list(status["alarms"])], rows)
    _show_part("source", ("state", "tags", "bad"), status["sources"], _source, rows)
    _show_part("destination", ("state", "waiting", "oldest"), status["destinations"], _destination, rows)
    _show_part("relay", ("state", "taken"), status.get("relays"), _relay, rows)


def _show_verdict(status: Mapping[str, Json]) -> None:
    agent, store, clock = _map(status["agent"]), _map(status["store"]), _map(status["clock"])
    problems, unwatched = _list(status["problems"]), int(_number(status.get("unwatched")))
    does = "does not do all of its work:" if problems else "does its work"
    print(f"{agent['site']}/{agent['name']} {does}")
    for problem in problems:
        print(wrapped(f"  {problem}"))
    print(f"version {agent['version']}, running for {seconds(_number(agent['for_s']))}")
    print(
        f"{_count(store['seq'], 'event')} stored, {store['waiting']} waiting, {_count(store['dead'], 'dead letter')}, "
        f"{_count(len(_list(status['alarms'])), 'alarm')} open"
    )
    if unwatched:
        print(f"nothing would be told of {_count(unwatched, 'rule')} now: edge-relay alarms --all says why")
    _show_room(_map(store["room"]))
    print(wrapped(f"the wall clock is {clock['standing']}: {clock['why']}"))


def _show_room(room: Mapping[str, Json]) -> None:
    if "size" not in room:
        return  # nobody has looked yet
    share = round(100 * _number(room["undelivered_share"]))
    print(
        f"the store takes {size_text(int(_number(room['size'])))} of {size_text(int(_number(room['limit'])))}, "
        f"undelivered events {share} % of its room{' (filling)' if room['filling'] else ''}"
    )
    for name, lost in _map(room["lost"]).items():
        print(
            wrapped(
                f"  {name}: {lost} events were given up for want of room; each is named by a store.overflow"
            )
        )


def _show_rejected(rejected: list[Json], rows: int) -> None:
    if rejected:
        print("a changed configuration is refused, the old one goes on:")
    for problem in rejected[:rows]:
        print(f"  {problem}")
    if len(rejected) > rows:
        print(f"  and {len(rejected) - rows} more: edge-relay check")


def show_alarms(alarms: Sequence[Mapping[str, Json]], rows: int) -> None:
    """Print so many of the open alarms, the latest first."""
    if not alarms:
        return
    print()
    shown = [(alarm["rule"], alarm["level"], seconds(_number(alarm["for_s"]))) for alarm in alarms[:rows]]
    print_table(("alarm", "level", "open for"), shown)
    if len(alarms) > rows:
        print(f"and {len(alarms) - rows} more: edge-relay alarms")


class _Row:
    """A source, a destination or a relay: its cells, and what else is to be known of it."""

    def __init__(self, cells: tuple[str, ...], notes: Iterator[str] | Sequence[str] = ()) -> None:
        self.cells = cells
        self.notes = [note for note in notes if note]


def _show_part(
    name: str, head: tuple[str, ...], part: Json, row: Callable[[str, Mapping[str, Json]], _Row], rows: int
) -> None:
    known = [row(key, _map(value)) for key, value in _map(part).items()]
    known.sort(key=lambda each: not each.notes)  # what is to be told of comes first, else as it was
    if not known:
        return
    shown = known[: max(rows, sum(bool(each.notes) for each in known))]
    print()
    print_table((name, *head), [each.cells for each in shown], below=[each.notes for each in shown])
    if len(known) > len(shown):
        print(f"and {len(known) - len(shown)} more, all well: edge-relay status --all")


def _source(name: str, source: Mapping[str, Json]) -> _Row:
    bad = _map(source["bad"])
    cells = (
        name,
        f"{source['state']} for {seconds(_number(source['for_s']))}",
        str(source["tags"]),
        str(len(bad)),
    )
    tag, told = next(iter(bad.items()), ("", ""))
    first = str(told) if str(told).startswith(tag) else f"{tag}: {told}"  # some reasons begin with the name
    return _Row(cells, chain([str(source["reason"]) or first], _late(source), _unreadable(source)))


def _late(source: Mapping[str, Json]) -> Iterator[str]:
    for tag, late in list(_map(source["late"]).items())[:_NOTES]:
        yield f"nothing has come of {tag} for {seconds(_number(late))}"
    if source["skew_s"] is not None:
        skew = _number(source["skew_s"])
        yield f"the device's clock is {seconds(abs(skew))} {'ahead' if skew > 0 else 'behind'}"


def _unreadable(source: Mapping[str, Json]) -> Iterator[str]:
    unreadable = _map(source["unreadable"])
    for message in _list(unreadable["last"])[:_NOTES]:
        each = _map(message)
        times = f", {each['count']} times" if each["count"] != 1 else ""
        yield f"unreadable on {each['place']}, {seconds(_number(each['ago_s']))} ago{times}: {each['reason']}"
        yield f"  {each['payload']}"
    if len(_list(unreadable["last"])) > _NOTES:
        yield f"{unreadable['total']} messages could not be read in all; the last of each topic stand in --json"


def _destination(name: str, destination: Mapping[str, Json]) -> _Row:
    oldest = destination["oldest_s"]
    age = "" if oldest is None else seconds(_number(oldest))
    cells = (name, str(destination["state"]), str(destination["waiting"]), age)
    return _Row(cells, chain([str(destination["reason"])], _progress(name, destination)))


def _relay(name: str, relay: Mapping[str, Json]) -> _Row:
    state = f"{relay['state']} for {seconds(_number(relay['for_s']))}"
    return _Row((name, state, str(relay["taken"])), [str(relay["reason"])])


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
