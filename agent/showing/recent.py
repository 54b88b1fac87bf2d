"""Tables `events`, `dead_letters`, `inbound` and `audit`: the newest of what is stored.

Rules for whoever changes this: the store is read only when it has changed since, by one reader; who asks waits
a moment for it and then has the rows of before: a slow disk must not keep alarms from a page.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NoReturn

from agent.desk import Desk
from agent.errors import StoreUnavailable
from agent.model import Json
from agent.showing.keeping import kept
from agent.showing.text import cut, cut_data, told
from agent.store.messages import AuditFilter
from agent.web.messages import audit_line, inbox_row

MOST: Final = 50
_WAIT_S: Final = 0.2
_NEWEST: Final = {"limit": str(MOST)}
_ANY: Final = AuditFilter()
_TABLES: Final = ("events", "dead_letters", "inbound", "audit")


class Recent:
    """See the module; `run` until cancelled.

    Attributes:
        tables: by name.
    """

    def __init__(self, desk: Desk) -> None:
        self.tables: Mapping[str, Mapping[str, Json]] = {name: {} for name in _TABLES}
        self._desk = desk
        self._seen: int | None = None
        self._wanted = asyncio.Event()
        self._read = asyncio.Event()

    async def look(self) -> None:
        """Have the tables read anew if something has changed, and wait a moment for them."""
        if self._desk.store.changes == self._seen:
            return
        self._read.clear()
        self._wanted.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_WAIT_S):
                await self._read.wait()

    async def run(self) -> NoReturn:
        """Read whenever somebody looks and something has changed."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            changes = self._desk.store.changes
            with suppress(StoreUnavailable):  # the last rows stand
                tables = await self._newest()
                self.tables = {name: kept(self.tables[name], rows) for name, rows in tables.items()}
                self._seen = changes
            self._read.set()

    async def _newest(self) -> dict[str, dict[str, Json]]:
        desk = self._desk
        events, letters = await desk.events(_NEWEST), await desk.dead_letters(_NEWEST)
        messages = await desk.store.inbox.newest(MOST)
        lines = await desk.store.audit.newest(_ANY, MOST)
        return {
            "events": {str(row["seq"]): row for row in _shown(events)},
            "dead_letters": {f"{row['destination']}/{row['seq']}": row for row in _shown(letters)},
            "inbound": {str(message.number): _texts(inbox_row(message)) for message in messages},
            "audit": {str(line.number): _texts(audit_line(line)) for line in lines},
        }


def _shown(rows: Sequence[Json]) -> list[dict[str, Json]]:
    """Rows of events, bounded."""
    shown = []
    for row in rows:
        if isinstance(row, dict):
            data, deliveries = row.get("data"), row.get("deliveries")
            if isinstance(data, dict):
                row["data"] = cut_data(data)
            if isinstance(deliveries, list):
                row["deliveries"] = [_reason(each) for each in deliveries if isinstance(each, dict)]
            shown.append(_reason(row))
    return shown


def _reason(row: dict[str, Json]) -> dict[str, Json]:
    if isinstance(reason := row.get("reason"), str):
        row["reason"] = told(reason)
    return row


def _texts(row: dict[str, Json]) -> dict[str, Json]:
    """A row in which strangers have written."""
    return {name: cut(value) if isinstance(value, str) else value for name, value in _reason(row).items()}
