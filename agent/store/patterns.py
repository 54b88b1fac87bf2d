"""What a person writes to choose rows, as SQL understands it: `*` is anything, `?` one character.

The same two signs as in subscriptions; case does not matter (SQLite's LIKE).
"""

from typing import Final

ESCAPE: Final = "ESCAPE '\\'"
_SIGNS: Final = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_", "*": "%", "?": "_"})


def whole(text: str | None) -> str | None:
    """The pattern for LIKE that fits all of a text; None stays None."""
    return None if text is None else text.translate(_SIGNS)


def beginning(text: str | None) -> str | None:
    """The same, but a text without `*` and `?` fits whatever begins so: reasons carry numbers and answers."""
    if text is None:
        return None
    return text.translate(_SIGNS) + ("" if {"*", "?"} & set(text) else "%")
