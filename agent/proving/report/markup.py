"""HTML and SVG as text, in which nothing from outside is ever markup.

Rules for whoever changes it: a plain `str` is text and is escaped, a `Markup` is markup and is not; only
this module makes a `Markup` out of text. No `style` attribute is ever written: the page's policy refuses it.
"""

import html
import re
from collections.abc import Iterable
from typing import Final, TypeAlias

Attribute: TypeAlias = str | int | float | bool | None

_VOID: Final = frozenset({"meta", "br", "col"})
# Control characters, lone surrogates (no UTF-8 has them) and the marks that turn the direction of
# writing: a rule's name must not rearrange the line in which it stands.
_UNPRINTABLE: Final = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


NOTHING: Final = Markup()


def escape(text: str) -> Markup:
    """Write a text so that it reads as itself, in an element as well as in an attribute."""
    return text if isinstance(text, Markup) else Markup(html.escape(_UNPRINTABLE.sub("\ufffd", text)))


def several(children: Iterable[str]) -> Markup:
    """Put children one after the other."""
    return Markup("".join(map(escape, children)))


def verbatim(text: str) -> Markup:
    """Take the package's own style sheet or script; never anything that was read elsewhere."""
    return Markup(text)


def element(name: str, /, *children: str, **attributes: Attribute) -> Markup:
    """Write an element; `class_` is `class`, `aria_label` is `aria-label`; None and False are left out."""
    start = f"<{name}{''.join(map(_attribute, attributes.items()))}>"
    return Markup(start if name in _VOID else f"{start}{several(children)}</{name}>")


def _attribute(item: tuple[str, Attribute]) -> str:
    name, value = item
    match value:
        case None | False:
            return ""
        case True:
            return f" {_spelled(name)}"
        case float():
            return f' {_spelled(name)}="{short(value)}"'
        case _:
            return f' {_spelled(name)}="{escape(str(value))}"'


def _spelled(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def short(value: float) -> str:
    """Write a coordinate: four places at the most, no trailing zeros."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
