"""What somebody should see to although the agent does its work: told by status, /health and the page.

Rules for whoever changes this: a sentence names the thing, why, and the command that helps; what is no longer
so is no longer told; it is asked twice a second while a page is open.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING, Final

from agent.intake import named
from agent.paths import STORE
from agent.store.limits import LEAST_FREE
from agent.store.notices import size_text

if TYPE_CHECKING:
    from agent.app import Agent

_FLAPS: Final = 3  # losses in ten minutes: a switch that restarts makes one or two


def warnings(agent: "Agent") -> Sequence[str]:
    """All of it, a sentence each."""
    return [
        *_of_sources(agent),
        *agent.outlets.delayed(),
        *agent.outlets.holding.warnings(),
        *agent.intakes.expiring,
        *agent.outlets.renewals.expiring,
        *_of_disk(agent),
        *([agent.site.refused] if agent.site.refused else []),
        *_of_configuration(agent.reloader.rejected),
        *_of_letters(agent.store.dead_count()),
        *_began_anew(agent.configuration.agent.data_dir),
    ]


def _of_sources(agent: "Agent") -> Iterator[str]:
    at_work = agent.intakes.at_work.items()
    for name, intake in at_work:
        if intake.pause:
            yield f"source {name} is {intake.reason}; `edge-relay resume source:{name}` ends it"
    for name, intake in at_work:
        if intake.late:
            yield f"source {name}: nothing comes of {named(set(intake.late))}"
    for name, intake in at_work:
        if intake.bad:
            yield _unreadable(name, intake.bad, intake.tags)
    for name, intake in at_work:
        times, why = intake.losses
        if times >= _FLAPS:
            yield f"source {name} has lost its connection {times} times in the last 10 min: {why}"


def _unreadable(name: str, bad: Mapping[str, str], tags: int) -> str:
    tag, why = next(iter(bad.items()))
    first = why if why.startswith(tag) else f"{tag}: {why}"  # some reasons begin with the name
    if len(bad) == 1:
        return f"source {name} cannot read {first}"
    return f"source {name}: {len(bad)} of {tags} tags cannot be read, first {first}"


def _of_disk(agent: "Agent") -> Iterator[str]:
    where = agent.configuration.agent.data_dir
    free = disk_usage(where).free
    if agent.store.room.ballast.spent or free < LEAST_FREE:
        yield (
            f"the disk of {where} is full, or nearly, {size_text(free)} are free: "
            "make room, `sudo edge-relay doctor` says how"
        )


def _of_configuration(rejected: Sequence[str]) -> Iterator[str]:
    if rejected:
        more = f", and {len(rejected) - 1} more" if len(rejected) > 1 else ""
        yield (
            f"a changed configuration is refused, the old one goes on: {rejected[0]}{more}; "
            "`edge-relay check` lists all, `edge-relay reload` takes up the corrected one"
        )


def _of_letters(dead: int) -> Iterator[str]:
    if dead:
        many = "1 event was" if dead == 1 else f"{dead} events were"
        yield f"{many} given up (dead letters): `edge-relay deadletters` says why, and how to send them"


def _began_anew(data_dir: Path) -> Sequence[str]:
    """A damaged store was moved aside: somebody should know until he has seen to it, and taken the file away."""
    aside = sorted(data_dir.glob(f"{STORE}.damaged-*Z"))
    return [
        f"the store was damaged and began anew, what could not be salvaged is lost; the old file is {file}: "
        "see to the disk (`edge-relay doctor`), and delete the file when nobody needs it"
        for file in aside[-1:]
    ]
