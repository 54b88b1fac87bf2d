"""What the other cells of a vendor's list say: names, ranges, access, the order of bytes, invalid codes.

Rules for whoever changes this: one function a kind of cell; None: the cell is none of that kind.
"""

import re
from typing import Final, Literal

from agent.config.register_map.numbers import NUMBER, number, whole_number

_ORDERS: Final = {
    "abcd": "ABCD", "cdab": "CDAB", "badc": "BADC", "dcba": "DCBA",
    **dict.fromkeys(("big endian", "bigendian", "big", "be", "msw first", "high word first", "hi lo", "msb first", "normal", "motorola",
                     "ab cd", "1234"), "ABCD"),
    **dict.fromkeys(("lsw first", "low word first", "word swap", "word swapped", "swapped", "lo hi", "cd ab", "mid little endian",
                     "3412", "little endian word swap"), "CDAB"),
    **dict.fromkeys(("byte swap", "byte swapped", "mid big endian", "ba dc", "2143"), "BADC"),
    **dict.fromkeys(("lsb first", "intel", "dc ba", "4321"), "DCBA"),
}  # fmt: skip
_EITHER_ORDER: Final = {"little endian", "littleendian", "little", "le"}
_READ: Final = {"r", "ro", "r/o", "read", "read only", "readonly", "lesen", "nur lesen", "l", "input"}
_BOTH: Final = {"rw", "r/w", "wr", "w/r", "read/write", "read write", "readwrite", "lesen/schreiben", "l/s", "ls",
                "r w", "lesen schreiben", "output"}  # fmt: skip
_WRITE: Final = {"w", "wo", "w/o", "write", "write only", "writeonly", "schreiben", "nur schreiben", "s"}
_NOT_USED: Final = re.compile(  # and no more than that: `Reserve power` is a value
    r"(?:reserved?|reserviert|unused|not used|spare|frei|nicht belegt|nicht verwendet|n/a|dummy|placeholder|platzhalter)"
    r"[\s\d_().:-]*",
    re.IGNORECASE,
)
_SPAN: Final = re.compile(
    rf"\[?\s*({NUMBER})\s*(?:\.\.+|…|-|\u2013|\u2014|~|;|/|to|bis|\.\.)\s*({NUMBER})\s*\]?\s*([^\d\s].*)?"
)
_SPAN_WITH_COMMA: Final = re.compile(rf"\[\s*({NUMBER}?)\s*,\s*({NUMBER})\s*\]")
_NO_UNIT: Final = {"none", "keine", "ohne", "/", "1", "n/a", "-", "."}
_IN_BRACKETS: Final = re.compile(r"\[.*?\]")
_BETWEEN_WORDS: Final = re.compile(r"[^\w.]+")
_LONGEST_NAME: Final = 80
_RESERVED: Final = "import"


def tag_name(text: str, unit: str = "") -> str:
    """Make of a vendor's name one that rules can use; empty: there is nothing to make it of.

    `Wirkleistung L1 [W]` is Wirkleistung_L1, and so is `Wirkleistung L1 (W)` beside the unit W; a name
    that is one word already stays (TT-101 as well), but for the key that stands among the tags itself.
    """
    if re.fullmatch(r"\w[\w.-]*", text) and len(text) <= _LONGEST_NAME:
        return text if text != _RESERVED else f"{text}_"
    bare = _IN_BRACKETS.sub(" ", text).replace(f"({unit})", " ").strip() or text
    return _BETWEEN_WORDS.sub("_", bare)[:_LONGEST_NAME].strip("_.")


def is_not_used(text: str) -> bool:
    """Whether a name says that there is no value: Reserved, frei."""
    return bool(_NOT_USED.fullmatch(text.strip()))


def read_access(text: str) -> Literal["read", "write-only"] | None:
    """Whether what stands there can be read."""
    bare = " ".join(text.lower().replace("-", " ").replace("_", " ").split())
    if bare in _WRITE:
        return "write-only"
    return "read" if bare in _READ | _BOTH else None


def read_order(text: str) -> str | None:
    """The order of bytes.

    Raises:
        ValueError: it could be two.
    """
    bare = " ".join(re.sub(r"[^\w]+|_", " ", text.lower()).split())
    if bare in _EITHER_ORDER:
        raise ValueError(
            f"`{text}` is CDAB (low word first) in most manuals and DCBA in others: write one of them; "
            "`edge-relay probe` tells which"
        )
    return _ORDERS.get(bare)


def read_range(text: str, *, comma: bool) -> tuple[float, float] | None:
    """Read `0...100`, `-50 .. 150`, `0-100`, `0 bis 100 °C`, `[0; 100]`.

    Raises:
        ValueError: a number in it could be two.
    """
    match = _SPAN.fullmatch(text.strip()) or _SPAN_WITH_COMMA.fullmatch(text.strip())
    if match is None:
        return None
    low, high = number(match[1].rstrip(".,"), comma=comma), number(match[2].rstrip(".,"), comma=comma)
    return None if low is None or high is None else (low, high)


def read_unit(text: str) -> str:
    """The unit as it is to be shown, out of its brackets; empty: none."""
    bare = text.strip("[]() ")
    return "" if bare.lower() in _NO_UNIT else bare


def read_codes(text: str) -> list[int] | None:
    """Read the codes that mean "no value": `0x8000`, `8000h, FFFFh`, `65535`."""
    codes = []
    for part in re.split(r"[\s,;/|]+", text.strip()):
        sign, digits = (-1, part[1:]) if part.startswith(("-", "\N{MINUS SIGN}")) else (1, part)
        code = whole_number(digits)
        if code is None:
            return None
        codes.append(sign * code)
    return codes
