"""The names of types in IEC 61131-3, which PLC programmers write: REAL is our float32.

Rules for whoever changes this: a name means the same in every source that has such types.
"""

from typing import Final

IEC_TYPES: Final = {  # IEC 61131-3, table 10
    "INT": "int16",
    "UINT": "uint16",
    "WORD": "uint16",
    "DINT": "int32",
    "UDINT": "uint32",
    "DWORD": "uint32",
    "LINT": "int64",
    "ULINT": "uint64",
    "LWORD": "uint64",
    "REAL": "float32",
    "LREAL": "float64",
    "BOOL": "bool",
    "STRING": "string",
}
"""Ours by theirs."""


def canonical_type(value: object) -> object:
    """Give our name of a type; what is no name of one stays as it is, for others to refuse."""
    return IEC_TYPES.get(value.upper(), value.lower()) if isinstance(value, str) else value
