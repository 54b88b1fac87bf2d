"""What a body may have been before somebody changed it: what is tried when a signature does not fit.

A receiver verifies what is left after a proxy, a framework or an editor had the body in hand; most of
what they do can be undone or done again. Rules for whoever adds a habit: it is a candidate and a clue,
never a guess that is believed (the signature decides); any bytes may come, nothing here raises, and
the work is bounded.
"""

import base64
import gzip
import io
import zlib
from collections.abc import Iterator
from typing import Final

from agent.delivery.clue import Clue
from agent.delivery.reserialised import rewritings

_LONGEST: Final = 16_000_000  # bytes that a compressed body may become
_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"

_MORE_AT_END: Final = Clue(
    "newline_added",
    "over this body without the white space at its end",
    "An editor or `echo` puts a line feed there: save the body as it arrived "
    "(`printf %s`, `curl --data-binary`).",
)
_LESS_AT_END: Final = Clue(
    "newline_removed",
    "over this body with a line feed at its end",
    "`$(...)` of a shell and strip() take it away: keep the body as it arrived.",
)
_TO_CRLF: Final = Clue(
    "line_ends",
    "over this body with LF line ends where it has CRLF",
    "A file opened as text was written on Windows: open it as binary.",
)
_TO_LF: Final = Clue(
    "line_ends",
    "over this body with CRLF line ends where it has LF",
    "A file opened as text, or git, took the CR away: open it as binary.",
)
_MARKED: Final = Clue(
    "byte_order_mark",
    "over this body without the byte order mark at its beginning",
    "An editor put it there: save as UTF-8 without BOM.",
)
_COMPRESSED: Final = Clue(
    "body_compressed",
    "over this body after gunzip",
    "The signature is over what was there before it was compressed: decompress first, then verify.",
)
_BASE64: Final = Clue(
    "body_base64",
    "over this body decoded from base64",
    "An API gateway hands it over like that: decode it first, then verify.",
)
_CHARSET: Final = Clue(
    "body_charset",
    "over this body in UTF-8 as it was before it was read as Latin-1",
    "Something read the bytes as text in the wrong encoding: keep them as bytes.",
)
_EMPTY: Final = Clue(
    "body_empty",
    "over an empty body",
    "Something had read the body already when it was hashed: read it once, keep the bytes, and hash those.",
)


def candidates(body: bytes) -> Iterator[tuple[Clue, bytes]]:
    """Every way in which the body may have been otherwise, the likely ones first; none is the body itself."""
    seen = {body}
    for clue, other in _ways(body):
        if other not in seen:
            seen.add(other)
            yield clue, other


def _ways(body: bytes) -> Iterator[tuple[Clue, bytes]]:
    yield from ((_MORE_AT_END, body.removesuffix(end)) for end in (b"\n", b"\r\n"))
    yield _MORE_AT_END, body.rstrip()
    yield from ((_LESS_AT_END, body + end) for end in (b"\n", b"\r\n"))
    yield _TO_CRLF, body.replace(b"\r\n", b"\n")
    yield _TO_LF, body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    yield _MARKED, body.removeprefix(_BOM)
    yield _COMPRESSED, _gunzipped(body)
    yield _BASE64, _decoded(body)
    yield _CHARSET, _latin(body)
    yield from rewritings(body)
    yield _EMPTY, b""


def _gunzipped(body: bytes) -> bytes:
    if not body.startswith(_GZIP):
        return body
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            return file.read(_LONGEST)
    except (OSError, EOFError, zlib.error):
        return body


def _decoded(body: bytes) -> bytes:
    try:
        return base64.b64decode(body.strip(), validate=True) or body
    except ValueError:
        return body


def _latin(body: bytes) -> bytes:
    try:
        return body.decode().encode("latin-1")
    except UnicodeDecodeError:
        return body.decode("latin-1").encode()
    except UnicodeEncodeError:
        return body
