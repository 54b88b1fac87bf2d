"""Taking up where the last run ended: the rules' state, and how long nobody watched."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from agent import __version__
from agent.errors import StoreUnavailable
from agent.intakes import DOWN
from agent.model import SECOND, EventType, Json, Priority
from agent.pipeline import Pipeline
from agent.rules.taken import Taken
from agent.store.alive import Moment, away, read_alive
from agent.store.records import EventFilter
from agent.store.salvage import LOST_KEY
from agent.store.store import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Away:
    """The last run, seen from this one, monotonic nanoseconds of this boot.

    Attributes:
        since: when it was last alive.
        shift: what to add to the instants that it stored.
    """

    since: int
    shift: int


async def time_away(path: Path, store: Store, now: Moment) -> Away | None:
    """How long the agent was away; None when it never ran, or nothing tells.

    After a power cut the file may be torn: then the newest event is the last sign of life.
    """
    last = read_alive(path)
    if last is None:
        newest = await store.events(EventFilter(), 1)
        stored = newest[0].stored if newest else None
        if stored is None:
            return None
        last = Moment(stored.boot, stored.event.at, stored.event.at + stored.offset)
    since = now.monotonic - away(last, now)
    # Not by the wall clocks alone: a PC that boots in 1970 would put every stored instant 50 years ahead.
    return Away(since, since - last.monotonic)


async def restored(pipeline: Pipeline, store: Store, last: Away | None) -> None:
    """Give the rules their state back, and tell that the agent is back; also on a disk that is full.

    Raises:
        StoreUnavailable: the store cannot be read; the process starts anew.
    """
    stored = await store.states()
    rules = {key.removeprefix("rule/"): kept for key, kept in stored.items() if key.startswith("rule/")}
    times = {key.removeprefix("tag/"): int(kept) for key, kept in stored.items() if key.startswith("tag/")}
    shift, since = (0, None) if last is None else (last.shift, last.since)
    word: dict[str, Json] = {"version": __version__, "message": "the agent has started"}
    started = pipeline.event(EventType.AGENT_STARTED, word)
    pipeline.announce(started)
    if last is not None:
        await _tell_untold(pipeline, stored, last)
    if since is not None:
        pipeline.announce(pipeline.blind(since, started.at, "restart"))
        _log.info("back after %.0f s; %d rules have a state", (started.at - since) / SECOND, len(rules))
    await _tell_lost(pipeline, stored)

    def restore() -> Taken:
        return pipeline.engine.restore(rules, times, shift=shift, away_since=since, flood=stored.get("flood"))

    try:
        await pipeline.settle(restore())
    except StoreUnavailable:
        # It fell back behind its own beginning. What is restored is on disk as it was: it may count as kept.
        taken = restore()
        pipeline.engine.keep(taken)
        pipeline.remember(taken.states)
        for event in taken.events:
            pipeline.announce(event)
    pipeline.checkpoint()  # since when nobody watched: a kill before the first value must not forget it


async def _tell_untold(pipeline: Pipeline, stored: Mapping[str, bytes], last: Away) -> None:
    """Tell of sources that were down when the agent was killed: from then on nobody watched anyway."""
    for key, kept in stored.items():
        if key.startswith(DOWN):
            since, until, reason = json.loads(kept)
            end = last.since if until is None else min(until + last.shift, last.since)
            event = pipeline.blind(since + last.shift, end, reason, source=key.removeprefix(DOWN))
            if since + last.shift < end:
                await pipeline.tell(event, {key: None})
            else:  # all of it is told as the agent's own absence
                pipeline.remember({key: None})


async def _tell_lost(pipeline: Pipeline, stored: Mapping[str, bytes]) -> None:
    """Tell what a damaged store could not give back; until that is on disk every start tells it anew."""
    if LOST_KEY not in stored:
        return
    word = json.loads(stored[LOST_KEY])
    waiting, dead, missing = word["waiting"], word["dead"], word["unreadable"] + word["left"]
    word["message"] = (
        f"the store was damaged and begins anew: {waiting} waiting events and {dead} dead letters are salvaged, {word['lost_count']} events "
        f"that waited are lost, and up to {missing} more cannot be read; the old file is {word['file']}: see to the disk, and "
        "delete the file when nobody needs it"
    )
    event = replace(pipeline.event(EventType.AGENT_STATE_LOST, word), priority=Priority.HIGH)
    _log.error("%s", word["message"])
    await pipeline.tell(event, {LOST_KEY: None})
