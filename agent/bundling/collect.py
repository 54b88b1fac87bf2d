"""Every part of the bundle: what it is called, what it tells, and who makes it.

Rules for whoever changes this: a part that cannot be had raises `MissingError` with the reason; a part that has a
bug is left out with its name, for a bundle is made when things are broken.
"""

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from shutil import copyfile
from typing import Final, NamedTuple

from agent.bundling.archive import Archive
from agent.bundling.asked import Asked, Condition, MissingError
from agent.bundling.outside import journal, output_of, process_facts, store_facts, unit, versions
from agent.bundling.redact import files_of, known_secrets, redacted, text_of
from agent.cli.opened import opened_desk
from agent.clock import Clock
from agent.config.agent_section import AgentSection, load_agent
from agent.desk import Desk
from agent.errors import ConfigError, EdgeRelayError
from agent.model import Json
from agent.paths import STORE
from agent.stamps import utc_text

Say = Callable[[str], None]

_UNUSED: Final = AgentSection(site="unknown", name="unknown")
_DATA_DIR: Final = re.compile(r"""data_dir:\s*["']?([^\s"',}#]+)""")
_COMMAND_WITHIN_S: Final = 90.0
_WITH_A_HUNG_AGENT_S: Final = 20.0  # a command that asks it waits for longer than anybody has
_STORE_WITHIN_S: Final = 60.0
_LARGEST_STORE: Final = 500_000_000
_ROWS: Final = "1000"


class Part(NamedTuple):
    """One file of the bundle; `make` gives its text, or raises why there is none."""

    name: str
    about: str
    make: Callable[[], Awaitable[str]]


async def collect(path: Path, clock: Clock, say: Say) -> Archive:
    """Make the bundle of the agent with this configuration."""
    section = _section(path)
    wall = clock.wall()
    stamp = re.sub(r"[-:]|\..*", "", utc_text(wall))
    who = re.sub(r"[^\w-]+", "-", f"{section.site}-{section.name}")
    archive = Archive(f"edge-relay-bundle-{who}-{stamp}Z", known_secrets(path), wall)
    asked = Asked(section.data_dir)
    await asked.look()
    say(f"the agent with the data directory {section.data_dir}: {asked.condition.value}")
    archive.first.append(f"the agent (data directory {section.data_dir}): {asked.condition.value}")
    _add_files(archive, path)
    parts = [*_machine(asked), *_commands(path, asked.condition), *_from_agent(asked), *_rows(asked, section)]
    made = await asyncio.gather(*(part.make() for part in parts), return_exceptions=True)
    for part, text in zip(parts, made, strict=True):
        _take(archive, part, text, say)
    return archive


def _take(archive: Archive, part: Part, text: str | BaseException, say: Say) -> None:
    match text:
        case str():
            archive.add(part.name, part.about, text)
            archive.first += _look_first(part.name, text)
            return
        case EdgeRelayError() | OSError():
            why = str(text)
        case Exception():
            why = f"a bug in making it: {type(text).__name__}: {text}"
        case _:
            raise text
    archive.leave_out(part.name, why)
    say(f"  not in it: {part.name}: {why.splitlines()[0] if why else type(text).__name__}")


def _look_first(name: str, text: str) -> Iterator[str]:
    """What of a part its reader should know at once."""
    if name == "process.txt" and re.search(r"^State:\s+T", text, re.MULTILINE):
        yield f"{name}: somebody has stopped it (State: T), `kill -CONT` and its number lets it go on"
    try:
        told = json.loads(text) if name in ("health.json", "check.json", "doctor.json") else None
    except ValueError:
        return
    if not isinstance(told, dict):
        return
    for problem in told.get("problems") or []:
        words = problem if isinstance(problem, str) else f"line {problem.get('line')}: {problem.get('text')}"
        if isinstance(problem, str) or problem.get("severity") == "error":
            yield f"{name}: {words}"
    for sentence in (told.get("warnings") if name == "health.json" else None) or []:
        yield f"{name}, to see to: {sentence}"
    for finding in told.get("findings") or []:
        if finding.get("verdict") == "problem":
            yield f"{name}: {finding.get('thing')}: {finding.get('said')}: {finding.get('remedy')}"


def _section(path: Path) -> AgentSection:
    """Who the agent is, from a configuration that may be broken."""
    try:
        return load_agent(path)
    except ConfigError:
        texts = [text_of(file) for file in files_of(path)]
        found = next((match[1] for text in texts if (match := _DATA_DIR.search(text))), None)
        if found is None:
            return _UNUSED
        folder = path if path.is_dir() else path.parent
        return _UNUSED.model_copy(update={"data_dir": folder / found})


def _add_files(archive: Archive, path: Path) -> None:
    """The configuration without its secrets; of all else beside it the names."""
    for file in files_of(path):
        name = f"configuration/{file.name}"
        if text := text_of(file):
            archive.add(name, "as it is on disk, secrets struck out (***)", redacted(text))
        else:
            archive.leave_out(name, "it is empty, or cannot be read by you: use sudo")
    if not files_of(path):
        archive.leave_out("configuration", f"there is no file at {path}, or none that you may see: use sudo")


def _machine(asked: Asked) -> list[Part]:
    async def facts() -> str:
        return versions()

    async def store() -> str:
        return store_facts(asked.data_dir)

    async def process() -> str:
        if asked.condition is Condition.CLOSED:
            raise MissingError(asked.condition.value)  # who it is does not tell either
        return process_facts(asked.pid)

    return [
        Part("versions.txt", "edge-relay, Python, system, libraries", facts),
        Part("store.json", "files of the data directory and disk; no content", store),
        Part("process.txt", "what the kernel says of the agent and its threads", process),
        Part("unit.txt", "the systemd unit's state", unit),
        Part("journal.txt", "the unit's last 5,000 lines", journal),
    ]


def _commands(path: Path, condition: Condition) -> list[Part]:
    within = _WITH_A_HUNG_AGENT_S if condition is Condition.HANGS else _COMMAND_WITHIN_S

    def command(*words: str) -> Callable[[], Awaitable[str]]:
        # A process of its own: whatever it runs into, the bundle is made.
        return lambda: output_of([sys.executable, "-m", "agent", *words, "-c", str(path.absolute())], within)

    return [
        Part(
            "check.json", "every problem of the configuration: edge-relay check", command("check", "--json")
        ),
        Part("rules.txt", "the rules as sentences: edge-relay explain", command("explain")),
        Part("doctor.json", "clock, disk, names, links: edge-relay doctor", command("doctor", "--json")),
    ]


def _from_agent(asked: Asked) -> list[Part]:
    def get(path: str) -> Callable[[], Awaitable[str]]:
        return lambda: asked.get(path)

    async def lines(path: str) -> str:
        told = json.loads(await asked.get(path))
        return "\n".join(line for each in told.values() for line in [*each, ""])

    async def stacks() -> str:
        hangs = asked.condition is Condition.HANGS
        return await (asked.stacks_by_signal() if hangs else lines("/api/stacks"))

    return [
        Part("health.json", "what is wrong in the agent's own words", get("/health")),
        Part("status.json", "all of its state", get("/api/status")),
        Part("metrics.txt", "its counters", get("/metrics")),
        Part("log.txt", "the last 1,000 lines that it logged", lambda: lines("/api/log")),
        Part("stacks.txt", "what it is doing: every task and thread", stacks),
    ]


def _rows(asked: Asked, section: AgentSection) -> list[Part]:
    """Events and what became of them; of an agent that does not answer from a copy of its store."""
    copied: list[asyncio.Task[Sequence[Json]]] = []
    names = ("events", "deadletters", "audit", "inbound")

    def rows(index: int) -> Callable[[], Awaitable[str]]:
        async def make() -> str:
            if asked.condition is Condition.ANSWERS:
                return await asked.get(f"/api/{names[index]}?limit={_ROWS}")
            if not copied:
                copied.append(asyncio.create_task(_from_copy(section), name="copy of the store"))
            async with asyncio.timeout(_STORE_WITHIN_S):
                return json.dumps((await asyncio.shield(copied[0]))[index], indent=1, ensure_ascii=False)

        return make

    abouts = (
        "the last 1,000 events and their deliveries",
        "the last 1,000 dead letters with the reason",
        "what messages asked for, and what became of it",
        "messages that came in, without their bodies",
    )
    return [
        Part(f"{name}.json", about, rows(index))
        for index, (name, about) in enumerate(zip(names, abouts, strict=True))
    ]


async def _from_copy(section: AgentSection) -> Sequence[Json]:
    """The rows of a copy: opening the store itself would mend it, and leave files of another owner.

    Raises:
        EdgeRelayError: there is none, it is too large, or cannot be opened.
    """
    files = [section.data_dir / f"{STORE}{suffix}" for suffix in ("", "-wal")]
    try:
        present = [file for file in files if file.exists()]
        if not present or sum(file.stat().st_size for file in present) > _LARGEST_STORE:
            raise MissingError(f"no agent answers, and {files[0]} is not there, or too large to be copied")
        with tempfile.TemporaryDirectory(prefix="edge-relay-") as folder:
            for file in present:
                await asyncio.to_thread(copyfile, file, Path(folder, file.name))
            async with opened_desk(section.model_copy(update={"data_dir": Path(folder)})) as desk:
                return await _asked_of(desk)
    except OSError as error:
        raise MissingError(f"{error.filename}: {error.strerror}") from None


async def _asked_of(desk: Desk) -> Sequence[Json]:
    most = {"limit": _ROWS}
    answers = (desk.events, desk.dead_letters, desk.audit, desk.inbox)
    return [list(await answer(most)) for answer in answers]
