"""The problems of one YAML file, each at its place."""

from pathlib import Path

from agent.config.yaml_text import Document, Keys, Plain, read_yaml
from agent.errors import ConfigError, Problem


class Notes:
    """A file as it is written, and what is wrong with it.

    Attributes:
        document: its data, and where everything stands.
        problems: as they were found.
    """

    def __init__(self, file: Path) -> None:
        """Read the file; raises ConfigError when it cannot be read."""
        self._name = str(file)
        try:
            content = file.read_bytes()
        except IsADirectoryError:
            text = f"a folder: name the files of tests in it, such as {file}/*.yaml"
            raise ConfigError([Problem(self._name, 0, 0, text)]) from None
        except OSError as error:
            raise ConfigError(
                [Problem(self._name, 0, 0, f"cannot be read ({error.strerror}): check the path")]
            ) from None
        self.document: Document = read_yaml(content, self._name)
        self.problems = list(self.document.problems)

    def report(self, path: Keys, text: str, *, at_key: bool = False) -> None:
        """Note a problem at a path, or at the nearest part of it that is in the file."""
        stands = path
        while stands and stands not in self.document.places:
            stands = stands[:-1]
        place = self.document.places.get(stands)
        if place is None:
            self.problems.append(Problem(self._name, 1, 1, text))
            return
        is_scalar = not isinstance(self._value(stands), dict | list | None)
        position = place.value if is_scalar and stands == path and not at_key else place.key
        self.problems.append(Problem(*position, text))

    def refuse(self) -> None:
        """Raise ConfigError if there is a problem, with all of them in the order of the file."""
        if self.problems:
            raise ConfigError(sorted(self.problems, key=lambda problem: (problem.line, problem.column)))

    def line(self, path: Keys) -> int:
        """In which line something stands."""
        return self.document.places[path].key.line

    def _value(self, path: Keys) -> Plain:
        data: Plain = self.document.data
        for step in path:
            if isinstance(data, dict):
                data = data.get(step)
            elif isinstance(data, list) and isinstance(step, int):
                data = data[step]
        return data
