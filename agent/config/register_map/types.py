"""What a vendor calls a type: U16, S32, FLOAT, REAL, DINT, Bitfield, STRING(16) as a type of this house.

Rules for whoever changes this: a word that does not tell its size (`unsigned`) takes it from the column
of lengths or is refused; what this program cannot decode is refused by its name, never taken for a
neighbour.
"""

import re
from typing import Final, NamedTuple

_EXACT: Final = {
    "int16": "int16 s16 i16 sint16 16int 16bitint 16bitsigned signed16 signed16bit int16signed short 16bitinteger",
    "uint16": "uint16 u16 ui16 word 16uint 16bitunsigned unsigned16 unsigned16bit ushort uword enum16 bitfield16 bitmap16 "
    "hex16 16bituint 16bitword flags16 unsignedshort u16bit count16",
    "int32": "int32 s32 i32 dint 32int 32bitint 32bitsigned signed32 signed32bit long slong sint32 32bitinteger",
    "uint32": "uint32 u32 ui32 udint dword 32uint 32bitunsigned unsigned32 unsigned32bit ulong acc32 enum32 bitfield32 "
    "bitmap32 hex32 doubleword 32bituint flags32 unsignedlong",
    "int64": "int64 s64 i64 lint 64int 64bitint 64bitsigned signed64 signed64bit longlong sint64",
    "uint64": "uint64 u64 ui64 ulint lword 64uint 64bitunsigned unsigned64 unsigned64bit acc64 bitfield64 64bituint",
    "float32": "float32 f32 32float real32 single ieee32 32bitfloat 32bitfloatingpoint 32bitreal float32bit",
    "float64": "float64 f64 64float lreal double real64 ieee64 64bitfloat 64bitfloatingpoint",
    "bit": "bool boolean bit binary coil digital flag 1bit",
}
_FAMILIES: Final = {
    "int": "int integer signed signedint signedinteger sint",
    "uint": "uint unsigned unsignedint unsignedinteger bitfield bitmap bitmask flags enum enumeration hex register",
    "float": "float real ieee754 ieee floatingpoint fliesskomma fließkomma gleitkomma ieee754float floatieee754",
}
_USUAL: Final = {"int": 16, "uint": 16, "float": 32, "real": 32, "ieee754": 32, "ieee": 32}
"""Bits of the words that IEC 61131-3 and IEEE 754 give a size, where no column says another."""
_TYPES: Final = {word: name for name, words in _EXACT.items() for word in words.split()}
_FAMILY: Final = {word: name for name, words in _FAMILIES.items() for word in words.split()}
_SIZES: Final = {"int": (16, 32, 64), "uint": (16, 32, 64), "float": (32, 64)}
_TEXT: Final = re.compile(
    r"(?:string|str|char|chars|character|characters|ascii|text|utf8|varchar|visiblestring|zeichenkette)"
    r"(?:array)?[(\[:]?(\d{0,3})[)\]]?"
)
_ORDER: Final = re.compile(r"[(\[,]?\b(abcd|cdab|badc|dcba)\b[)\]]?")
_FILLING: Final = re.compile(r"[\s_\-.]+")
_BIT: Final = re.compile(r"bit(\d{1,2})")
BITS: Final = {"int16": 16, "uint16": 16, "int32": 32, "uint32": 32, "int64": 64, "uint64": 64,
               "float32": 32, "float64": 64}  # fmt: skip


class TypeWord(NamedTuple):
    """What a cell says of a type.

    Attributes:
        name: the type, where the word tells it all; `string` and `bit` among them; empty: `family` and a size.
        family: int, uint or float.
        usual: bits of that family where nothing else is said; 0: none is usual.
        characters: of a string, if the word tells; of a bit, 0.
        bit: which bit, if the word tells.
        order: the byte order, if the word tells.
    """

    name: str
    family: str = ""
    usual: int = 0
    characters: int = 0
    bit: int | None = None
    order: str = ""


def type_word(text: str) -> TypeWord | None:
    """Read the cell of a type; None: it is none that is known."""
    bare = text.lower().replace("_", " ")
    found = _ORDER.search(bare)
    order = found[1].upper() if found else ""
    bare = _FILLING.sub("", _ORDER.sub("", bare))
    if bare in _TYPES:
        return TypeWord(_TYPES[bare], order=order)
    if bare in _FAMILY:
        return TypeWord("", _FAMILY[bare], _USUAL.get(bare, 0), order=order)
    if text_type := _TEXT.fullmatch(bare):
        return TypeWord("string", characters=int(text_type[1] or 0), order=order)
    if bit := _BIT.fullmatch(bare):
        return TypeWord("bit", bit=int(bit[1]))
    return None


def sized(word: TypeWord, bits: int) -> str:
    """The type of a family and a size; empty: there is none of that size."""
    return f"{word.family}{bits}" if bits in _SIZES[word.family] else ""
