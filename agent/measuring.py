"""Brings the gauges up to date that nobody sets by itself: what a scrape asks for, from parts that know it.

Rules for whoever changes this: what a label named and is gone must not look to monitoring as if it stood
still, so gauges with names of the configuration are cleared before they are set.
"""

from collections import Counter
from typing import TYPE_CHECKING

from agent import __version__, metrics
from agent.alarms import count_unwatched, is_open
from agent.dispatch.status import DestinationState
from agent.model import Priority
from agent.paths import STORE
from agent.rules.engine import Engine
from agent.rules.projection import standing
from agent.stamps import Standing

if TYPE_CHECKING:
    from agent.app import Agent


def measure(agent: "Agent") -> None:
    """Set all of them."""
    section = agent.configuration.agent
    metrics.INFO.info({"version": __version__, "site": section.site, "agent": section.name})
    metrics.CONFIGURATION_ACCEPTED.set(not agent.reloader.rejected)
    metrics.CLOCK_BELIEVED.set(agent.timekeeper.judgement.standing is not Standing.WRONG)
    expiring = [*agent.intakes.expiring, *agent.outlets.renewals.expiring]
    metrics.CERTIFICATES_EXPIRING.set(len(expiring))
    _measure_alarms(agent.pipeline.engine)
    metrics.RULES_UNWATCHED.set(count_unwatched(agent.pipeline.engine, agent.clock))
    _measure_store(agent)
    _measure_destinations(agent)


def _measure_alarms(engine: Engine) -> None:
    runs = [run for run in engine.runs.values() if is_open(run)]
    louder = {run.spec.name: standing(run.spec, run.state.core).say.priority for run in runs}
    every = Counter(louder.values())
    unseen = Counter(louder[run.spec.name] for run in runs if not run.state.core.acknowledged)
    for priority in Priority:
        metrics.ALARMS_OPEN.labels(priority.word).set(every[priority])
        metrics.ALARMS_UNACKNOWLEDGED.labels(priority.word).set(unseen[priority])


def _measure_store(agent: "Agent") -> None:
    store, data_dir = agent.store, agent.configuration.agent.data_dir
    metrics.STORE_AVAILABLE.set(store.unavailable is None)
    files = [data_dir / STORE, data_dir / f"{STORE}-wal"]
    metrics.STORE_BYTES.set(sum(file.stat().st_size for file in files if file.exists()))
    if store.room.usage is not None:
        metrics.STORE_ROOM.set(store.room.usage.room)
        metrics.STORE_USED.set(store.room.usage.used)


def _measure_destinations(agent: "Agent") -> None:
    for gauge in (metrics.WAITING, metrics.DESTINATION_UP, metrics.QUEUE_DEPTH, metrics.OLDEST_AGE):
        gauge.clear()
    for name in agent.configuration.outlets:
        metrics.WAITING.labels(name).set(agent.store.waiting_count(name))
    for name, status, oldest in agent.outlets.measured():
        metrics.DESTINATION_UP.labels(name).set(status.state is DestinationState.HEALTHY)
        metrics.QUEUE_DEPTH.labels(name).set(status.in_memory)
        metrics.OLDEST_AGE.labels(name).set(oldest or 0.0)
