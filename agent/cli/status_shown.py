"""What `edge-relay status` prints for people: the verdict first, and all of it on one screen.

Rules for whoever changes this: what is not well comes before what is, and is never left out for it; a reason
stands on a line of its own, whole, for the remedy is at its end, and once; what was left out is counted; where
the verdict has scrolled away it is said again at the end.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from agent.cli.tables import part_of_screen, print_table, seconds, wrapped
from agent.model import Json
from agent.store.notices import size_text

_AT_A_GLANCE: Final = 3  # problems
_NOTES: Final = 5  # of one source
_LONG: Final = 60.0  # seconds: who has mended a receiver need not wait for longer


def show_status(status: Mapping[str, Json], *, whole: bool = False) -> None:
    """Print it; `whole`: also what is well, however much that is."""
    rows = sys.maxsize if whole else part_of_screen()
    _show_verdict(status)
    show_alarms([_map(alarm) for alarm in _list(status["alarms"])], rows)
    said = "\n".join(map(str, [*_list(status["problems"]), *_list(status.get("attention"))]))
    parts = (
        ("source", ("state", "tags", "bad"), _source),
        ("destination", ("state", "waiting", "oldest"), _destination),
        ("relay", ("state", "taken"), _relay),
    )
    for name, head, row in parts:
        _show_part((name, *head), [row(*each) for each in _map(status.get(f"{name}s")).items()], said, rows)
    problems = len(_list(status["problems"]))
    if problems > _AT_A_GLANCE and sys.stdout.isatty():
        print(f"\n{_name(status)} does not do all of its work: {problems} problems, see the top")


def _show_verdict(status: Mapping[str, Json]) -> None:
    agent, store, clock = _map(status["agent"]), _map(status["store"]), _map(status["clock"])
    problems, unwatched = _list(status["problems"]), int(_number(status.get("unwatched")))
    does = "does not do all of its work:" if problems else "does its work"
    print(f"{_name(status)} {does}")
    for problem in problems:
        print(wrapped(f"  {problem}"))
    if attention := _list(status.get("attention")):
        print("to see to:")
    for sentence in attention:
        print(wrapped(f"  {sentence}"))
    print(f"version {agent['version']}, running for {seconds(_number(agent['for_s']))}")
    print(
        f"{_count(store['seq'], 'event')} stored, {store['waiting']} waiting, {_count(store['dead'], 'dead letter')}, "
        f"{_count(len(_list(status['alarms'])), 'alarm')} open"
    )
    if unwatched:
        print(f"nothing would be told of {_count(unwatched, 'rule')} now: edge-relay alarms --all says why")
    _show_room(_map(store["room"]))
    if not any(str(clock["why"]) in str(problem) for problem in problems):
        print(wrapped(f"the wall clock is {clock['standing']}: {clock['why']}"))


def _name(status: Mapping[str, Json]) -> str:
    agent = _map(status["agent"])
    return f"{agent['site']}/{agent['name']}"


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


def show_alarms(alarms: Sequence[Mapping[str, Json]], rows: int) -> None:
    """Print so many of the open alarms, the latest first."""
    if not alarms:
        return
    print()
    shown = [
        (alarm["rule"], alarm["level"], seconds(_number(alarm["for_s"])), _aside(alarm))
        for alarm in alarms[:rows]
    ]
    print_table(("alarm", "level", "open for", ""), shown)
    if len(alarms) > rows:
        print(f"and {len(alarms) - rows} more: edge-relay alarms")


def _aside(alarm: Mapping[str, Json]) -> str:
    """What somebody has done about it, in a word; `edge-relay alarms` tells who, and until when."""
    told = (
        ("out_of_service", "out of service"),
        ("shelved", "shelved"),
        ("acknowledged_by", "acknowledged"),
        ("chattering", "chatters"),
    )
    return next((word for key, word in told if alarm.get(key)), "")


class _Row:
    """A source, a destination or a relay: its cells, and what else is to be known of it."""

    def __init__(self, cells: tuple[str, ...], notes: Iterator[str] | Sequence[str] = ()) -> None:
        self.cells = cells
        self.notes = [note for note in notes if note]


def _show_part(head: tuple[str, ...], known: list[_Row], said: str, rows: int) -> None:
    """Print a table of them; a reason that the verdict has `said` already is not told twice."""
    known.sort(key=lambda each: not each.notes)  # what is to be told of comes first, else as it was
    if not known:
        return
    shown = known[: max(rows, sum(bool(each.notes) for each in known))]
    print()
    below = [[note for note in each.notes if note not in said] for each in shown]
    print_table(head, [each.cells for each in shown], below=below)
    if len(known) > len(shown):
        print(f"and {len(known) - len(shown)} more, all well: edge-relay status --all")


def _source(name: str, value: Json) -> _Row:
    source = _map(value)
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


def _destination(name: str, value: Json) -> _Row:
    destination = _map(value)
    oldest = destination["oldest_s"]
    age = "" if oldest is None else seconds(_number(oldest))
    cells = (name, str(destination["state"]), str(destination["waiting"]), age)
    return _Row(cells, chain([str(destination["reason"])], _progress(name, destination)))


def _relay(name: str, value: Json) -> _Row:
    relay = _map(value)
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
