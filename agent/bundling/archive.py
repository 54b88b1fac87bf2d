"""The file itself: parts in a tar.gz that only its owner may read, with a manifest in front."""

import io
import os
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.bundling.redact import covered
from agent.model import SECOND

LARGEST_PART: Final = 4_000_000
LARGEST: Final = 20_000_000
"""Of all parts before they are compressed, bytes."""


@dataclass
class Archive:
    """A bundle that grows part by part.

    Attributes:
        root: the folder in it.
        secrets: what must not stand in any part.
        wall: of the files in it, nanoseconds since 1970 UTC.
        first: what the reader should look at first, a sentence each.
    """

    root: str
    secrets: list[str]
    wall: int
    first: list[str] = field(default_factory=list)
    _parts: dict[str, bytes] = field(default_factory=dict)
    _listed: list[str] = field(default_factory=list)
    _left_out: list[str] = field(default_factory=list)

    def add(self, name: str, about: str, text: str) -> None:
        """Put a part in; of one that is too large the end, which is the newest of a log."""
        content = covered(text, self.secrets).encode("utf-8", "backslashreplace")
        room = min(LARGEST_PART, LARGEST - sum(map(len, self._parts.values())))
        cut = len(content) - room
        if cut > 0:
            content = content[cut:]
            about += f" (the last {room:,} bytes; {cut:,} before them are left out, it is too large)"
        self._parts[name] = content
        self._listed.append(f"  {name:<24} {about}")

    def leave_out(self, name: str, why: str) -> None:
        """Say why a part is not there."""
        self._left_out.append(f"  {name:<24} {covered(why, self.secrets)}")

    def manifest(self) -> str:
        """What is in it, what is not, and where to begin."""
        first = [f"  {covered(each, self.secrets)}" for each in self.first] or [
            "  nothing is known to be wrong: log.txt, events.json"
        ]
        never = (
            "  secrets (*** in the configuration), message bodies, what is in the store beside the lists above, "
            "vendors' lists,\n  certificates and keys. Texts that devices and receivers sent stand in the log and in reasons."
        )
        return "\n".join(
            [
                *(self.root, "", "Look first at:", *first),
                *("", "What is in it:", *self._listed),
                *("", "What could not be had:", *(self._left_out or ["  nothing"])),
                *("", "What is never in it:", never, ""),
            ]
        )

    def write(self, path: Path) -> None:
        """Write it anew, for its owner alone.

        Raises:
            OSError: it is there already, or cannot be written.
        """
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "wb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as tar:
            for name, content in {"MANIFEST.txt": self.manifest().encode(), **self._parts}.items():
                entry = tarfile.TarInfo(f"{self.root}/{name}")
                entry.size, entry.mode, entry.mtime = len(content), 0o600, self.wall // SECOND
                tar.addfile(entry, io.BytesIO(content))
