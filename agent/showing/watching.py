"""Tables `alarms` and `unwatched`, kept up to date without walking all rules at every look.

A rule whose state was replaced is looked at at once. The rest changes with values and with time (a value went
stale): of that a part is looked at in turn, so that a look costs the same however many rules there are.

Rules for whoever changes this: what is open or unwatched, `agent.alarms` decides; nothing here is awaited.
"""

from collections.abc import Callable, Iterable, Mapping
from heapq import nsmallest
from itertools import compress, islice
from operator import attrgetter, is_not
from typing import Final

from agent.alarms import is_open, row, urgency, why_unwatched
from agent.model import SECOND, Json
from agent.rules.engine import Engine
from agent.rules.projection import said
from agent.rules.runs import AnyState, Run
from agent.showing.text import cut, told

MOST: Final = 500
_ROWS_A_LOOK: Final = 50
_RULES_A_LOOK: Final = 250
_STATES_A_LOOK: Final = 5_000
_NONE: Final = slice(0, 0)
_ANEW_AFTER: Final = 5 * SECOND
"""Nobody has looked for so long: all rules are looked at."""
_STATE: Final = attrgetter("state")


class Watching:
    """Which alarms are open, and which rules nobody would be told of."""

    def __init__(self) -> None:
        self.open = Rows(alarm_row, _most_urgent)
        self.unwatched = Rows(unwatched_row, _first)
        self._engine: Engine | None = None
        self._runs: list[Run] = []
        self._states: list[AnyState] = []
        self._offset = 0
        self._asked = self._turn = _NONE
        self._looked = 0

    def look(self, engine: Engine, now: int, offset: int) -> None:
        """Bring both up to date, as of the instant `now`; `offset` makes stamps of instants."""
        if engine is not self._engine or offset != self._offset or now - self._looked > _ANEW_AFTER:
            self._engine, self._offset, self._runs = engine, offset, list(engine.runs.values())
            self._states = list(map(_STATE, self._runs))
            self.open.clear()
            self.unwatched.clear()
            moved = self._runs
        else:
            moved = self._moved()
            self._sort(self._next(), now, moved=False)
        self._looked = now
        self._sort(moved, now, moved=True)
        self.open.look(now, offset)
        self.unwatched.look(now, offset)

    def _sort(self, runs: Iterable[Run], now: int, *, moved: bool) -> None:
        for run in runs:
            opened = is_open(run)
            self.open.put(run, wanted=opened, moved=moved)
            unwatched = not opened and any(why_unwatched(run, now))
            self.unwatched.put(run, wanted=unwatched, moved=moved)

    def _moved(self) -> list[Run]:
        """The rules that have taken a step since they were last asked, but for those that only measure."""
        self._asked = _part(self._asked.stop, max(_STATES_A_LOOK, len(self._runs) // 4), len(self._runs))
        runs, before = self._runs[self._asked], self._states[self._asked]
        states = self._states[self._asked] = list(map(_STATE, runs))
        moved = compress(zip(runs, before, states, strict=True), map(is_not, before, states))
        return [run for run, was, now in moved if was.core is not now.core or was.gate is not now.gate]

    def _next(self) -> list[Run]:
        """Those whose turn it is."""
        self._turn = _part(self._turn.stop, max(_RULES_A_LOOK, len(self._runs) // 40), len(self._runs))
        return self._runs[self._turn]


class Rows:
    """The rows of one table: of many rules the first so many.

    Attributes:
        table: the rows; another object when one has changed.
    """

    def __init__(
        self,
        make: Callable[[Run, int, int], dict[str, Json]],
        choose: Callable[[Mapping[str, Run]], list[str]],
    ) -> None:
        self.table: Mapping[str, Json] = {}
        self._make = make
        self._choose = choose
        self._runs: dict[str, Run] = {}
        self._moved: set[str] = set()
        self._turn = _NONE

    def __len__(self) -> int:
        return len(self._runs)

    def clear(self) -> None:
        """There are none."""
        self._runs.clear()
        self._moved.clear()

    def put(self, run: Run, *, wanted: bool, moved: bool) -> None:
        """A rule is looked at: it has a row, or has none; `moved`: not the one that it had."""
        name = run.spec.name
        if not wanted:
            self._runs.pop(name, None)
            return
        self._runs[name] = run
        if moved:
            self._moved.add(name)

    def look(self, now: int, offset: int) -> None:
        """Write the rows that have moved, and some of the others: their values move without a step."""
        chosen = list(self._runs) if len(self._runs) <= MOST else self._choose(self._runs)
        self._turn = _part(self._turn.stop, _ROWS_A_LOOK, len(chosen))
        anew = self._moved.union(chosen[self._turn])
        self._moved.clear()
        before, after = self.table, dict[str, Json]()
        for name in chosen:
            known = before.get(name)
            made = self._make(self._runs[name], now, offset) if known is None or name in anew else known
            after[name] = known if made == known else made
        if after != before:
            self.table = after


def _part(after: int, size: int, whole: int) -> slice:
    """The part of so many that comes after the last one; the first again after the end."""
    begin = after if after < whole else 0
    return slice(begin, begin + size)


def _most_urgent(runs: Mapping[str, Run]) -> list[str]:
    alarms = [run for run in runs.values() if is_open(run)]
    return [run.spec.name for run in nsmallest(MOST, alarms, key=urgency)]


def _first(runs: Mapping[str, Run]) -> list[str]:
    return list(islice(runs, MOST))


def alarm_row(run: Run, now: int, offset: int) -> dict[str, Json]:
    """An open alarm, with what its event says and what the operator is to do."""
    shown = _for_page(row(run, now, offset))
    if is_open(run):
        shown["message"] = cut(str(said(run.spec, run.state.core, run.sight)))
        response = run.spec.wording.response
        shown |= {"response": cut(response)} if response else {}
    return shown


def unwatched_row(run: Run, now: int, offset: int) -> dict[str, Json]:
    """A rule of which nothing would be told now, and why."""
    whys = [told(why) for why in why_unwatched(run, now)]
    return _for_page(row(run, now, offset)) | {"why": list[Json](whys)}


def _for_page(row: dict[str, Json]) -> dict[str, Json]:
    """Without what changes by itself, and bounded."""
    row.pop("for_s", None)
    if isinstance(value := row.get("value"), str):
        row["value"] = cut(value)
    if isinstance(shelf := row.get("shelved"), dict):
        del shelf["for_s"]
    return row
