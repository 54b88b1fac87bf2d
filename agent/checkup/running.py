"""What the running agent says of itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent import __version__
from agent.checkup.case import Case
from agent.checkup.finding import Finding, Subject, parted
from agent.model import Json
from agent.paths import STORE

_AGENT: Final = Subject("agent")
_STATUS: Final = "`edge-relay status` shows more"


def examine_agent(case: Case, silence: str) -> Iterator[Finding]:
    """Repeat its problems and warnings; `silence`: why it does not answer although it seems to run."""
    if not case.running:
        yield _absent(case)
        return
    if silence:
        said, remedy = parted(silence, "restart it if it is stuck: `systemctl restart edge-relay`")
        found = _AGENT.problem if case.hangs else _AGENT.warning
        yield found("agent", said, remedy)
        return
    about = case.told.get("agent")
    version = str(about.get("version")) if isinstance(about, dict) else ""
    if version != __version__:
        said = f"it runs as version {version}, and this program is {__version__}"
        yield _AGENT.warning("version", said, "restart the agent: `systemctl restart edge-relay`")
    problems, warnings = _sentences(case.told.get("problems")), _sentences(case.told.get("attention"))
    # What is told with the source itself, or with its certificate, is not told twice.
    elsewhere = tuple(
        f"source {name}{end}" for name in case.parts.sources for end in (" is ", ": ", " cannot read ")
    )
    for sentence in problems:
        if not sentence.startswith((*elsewhere, "the wall clock is ")):
            yield _AGENT.problem("agent", *parted(sentence, _STATUS))
    for sentence in warnings:
        if not sentence.startswith((*elsewhere, "a certificate of ")):
            yield _AGENT.warning("agent", *parted(sentence, _STATUS))
    if not problems:
        yield _AGENT.good("agent", f"version {version} runs, and does all of its work")


def _absent(case: Case) -> Finding:
    """None runs: before the first start that is as it should be, and never again."""
    store = case.parts.agent.data_dir / STORE
    said = "no agent runs with this data directory"
    start = (
        f"`systemctl start edge-relay` starts it, `edge-relay run -c {case.path}` shows here why it does not"
    )
    if not _lies_there(store):
        return _AGENT.skipped("agent", said, start)
    killed = _lies_there(store.with_name(f"{STORE}-wal"))
    ended = "the last one was killed, or the machine lost its power" if killed else "the last one was stopped"
    why = ", `journalctl -u edge-relay -e` says why it ended" if killed else ""
    return _AGENT.problem("agent", f"{said}, nothing is watched; {ended}", f"{start}{why}")


def _lies_there(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except OSError:
        return False


def _sentences(value: Json) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
