"""`edge-relay events --follow`: what happens, as it happens, through restarts of the agent.

Rules for whoever changes this: each event is printed once, in its order; who follows sees when the agent is
away and when it is back, on stderr, and need not start anew.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent.cli.asking import NoAgentError, ask
from agent.cli.events import HEAD, cells
from agent.cli.tables import Rows
from agent.config.agent_section import load_agent
from agent.errors import EdgeRelayError
from agent.model import Json

_ASK_EVERY_S: Final = 0.5
_WIDTHS: Final = (6, 19, 18, 8, 16, 40)
_FEW: Final = 10  # as of `tail`
_MANY: Final = 10_000  # of a time that was asked for


async def follow(arguments: argparse.Namespace, wanted: Mapping[str, str]) -> int:
    """Print the newest events, then each that comes, until cancelled.

    Raises:
        EdgeRelayError: no agent runs at the beginning, or the options do not go together.
    """
    if arguments.json:
        raise EdgeRelayError("--json prints one document, and this has no end: --jsonl has an event a line")
    directory = load_agent(arguments.config).data_dir
    show = _printer(arguments)
    asked = {**wanted, "limit": str(arguments.limit or (_MANY if "since" in wanted else _FEW))}
    last = await _newest(directory)
    while True:
        try:
            found = await ask(directory, "GET", "/api/events", asked)
        except NoAgentError:
            last = await _back(directory, last)
            found = []
        events = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        for event in events:
            show(event)
            last = max(last, int(str(event["seq"])))
        asked = {**wanted, "after": str(last)}
        if not events:
            await asyncio.sleep(_ASK_EVERY_S)


def _printer(arguments: argparse.Namespace) -> Callable[[Json], None]:
    if arguments.jsonl:
        return lambda event: print(json.dumps(event, ensure_ascii=False), flush=True)
    rows = Rows(HEAD, _WIDTHS, below=True)
    return lambda event: rows.print(cells(event))


async def _newest(directory: Path) -> int:
    """The number of the newest event there is."""
    status = await ask(directory, "GET", "/api/status")
    store = status.get("store") if isinstance(status, dict) else None
    return int(str(store["seq"])) if isinstance(store, dict) else 0


async def _back(directory: Path, last: int) -> int:
    """Wait until an agent answers again; the number to go on after: a store that was begun anew counts from 0."""
    print("edge-relay: the agent is away; waiting for it", file=sys.stderr, flush=True)
    while True:
        await asyncio.sleep(_ASK_EVERY_S)
        with suppress(NoAgentError):
            newest = await _newest(directory)
            print("edge-relay: the agent is back", file=sys.stderr, flush=True)
            return last if newest >= last else 0
