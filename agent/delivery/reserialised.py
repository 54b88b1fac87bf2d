"""What JSON looks like after a program parsed it and wrote it again, and what it looked like before.

White space is changed token by token, which keeps every letter and number; how languages write
letters and numbers comes after that. JavaScript has one kind of number: it writes 20.0 as 20, and
what it took away is tried in all places where it may have stood, as long as they are few.

Rules for whoever adds a habit: any bytes may come, nothing here raises, and the work is bounded.
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import product
from math import isinf
from typing import Final

from agent.delivery.clue import RAW, Clue

_AGAIN: Final = f"It was parsed and written again on the way. {RAW}"
_COMPACT: Final = Clue(
    "body_reserialised", "over this body without the white space between its JSON tokens", _AGAIN
)
_SPACED: Final = Clue(
    "body_reserialised", "over this body with other white space between its JSON tokens", _AGAIN
)
_ESCAPES: Final = Clue(
    "body_reserialised",
    "over this body with its letters or numbers written otherwise (\\u escapes, 1e-07 for 1e-7)",
    _AGAIN,
)
_NUMBERS: Final = Clue(
    "body_reserialised",
    "over this body with its numbers as JavaScript writes them (20 for 20.0)",
    f"JSON.stringify wrote again what had been parsed. {RAW}",
)
_POINTS: Final = Clue(
    "body_reserialised",
    "over this body with 20.0 where it has 20",
    f"JavaScript parsed it and wrote it again, which takes `.0` away. {RAW}",
)
_QUOTED: Final = Clue(
    "body_quoted",
    "over the text that this body holds as a JSON string",
    "It was encoded twice, or taken from a log: verify what arrived.",
)
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|\s+|-?[0-9][0-9.eE+-]*|[^"\s]', re.DOTALL)
# Of our own events these are counted, never measured.
_COUNTS: Final = (b'"schema"', b'"seq"', b'"previous"', b'"severity"', b'"occurrence"', b'"repeat"')
_FEW: Final = 8  # numbers: 255 ways
_FIXED: Final = (1e-6, 1e21)  # between these JavaScript writes no exponent


def rewritings(body: bytes) -> Iterator[tuple[Clue, bytes]]:
    """Every way in which a JSON body may have been written before, or was written again; none for another body."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return
    if isinstance(value, str):
        yield _QUOTED, value.encode(errors="surrogatepass")
        return
    tokens = [token for token in _TOKEN.findall(body.strip()) if not token.isspace()]
    yield _COMPACT, _spaced(tokens, b",", b":")
    yield _SPACED, _spaced(tokens, b", ", b": ")
    for ascii_only in (False, True):
        for clue, separators, indent in (
            (_ESCAPES, (",", ":"), None),
            (_ESCAPES, (", ", ": "), None),
            (_SPACED, None, 2),
            (_SPACED, None, 4),
        ):
            try:
                text = json.dumps(value, ensure_ascii=ascii_only, separators=separators, indent=indent)
            except RecursionError:  # it is written less deep than it is read
                return
            yield clue, text.encode(errors="surrogatepass")
    yield _NUMBERS, b"".join(map(_javascript, tokens))
    yield from ((_POINTS, restored) for restored in _points_restored(tokens))


def _spaced(tokens: list[bytes], comma: bytes, colon: bytes) -> bytes:
    return b"".join({b",": comma, b":": colon}.get(token, token) for token in tokens)


def _javascript(token: bytes) -> bytes:
    """A token as JSON.stringify writes it."""
    if token.startswith(b'"'):
        try:
            return json.dumps(json.loads(token), ensure_ascii=False).encode()
        except ValueError:  # half of a letter beyond U+FFFF
            return token
    if not token[-1:].isdigit():
        return token
    value = float(token)
    if value == 0 or isinf(value):
        return b"null" if value else b"0"
    if _FIXED[0] <= abs(value) < _FIXED[1]:
        return format(Decimal(repr(value)), "f").removesuffix(".0").encode()
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa}e{int(exponent):+d}".encode() if exponent else token


def _points_restored(tokens: list[bytes]) -> Iterator[bytes]:
    whole = [
        place
        for place, token in enumerate(tokens)
        if token.lstrip(b"-").isdigit() and (place < 2 or tokens[place - 2] not in _COUNTS)  # noqa: PLR2004 - key, colon, number
    ]
    ways = product((b".0", b""), repeat=len(whole)) if len(whole) <= _FEW else [(b".0",) * len(whole)]
    for ends in ways:
        restored = tokens.copy()
        for place, end in zip(whole, ends, strict=True):
            restored[place] += end
        yield b"".join(restored)
