"""What people and monitoring are told of a running agent: one snapshot, from parts that know themselves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING, Final

from agent import __version__
from agent.alarms import count_unwatched, open_alarms
from agent.intake import named
from agent.model import SECOND, Json
from agent.paths import STORE
from agent.store.notices import size_text

if TYPE_CHECKING:
    from agent.app import Agent

_FLAPS: Final = 3  # losses in ten minutes: a switch that restarts makes one or two
_LEAST_FREE: Final = 100_000_000  # bytes; `agent.checkup.files` has the same
_GRACE: Final = 15 * SECOND  # a source may take so long to connect before it counts as a problem


def status(agent: "Agent") -> dict[str, Json]:
    """All of it, as JSON."""
    section = agent.configuration.agent
    sources: dict[str, Json] = {name: intake.status() for name, intake in agent.intakes.at_work.items()}
    return {
        "agent": {
            "site": section.site,
            "name": section.name,
            "version": __version__,
            "epoch": agent.store.epoch,
            "for_s": (agent.clock.monotonic() - agent.started) // SECOND,
        },
        "clock": agent.timekeeper.status(),
        "problems": list(health(agent)),
        "alarms": open_alarms(agent.pipeline.engine, agent.clock),
        "unwatched": count_unwatched(agent.pipeline.engine, agent.clock),
        "store": {
            "seq": agent.store.seq,
            "waiting": agent.store.waiting_count(),
            "dead": agent.store.dead_count(),
            "unavailable": agent.store.unavailable,
            "room": agent.store.room.status(),
        },
        "sources": sources,
        "destinations": agent.outlets.status(),
        "relays": agent.relays.status(),
        "rejected": list(agent.reloader.rejected),
        "samples": agent.recorder.status(),
        "warnings": [str(problem) for problem in agent.configuration.warnings],
        "attention": list(warnings(agent)),
    }


def health(agent: "Agent") -> Sequence[str]:
    """Why the agent does not do all of its work, a sentence each; empty while it does."""
    problems: list[str] = []
    if agent.store.unavailable is not None:
        problems.append(f"nothing can be stored: {agent.store.unavailable}")
    file = agent.configuration.agent.data_dir / STORE
    if not file.exists():
        problems.append(
            f"the store's file {file} was deleted: what is stored now ends with the agent; restart it"
        )
    for name, intake in agent.intakes.at_work.items():
        if not intake.up and not intake.pause and agent.clock.monotonic() - intake.since > _GRACE:
            problems.append(f"source {name} is down: {intake.reason}")
    return [
        *problems,
        *agent.timekeeper.problems(),
        *agent.outlets.problems(),
        *agent.relays.problems(_GRACE),
    ]


def warnings(agent: "Agent") -> Sequence[str]:
    """What somebody should see to although the agent does its work, a sentence each."""
    at_work = agent.intakes.at_work.items()
    found = [
        f"source {name} is {intake.reason}; `edge-relay resume source:{name}` ends it"
        for name, intake in at_work
        if intake.pause
    ]
    found += [
        f"source {name}: nothing comes of {named(set(intake.late))}"
        for name, intake in at_work
        if intake.late
    ]
    found += [_unreadable(name, intake.bad, intake.tags) for name, intake in at_work if intake.bad]
    found += [
        f"source {name} has lost its connection {times} times in the last 10 min: {why}"
        for name, (times, why) in ((name, intake.losses) for name, intake in at_work)
        if times >= _FLAPS
    ]
    found += agent.outlets.delayed()
    found += agent.outlets.holding.warnings()
    found += [*agent.intakes.expiring, *agent.outlets.renewals.expiring]
    where = agent.configuration.agent.data_dir
    free = disk_usage(where).free
    if agent.store.room.ballast.spent or free < _LEAST_FREE:
        found.append(
            f"the disk of {where} is full, or nearly, {size_text(free)} are free: "
            "make room, `sudo edge-relay doctor` says how"
        )
    if agent.site.refused:
        found.append(agent.site.refused)
    rejected = agent.reloader.rejected
    if rejected:
        more = f", and {len(rejected) - 1} more" if len(rejected) > 1 else ""
        found.append(
            f"a changed configuration is refused, the old one goes on: {rejected[0]}{more}; "
            "`edge-relay check` lists all, `edge-relay reload` takes up the corrected one"
        )
    if dead := agent.store.dead_count():
        many = "1 event was" if dead == 1 else f"{dead} events were"
        found.append(
            f"{many} given up (dead letters): `edge-relay deadletters` says why, and how to send them"
        )
    return [*found, *_began_anew(where)]


def _unreadable(name: str, bad: Mapping[str, str], tags: int) -> str:
    tag, why = next(iter(bad.items()))
    first = why if why.startswith(tag) else f"{tag}: {why}"  # some reasons begin with the name
    if len(bad) == 1:
        return f"source {name} cannot read {first}"
    return f"source {name}: {len(bad)} of {tags} tags cannot be read, first {first}"


def _began_anew(data_dir: Path) -> Sequence[str]:
    """A damaged store was moved aside: somebody should know until he has seen to it, and taken the file away."""
    aside = sorted(data_dir.glob(f"{STORE}.damaged-*Z"))
    return [
        f"the store was damaged and began anew, what could not be salvaged is lost; the old file is {file}: "
        "see to the disk (`edge-relay doctor`), and delete the file when nobody needs it"
        for file in aside[-1:]
    ]
