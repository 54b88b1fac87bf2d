"""What to do next while an agent has nothing to show yet: one sentence, with the file and the command."""

from pathlib import Path
from typing import Final

from agent.config.model import Configuration

_DEFAULT: Final = Path("/etc/edge-relay")


def next_step(configuration: Configuration, path: Path, tags: int) -> str:
    """The first thing that is missing; empty once events of the plant reach somebody.

    Args:
        configuration: what is in force.
        path: its file or folder.
        tags: how many tags there are, those that were found too.
    """
    said = "" if path == _DEFAULT else f" -c {path}"
    reload = "" if configuration.watch else f", then `edge-relay reload{said}`"
    name = next(iter(configuration.sources), "SOURCE")
    if not configuration.sources:
        return (
            f"Nothing is read yet: name a source under `sources:` in {_file(path, 'sources')} "
            f"(`edge-relay browse URL{said}` finds what a device has){reload}"
        )
    if not tags:
        return (
            f"No tag is read yet: `edge-relay browse {name} --yaml{said}` prints tags to paste under "
            f"`{name}` in {_file(path, 'sources')}{reload}"
        )
    if not configuration.written_rules:
        return (
            f"No rule watches the tags yet: write one under `rules:` in {_file(path, 'rules')} "
            f"(such as `hot: {{tag: {next(iter(configuration.tags), 'TAG')}, high: 80}}`){reload}"
        )
    if not configuration.outlets:
        return (
            "Nobody is told of alarms yet: name a receiver under `destinations:` in "
            f"{_file(path, 'destinations')} (`edge-relay receiver` is one to try with){reload}"
        )
    return ""


def _file(path: Path, section: str) -> Path:
    """Where the starter has a section; of a configuration in one file, that."""
    return path if path.suffix in (".yaml", ".yml") else path / f"{section}.yaml"
