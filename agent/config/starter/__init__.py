"""What `edge-relay init` writes: a configuration that runs, and shows every option.

Rules for whoever changes the YAML files here: they load as they are; a line `#key:` is an option,
and with every such line taken in they load as well; above each stands one sentence. A default that
is shown is the default. (`tests/config/test_starter.py` holds all of it.)
"""

from importlib.resources import files
from pathlib import Path
from typing import Final

_FILES: Final = (
    "agent.yaml",
    "destinations.yaml",
    "inbound.yaml",
    "sources.yaml",
    "rules.yaml",
    "tests/rules.yaml",
)


def write_starter(directory: Path) -> list[Path]:
    """Write the starter configuration into a folder, which is made if need be; give what was written.

    Raises:
        FileExistsError: the folder has a configuration; nothing was written.
        OSError: the folder cannot be written to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if known := sorted([*directory.glob("*.yaml"), *directory.glob("tests/*.yaml")]):
        raise FileExistsError(f"{known[0]} is there already: nothing was written; name another folder")
    paths = [directory / name for name in _FILES]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            name = path.relative_to(directory).as_posix()
            file.write(files(__name__).joinpath(name).read_text(encoding="utf-8"))
    return paths
