"""What the running agent says of itself."""

from collections.abc import Iterator
from typing import Final

from agent import __version__
from agent.checkup.case import Case
from agent.checkup.finding import Finding, Subject, parted
from agent.model import Json

_AGENT: Final = Subject("agent")
_STATUS: Final = "`edge-relay status` shows more"


def examine_agent(case: Case, silence: str) -> Iterator[Finding]:
    """Repeat its problems and warnings; `silence`: why it does not answer although it seems to run."""
    if not case.running:
        yield _AGENT.skipped(
            "agent", "no agent runs with this data directory", "`systemctl start edge-relay` starts it"
        )
        return
    if silence:
        said, remedy = parted(silence, "restart it if it is stuck: `systemctl restart edge-relay`")
        yield _AGENT.warning("agent", said, remedy)
        return
    about = case.told.get("agent")
    version = str(about.get("version")) if isinstance(about, dict) else ""
    if version != __version__:
        said = f"it runs as version {version}, and this program is {__version__}"
        yield _AGENT.warning("version", said, "restart the agent: `systemctl restart edge-relay`")
    problems, warnings = _sentences(case.told.get("problems")), _sentences(case.told.get("attention"))
    # What is told with the source itself, or with its certificate, is not told twice.
    elsewhere = tuple(f"source {name}{end}" for name in case.parts.sources for end in (" is ", ": "))
    for sentence in problems:
        if not sentence.startswith(elsewhere):
            yield _AGENT.problem("agent", *parted(sentence, _STATUS))
    for sentence in warnings:
        if not sentence.startswith((*elsewhere, "a certificate of ")):
            yield _AGENT.warning("agent", *parted(sentence, _STATUS))
    if not problems:
        yield _AGENT.good("agent", f"version {version} runs, and does all of its work")


def _sentences(value: Json) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
