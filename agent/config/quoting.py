"""What stands in a file, as a message about it may say it: the value, or only what it is.

Rules for whoever changes this: a value is repeated only where it can be no secret. What stands under a
delicate key may be one, and so may an address, wherever it stands: it holds a user's password, or
that of a chat room, which is a password itself.
"""

import re
from typing import Final

from agent.config.yaml_text import Keys

_NOUNS: Final = {type(None): "nothing", dict: "a map", list: "a list", tuple: "a list"}
_DELICATE: Final = re.compile(r"secret|passw|token|key|bearer|auth|signing|credential", re.IGNORECASE)
_WORD: Final = re.compile(r"[\w.*?{}-]{1,40}")
_LONGEST_QUOTE: Final = 40


def shown(value: object, path: Keys) -> str:
    """Say what stands there; the value itself only where it can be no secret."""
    if (noun := _NOUNS.get(type(value))) is not None:
        return noun
    if isinstance(value, bool):
        return "true" if value else "false"
    if any(_DELICATE.search(str(step)) for step in path):
        return "a text" if isinstance(value, str) else "a number"
    if isinstance(value, str) and "://" in value:
        return "an address"
    if isinstance(value, str):
        return f'the text "{value}"' if len(value) <= _LONGEST_QUOTE else "a long text"
    return f"the number {value}"


def hint(expected: str, value: object, got: str) -> str:
    """Say how it is mended, where what stands there shows what was meant; empty if it does not."""
    match expected, value:
        case "text", {"each": None}:
            return ": a text that begins with `{` needs quotes"
        case "text", bool() | int() | float():
            return ": put it in quotes"
        case "a number" | "a whole number", str():
            return number_hint(value)
        case "a list", str() if _WORD.fullmatch(value) and not got.startswith("a text"):
            return f': write ["{value}"]'
        case "true or false", str() if value.lower() in {"yes", "on", "no", "off"}:
            return f": write {'true' if value.lower() in {'yes', 'on'} else 'false'}"
        case _:
            return ""


def number_hint(text: str) -> str:
    """Say how a number is written that YAML reads as text; empty if there is nothing to say."""
    if re.fullmatch(r"[-+]?\d+,\d+", text):
        return f": write {text.replace(',', '.')}"
    return ": drop the leading zero" if re.fullmatch(r"[-+]?0\d+(\.\d*)?", text) else ""
