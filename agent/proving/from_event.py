"""A raised event with its samples, as a unit test: what happened once shall be found again for ever.

    recorded samples -> a grid of samples -> signals as run lengths -> the engine's timeline over them -> YAML

Rules for whoever changes it: the expectation is what the engine makes of the very signals that are written, so
the test passes as it is; what the grid rounded is said in the head of the file.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from agent.config.fields import format_duration
from agent.config.model import Configuration
from agent.errors import EdgeRelayError
from agent.model import MILLISECOND, SECOND, Event, EventType, Json
from agent.proving.compile_test import UnitTest
from agent.proving.expectations import condition_of
from agent.proving.gridded import Gridded, gridded
from agent.proving.load_tests import load_tests
from agent.proving.replay import needed, replay
from agent.proving.sections import EVENT_WORDS
from agent.proving.unit_tests import Played, judge, play_test
from agent.rules.spec import AlarmSpec, Rate, RuleSpec, Window
from agent.stamps import utc_text
from agent.store.chunks import COMMAND, command_of
from agent.store.samples import Recorded

_AROUND: Final = 5 * SECOND
_TAIL: Final = 600 * SECOND
_WIDTH: Final = 100
_PLAIN: Final = re.compile(r"[A-Za-z_][\w.-]*")
_WORDS: Final = {kind: word for word, kind in EVENT_WORDS.items()}


@dataclass(frozen=True, slots=True)
class Incident:
    """The event; instants are UTC nanoseconds, `digest` is that of the rule then."""

    id: str
    type: str
    instance: str
    at: int
    onset: int
    agent: str
    digest: str


def interval_of(configuration: Configuration, incident: Incident) -> tuple[int, int]:
    """From when to when samples are wanted."""
    lead = max(map(_lead, needed(configuration, incident.instance)))
    return incident.onset - lead - _TAIL, incident.at + _TAIL


def _lead(rule: RuleSpec) -> int:
    """What must have been seen before the onset: windows are full, and gates have settled."""
    overs = [measure.over for measure in rule.measures if isinstance(measure, Window | Rate)]
    waits = [each.say.wait for each in rule.conditions] if isinstance(rule, AlarmSpec) else [0]
    return sum(overs) + max(waits) + rule.gate.settle


def unit_test_of(
    configuration: Configuration, incident: Incident, sessions: Sequence[Recorded], rules: str
) -> str:
    """Write the test as a YAML file; `rules` is the configuration's path as it stands there.

    Raises:
        EdgeRelayError: the samples do not reach back to it, or a value has no form in a test.
    """
    specs = needed(configuration, incident.instance)
    span = _span(configuration, incident, sessions)
    grid = gridded(configuration, sessions, specs, span, incident.onset)
    first = f"rules: {json.dumps(rules)}"
    body = [first, *_body(incident, grid, list(_hands(specs, sessions, grid.begin, span[1])))]
    played = _played([*body, "    expect: []"], configuration)
    if played.refused:  # what was done before belongs to an alarm that is not in the test
        body = [first, *_body(incident, grid, [])]
        played = _played([*body, "    expect: []"], configuration)
    events = [event for event in played.events if event.type in _WORDS]
    again = any(event.type == incident.type and event.subject == incident.instance for event in events)
    expected = ["    expect:", *(f"      - {_expectation(each)}" for each in events)]
    lines = [*_head(incident, configuration, grid, again=again), *body]
    text = "\n".join([*lines, *(expected if events else ["    expect: []"]), ""])
    if wrong := judge(_loaded(text, configuration), configuration).problem:
        raise EdgeRelayError(
            f"the test that was made does not pass, which is a defect of edge-relay: {wrong}; report it with what `edge-relay bundle` collects"
        )
    return text


def _span(configuration: Configuration, incident: Incident, sessions: Sequence[Recorded]) -> tuple[int, int]:
    """From a little before the onset until it has returned, or a little after it was raised."""
    first, last = sessions[0].begin + sessions[0].offset, sessions[-1].until + sessions[-1].offset
    if first > incident.onset or last < incident.at:
        raise EdgeRelayError(
            f"the samples that are kept begin at {utc_text(first)} and end at {utc_text(last)}: the event is of "
            f"{utc_text(incident.at)}"
        )
    lead = max(map(_lead, needed(configuration, incident.instance)))
    told = replay(configuration, incident.instance, sessions).told
    after = [event.at for event in told if event.at > incident.at and event.type == "alarm.returned"]
    end = after[0] if after else incident.at
    return max(first, incident.onset - lead - _AROUND), min(last, end + _AROUND)


# --- the text -----------------------------------------------------------------------------------------


def _head(incident: Incident, configuration: Configuration, grid: Gridded, *, again: bool) -> Iterator[str]:
    yield f"# {incident.type} of {incident.instance}, {incident.id}"
    yield f"# told by {incident.agent} at {utc_text(incident.at)}; rule {incident.digest}"
    yield "# From the agent's own samples: edge-relay test --from-event"
    if grid.moved:
        yield (
            f"# A sample each {format_duration(grid.every)}: samples that came between were moved by up to "
            f"{format_duration(-(-grid.moved // MILLISECOND) * MILLISECOND)}."
        )
    if grid.left_out:
        yield f"# {grid.left_out} samples that came sooner after each other than that were left out."
    present = next(rule.digest for rule in configuration.rules if rule.name == incident.instance)
    if present != incident.digest:
        yield f"# The rule has been changed since: it is {present} now."
    if not again:
        yield "# As it is configured now, the rule does NOT tell this event of these samples."


def _body(incident: Incident, grid: Gridded, hands: Sequence[str]) -> Iterator[str]:
    yield "tests:"
    yield f"  - name: {json.dumps(f'{incident.instance} on {utc_text(incident.at)}', ensure_ascii=False)}"
    yield f"    start: {utc_text(grid.begin)[:19]}Z"
    yield f"    every: {format_duration(grid.every)}"
    yield f"    only: [{json.dumps(incident.instance, ensure_ascii=False)}]"
    if grid.signals:
        yield "    signals:"
    for tag, words in grid.signals.items():
        yield from _signal(tag, words)
    if grid.links:
        yield "    sources:"
        for source, words in grid.links.items():
            yield from _signal(source, words)
    if grid.restarts:
        each = (f"{{at: {format_duration(at)}, down: {format_duration(down)}}}" for at, down in grid.restarts)
        yield f"    restart: [{', '.join(each)}]"
    if hands:
        yield "    do:"
        yield from (f"      - {hand}" for hand in hands)


def _signal(name: str, words: Sequence[str]) -> Iterator[str]:
    key = name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)
    text = ", ".join(words)
    if len(text) <= _WIDTH:
        yield f"      {key}: {json.dumps(text, ensure_ascii=False)}"
        return
    yield f"      {key}: >-"
    line = ""
    for word in words:
        if line and len(line) + len(word) > _WIDTH:
            yield f"        {line}"
            line = ""
        line += f"{' ' if line else ''}{word},"
    yield f"        {line.rstrip(',')}"


def _hands(specs: Sequence[RuleSpec], sessions: Sequence[Recorded], begin: int, end: int) -> Iterator[str]:
    """What operators did meanwhile."""
    for recorded in sessions:
        for rule, hold in [(r.name, h) for r in specs for h in recorded.tracks.get((COMMAND, r.name), ())]:
            done = command_of(rule, hold)
            at = done.at + recorded.offset - begin
            if not 0 <= at <= end - begin:
                continue
            words: dict[str, Json] = {"at": _milliseconds(at), done.action.value: rule, "by": done.by}
            if done.reason:
                words["reason"] = done.reason
            if done.until is not None:
                words["for"] = _milliseconds(done.until - done.at)
            if done.one_shot:
                words["one_shot"] = True
            yield json.dumps(words, ensure_ascii=False)


def _milliseconds(nanoseconds: int) -> str:
    return format_duration(nanoseconds // MILLISECOND * MILLISECOND)


def _expectation(event: Event) -> str:
    earliest = event.at // MILLISECOND * MILLISECOND
    at = format_duration(earliest)
    if event.at > earliest:
        at += f"..{format_duration(earliest + MILLISECOND)}"
    condition = condition_of(event)
    subject = condition if event.type is EventType.AGENT_FLOOD else f"{event.subject} {condition}".rstrip()
    return f"{{at: {at}, {_WORDS[event.type]}: {json.dumps(subject, ensure_ascii=False)}}}"


# --- proving it ---------------------------------------------------------------------------------------


def _played(lines: Sequence[str], configuration: Configuration) -> Played:
    """What the engine tells of the signals."""
    return play_test(_loaded("\n".join(lines), configuration), configuration)


def _loaded(text: str, configuration: Configuration) -> UnitTest:
    """As `edge-relay test` reads it."""
    with TemporaryDirectory(prefix="edge-relay-") as folder:
        file = Path(folder) / "test.yaml"
        file.write_text(text, encoding="utf-8")
        [test] = load_tests(file, file, lambda _: configuration).tests
    return test
