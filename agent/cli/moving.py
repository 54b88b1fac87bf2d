"""Orders that move many deliveries: first how many and of when, then the question, then how far it is.

Rules for whoever changes this: nothing is moved before its count was shown and agreed to, but for a
single delivery; a long order is done in parts, so that an interrupted one ends between two of them.
"""

import argparse
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from agent.cli.tables import wrapped
from agent.model import Json

_A_PART: Final = 10_000
"""So many rows are looked at for one question: a second or two, also on slow flash."""

Part: TypeAlias = Callable[[dict[str, int]], Awaitable[Mapping[str, Json]]]
"""Does the part of an order that it is told (`after`, `upto`, `limit`), and gives the answer."""


@dataclass(slots=True)
class Count:
    """What an order is about, by destination.

    Attributes:
        found: what the answers said, added up.
        upto: the number that the order ends with.
        answer: the last one.
    """

    found: dict[str, dict[str, Json]] = field(default_factory=dict)
    upto: int | None = None
    answer: Mapping[str, Json] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many can be moved."""
        return sum(_whole(each["count"]) for each in self.found.values())

    def add(self, answer: Mapping[str, Json]) -> None:
        """Add the count of a part."""
        self.answer = answer
        counts = answer["counts"]
        for name, more in counts.items() if isinstance(counts, dict) else ():
            if isinstance(more, dict):
                self.found[name] = _sum(self.found.get(name, {}), more)


def add_moving_options(parser: argparse.ArgumentParser) -> None:
    """Declare how an order is tried and agreed to."""
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--yes", action="store_true", help="do not ask, for scripts")
    parser.add_argument("--json", action="store_true", help="print one JSON document, for scripts")


async def counted(part: Part) -> Count:
    """Count what an order is about."""
    count = Count()
    async for answer in _parts(part, None):
        count.add(answer)
        count.upto = count.upto or _whole(answer["upto"])
        _progress(answer, f"{count.total} found so far")
    return count


async def moved(part: Part, word: str, count: Count) -> int:
    """Carry the order out; how many were moved, which the answers call `word`."""
    done = 0
    async for answer in _parts(part, count.upto):
        done += _whole(answer[word])
        _progress(answer, f"{done} of {count.total} {word}")
    return done


async def carry_out(
    arguments: argparse.Namespace,
    what: str,
    word: str,
    parts: tuple[Part, Part],
    *,
    damaged_too: bool = False,
    note: Callable[[Count], str] = lambda _: "",
) -> int:
    """Count with the first of `parts`, ask, and carry out with the second; the exit status.

    Args:
        arguments: with what `add_moving_options` declared.
        what: said of the number: `dead letters would be sent again`.
        word: what the answers call the number that was moved: `resent`.
        parts: what counts, and what does it.
        damaged_too: it moves what cannot be sent as well.
        note: what else a person should know of a count; empty: nothing.
    """
    count = await counted(parts[0])
    total = count.total + (_left(count) if damaged_too else 0)
    told: dict[str, Json] = {"counts": dict(count.found)}
    if not arguments.json and (arguments.dry_run or total != 1 or _left(count)):
        show(count, moves_all=damaged_too)
    if not arguments.json and (text := note(count)):
        print(wrapped(text))
    if arguments.dry_run:
        if not arguments.json and total:
            print(f"{total} {what}")
    elif total and (status := _agreed(arguments, total, what)):
        return status
    elif total:
        told[word] = await moved(parts[1], word, count)
        if not arguments.json:
            print(f"{told[word]} {word}")
    if arguments.json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
    return 0


def show(count: Count, *, moves_all: bool = False) -> None:
    """Print how many there are of each destination, and of when."""
    if not count.total + _left(count):
        print("there are none")
    for name, found in count.found.items():
        if number := _whole(found["count"]):
            events = "event" if number == 1 else "events"
            print(f"{name}: {number} {events}, of {_time(found['first'])} to {_time(found['last'])}")
        for key, why in (("damaged", "damaged on disk"), ("removed", "for a destination that is gone")):
            if left := _whole(found[key]):
                print(f"{name}: {left} {why}" + ("" if moves_all else ", not sent"))


def _agreed(arguments: argparse.Namespace, total: int, what: str) -> int:
    """The exit status with which it ends here; 0: it may be done."""
    if arguments.yes or total == 1:
        return 0
    if not sys.stdin.isatty() or arguments.json:
        print(f"edge-relay: {total} {what}; --yes does it without asking", file=sys.stderr)
        return 2
    print(f"{total} {what}: do it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return 0
    print("nothing was done")
    return 1


async def _parts(part: Part, upto: int | None) -> AsyncIterator[Mapping[str, Json]]:
    """Give the answers to the parts of an order, one after the other."""
    after: int | None = 0
    while after is not None:
        place = {"after": after, "limit": _A_PART}
        answer = {"after": after, **await part(place if upto is None else {**place, "upto": upto})}
        upto = _whole(answer["upto"]) if upto is None else upto
        after = None if answer["next"] is None else _whole(answer["next"])
        yield answer


def _progress(answer: Mapping[str, Json], text: str) -> None:
    """Say on a terminal how far a long order is; after its last part the line is left clean."""
    if sys.stderr.isatty() and (answer["next"] is not None or _whole(answer["after"])):
        print(
            "\r\x1b[K" if answer["next"] is None else f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True
        )


def _sum(one: Mapping[str, Json], other: Mapping[str, Json]) -> dict[str, Json]:
    numbers = {key: _whole(one.get(key)) + _whole(other[key]) for key in ("count", "damaged", "removed")}
    stamps = [str(each[key]) for each in (one, other) for key in ("first", "last") if each.get(key)]
    return {**numbers, "first": min(stamps, default=None), "last": max(stamps, default=None)}


def _left(count: Count) -> int:
    return sum(_whole(each["damaged"]) + _whole(each["removed"]) for each in count.found.values())


def _time(stamp: Json) -> str:
    """An instant as the clock on the wall shows it."""
    return f"{datetime.fromisoformat(str(stamp)).astimezone():%Y-%m-%d %H:%M:%S}"


def _whole(value: Json) -> int:
    return value if isinstance(value, int) else 0
