"""Each mistake an engineer can make has its file, its position and its exact words."""

from pathlib import Path

import pytest

from agent.config.load import load
from agent.errors import ConfigError

FOLDER = Path(__file__).parent / "bad"
EXPECT = "# expect: "


def problems_of(path):
    """The problems as the files of the folder write them."""
    with pytest.raises(ConfigError) as refused:
        load(Path(path.name), {})
    return [
        f"{problem.line}:{problem.column}: {'warning: ' * (problem.severity == 'warning')}{problem.text}"
        for problem in refused.value.problems
    ]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_mistake_is_named_with_its_place_and_its_remedy(path, monkeypatch):
    """All of it comes out in one run, in the order of the file, and nothing else does."""
    monkeypatch.chdir(FOLDER)
    lines = path.read_text().splitlines()
    expected = [line.removeprefix(EXPECT) for line in lines if line.startswith(EXPECT)]

    assert problems_of(path) == expected


def test_the_folder_was_found():
    """An empty folder would pass the test above."""
    assert len(list(FOLDER.glob("*.yaml"))) > 80
