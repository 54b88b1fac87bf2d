"""The files of the page, read once at the start and served from memory.

Rules for whoever changes this: what is served is a fixed list; no request ever becomes a path of the disk.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

from aiohttp import web

PAGE: Final = Path(__file__).parent / "page"
_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webmanifest": "application/manifest+json",
}
_INDEX: Final = "index.html"


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file, as it is and packed; `etag` tells one state of it from another."""

    type: str
    body: bytes
    packed: bytes
    etag: str

    @classmethod
    def of(cls, kind: str, body: bytes) -> Self:
        """Pack it."""
        return cls(kind, body, gzip.compress(body, mtime=0), f'W/"{sha256(body).hexdigest()[:16]}"')

    def answer(self, request: web.Request) -> web.Response:
        """Give it, packed for whoever takes that; no more than a word for whoever has it."""
        headers = {"Cache-Control": "no-cache", "ETag": self.etag, "Vary": "Accept-Encoding"}
        if self.etag in (tag.strip() for tag in request.headers.get("If-None-Match", "").split(",")):
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = self.type
        if _takes_gzip(request.headers.get("Accept-Encoding", "")):
            return web.Response(body=self.packed, headers=headers | {"Content-Encoding": "gzip"})
        return web.Response(body=self.body, headers=headers)


def read_page(folder: Path = PAGE) -> dict[str, PageFile]:
    """The page's files by their address; blocks on the disk."""
    files = {
        f"/{path.name}": PageFile.of(_TYPES[path.suffix], path.read_bytes())
        for path in sorted(folder.iterdir())
        if path.suffix in _TYPES and path.is_file()
    }
    if index := files.pop(f"/{_INDEX}", None):
        files["/"] = index
    return files


def _takes_gzip(accepted: str) -> bool:
    for each in accepted.lower().split(","):
        name, _, quality = each.partition(";")
        if name.strip() in {"gzip", "*"}:
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
