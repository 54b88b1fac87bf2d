"""What people and monitoring are told of a running agent: one snapshot, from parts that know themselves."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from agent import __version__
from agent.alarms import count_unwatched, open_alarms
from agent.attention import warnings
from agent.model import SECOND, Json
from agent.paths import STORE

if TYPE_CHECKING:
    from agent.app import Agent

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
