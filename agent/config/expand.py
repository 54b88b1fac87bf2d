"""`for_each`: one rule as written, an instance for each name.

Rules for whoever changes this: `{each}` is replaced in every text of the rule before anything looks
at it, so no other part of the house knows of it; only columns are counted back to what is written.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from agent.config.inside import EACH
from agent.config.rules import INSTANCE_NAME, RuleSection
from agent.config.walk import texts_in
from agent.config.yaml_text import Keys, Plain

_AS_WRITTEN: Final = ("for_each", "was")  # a rule that had instances before had them under the same names


@dataclass(frozen=True, slots=True)
class Written:
    """One instance of a rule, validated.

    Attributes:
        rule: the rule's id in the file.
        each: the name that stood in for `{each}`; empty for a rule without `for_each`.
        section: what it says, with that name in it.
    """

    rule: str
    each: str
    section: RuleSection

    @property
    def name(self) -> str:
        """Of the instance; the bits of a word come after it."""
        return f"{self.rule}/{self.each}" if self.each else self.rule

    @property
    def names(self) -> list[str]:
        """Of the instances that come of it: one for each bit."""
        bits = self.section.bits
        return [self.name] if bits is None else [f"{self.name}/{bit}" for bit in bits.values()]


def expand(entry: Plain) -> Iterator[tuple[str, Plain]]:
    """Give the name and the text of each instance; as it is where `for_each` is none or no list of names."""
    names = entry.get("for_each") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(names, list) or not names:
        yield "", entry
        return
    if not all(isinstance(name, str) and re.fullmatch(INSTANCE_NAME, name) for name in names):
        yield "", entry
        return
    for name in dict.fromkeys(map(str, names)):
        yield name, {key: of if key in _AS_WRITTEN else _filled(of, name) for key, of in entry.items()}


def wrong_use(entry: Plain) -> Iterator[tuple[Keys, str]]:
    """Give path and text of what is wrong with `for_each` and `{each}` in a rule as written."""
    if not isinstance(entry, dict):
        return
    names = entry.get("for_each")
    used = [path for path, text in texts_in(entry, ()) if EACH in str(text)]
    if "for_each" not in entry:
        yield from (
            (path, f"{EACH} stands for nothing without for_each: add for_each: [P101, P102]")
            for path in used[:1]
        )
    elif isinstance(names, list):
        if not used and len(names) > 1:
            yield ("for_each",), f'it makes equal rules: write {EACH} where the name belongs: "{EACH}.FLOW"'
        for index, name in enumerate(names):
            if name in names[:index]:
                yield ("for_each", index), f"{name} is given twice: delete one of them"


def _filled(data: Plain, each: str) -> Plain:
    match data:
        case str():
            return data.replace(EACH, each)
        case dict():
            return {key: _filled(value, each) for key, value in data.items()}
        case list():
            return [_filled(value, each) for value in data]
        case _:
            return data
